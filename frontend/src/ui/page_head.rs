//! The head of a page.

use leptos::prelude::*;

use super::icon::{Glyph, Icon};

/// Title and lead of a page, and its actions.
#[component]
pub fn PageHead(
    title: &'static str,
    lead: &'static str,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <header class="page-head">
            <div>
                <h1>{title}</h1>
                <p class="page-lead">{lead}</p>
            </div>
            {children.map(|children| children())}
        </header>
    }
}

/// A button that opens a dialog to add something.
#[component]
pub fn AddButton(open: RwSignal<bool>, label: &'static str, testid: &'static str) -> impl IntoView {
    view! {
        <button type="button" class="button button-primary" data-testid=testid on:click=move |_| open.set(true)>
            <Icon glyph=Glyph::Plus />
            {label}
        </button>
    }
}
