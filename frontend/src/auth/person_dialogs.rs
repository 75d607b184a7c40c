//! Dialogs about an account: a new one, another password for somebody, another password of one's own.

use leptos::{ev, prelude::*};
use shared::{
    auth::{PasswordChange, Person, PersonChange, PersonInput, Role, check_name, check_password},
    problem::FieldError,
};
use wasm_bindgen_futures::spawn_local;

use super::password::{NewPasswordField, PasswordField, Use};
use super::requests;
use super::state::Access;
use super::words::{self, sentence};
use crate::ui::{FormButtons, Modal, RefusalNotice, Submission, TextField, Toasts, open_while_some};

/// Adds somebody.
#[component]
pub fn AddPersonDialog(open: RwSignal<bool>, on_added: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    view! {
        <Modal open title="Add a person" id="add-person-dialog">
            <Show when=move || open.get()>
                <AddPersonForm open on_added />
            </Show>
        </Modal>
    }
}

#[component]
fn AddPersonForm(open: RwSignal<bool>, on_added: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let toasts = Toasts::expect();
    let (name, password) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let role = RwSignal::new(Role::Viewer);
    let submission = Submission::default().forgets(move || {
        name.track();
        password.track();
    });
    let name_problem = Memo::new(move |_| {
        let found = check_name(&name.read()).map(|error| error.message).filter(|_| submission.submitted.get());
        found.or_else(|| submission.of("name").get()).map(|message| sentence("Name", &message))
    });
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let input = PersonInput {
            name: name.get_untracked().trim().to_owned(),
            role: role.get_untracked(),
            password: password.get_untracked(),
        };
        if !submission.begin(&input.check()) {
            return;
        }
        spawn_local(async move {
            match requests::add_person(&input).await {
                Ok(person) => {
                    open.try_set(false);
                    toasts.say(format!("{} was added", person.name));
                    on_added();
                }
                Err(problem) => submission.refuse(problem),
            }
        });
    };
    view! {
        <form class="webhook-form" novalidate on:submit=submit data-testid="person-form">
            <RefusalNotice problem=submission.refused title="Nobody was added" testid="form-refusal" />
            <TextField
                id="person-name"
                label="Name"
                value=name
                problem=name_problem
                focus=true
                autocapitalize="off"
                spellcheck="false"
            />
            <RoleChoices role />
            <NewPasswordField
                id="person-password"
                label="Password"
                value=password
                name
                submitted=submission.submitted
                refused=submission.of("password")
                offers=true
            />
            <p class="card-note">"Tell it to them by a safe way; they can change it in the menu of their account."</p>
            <FormButtons open busy=submission.busy label="Add person" testid="save-person" />
        </form>
    }
}

#[component]
fn RoleChoices(role: RwSignal<Role>) -> impl IntoView {
    let choice = move |choice: Role| {
        view! {
            <label class="event-choice">
                <input
                    type="radio"
                    name="role"
                    class="tick"
                    data-testid=format!("role-{}", choice.as_str())
                    prop:checked=move || role.get() == choice
                    on:change=move |_| role.set(choice)
                />
                <span>
                    {words::role(choice)}
                    <span class="event-note">{words::role_note(choice)}</span>
                </span>
            </label>
        }
    };
    view! {
        <fieldset class="field event-choices">
            <legend class="field-label">"Role"</legend>
            {Role::ALL.map(choice).collect_view()}
        </fieldset>
    }
}

/// Sets a new password for somebody who has lost theirs.
#[component]
pub fn SetPasswordDialog(
    /// For whom; nobody where it is closed.
    person: RwSignal<Option<Person>>,
    on_done: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let open = open_while_some(person);
    let title = Signal::derive(move || {
        let name = person.with(|person| person.as_ref().map(|person| person.name.clone()));
        name.map_or_else(|| "New password".to_owned(), |name| format!("New password for {name}"))
    });
    view! {
        <Modal open title id="set-password-dialog">
            {move || person.get().map(|person| view! { <SetPasswordForm open person on_done /> })}
        </Modal>
    }
}

