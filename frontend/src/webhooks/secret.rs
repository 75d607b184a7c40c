//! The secret of a webhook, the one time that it is shown.

use leptos::prelude::*;

use crate::ui::{CopyField, OnceDialog, open_while_some};

/// A secret that is to be shown now.
#[derive(Debug, Clone)]
pub struct Shown {
    pub secret: String,
    /// What is to be known about it beside that it is not shown again.
    pub note: &'static str,
}

#[component]
pub fn SecretDialog(
    /// Set to show it; forgotten when the dialog is closed.
    shown: RwSignal<Option<Shown>>,
) -> impl IntoView {
    let open = open_while_some(shown);
    view! {
        <OnceDialog open title="Signing secret" id="secret-dialog" testid="secret-done">
            {move || shown.get().map(|shown| view! { <Secret shown /> })}
        </OnceDialog>
    }
}

#[component]
fn Secret(shown: Shown) -> impl IntoView {
    view! {
        <p>"The receiver checks with it that a message comes from here. It is shown only now."</p>
        <p>{shown.note}</p>
        <CopyField text=shown.secret label="Signing secret" testid="secret" />
    }
}
