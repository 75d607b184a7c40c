//! The dialog that shows a new secret, once.

use leptos::prelude::*;

use crate::ui::{self, CopyField, open_while_some};

/// A secret to show.
#[derive(Debug, Clone)]
pub struct NewSecret {
    pub secret: String,
    /// Advice, in addition to the one that it is not shown again.
    pub note: &'static str,
}

#[component]
pub fn SecretDialog(
    /// Set to show it; cleared when the dialog is closed.
    shown: RwSignal<Option<NewSecret>>,
) -> impl IntoView {
    let open = open_while_some(shown);
    view! {
        <ui::SecretDialog open title="Signing secret" id="secret-dialog" testid="secret-done">
            {move || shown.get().map(|shown| view! { <Secret shown /> })}
        </ui::SecretDialog>
    }
}

#[component]
fn Secret(shown: NewSecret) -> impl IntoView {
    view! {
        <p>"Use it to verify that messages come from Loadify. It is shown only once."</p>
        <p>{shown.note}</p>
        <CopyField text=shown.secret label="Signing secret" testid="secret" />
    }
}
