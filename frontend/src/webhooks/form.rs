//! Where a webhook leads and what it is told of: for a new one, and for one that is there.

use leptos::{ev, html, prelude::*};
use shared::{FieldError, Problem, Webhook, WebhookChange, WebhookEvent, WebhookInput};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;

use super::{requests, words};
use crate::ui::Modal;

/// What was saved.
pub enum Saved {
    /// A new one, and its secret.
    New(String),
    Changed,
}

#[component]
pub fn WebhookDialog(
    open: RwSignal<bool>,
    /// The one to change; a new one where there is none. Read when the dialog opens.
    #[prop(into)]
    webhook: Signal<Option<Webhook>>,
    on_saved: impl Fn(Saved) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let title =
        Signal::derive(move || if webhook.with(Option::is_some) { "Edit webhook" } else { "Add webhook" }.to_owned());
    view! {
        <Modal open title id="webhook-dialog">
            // Made anew each time, with what is there then.
            <Show when=move || open.get()>
                <WebhookForm open webhook=webhook.get_untracked() on_saved />
            </Show>
        </Modal>
    }
}

#[derive(Clone, Copy)]
struct Draft {
    url: RwSignal<String>,
    description: RwSignal<String>,
    events: RwSignal<Vec<WebhookEvent>>,
    submitted: RwSignal<bool>,
    saving: RwSignal<bool>,
    /// What the server found wrong, until the form changes.
    refused: RwSignal<Option<Problem>>,
}

impl Draft {
    fn new(webhook: Option<&Webhook>) -> Self {
        Self {
            url: RwSignal::new(webhook.map_or_else(String::new, |webhook| webhook.url.clone())),
            description: RwSignal::new(webhook.map_or_else(String::new, |webhook| webhook.description.clone())),
            events: RwSignal::new(webhook.map_or_else(|| WebhookEvent::CHOICES[..3].to_vec(), |w| w.events.clone())),
            submitted: RwSignal::new(false),
            saving: RwSignal::new(false),
            refused: RwSignal::new(None),
        }
    }

    fn input(self) -> WebhookInput {
        WebhookInput {
            url: self.url.get().trim().to_owned(),
            description: self.description.get().trim().to_owned(),
            events: self.events.get(),
            enabled: true,
        }
    }

    /// What is wrong with a field, once the person wanted to save.
    fn problem_of(self, field: &str) -> Option<String> {
        let found = |errors: &[FieldError]| errors.iter().find(|e| e.field == field).map(|e| e.message.clone());
        if !self.submitted.get() {
            return None;
        }
        found(&self.input().check()).or_else(|| self.refused.with(|problem| found(&problem.as_ref()?.errors)))
    }

    fn toggle(self, event: WebhookEvent) {
        self.refused.set(None);
        // In the order of the choices, whichever was ticked first.
        self.events.update(|events| {
            let ticked = |choice: &WebhookEvent| events.contains(choice) != (*choice == event);
            *events = WebhookEvent::CHOICES.into_iter().filter(ticked).collect();
        });
    }
}

#[component]
fn WebhookForm(
    open: RwSignal<bool>,
    webhook: Option<Webhook>,
    on_saved: impl Fn(Saved) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let draft = Draft::new(webhook.as_ref());
    let id = webhook.map(|webhook| webhook.id);
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        draft.submitted.set(true);
        draft.refused.set(None);
        let input = untrack(|| draft.input());
        if !input.check().is_empty() {
            focus_first_error();
            return;
        }
        if draft.saving.get_untracked() {
            return;
        }
        draft.saving.set(true);
        spawn_local(async move {
            let saved = save(id, input).await;
            draft.saving.try_set(false);
            match saved {
                Ok(saved) => {
                    open.try_set(false);
                    on_saved(saved);
                }
                Err(problem) => {
                    draft.refused.try_set(Some(problem));
                    focus_first_error();
                }
            }
        });
    };
    let label = move || match (draft.saving.get(), id) {
        (true, _) => "Saving …",
        (false, None) => "Add webhook",
        (false, Some(_)) => "Save",
    };
    view! {
        <form class="webhook-form" novalidate on:submit=submit data-testid="webhook-form">
            <Refusal draft />
            <TextField draft field="url" label="URL" value=draft.url hint="https://example.com/hooks/loadify" />
            <TextField draft field="description" label="Description" value=draft.description hint="For people; may be empty" />
            <Events draft />
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>
                    "Cancel"
                </button>
                <button
                    type="submit"
                    class="button button-primary"
                    data-testid="save-webhook"
                    aria-disabled=move || draft.saving.get().then_some("true")
                >
                    {label}
                </button>
            </div>
        </form>
    }
}

