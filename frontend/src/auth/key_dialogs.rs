//! Making a key, and the one time that it is shown.

use leptos::{ev, prelude::*};
use shared::{
    auth::{KeyInput, NewKey, Scope, check_name},
    problem::Problem,
};
use wasm_bindgen_futures::spawn_local;

use super::requests;
use super::words::{self, sentence};
use crate::ui::{
    Choices, CopyField, FormButtons, Modal, OnceDialog, RefusalNotice, TextField, focus_first_error, of_field,
    open_while_some,
};

/// Lives to choose from, in days, and the one that is chosen at first.
const LIVES: [(Option<u32>, &str); 4] =
    [(Some(30), "30 days"), (Some(90), "90 days"), (Some(365), "1 year"), (None, "No expiry")];
const USUAL_LIFE: Option<u32> = Some(90);

#[component]
pub fn MakeKeyDialog(open: RwSignal<bool>, on_made: impl Fn(NewKey) + Copy + Send + Sync + 'static) -> impl IntoView {
    view! {
        <Modal open title="Make a key" id="make-key-dialog">
            <Show when=move || open.get()>
                <MakeKeyForm open on_made />
            </Show>
        </Modal>
    }
}

#[derive(Clone, Copy)]
struct Draft {
    name: RwSignal<String>,
    scopes: RwSignal<Vec<Scope>>,
    life: RwSignal<Option<u32>>,
    submitted: RwSignal<bool>,
    busy: RwSignal<bool>,
    refused: RwSignal<Option<Problem>>,
}

impl Draft {
    fn new() -> Self {
        Self {
            name: RwSignal::new(String::new()),
            scopes: RwSignal::new(vec![Scope::ProductsRead]),
            life: RwSignal::new(USUAL_LIFE),
            submitted: RwSignal::new(false),
            busy: RwSignal::new(false),
            refused: RwSignal::new(None),
        }
    }

    fn input(self) -> KeyInput {
        KeyInput {
            name: self.name.get().trim().to_owned(),
            scopes: self.scopes.get(),
            expires_in_days: self.life.get(),
        }
    }

    /// What is wrong with a field, once the person wanted to save.
    fn problem_of(self, field: &'static str, label: &'static str) -> Memo<Option<String>> {
        Memo::new(move |_| {
            let errors = if self.submitted.get() { self.input().check() } else { Vec::new() };
            let refused = || self.refused.with(|problem| of_field(&problem.as_ref()?.errors, field));
            of_field(&errors, field).or_else(refused).map(|message| sentence(label, &message))
        })
    }

    /// What is wrong with the name: while one types, that it is too long; that it is missing, once one wants to save.
    fn name_problem(self) -> Signal<Option<String>> {
        let problem = self.problem_of("name", "Name");
        let early = move || check_name(&self.name.read()).filter(|_| self.name.with(|name| !name.trim().is_empty()));
        Signal::derive(move || problem.get().or_else(|| early().map(|error| sentence("Name", &error.message))))
    }
}

#[component]
fn MakeKeyForm(open: RwSignal<bool>, on_made: impl Fn(NewKey) + Copy + Send + Sync + 'static) -> impl IntoView {
    let draft = Draft::new();
    Effect::new(move |_| {
        draft.input();
        draft.refused.set(None);
    });
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        draft.submitted.set(true);
        let input = untrack(|| draft.input());
        if !input.check().is_empty() {
            focus_first_error();
            return;
        }
        if draft.busy.get_untracked() {
            return;
        }
        draft.busy.set(true);
        spawn_local(async move {
            match requests::make_key(&input).await {
                Ok(key) => {
                    open.try_set(false);
                    on_made(key);
                }
                Err(problem) => {
                    draft.busy.try_set(false);
                    draft.refused.try_set(Some(problem));
                    focus_first_error();
                }
            }
        });
    };
    view! {
        <form class="webhook-form" novalidate on:submit=submit data-testid="key-form">
            <RefusalNotice problem=draft.refused title="The key was not made" testid="key-refusal" />
            <TextField
                id="key-name"
                label="What it is for"
                value=draft.name
                problem=draft.name_problem()
                focus=true
                placeholder="Nightly import"
            />
            <Choices
                legend="Scopes"
                all=&Scope::ALL
                ticked=draft.scopes
                word=Scope::as_str
                note=words::scope_note
                testid="scope"
                problem=draft.problem_of("scopes", "Scopes")
                error_testid="scopes-error"
            />
            <Lives draft />
            <FormButtons open busy=draft.busy label="Make the key" busy_label="Making it …" testid="save-key" />
        </form>
    }
}

#[component]
fn Lives(draft: Draft) -> impl IntoView {
    let choice = move |(days, label): (Option<u32>, &'static str)| {
        view! {
            <button
                type="button"
                class="segment"
                data-testid=format!("life-{}", days.unwrap_or(0))
                aria-pressed=move || (draft.life.get() == days).to_string()
                on:click=move |_| draft.life.set(days)
            >
                {label}
            </button>
        }
    };
    view! {
        <div class="field">
            <span class="field-label" id="key-life">"Good for"</span>
            <div class="segments segments-wide" role="group" aria-labelledby="key-life">
                {LIVES.map(choice).collect_view()}
            </div>
        </div>
    }
}

#[component]
pub fn NewKeyDialog(
    /// Set to show it; forgotten when the dialog is closed.
    made: RwSignal<Option<NewKey>>,
) -> impl IntoView {
    let open = open_while_some(made);
    view! {
        <OnceDialog open title="Your new key" id="new-key-dialog" testid="key-done">
            {move || made.get().map(|key| view! { <Secret key_=key /> })}
        </OnceDialog>
    }
}

#[component]
fn Secret(key_: NewKey) -> impl IntoView {
    let origin = window().location().origin().unwrap_or_default();
    let example = curl(&origin, &key_.key.scopes);
    view! {
        <p>"It is shown only now. Whoever has it may do what its scopes say: keep it where secrets are kept."</p>
        <CopyField text=key_.secret label="API key" testid="key-secret" />
        <p>"Put it into the environment, and try it:"</p>
        <pre class="format-sample" tabindex="0" aria-label="Example" data-testid="key-example"><code>{example}</code></pre>
    }
}

/// Takes the key from the environment: typed into a command, it would stay in the history of the shell.
fn curl(origin: &str, scopes: &[Scope]) -> String {
    let path = words::example_path(scopes);
    format!("curl -H \"Authorization: Bearer $LOADIFY_KEY\" \\\n  '{origin}/api/v1{path}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_one_command_without_the_key_in_it() {
        let example = curl("https://loadify.example", &[Scope::ProductsRead]);
        assert!(example.contains("'https://loadify.example/api/v1/products?limit=5'"), "{example}");
        assert!(example.lines().all(|line| line.ends_with('\\') || line.ends_with('\'')), "{example}");
    }
}
