//! The note above the products of one import: how many of them are no longer listed, and why.

use leptos::prelude::*;
use shared::search::ProductFilter;

use super::catalogue::Catalogue;
use crate::imports::get_import;
use crate::products::requests;
use crate::ui::format::{counted, thousands};

/// Says how many products of the import in the filter are no longer listed under it. A product is listed under the import
/// that changed it last.
#[component]
pub fn ImportNote() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let id = Memo::new(move |_| catalogue.view.with(|view| view.filter.import));
    let missing = LocalResource::new(move || {
        let id = id.get();
        async move {
            let id = id?;
            let import = get_import(id).await.ok()?;
            let filter = ProductFilter { import: Some(id), ..ProductFilter::default() };
            let listed = requests::count(&filter, None).await.ok()?;
            note(import.counts.created + import.counts.updated, listed)
        }
    });
    move || {
        let text = id.get().and(missing.get().flatten())?;
        Some(view! { <p class="import-note" data-testid="import-note">{text}</p> })
    }
}

fn note(written: i64, listed: i64) -> Option<String> {
    let missing = written - listed;
    (missing > 0).then(|| {
        format!(
            "This import wrote {}. Of these, {} no longer listed here: later imports took them over, or they were deleted.",
            counted(written, "product"),
            if missing == 1 { "1 is".to_owned() } else { format!("{} are", thousands(missing)) },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_products_that_are_missing_are_mentioned() {
        assert_eq!(note(10, 10), None);
        assert!(note(1_200, 200).expect("a note").contains("1,000 are no longer"));
        assert!(note(2, 1).expect("a note").starts_with("This import wrote 2 products. Of these, 1 is no longer"));
    }
}
