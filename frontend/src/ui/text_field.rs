//! A text field with its label and error.

use leptos::{html, prelude::*};

#[component]
pub fn TextField(
    /// Unique id, also for tests; that of the error ends with `-error`.
    id: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    /// The error, as a sentence.
    #[prop(into)]
    problem: Signal<Option<String>>,
    /// Another test id for the error.
    #[prop(optional)]
    error_testid: Option<&'static str>,
    /// Takes the focus when it appears.
    #[prop(optional)]
    focus: bool,
    // Attributes of HTML.
    #[prop(default = "off")] autocomplete: &'static str,
    #[prop(optional)] autocapitalize: Option<&'static str>,
    #[prop(optional)] spellcheck: Option<&'static str>,
    #[prop(optional)] inputmode: Option<&'static str>,
    #[prop(optional)] placeholder: Option<&'static str>,
) -> impl IntoView {
    let input = NodeRef::<html::Input>::new();
    Effect::new(move |_| {
        if let Some(input) = input.get().filter(|_| focus) {
            let _ = input.focus();
        }
    });
    let error_id = format!("{id}-error");
    let error_testid = error_testid.map_or_else(|| error_id.clone(), str::to_owned);
    view! {
        <div class="field">
            <label class="field-label" for=id>
                {label}
            </label>
            <input
                class="input"
                dir="auto"
                id=id
                data-testid=id
                node_ref=input
                autocomplete=autocomplete
                autocapitalize=autocapitalize
                spellcheck=spellcheck
                inputmode=inputmode
                placeholder=placeholder
                aria-invalid=move || problem.with(Option::is_some).then_some("true")
                aria-describedby=error_id.clone()
                prop:value=value
                on:input=move |event| value.set(event_target_value(&event))
            />
            <p class="field-error" id=error_id role="alert" data-testid=error_testid>
                {move || problem.get()}
            </p>
        </div>
    }
}
