use leptos::{html, prelude::*};

use super::draft::{Draft, Entry};
use crate::ui::{Glyph, Icon};

/// The columns that were kept, as pairs of name and value.
#[component]
pub fn Attributes(draft: Draft) -> impl IntoView {
    let add = move |_| draft.add_attribute();
    let problem = move || draft.problem_of("attributes");
    view! {
        <fieldset class="field attributes">
            <legend class="field-label">"Attributes"</legend>
            <For
                each=move || draft.attributes.get()
                key=|entry| entry.key
                children=move |entry| view! { <EntryFields draft entry /> }
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
fn EntryFields(draft: Draft, entry: Entry) -> impl IntoView {
    let Entry { key, name, value, fresh } = entry;
    let field = NodeRef::<html::Input>::new();
    Effect::new(move |_| {
        if let Some(field) = field.get().filter(|_| fresh) {
            let _ = field.focus();
        }
    });
    let problem = Memo::new(move |_| draft.problem_of_entry(key));
    let error_id = format!("attribute-{key}-error");
    view! {
        <div class="attribute" data-testid="attribute">
            <input
                class="input"
                node_ref=field
                data-testid="attribute-name"
                aria-label="Name of an attribute"
                placeholder="Name"
                aria-invalid=move || problem.get().is_some().then_some("true")
                aria-describedby=error_id.clone()
                prop:value=name
                on:input=move |event| name.set(event_target_value(&event))
                on:blur=move |_| draft.touch(&format!("entry {key}"))
            />
            <input
                class="input"
                data-testid="attribute-value"
                aria-label=move || name.with(|name| format!("Value of the attribute {name}"))
                placeholder="Value"
                prop:value=value
                on:input=move |event| value.set(event_target_value(&event))
                on:blur=move |_| draft.touch(&format!("entry {key}"))
            />
            <button
                type="button"
                class="icon-button"
                aria-label=move || name.with(|name| format!("Remove the attribute {name}"))
                title="Remove"
                data-testid="remove-attribute"
                on:click=move |_| draft.attributes.update(|entries| entries.retain(|entry| entry.key != key))
            >
                <Icon glyph=Glyph::Cross />
            </button>
            <p class="field-error" id=error_id role="alert">{move || problem.get()}</p>
        </div>
    }
}
