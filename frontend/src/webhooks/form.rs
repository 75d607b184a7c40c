//! The form of a webhook: URL, description and events.

use leptos::{ev, prelude::*};
use shared::{
    problem::Problem,
    webhook::{Webhook, WebhookChange, WebhookEvent, WebhookInput},
};
use wasm_bindgen_futures::spawn_local;

use super::requests;
use crate::ui::{Choices, FormButtons, FormErrorNotice, Modal, Submission, TextField, of_field};

/// Result of saving.
pub enum Saved {
    /// A new webhook, with its secret.
    New(String),
    Changed,
}

#[component]
pub fn WebhookDialog(
    open: RwSignal<bool>,
    /// The webhook to change; `None` for a new one. Read when the dialog opens.
    #[prop(into)]
    webhook: Signal<Option<Webhook>>,
    on_saved: impl Fn(Saved) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let title =
        Signal::derive(move || if webhook.with(Option::is_some) { "Edit webhook" } else { "Add webhook" }.to_owned());
    view! {
        <Modal open title id="webhook-dialog">
            // Created each time with the current values.
            <Show when=move || open.get()>
                <WebhookForm open webhook=webhook.get_untracked() on_saved />
            </Show>
        </Modal>
    }
}

#[derive(Clone, Copy)]
struct FormState {
    url: RwSignal<String>,
    description: RwSignal<String>,
    events: RwSignal<Vec<WebhookEvent>>,
    submission: Submission,
}

impl FormState {
    fn new(webhook: Option<&Webhook>) -> Self {
        Self {
            url: RwSignal::new(webhook.map_or_else(String::new, |webhook| webhook.url.clone())),
            description: RwSignal::new(webhook.map_or_else(String::new, |webhook| webhook.description.clone())),
            events: RwSignal::new(webhook.map_or_else(|| WebhookEvent::DEFAULT.to_vec(), |w| w.events.clone())),
            submission: Submission::default(),
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

    /// Returns the error of a field, once the user tried to save.
    fn problem_of(self, field: &'static str, label: &'static str) -> Memo<Option<String>> {
        let server_error = self.submission.of(field);
        Memo::new(move |_| {
            let errors = if self.submission.submitted.get() { self.input().check() } else { Vec::new() };
            let found = of_field(&errors, field).or_else(|| server_error.get());
            found.map(|problem| format!("{label} {problem}"))
        })
    }
}

#[component]
fn WebhookForm(
    open: RwSignal<bool>,
    webhook: Option<Webhook>,
    on_saved: impl Fn(Saved) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let form = FormState::new(webhook.as_ref());
    form.submission.clear_error_on(move || {
        form.input();
    });
    let id = webhook.map(|webhook| webhook.id);
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let input = untrack(|| form.input());
        if !form.submission.begin(&input.check()) {
            return;
        }
        spawn_local(async move {
            match save(id, input).await {
                Ok(saved) => {
                    open.try_set(false);
                    on_saved(saved);
                }
                Err(problem) => form.submission.fail(problem),
            }
        });
    };
    let label = if id.is_some() { "Save" } else { "Add webhook" };
    view! {
        <form class="webhook-form" novalidate on:submit=submit data-testid="webhook-form">
            <FormErrorNotice
                problem=form.submission.server_error
                title="Couldn't save"
                testid="webhook-problem"
                plain=true
            />
            <Fields form />
            <FormButtons open busy=form.submission.busy label testid="save-webhook" />
        </form>
    }
}

#[component]
fn Fields(form: FormState) -> impl IntoView {
    view! {
        <TextField
            id="webhook-url"
            label="URL"
            value=form.url
            problem=form.problem_of("url", "URL")
            error_testid="error-url"
            focus=true
            spellcheck="false"
            inputmode="url"
            placeholder="https://example.com/hooks/loadify"
        />
        <TextField
            id="webhook-description"
            label="Description"
            value=form.description
            problem=form.problem_of("description", "Description")
            error_testid="error-description"
            spellcheck="false"
            inputmode="text"
            placeholder="Optional"
        />
        <Choices
            legend="Events"
            all=&WebhookEvent::SUBSCRIBABLE
            ticked=form.events
            word=WebhookEvent::as_str
            note=WebhookEvent::description
            testid="event"
            problem=form.problem_of("events", "Events:")
            error_testid="error-events"
        />
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
