//! The secret of a webhook, the one time that it is shown.

use leptos::prelude::*;

use crate::ui::{CopyField, Modal};

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
    let open = RwSignal::new(false);
    Effect::new(move |_| open.set(shown.with(Option::is_some)));
    Effect::new(move |before: Option<bool>| {
        let open = open.get();
        if before == Some(true) && !open {
            shown.set(None);
        }
        open
    });
    let content = move || shown.get().map(|shown| view! { <Secret shown /> });
    view! {
        <Modal open title="Signing secret" id="secret-dialog">
            {content}
            <div class="dialog-actions">
                <button
                    type="button"
                    class="button button-primary"
                    data-testid="secret-done"
                    on:click=move |_| open.set(false)
                >
                    "I have stored it"
                </button>
            </div>
        </Modal>
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
