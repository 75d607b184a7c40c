use leptos::{html, prelude::*};

/// Asks before something is done that cannot be undone. Native `<dialog>`: Escape closes it, the focus stays inside
/// and begins at the first button, which does nothing.
#[component]
pub fn ConfirmDialog(
    /// Whether it is shown; set to false when it is closed.
    open: RwSignal<bool>,
    /// The question.
    title: &'static str,
    /// What the button says that does it.
    confirm: &'static str,
    /// What the button says that does not.
    dismiss: &'static str,
    /// Name of the confirming button for tests.
    testid: &'static str,
    on_confirm: impl Fn() + 'static,
    /// What will happen.
    children: Children,
) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = dialog.get() else { return };
        match (open.get(), dialog.open()) {
            // It fails only for a dialog that is open or not in the page.
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    let confirmed = move |_| {
        open.set(false);
        on_confirm();
    };
    view! {
        <dialog class="dialog" node_ref=dialog aria-labelledby="dialog-title" on:close=move |_| open.set(false)>
            <h2 id="dialog-title">{title}</h2>
            {children()}
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>
                    {dismiss}
                </button>
                <button type="button" class="button button-danger" data-testid=testid on:click=confirmed>
                    {confirm}
                </button>
            </div>
        </dialog>
    }
}
