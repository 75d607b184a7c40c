//! A dialog that shows a secret once.

use leptos::prelude::*;

use super::modal::Modal;

/// Returns a signal that is true while `shown` has a value. Setting it to false removes the value.
pub fn open_while_some<T: Send + Sync + 'static>(shown: RwSignal<Option<T>>) -> RwSignal<bool> {
    let open = RwSignal::new(false);
    Effect::new(move |_| open.set(shown.with(Option::is_some)));
    Effect::new(move |before: Option<bool>| {
        let open = open.get();
        if before == Some(true) && !open {
            shown.set(None);
        }
        open
    });
    open
}

/// Shows a secret that cannot be shown again.
#[component]
pub fn SecretDialog(
    /// Whether the dialog is open, from [`open_while_some`].
    open: RwSignal<bool>,
    title: &'static str,
    /// Unique id, also for tests.
    id: &'static str,
    /// Test id of the button that closes the dialog.
    testid: &'static str,
    children: Children,
) -> impl IntoView {
    view! {
        <Modal open title id>
            {children()}
            <div class="dialog-actions">
                <button
                    type="button"
                    class="button button-primary"
                    data-testid=testid
                    on:click=move |_| open.set(false)
                >
                    "Done"
                </button>
            </div>
        </Modal>
    }
}
