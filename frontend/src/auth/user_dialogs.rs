//! Dialogs about users: adding one, setting a password, changing the own password.

use leptos::{ev, prelude::*};
use shared::{
    auth::{PasswordChange, Role, User, UserChange, UserInput, check_password, check_user_name},
    problem::FieldError,
};
use wasm_bindgen_futures::spawn_local;

use super::labels::{self, sentence};
use super::password::{NewPasswordField, PasswordField, Use};
use super::requests;
use super::state::Auth;
use crate::ui::{FormButtons, FormErrorNotice, Modal, Submission, TextField, Toasts, open_while_some};

/// Adds a user.
#[component]
pub fn AddUserDialog(open: RwSignal<bool>, on_added: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    view! {
        <Modal open title="Add user" id="add-user-dialog">
            <Show when=move || open.get()>
                <AddUserForm open on_added />
            </Show>
        </Modal>
    }
}

#[component]
fn AddUserForm(open: RwSignal<bool>, on_added: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let toasts = Toasts::expect();
    let (name, password) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let role = RwSignal::new(Role::Viewer);
    let submission = Submission::default().clear_error_on(move || {
        name.track();
        password.track();
    });
    let name_error = Memo::new(move |_| {
        let found = check_user_name(&name.read()).map(|error| error.message).filter(|_| submission.submitted.get());
        found.or_else(|| submission.of("name").get()).map(|message| sentence("Name", &message))
    });
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let input = UserInput {
            name: name.get_untracked().trim().to_owned(),
            role: role.get_untracked(),
            password: password.get_untracked(),
        };
        if !submission.begin(&input.check()) {
            return;
        }
        spawn_local(async move {
            match requests::add_user(&input).await {
                Ok(user) => {
                    open.try_set(false);
                    toasts.say(format!("{} was added", user.name));
                    on_added();
                }
                Err(problem) => submission.fail(problem),
            }
        });
    };
    view! {
        <form class="webhook-form" novalidate on:submit=submit data-testid="user-form">
            <FormErrorNotice problem=submission.server_error title="Couldn't add the user" testid="form-problem" />
            <TextField
                id="user-name"
                label="Name"
                value=name
                problem=name_error
                focus=true
                autocapitalize="off"
                spellcheck="false"
            />
            <RoleChoices role />
            <NewPasswordField
                id="user-password"
                label="Password"
                value=password
                name
                submitted=submission.submitted
                server_error=submission.of("password")
                can_generate=true
            />
            <p class="card-note">"Share it securely. The user can change it in the account menu."</p>
            <FormButtons open busy=submission.busy label="Add user" testid="save-user" />
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
                    {labels::role(choice)}
                    <span class="event-note">{labels::role_note(choice)}</span>
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

/// Sets the password of a user who has lost it.
#[component]
pub fn SetPasswordDialog(
    /// The user; `None` while the dialog is closed.
    user: RwSignal<Option<User>>,
    on_done: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let open = open_while_some(user);
    let title = Signal::derive(move || {
        let name = user.with(|user| user.as_ref().map(|user| user.name.clone()));
        name.map_or_else(|| "Set password".to_owned(), |name| format!("Set password of {name}"))
    });
    view! {
        <Modal open title id="set-password-dialog">
            {move || user.get().map(|user| view! { <SetPasswordForm open user on_done /> })}
        </Modal>
    }
}

#[component]
fn SetPasswordForm(
    open: RwSignal<bool>,
    user: User,
    on_done: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let toasts = Toasts::expect();
    let password = RwSignal::new(String::new());
    let submission = Submission::default().clear_error_on(move || password.track());
    let User { id, name, .. } = user;
    let known = Signal::stored(name.clone());
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let typed = password.get_untracked();
        if !submission.begin(&check_password("password", &typed, &name).into_iter().collect::<Vec<_>>()) {
            return;
        }
        let name = name.clone();
        spawn_local(async move {
            let change = UserChange { password: Some(typed), ..UserChange::default() };
            match requests::update_user(id, &change).await {
                Ok(_) => {
                    open.try_set(false);
                    toasts.say(format!("The password of {name} was changed"));
                    on_done();
                }
                Err(problem) => submission.fail(problem),
            }
        });
    };
    view! {
        <form class="webhook-form" novalidate on:submit=submit data-testid="set-password-form">
            <p class="card-note">"This ends all sessions of the user. Share the password securely."</p>
            <FormErrorNotice problem=submission.server_error title="Couldn't change the password" testid="form-problem" />
            <NewPasswordField
                id="set-password"
                label="Password"
                value=password
                name=known
                submitted=submission.submitted
                server_error=submission.of("password")
                can_generate=true
            />
            <FormButtons open busy=submission.busy label="Set password" testid="save-password" />
        </form>
    }
}

/// Changes the own password.
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
    let auth = Auth::expect();
    let (current, new) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let name = auth.user().map(|user| user.name).unwrap_or_default();
    let known = Signal::stored(name.clone());
    let submission = Submission::default().clear_error_on(move || {
        current.track();
        new.track();
    });
    let current_error = Memo::new(move |_| {
        let empty = submission.submitted.get() && current.with(String::is_empty);
        let found = empty.then(|| "enter your current password".to_owned());
        found.or_else(|| submission.of("current").get()).map(|message| sentence("The current password", &message))
    });
    let user_name = name.clone();
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let change = PasswordChange { current: current.get_untracked(), new: new.get_untracked() };
        let mut wrong: Vec<_> = check_password("new", &change.new, &user_name).into_iter().collect();
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
                    toasts.say("Your password was changed. Your other sessions have ended.");
                }
                Err(error) => submission.fail(error.problem),
            }
        });
    };
    view! {
        <form class="webhook-form" novalidate on:submit=submit data-testid="change-password-form">
            <FormErrorNotice problem=submission.server_error title="Couldn't change the password" testid="form-problem" />
            // For password managers: the account that the password belongs to.
            <input type="text" autocomplete="username" value=name hidden readonly />
            <PasswordField
                id="current-password"
                label="Current password"
                value=current
                usage=Use::Current
                problem=current_error
            />
            <NewPasswordField
                id="new-password"
                label="New password"
                value=new
                name=known
                submitted=submission.submitted
                server_error=submission.of("new")
            />
            <FormButtons open busy=submission.busy label="Change password" testid="save-new-password" />
        </form>
    }
}
