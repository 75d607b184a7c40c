use leptos::prelude::*;

use super::modal::Modal;

/// Opens a question when something is put into `asked`; what it is about is kept until the next one.
pub fn question_about<T: Clone + Send + Sync + 'static>(
    asked: RwSignal<Option<T>>,
) -> (RwSignal<bool>, RwSignal<Option<T>>) {
    let open = RwSignal::new(false);
    let shown = RwSignal::new(None::<T>);
    Effect::new(move |_| {
        if let Some(about) = asked.get() {
            shown.set(Some(about));
            asked.set(None);
            open.set(true);
        }
    });
    (open, shown)
}

/// Asks before something is done that cannot be undone. The focus begins at the first button, which does nothing.
#[component]
pub fn ConfirmDialog(
    /// Whether it is shown; set to false when it is closed.
    open: RwSignal<bool>,
    /// The question.
    #[prop(into)]
    title: Signal<String>,
    /// What the button says that does it.
    #[prop(into)]
    confirm: Signal<String>,
    /// What the button says that does not.
    dismiss: &'static str,
    /// Name of the confirming button for tests; with `dialog-` before it, that of the dialog.
    testid: &'static str,
    on_confirm: impl Fn() + Send + 'static,
    /// What will happen.
    children: Children,
) -> impl IntoView {
    let confirmed = move |_| {
        open.set(false);
        on_confirm();
    };
    view! {
        <Modal open title id=format!("dialog-{testid}")>
            {children()}
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>
                    {dismiss}
                </button>
                <button type="button" class="button button-danger" data-testid=testid on:click=confirmed>
                    {confirm}
                </button>
            </div>
        </Modal>
    }
}
