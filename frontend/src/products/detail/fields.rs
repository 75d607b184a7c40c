//! The fields of the form of a product.

use leptos::{html, prelude::*};

use super::form_state::FormState;

#[component]
pub fn TextField(
    state: FormState,
    /// Its name in the API.
    field: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    /// Takes the focus when the form opens.
    focus: bool,
) -> impl IntoView {
    let input = NodeRef::<html::Input>::new();
    Effect::new(move |_| {
        if let Some(input) = input.get().filter(|_| focus) {
            let _ = input.focus();
        }
    });
    let problem = Memo::new(move |_| state.problem_of(field));
    let error_id = format!("{field}-error");
    view! {
        <div class="field">
            <label class="field-label" for=format!("field-{field}")>
                {label}
            </label>
            <input
                class="input"
                dir="auto"
                id=format!("field-{field}")
                data-testid=format!("field-{field}")
                node_ref=input
                required
                autocomplete="off"
                aria-invalid=move || problem.get().is_some().then_some("true")
                aria-describedby=error_id.clone()
                prop:value=value
                on:input=move |event| value.set(event_target_value(&event))
                on:blur=move |_| {
                    // It also loses the focus when the form is removed.
                    if value.try_with_untracked(|value| !value.is_empty()) == Some(true) {
                        state.touch(field);
                    }
                }
            />
            <p class="field-error" id=error_id role="alert" data-testid=format!("error-{field}")>
                {move || problem.get().map(|problem| format!("{label} {problem}"))}
            </p>
        </div>
    }
}

#[component]
pub fn DescriptionField(state: FormState) -> impl IntoView {
    let value = state.description;
    let problem = Memo::new(move |_| state.problem_of("description"));
    view! {
        <div class="field">
            <label class="field-label" for="field-description">"Description"</label>
            <textarea
                class="input"
                dir="auto"
                id="field-description"
                data-testid="field-description"
                rows="6"
                aria-invalid=move || problem.get().is_some().then_some("true")
                aria-describedby="description-error"
                prop:value=value
                on:input=move |event| {
                    value.set(event_target_value(&event));
                    state.touch("description");
                }
            ></textarea>
            <p class="field-error" id="description-error" role="alert">
                {move || problem.get().map(|problem| format!("Description {problem}"))}
            </p>
        </div>
    }
}

#[component]
pub fn ActiveField(state: FormState) -> impl IntoView {
    view! {
        <label class="field field-check">
            <input
                type="checkbox"
                class="tick"
                data-testid="field-active"
                prop:checked=state.active
                on:change=move |event| state.active.set(event_target_checked(&event))
            />
            <span>"Active"</span>
        </label>
    }
}
