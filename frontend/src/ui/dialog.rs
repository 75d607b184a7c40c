//! A dialog that asks for confirmation.

use leptos::prelude::*;

use super::modal::Modal;

/// Opens a question when `asked` is set. The returned subject stays until the next question.
pub fn question_about<T: Clone + Send + Sync + 'static>(
    asked: RwSignal<Option<T>>,
) -> (RwSignal<bool>, RwSignal<Option<T>>) {
    let open = RwSignal::new(false);
    let subject = RwSignal::new(None::<T>);
    Effect::new(move |_| {
        if let Some(about) = asked.get() {
            subject.set(Some(about));
            asked.set(None);
            open.set(true);
        }
    });
    (open, subject)
}

/// Asks before an action. The first button, which cancels, has the focus.
#[component]
pub fn ConfirmDialog(
    /// Whether the dialog is open.
    open: RwSignal<bool>,
    /// The question.
    #[prop(into)]
    title: Signal<String>,
    /// Label of the button that confirms.
    #[prop(into)]
    confirm: Signal<String>,
    /// Label of the button that cancels.
    dismiss: &'static str,
    /// Test id of the button that confirms; that of the dialog begins with `dialog-`.
    testid: &'static str,
    on_confirm: impl Fn() + Send + 'static,
    /// Whether the action destroys something.
    #[prop(into, default = true.into())]
    danger: Signal<bool>,
    /// What the action does.
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
                <button
                    type="button"
                    class="button"
                    class:button-danger=danger
                    class:button-primary=move || !danger.get()
                    data-testid=testid
                    on:click=confirmed
                >
                    {confirm}
                </button>
            </div>
        </Modal>
    }
}
