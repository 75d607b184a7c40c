use leptos::prelude::*;

/// Grey lines in the place of what is being loaded, about as high as that will be.
#[component]
pub fn Skeleton(
    /// Number of lines.
    rows: usize,
) -> impl IntoView {
    view! {
        <div class="skeleton" role="status" aria-label="Loading">
            {(0..rows).map(|_| view! { <div class="skeleton-row"></div> }).collect_view()}
        </div>
    }
}