#[component]
fn SetPasswordForm(
    open: RwSignal<bool>,
    person: Person,
    on_done: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let toasts = Toasts::expect();
    let password = RwSignal::new(String::new());
    let submission = Submission::default().forgets(move || password.track());
    let Person { id, name, .. } = person;
    let known = Signal::stored(name.clone());
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let typed = password.get_untracked();
        if !submission.begin(&check_password("password", &typed, &name).into_iter().collect::<Vec<_>>()) {
            return;
        }
        let name = name.clone();
        spawn_local(async move {
            let change = PersonChange { password: Some(typed), ..PersonChange::default() };
            match requests::change_person(id, &change).await {
                Ok(_) => {
                    open.try_set(false);
                    toasts.say(format!("{name} has a new password"));
                    on_done();
                }
                Err(problem) => submission.refuse(problem),
            }
        });
    };
    view! {
        <form class="webhook-form" novalidate on:submit=submit data-testid="set-password-form">
            <p class="card-note">"All their sessions end. Tell it to them by a safe way."</p>
            <RefusalNotice problem=submission.refused title="The password was not changed" testid="form-refusal" />
            <NewPasswordField
                id="set-password"
                label="Password"
                value=password
                name=known
                submitted=submission.submitted
                refused=submission.of("password")
                offers=true
            />
            <FormButtons open busy=submission.busy label="Set the password" testid="save-password" />
        </form>
    }
}

/// Changes one's own password.
#[component]
pub fn ChangePasswordDialog(open: RwSignal<bool>) -> impl IntoView {
    view! {
        <Modal open title="Change password" id="change-password-dialog">
            <Show when=move || open.get()>
                <ChangePasswordForm open />
            </Show>
        </Modal>
    }
}

#[component]
fn ChangePasswordForm(open: RwSignal<bool>) -> impl IntoView {
    let toasts = Toasts::expect();
    let access = Access::expect();
    let (current, new) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let name = access.person().map(|person| person.name).unwrap_or_default();
    let known = Signal::stored(name.clone());
    let submission = Submission::default().forgets(move || {
        current.track();
        new.track();
    });
    let current_problem = Memo::new(move |_| {
        let empty = submission.submitted.get() && current.with(String::is_empty);
        let found = empty.then(|| "enter the one that you have now".to_owned());
        found.or_else(|| submission.of("current").get()).map(|message| sentence("It", &message))
    });
    let typed_by = name.clone();
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let change = PasswordChange { current: current.get_untracked(), new: new.get_untracked() };
        let mut wrong: Vec<_> = check_password("new", &change.new, &typed_by).into_iter().collect();
        if change.current.is_empty() {
            wrong.push(FieldError { field: "current".into(), message: String::new() });
        }
        if !submission.begin(&wrong) {
            return;
        }
        spawn_local(async move {
            match requests::change_password(&change).await {
                Ok(()) => {
                    open.try_set(false);
                    toasts.say("Your password was changed; your other sessions have ended");
                }
                Err(refusal) => submission.refuse(refusal.problem),
            }
        });
    };
    view! {
        <form class="webhook-form" novalidate on:submit=submit data-testid="change-password-form">
            <RefusalNotice problem=submission.refused title="The password was not changed" testid="form-refusal" />
            // A password manager learns from it whose password this is.
            <input type="text" autocomplete="username" value=name hidden readonly />
            <PasswordField
                id="current-password"
                label="Current password"
                value=current
                usage=Use::Current
                problem=current_problem
            />
            <NewPasswordField
                id="new-password"
                label="New password"
                value=new
                name=known
                submitted=submission.submitted
                refused=submission.of("new")
            />
            <FormButtons open busy=submission.busy label="Change password" testid="save-new-password" />
        </form>
    }
}
