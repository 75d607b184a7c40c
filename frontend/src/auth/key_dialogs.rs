//! Creating an API key, and showing it once.

use leptos::{ev, prelude::*};
use shared::{
    auth::{KeyInput, NewKey, Scope, check_name},
    problem::Problem,
};
use wasm_bindgen_futures::spawn_local;

use super::labels::{self, sentence};
use super::requests;
use crate::ui::{
    Choices, CopyField, FormButtons, FormErrorNotice, Modal, SecretDialog, TextField, focus_first_error, of_field,
    open_while_some,
};

/// Lifetimes to choose from, in days, and the default.
const LIFETIMES: [(Option<u32>, &str); 4] =
    [(Some(30), "30 days"), (Some(90), "90 days"), (Some(365), "1 year"), (None, "No expiry")];
const DEFAULT_LIFETIME: Option<u32> = Some(90);

#[component]
pub fn CreateKeyDialog(
    open: RwSignal<bool>,
    on_created: impl Fn(NewKey) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    view! {
        <Modal open title="Create API key" id="create-key-dialog">
            <Show when=move || open.get()>
                <CreateKeyForm open on_created />
            </Show>
        </Modal>
    }
}

#[derive(Clone, Copy)]
struct FormState {
    name: RwSignal<String>,
    scopes: RwSignal<Vec<Scope>>,
    lifetime: RwSignal<Option<u32>>,
    submitted: RwSignal<bool>,
    busy: RwSignal<bool>,
    server_error: RwSignal<Option<Problem>>,
}

impl FormState {
    fn new() -> Self {
        Self {
            name: RwSignal::new(String::new()),
            scopes: RwSignal::new(vec![Scope::ProductsRead]),
            lifetime: RwSignal::new(DEFAULT_LIFETIME),
            submitted: RwSignal::new(false),
            busy: RwSignal::new(false),
            server_error: RwSignal::new(None),
        }
    }

    fn input(self) -> KeyInput {
        KeyInput {
            name: self.name.get().trim().to_owned(),
            scopes: self.scopes.get(),
            expires_in_days: self.lifetime.get(),
        }
    }

    /// The error of a field, once the form was submitted.
    fn error_of(self, field: &'static str, label: &'static str) -> Memo<Option<String>> {
        Memo::new(move |_| {
            let errors = if self.submitted.get() { self.input().check() } else { Vec::new() };
            let server_error = || self.server_error.with(|problem| of_field(&problem.as_ref()?.errors, field));
            of_field(&errors, field).or_else(server_error).map(|message| sentence(label, &message))
        })
    }

    /// The error of the name: that it is too long while it is typed, that it is missing after the form was submitted.
    fn name_error(self) -> Signal<Option<String>> {
        let error = self.error_of("name", "Name");
        let while_typing =
            move || check_name(&self.name.read()).filter(|_| self.name.with(|name| !name.trim().is_empty()));
        Signal::derive(move || error.get().or_else(|| while_typing().map(|error| sentence("Name", &error.message))))
    }
}

#[component]
fn CreateKeyForm(open: RwSignal<bool>, on_created: impl Fn(NewKey) + Copy + Send + Sync + 'static) -> impl IntoView {
    let form = FormState::new();
    Effect::new(move |_| {
        form.input();
        form.server_error.set(None);
    });
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        form.submitted.set(true);
        let input = untrack(|| form.input());
        if !input.check().is_empty() {
            focus_first_error();
            return;
        }
        if form.busy.get_untracked() {
            return;
        }
        form.busy.set(true);
        spawn_local(async move {
            match requests::create_key(&input).await {
                Ok(key) => {
                    open.try_set(false);
                    on_created(key);
                }
                Err(problem) => {
                    form.busy.try_set(false);
                    form.server_error.try_set(Some(problem));
                    focus_first_error();
                }
            }
        });
    };
    view! {
        <form class="webhook-form" novalidate on:submit=submit data-testid="key-form">
            <FormErrorNotice problem=form.server_error title="Couldn't create the key" testid="key-problem" />
            <TextField
                id="key-name"
                label="Name"
                value=form.name
                problem=form.name_error()
                focus=true
                placeholder="Nightly import"
            />
            <Choices
                legend="Scopes"
                all=&Scope::ALL
                ticked=form.scopes
                word=Scope::as_str
                note=labels::scope_note
                testid="scope"
                problem=form.error_of("scopes", "Scopes")
                error_testid="scopes-error"
            />
            <Lifetimes form />
            <FormButtons open busy=form.busy label="Create key" busy_label="Creating …" testid="save-key" />
        </form>
    }
}

#[component]
fn Lifetimes(form: FormState) -> impl IntoView {
    let choice = move |(days, label): (Option<u32>, &'static str)| {
        view! {
            <button
                type="button"
                class="segment"
                data-testid=format!("lifetime-{}", days.unwrap_or(0))
                aria-pressed=move || (form.lifetime.get() == days).to_string()
                on:click=move |_| form.lifetime.set(days)
            >
                {label}
            </button>
        }
    };
    view! {
        <div class="field">
            <span class="field-label" id="key-lifetime">"Expires in"</span>
            <div class="segments segments-wide" role="group" aria-labelledby="key-lifetime">
                {LIFETIMES.map(choice).collect_view()}
            </div>
        </div>
    }
}

#[component]
pub fn NewKeyDialog(
    /// The key to show; reset when the dialog is closed.
    created: RwSignal<Option<NewKey>>,
) -> impl IntoView {
    let open = open_while_some(created);
    view! {
        <SecretDialog open title="Your new API key" id="new-key-dialog" testid="key-done">
            {move || created.get().map(|key| view! { <Secret key_=key /> })}
        </SecretDialog>
    }
}

#[component]
fn Secret(key_: NewKey) -> impl IntoView {
    let origin = window().location().origin().unwrap_or_default();
    let example = curl(&origin, &key_.key.scopes);
    view! {
        <p>"Copy it now: it is not shown again. Store it like a password."</p>
        <CopyField text=key_.secret label="API key" testid="key-secret" />
        <p>"Set it as an environment variable and run:"</p>
        <pre class="format-sample" tabindex="0" aria-label="Example" data-testid="key-example"><code>{example}</code></pre>
    }
}

/// Reads the key from the environment: as part of a command it would stay in the history of the shell.
fn curl(origin: &str, scopes: &[Scope]) -> String {
    let path = labels::example_path(scopes);
    format!("curl -H \"Authorization: Bearer $LOADIFY_KEY\" \\\n  '{origin}/api/v1{path}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_one_command_without_the_key() {
        let example = curl("https://loadify.example", &[Scope::ProductsRead]);
        assert!(example.contains("'https://loadify.example/api/v1/products?limit=5'"), "{example}");
        assert!(example.lines().all(|line| line.ends_with('\\') || line.ends_with('\'')), "{example}");
    }
}
