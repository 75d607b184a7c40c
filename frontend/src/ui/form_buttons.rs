//! The buttons of a form in a dialog.

use leptos::prelude::*;

#[component]
pub fn FormButtons(
    /// Whether the dialog is open.
    open: RwSignal<bool>,
    /// Label of the submit button.
    label: &'static str,
    /// Test id of the submit button.
    testid: &'static str,
    /// The form is being sent.
    #[prop(optional)]
    busy: RwSignal<bool>,
    /// Label of the submit button while the form is being sent.
    #[prop(default = "Saving …")]
    busy_label: &'static str,
) -> impl IntoView {
    view! {
        <div class="dialog-actions">
            <button type="button" class="button" on:click=move |_| open.set(false)>
                "Cancel"
            </button>
            <button
                type="submit"
                class="button button-primary"
                data-testid=testid
                aria-disabled=move || busy.get().then_some("true")
            >
                {move || if busy.get() { busy_label } else { label }}
            </button>
        </div>
    }
}
