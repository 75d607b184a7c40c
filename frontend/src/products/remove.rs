//! Deleting products that were named, and taking it back.

use std::time::Duration;

use leptos::prelude::*;
use shared::{bulk::BulkAction, problem::Problem, product::Product};
use wasm_bindgen_futures::spawn_local;

use super::catalogue::Catalogue;
use super::requests;
use super::selection::Selection;
use crate::ui::format::counted;

/// How long a deletion can be taken back.
const UNDO: Duration = Duration::from_secs(10);

/// Deletes a product at once; the message that says so takes it back.
pub fn remove(catalogue: Catalogue, selection: Selection, product: Product) {
    spawn_local(async move {
        match requests::delete(product.id).await {
            Ok(()) => gone(catalogue, selection, vec![product.id], format!("{} was deleted", product.sku)),
            Err(problem) => catalogue.toasts.refuse(&format!("{} could not be deleted", product.sku), &problem),
        }
    });
}

/// The same for many.
pub async fn remove_named(catalogue: Catalogue, selection: Selection, ids: Vec<i64>) -> Result<(), Problem> {
    let deleted = requests::change_named(BulkAction::Delete, &ids).await?;
    gone(catalogue, selection, ids, format!("{} deleted", counted(deleted, "product")));
    Ok(())
}

fn gone(catalogue: Catalogue, selection: Selection, ids: Vec<i64>, text: String) {
    // The page may have been left meanwhile.
    if !catalogue.listing.is_disposed() {
        selection.forget(&ids);
        catalogue.remove(&ids);
        catalogue.reload();
    }
    catalogue.toasts.offer(text, "Undo", UNDO, move || restore(catalogue, ids.clone()));
}

fn restore(catalogue: Catalogue, ids: Vec<i64>) {
    let toasts = catalogue.toasts;
    spawn_local(async move {
        match requests::restore(&ids).await {
            Ok(outcome) => {
                let back = i64::try_from(outcome.restored.len()).unwrap_or(i64::MAX);
                let lost = i64::try_from(outcome.lost.len()).unwrap_or(i64::MAX);
                match lost {
                    0 => toasts.say(format!("{} restored", counted(back, "product"))),
                    _ => toasts.warn(format!(
                        "{} restored; {} could not be: the SKU is taken, or it is too late",
                        counted(back, "product"),
                        counted(lost, "product"),
                    )),
                }
            }
            Err(problem) => toasts.refuse("The products could not be restored", &problem),
        }
        if !catalogue.listing.is_disposed() {
            catalogue.reload();
        }
    });
}
