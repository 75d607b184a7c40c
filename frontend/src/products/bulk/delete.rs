//! Deleting single products, and restoring them.

use std::time::Duration;

use leptos::prelude::*;
use shared::{bulk::BulkAction, problem::Problem, product::Product};
use wasm_bindgen_futures::spawn_local;

use super::selection::Selection;
use crate::products::list::catalogue::Catalogue;
use crate::products::requests;
use crate::ui::format::counted;

/// How long the message offers to undo a deletion.
const UNDO_TIMEOUT: Duration = Duration::from_secs(10);

/// Deletes a product at once; the message about it offers to undo that.
pub fn delete_product(catalogue: Catalogue, selection: Selection, product: Product) {
    spawn_local(async move {
        match requests::delete(product.id).await {
            Ok(()) => remove(catalogue, selection, vec![product.id], format!("{} deleted", product.sku)),
            Err(problem) => catalogue.toasts.fail(&format!("Couldn't delete {}", product.sku), &problem),
        }
    });
}

/// Deletes products at once; the message about it offers to undo that.
pub async fn delete_named(catalogue: Catalogue, selection: Selection, ids: Vec<i64>) -> Result<(), Problem> {
    let deleted = requests::change_named(BulkAction::Delete, &ids).await?;
    remove(catalogue, selection, ids, format!("{} deleted", counted(deleted, "product")));
    Ok(())
}

/// Removes deleted products from the page.
fn remove(catalogue: Catalogue, selection: Selection, ids: Vec<i64>, text: String) {
    // The user may have left the page.
    if !catalogue.listing.is_disposed() {
        selection.remove(&ids);
        catalogue.remove(&ids);
        catalogue.reload();
    }
    catalogue.toasts.offer(text, "Undo", UNDO_TIMEOUT, move || restore(catalogue, ids.clone()));
}

fn restore(catalogue: Catalogue, ids: Vec<i64>) {
    let toasts = catalogue.toasts;
    spawn_local(async move {
        match requests::restore(&ids).await {
            Ok(outcome) => {
                let restored = i64::try_from(outcome.restored.len()).unwrap_or(i64::MAX);
                let restored = counted(restored, "product");
                match outcome.lost.len() {
                    0 => toasts.say(format!("{restored} restored")),
                    lost => toasts.warn(format!(
                        "{restored} restored. {lost} could not be: the SKU is used again, or the deletion is too old."
                    )),
                }
            }
            Err(problem) => toasts.fail("Couldn't restore the products", &problem),
        }
        if !catalogue.listing.is_disposed() {
            catalogue.reload();
        }
    });
}
