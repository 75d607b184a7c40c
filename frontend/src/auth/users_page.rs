//! The page of users.

use leptos::{ev, prelude::*};
use shared::{
    auth::{Role, User, UserChange, UserList},
    problem::Problem,
};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::HtmlSelectElement;

use super::state::Auth;
use super::user_dialogs::{AddUserDialog, SetPasswordDialog};
use super::{labels, requests};
use crate::ui::format::counted;
use crate::ui::{
    AddButton, ConfirmDialog, Glyph, Icon, ListFrame, ListState, PageHead, Relative, Toasts, page_title, question_about,
};

/// An action on a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    SetRole(Role),
    SetEnabled(bool),
    SignOut,
    Delete,
}

/// The list of users, and the dialogs about them.
#[derive(Clone, Copy)]
struct Users {
    list: LocalResource<Result<UserList, Problem>>,
    /// The action that waits for confirmation.
    unconfirmed: RwSignal<Option<(User, Action)>>,
    /// The user whose password is being set.
    password: RwSignal<Option<User>>,
    toasts: Toasts,
    auth: Auth,
}

impl Users {
    fn is_current(self, id: i64) -> bool {
        self.auth.user().is_some_and(|current| current.id == id)
    }

    /// Runs an action, after confirmation if it deletes a user or takes away access from the current user.
    fn request(self, user: User, action: Action) {
        let own = untrack(|| self.is_current(user.id));
        if action == Action::Delete || (own && action != Action::SetEnabled(true)) {
            self.unconfirmed.set(Some((user, action)));
        } else {
            self.run(user, action);
        }
    }

    fn run(self, user: User, action: Action) {
        spawn_local(async move {
            let name = &user.name;
            let result = match action {
                Action::Delete => requests::delete_user(user.id).await.map(|()| format!("{name} was deleted")),
                Action::SignOut => {
                    requests::sign_out_user(user.id).await.map(|()| format!("{name} was signed out everywhere"))
                }
                Action::SetEnabled(enabled) => {
                    let change = UserChange { enabled: Some(enabled), ..UserChange::default() };
                    let outcome = if enabled { "enabled" } else { "disabled" };
                    requests::update_user(user.id, &change).await.map(|_| format!("{name} was {outcome}"))
                }
                Action::SetRole(role) => {
                    let change = UserChange { role: Some(role), ..UserChange::default() };
                    let label = labels::role(role).to_lowercase();
                    requests::update_user(user.id, &change).await.map(|_| format!("{name} is now {label}"))
                }
            };
            match result {
                Ok(message) => self.toasts.say(message),
                Err(problem) => self.toasts.fail(&format!("Couldn't change {name}"), &problem),
            }
            self.load();
        });
    }

    fn load(self) {
        if !self.list.is_disposed() {
            self.list.refetch();
        }
    }
}

#[component]
pub fn UsersPage() -> impl IntoView {
    page_title(|| "Users".to_owned());
    let adding = RwSignal::new(false);
    let users = Users {
        list: LocalResource::new(requests::users),
        unconfirmed: RwSignal::new(None),
        password: RwSignal::new(None),
        toasts: Toasts::expect(),
        auth: Auth::expect(),
    };
    view! {
        <div class="page">
            <PageHead title="Users" lead="People who can sign in, and their roles.">
                <AddButton open=adding label="Add user" testid="add-user" />
            </PageHead>
            <Table users />
            <Roles />
            <AddUserDialog open=adding on_added=move || users.load() />
            <SetPasswordDialog user=users.password on_done=move || users.load() />
            <ConfirmActionDialog users />
        </div>
    }
}

