use leptos::{html, prelude::*};

/// A line of text with its label, and below it what is wrong.
#[component]
pub fn TextField(
    /// Unique on the page, also for tests; with `-error` behind it, that of what is wrong.
    id: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    /// What is wrong with it, as a sentence.
    #[prop(into)]
    problem: Signal<Option<String>>,
    /// What is wrong has another name for tests.
    #[prop(optional)]
    error_testid: Option<&'static str>,
    /// The focus begins here.
    #[prop(optional)]
    focus: bool,
    // The others are attributes of HTML.
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
