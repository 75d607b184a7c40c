use leptos::prelude::*;

/// The end of a form in a dialog: the way out, and the button that sends it.
#[component]
pub fn FormButtons(
    /// Whether the dialog is shown; set to false by the way out.
    open: RwSignal<bool>,
    /// What the button says that sends it.
    label: &'static str,
    /// Name of that button for tests.
    testid: &'static str,
    /// It is on its way.
    #[prop(optional)]
    busy: RwSignal<bool>,
    /// What the button says meanwhile.
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
