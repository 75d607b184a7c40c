//! Making a key, and the one time that it is shown.

use leptos::{ev, html, prelude::*};
use shared::{KeyInput, NewKey, Problem, Scope, access::check_name};
use wasm_bindgen_futures::spawn_local;

use super::person_dialogs::focus_first_error;
use super::requests;
use super::words::{self, of_field, sentence};
use crate::ui::{CopyField, Glyph, Icon, Modal};

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
    fn input(self) -> KeyInput {
        KeyInput {
            name: self.name.get().trim().to_owned(),
            scopes: self.scopes.get(),
            expires_in_days: self.life.get(),
        }
    }

    fn toggle(self, scope: Scope) {
        // In the order of the choices, whichever was ticked first.
        self.scopes.update(|scopes| {
            let ticked = |choice: &Scope| scopes.contains(choice) != (*choice == scope);
            *scopes = Scope::ALL.into_iter().filter(ticked).collect();
        });
    }

    /// What is wrong with a field, once the person wanted to save.
    fn problem_of(self, field: &'static str, label: &'static str) -> Memo<Option<String>> {
        Memo::new(move |_| {
            let errors = if self.submitted.get() { self.input().check() } else { Vec::new() };
            let refused = || self.refused.with(|problem| of_field(&problem.as_ref()?.errors, field));
            of_field(&errors, field).or_else(refused).map(|message| sentence(label, &message))
        })
    }
}

#[component]
fn MakeKeyForm(open: RwSignal<bool>, on_made: impl Fn(NewKey) + Copy + Send + Sync + 'static) -> impl IntoView {
    let draft = Draft {
        name: RwSignal::new(String::new()),
        scopes: RwSignal::new(vec![Scope::ProductsRead]),
        life: RwSignal::new(USUAL_LIFE),
        submitted: RwSignal::new(false),
        busy: RwSignal::new(false),
        refused: RwSignal::new(None),
    };
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
            {move || draft.refused.get().filter(|problem| problem.errors.is_empty()).map(|problem| view! {
                <div class="notice" data-tone="bad" role="alert" data-testid="key-refusal">
                    <Icon glyph=Glyph::Warning />
                    <div class="notice-body">
                        <p class="notice-title">"The key was not made"</p>
                        <p>{problem.detail}</p>
                    </div>
                </div>
            })}
            <NameField draft />
            <Scopes draft />
            <Lives draft />
            <div class="dialog-actions">
                <button type="button" class="button" on:click=move |_| open.set(false)>
                    "Cancel"
                </button>
                <button
                    type="submit"
                    class="button button-primary"
                    data-testid="save-key"
                    aria-disabled=move || draft.busy.get().then_some("true")
                >
                    {move || if draft.busy.get() { "Making it …" } else { "Make the key" }}
                </button>
            </div>
        </form>
    }
}

#[component]
fn NameField(draft: Draft) -> impl IntoView {
    let input = NodeRef::<html::Input>::new();
    Effect::new(move |_| {
        if let Some(input) = input.get() {
            let _ = input.focus();
        }
    });
    let problem = draft.problem_of("name", "Name");
    // Said while one types where it is too long; that it is missing only when one wants to save.
    let early = move || check_name(&draft.name.read()).filter(|_| draft.name.with(|name| !name.trim().is_empty()));
    let said = move || problem.get().or_else(|| early().map(|error| sentence("Name", &error.message)));
    view! {
        <div class="field">
            <label class="field-label" for="key-name">"What it is for"</label>
            <input
                class="input"
                id="key-name"
                data-testid="key-name"
                node_ref=input
                autocomplete="off"
                placeholder="Nightly import"
                aria-invalid=move || said().is_some().then_some("true")
                aria-describedby="key-name-error"
                prop:value=draft.name
                on:input=move |event| draft.name.set(event_target_value(&event))
            />
            <p class="field-error" id="key-name-error" role="alert" data-testid="key-name-error">{said}</p>
        </div>
    }
}

#[component]
fn Scopes(draft: Draft) -> impl IntoView {
    let problem = draft.problem_of("scopes", "Scopes");
    let choice = move |scope: Scope| {
        view! {
            <label class="event-choice">
                <input
                    type="checkbox"
                    class="tick"
                    data-testid=format!("scope-{}", scope.as_str())
                    aria-invalid=move || problem.with(Option::is_some).then_some("true")
                    prop:checked=move || draft.scopes.with(|scopes| scopes.contains(&scope))
                    on:change=move |_| draft.toggle(scope)
                />
                <span>
                    <code>{scope.as_str()}</code>
                    <span class="event-note">{words::scope_note(scope)}</span>
                </span>
            </label>
        }
    };
    view! {
        <fieldset class="field event-choices">
            <legend class="field-label">"Scopes"</legend>
            {Scope::ALL.map(choice).collect_view()}
            <p class="field-error" role="alert" data-testid="scopes-error">{move || problem.get()}</p>
        </fieldset>
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
    let open = RwSignal::new(false);
    Effect::new(move |_| open.set(made.with(Option::is_some)));
    Effect::new(move |before: Option<bool>| {
        let open = open.get();
        if before == Some(true) && !open {
            made.set(None);
        }
        open
    });
    view! {
        <Modal open title="Your new key" id="new-key-dialog">
            {move || made.get().map(|key| view! { <Secret key_=key /> })}
            <div class="dialog-actions">
                <button
                    type="button"
                    class="button button-primary"
                    data-testid="key-done"
                    on:click=move |_| open.set(false)
                >
                    "I have stored it"
                </button>
            </div>
        </Modal>
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
