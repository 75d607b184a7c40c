use leptos::prelude::*;

use super::modal::Modal;

/// Opens when there is something to show, and forgets that when it closes.
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

/// Shows a secret the one time that it is shown.
#[component]
pub fn OnceDialog(
    /// Whether it is shown: that of [`open_while_some`].
    open: RwSignal<bool>,
    title: &'static str,
    /// Its name, unique on the page, also for tests.
    id: &'static str,
    /// Name of the button that closes it for tests.
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
                    "I have stored it"
                </button>
            </div>
        </Modal>
    }
}
