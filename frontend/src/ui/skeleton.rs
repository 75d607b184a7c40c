//! A placeholder for a list that is loading.

use leptos::prelude::*;

/// Placeholder rows, about as high as the content will be.
#[component]
pub fn Skeleton(
    /// Number of rows.
    rows: usize,
) -> impl IntoView {
    view! {
        <div class="skeleton" role="status" aria-label="Loading">
            {(0..rows).map(|_| view! { <div class="skeleton-row"></div> }).collect_view()}
        </div>
    }
}
