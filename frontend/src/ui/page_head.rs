use leptos::prelude::*;

use super::icon::{Glyph, Icon};

/// The head of a page: what it is called, in a sentence what it is for, and beside that what can be done.
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

/// The button of a page that opens the dialog in which something is added.
#[component]
pub fn AddButton(open: RwSignal<bool>, label: &'static str, testid: &'static str) -> impl IntoView {
    view! {
        <button type="button" class="button button-primary" data-testid=testid on:click=move |_| open.set(true)>
            <Icon glyph=Glyph::Plus />
            {label}
        </button>
    }
}