#[component]
fn Table(users: Users) -> impl IntoView {
    let list = users.list;
    let state = Memo::new(move |_| ListState::of(list.get().map(|got| got.map(|list| list.items.is_empty()))));
    let known = Memo::new(move |_| list.get().and_then(Result::ok).map(|list| list.items).unwrap_or_default());
    // A row is kept when its values change: it can contain the focus.
    let row = move |first: User| {
        let user = Memo::new(move |before: Option<&User>| {
            let found = known.with(|all| all.iter().find(|user| user.id == first.id).cloned());
            found.unwrap_or_else(|| before.unwrap_or(&first).clone())
        });
        view! { <UserRow user users /> }
    };
    view! {
        <ListFrame state rows=4 retry=move || users.load() nothing=NoUsers>
            <div class="table-frame">
                <table class="table table-cards users-table" data-testid="users-table">
                    <caption class="visually-hidden">"Users"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th scope="col">"Role"</th>
                            <th scope="col">"Account"</th>
                            <th scope="col">"Last sign-in"</th>
                            <th scope="col">"Sessions"</th>
                            <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                        </tr>
                    </thead>
                    <tbody>
                        <For each=move || known.get() key=|user| user.id children=row />
                    </tbody>
                </table>
            </div>
        </ListFrame>
    }
}

#[component]
fn UserRow(user: Memo<User>, users: Users) -> impl IntoView {
    let id = user.with_untracked(|user| user.id);
    let name = move || user.with(|user| user.name.clone());
    let signed_in_at = Memo::new(move |_| user.with(|user| user.signed_in_at));
    let sessions = Memo::new(move |_| user.with(|user| user.sessions));
    let is_signed_in = move || sessions.get() > 0;
    let request = move |action| users.request(user.get_untracked(), action);
    view! {
        <tr data-testid="user-row" data-name=name>
            <td class="cell-title">
                {name}
                {move || users.is_current(id).then(|| view! { <span class="badge user-you">"You"</span> })}
            </td>
            <td class="user-role">
                <RoleSelect user users />
            </td>
            <td class="user-enabled">
                <button
                    type="button"
                    class="switch"
                    role="switch"
                    aria-checked=move || user.with(|user| user.enabled).to_string()
                    aria-label=move || format!("{} can sign in", name())
                    data-testid="user-enabled"
                    on:click=move |_| request(Action::SetEnabled(!user.with_untracked(|user| user.enabled)))
                >
                    <span class="switch-track"></span>
                    <span aria-hidden="true">
                        {move || if user.with(|user| user.enabled) { "Enabled" } else { "Disabled" }}
                    </span>
                </button>
            </td>
            <td data-label="Last sign-in">
                {move || match signed_in_at.get() {
                    Some(at) => view! { <Relative at /> }.into_any(),
                    None => "Never".into_any(),
                }}
            </td>
            <td class="user-sessions">
                <span data-testid="user-sessions">{move || counted(sessions.get(), "session")}</span>
                <Show when=is_signed_in>
                    <button
                        type="button"
                        class="link-button user-sign-out"
                        data-testid="sign-out-user"
                        aria-label=move || format!("Sign out {} everywhere", name())
                        on:click=move |_| request(Action::SignOut)
                    >
                        "Sign out"
                    </button>
                </Show>
            </td>
            <td class="user-actions">
                <button
                    type="button"
                    class="icon-button"
                    data-testid="set-password-of"
                    title="Set password"
                    aria-label=move || format!("Set password of {}", name())
                    on:click=move |_| users.password.set(Some(user.get_untracked()))
                >
                    <Icon glyph=Glyph::Key />
                </button>
                <button
                    type="button"
                    class="icon-button"
                    data-testid="delete-user"
                    title="Delete"
                    aria-label=move || format!("Delete {}", name())
                    on:click=move |_| request(Action::Delete)
                >
                    <Icon glyph=Glyph::Trash />
                </button>
            </td>
        </tr>
    }
}

#[component]
fn RoleSelect(user: Memo<User>, users: Users) -> impl IntoView {
    let role = Memo::new(move |_| user.with(|user| user.role));
    let choose = move |event: ev::Event| {
        let Some(select) = event.target().and_then(|target| target.dyn_into::<HtmlSelectElement>().ok()) else {
            return;
        };
        let chosen = Role::ALL.into_iter().find(|role| role.as_str() == select.value());
        // It shows the current role until the change is confirmed and saved.
        select.set_value(role.get_untracked().as_str());
        if let Some(chosen) = chosen {
            users.request(user.get_untracked(), Action::SetRole(chosen));
        }
    };
    view! {
        <select
            class="select"
            data-testid="user-role"
            aria-label=move || format!("Role of {}", user.with(|user| user.name.clone()))
            prop:value=move || role.get().as_str()
            on:change=choose
        >
            {Role::ALL
                .map(|choice| {
                    let selected = move || role.get() == choice;
                    view! { <option value=choice.as_str() selected=selected>{labels::role(choice)}</option> }
                })
                .collect_view()}
        </select>
    }
}