async fn save(id: Option<i64>, input: WebhookInput) -> Result<Saved, Problem> {
    let Some(id) = id else {
        return requests::create(&input).await.map(|new| Saved::New(new.secret));
    };
    let change = WebhookChange {
        url: Some(input.url),
        description: Some(input.description),
        events: Some(input.events),
        enabled: None,
    };
    requests::change(id, &change).await.map(|_| Saved::Changed)
}

fn focus_first_error() {
    // After the errors are drawn.
    request_animation_frame(|| {
        let field = document().query_selector("[data-testid=webhook-form] [aria-invalid=true]").ok().flatten();
        if let Some(field) = field.and_then(|field| field.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _ = field.focus();
        }
    });
}

/// Why it was not saved, where that is not the matter of a single field.
#[component]
fn Refusal(draft: Draft) -> impl IntoView {
    move || {
        let problem = draft.refused.get().filter(|problem| problem.errors.is_empty())?;
        Some(view! {
            <div class="notice" data-tone="bad" role="alert" data-testid="webhook-problem">
                <div class="notice-body">
                    <p class="notice-title">"This was not saved"</p>
                    <p>{problem.detail}</p>
                </div>
            </div>
        })
    }
}

#[component]
fn TextField(
    draft: Draft,
    field: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    hint: &'static str,
) -> impl IntoView {
    let input = NodeRef::<html::Input>::new();
    Effect::new(move |_| {
        if let Some(input) = input.get().filter(|_| field == "url") {
            let _ = input.focus();
        }
    });
    let problem = Memo::new(move |_| draft.problem_of(field));
    view! {
        <div class="field">
            <label class="field-label" for=format!("webhook-{field}")>
                {label}
            </label>
            <input
                class="input"
                id=format!("webhook-{field}")
                data-testid=format!("webhook-{field}")
                node_ref=input
                autocomplete="off"
                spellcheck="false"
                inputmode=if field == "url" { "url" } else { "text" }
                placeholder=hint
                aria-invalid=move || problem.get().is_some().then_some("true")
                aria-describedby=format!("webhook-{field}-error")
                prop:value=value
                on:input=move |event| {
                    draft.refused.set(None);
                    value.set(event_target_value(&event));
                }
            />
            <p class="field-error" id=format!("webhook-{field}-error") role="alert" data-testid=format!("error-{field}")>
                {move || problem.get().map(|problem| format!("{label} {problem}"))}
            </p>
        </div>
    }
}

#[component]
fn Events(draft: Draft) -> impl IntoView {
    let problem = Memo::new(move |_| draft.problem_of("events"));
    let choice = move |event: WebhookEvent| {
        view! {
            <label class="event-choice">
                <input
                    type="checkbox"
                    class="tick"
                    data-testid=format!("event-{}", event.as_str())
                    aria-invalid=move || problem.get().is_some().then_some("true")
                    prop:checked=move || draft.events.with(|events| events.contains(&event))
                    on:change=move |_| draft.toggle(event)
                />
                <span>
                    <code>{event.as_str()}</code>
                    <span class="event-note">{words::event(event)}</span>
                </span>
            </label>
        }
    };
    view! {
        <fieldset class="field event-choices">
            <legend class="field-label">"Events"</legend>
            {WebhookEvent::CHOICES.map(choice).collect_view()}
            <p class="field-error" role="alert" data-testid="error-events">
                {move || problem.get().map(|problem| format!("Events: {problem}"))}
            </p>
        </fieldset>
    }
}
