//! The attributes in the form of a product.

use leptos::{html, prelude::*};

use super::form_state::{Entry, FormState};
use crate::ui::{Glyph, Icon};

#[component]
pub fn Attributes(state: FormState) -> impl IntoView {
    let add = move |_| state.add_attribute();
    let problem = move || state.problem_of("attributes");
    view! {
        <fieldset class="field attributes">
            <legend class="field-label">"Attributes"</legend>
            <For
                each=move || state.attributes.get()
                key=|entry| entry.key
                children=move |entry| view! { <EntryFields state entry /> }
            />
            <p class="field-error" role="alert">{problem}</p>
            <button type="button" class="button" data-testid="add-attribute" on:click=add>
                <Icon glyph=Glyph::Plus />
                "Add attribute"
            </button>
        </fieldset>
    }
}

#[component]
fn EntryFields(state: FormState, entry: Entry) -> impl IntoView {
    let Entry { key, name, value, is_new } = entry;
    let field = NodeRef::<html::Input>::new();
    Effect::new(move |_| {
        if let Some(field) = field.get().filter(|_| is_new) {
            let _ = field.focus();
        }
    });
    let problem = Memo::new(move |_| state.problem_of_entry(key));
    let error_id = format!("attribute-{key}-error");
    view! {
        <div class="attribute" data-testid="attribute">
            <input
                class="input"
                node_ref=field
                data-testid="attribute-name"
                dir="auto"
                aria-label="Attribute name"
                placeholder="Name"
                aria-invalid=move || problem.get().is_some().then_some("true")
                aria-describedby=error_id.clone()
                prop:value=name
                on:input=move |event| name.set(event_target_value(&event))
                on:blur=move |_| state.touch(&format!("entry {key}"))
            />
            <input
                class="input"
                dir="auto"
                data-testid="attribute-value"
                aria-label=move || name.with(|name| format!("Value of {name}"))
                placeholder="Value"
                prop:value=value
                on:input=move |event| value.set(event_target_value(&event))
                on:blur=move |_| state.touch(&format!("entry {key}"))
            />
            <button
                type="button"
                class="icon-button"
                aria-label=move || name.with(|name| format!("Remove attribute {name}"))
                title="Remove"
                data-testid="remove-attribute"
                on:click=move |_| state.attributes.update(|entries| entries.retain(|entry| entry.key != key))
            >
                <Icon glyph=Glyph::Cross />
            </button>
            <p class="field-error" id=error_id role="alert">{move || problem.get()}</p>
        </div>
    }
}