#[component]
fn NoUsers() -> impl IntoView {
    view! {
        <div class="empty" data-testid="no-users">
            <Icon glyph=Glyph::Users />
            <p class="empty-title">"No accounts yet"</p>
            <p>"Anyone on this computer has full access. Use the setup link in the server log."</p>
        </div>
    }
}

/// Describes the roles.
#[component]
fn Roles() -> impl IntoView {
    let line = |role: Role| view! { <div><dt>{labels::role(role)}</dt><dd>{labels::role_note(role)}</dd></div> };
    view! { <dl class="roles">{Role::ALL.map(line).collect_view()}</dl> }
}

#[component]
fn ConfirmActionDialog(users: Users) -> impl IntoView {
    let (open, shown) = question_about(users.unconfirmed);
    let texts = Memo::new(move |_| {
        shown.with(|shown| shown.as_ref().map(|(user, action)| confirmation(user, *action, users.is_current(user.id))))
    });
    let part = move |part: fn(&Confirmation) -> &str| {
        Signal::derive(move || {
            texts.with(|texts| texts.as_ref().map(|texts| part(texts).to_owned()).unwrap_or_default())
        })
    };
    let text = part(|texts| &texts.text);
    let confirmed = move || {
        if let Some((user, action)) = shown.get_untracked() {
            users.run(user, action);
        }
    };
    view! {
        <ConfirmDialog
            open
            title=part(|texts| &texts.title)
            confirm=part(|texts| texts.confirm)
            dismiss="Cancel"
            testid="confirm-user"
            on_confirm=confirmed
        >
            <p>{text}</p>
        </ConfirmDialog>
    }
}

/// The texts of a confirmation dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Confirmation {
    title: String,
    text: String,
    confirm: &'static str,
}

fn confirmation(user: &User, action: Action, own: bool) -> Confirmation {
    let name = &user.name;
    let texts = |title: String, text: &str, confirm| Confirmation { title, text: text.to_owned(), confirm };
    match action {
        Action::Delete if own => texts(
            "Delete your own account?".into(),
            "You are signed out immediately. Only another admin can create a new account for you. Your API keys stop \
             working.",
            "Delete my account",
        ),
        Action::Delete => texts(
            format!("Delete {name}?"),
            "Their sessions end and their API keys stop working. The audit log is kept. This can't be undone.",
            "Delete account",
        ),
        Action::SetEnabled(_) => texts(
            "Disable your own account?".into(),
            "You are signed out immediately and can't sign in until another admin enables your account.",
            "Disable my account",
        ),
        Action::SetRole(role) => texts(
            format!("Change your role to {}?", labels::role(role).to_lowercase()),
            "You are signed out, and have fewer permissions when you sign in again.",
            "Change my role",
        ),
        Action::SignOut => {
            texts("Sign out everywhere?".into(), "All your sessions end, including this one.", "Sign out")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirmations_name_the_user_or_the_own_account() {
        let ada = User {
            id: 1,
            name: "Ada".into(),
            role: Role::Admin,
            enabled: true,
            created_at: chrono::DateTime::UNIX_EPOCH,
            signed_in_at: None,
            sessions: 1,
        };
        assert_eq!(confirmation(&ada, Action::Delete, false).title, "Delete Ada?");
        assert_eq!(confirmation(&ada, Action::Delete, true).title, "Delete your own account?");
        assert_eq!(confirmation(&ada, Action::SetRole(Role::Viewer), true).title, "Change your role to viewer?");
        assert!(confirmation(&ada, Action::SetEnabled(false), true).text.contains("signed out"));
    }
}
