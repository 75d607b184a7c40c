//! Who has an account.

use leptos::{ev, prelude::*};
use shared::{
    auth::{Person, PersonChange, PersonList, Role},
    problem::Problem,
};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::HtmlSelectElement;

use super::person_dialogs::{AddPersonDialog, SetPasswordDialog};
use super::state::Access;
use super::{requests, words};
use crate::ui::format::counted;
use crate::ui::{
    AddButton, ConfirmDialog, Glyph, Icon, ListFrame, ListState, PageHead, Relative, Toasts, page_title, question_about,
};

/// What can be done with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Role(Role),
    Enable(bool),
    SignOut,
    Delete,
}

/// All people, and the dialogs about them.
#[derive(Clone, Copy)]
struct People {
    list: LocalResource<Result<PersonList, Problem>>,
    /// What waits for an answer to a question.
    asked: RwSignal<Option<(Person, Act)>>,
    /// Who gets a new password.
    password: RwSignal<Option<Person>>,
    toasts: Toasts,
    access: Access,
}

impl People {
    fn is_me(self, id: i64) -> bool {
        self.access.person().is_some_and(|me| me.id == id)
    }

    /// Asks first where somebody is deleted, or shuts themselves out.
    fn want(self, person: Person, act: Act) {
        let me = untrack(|| self.is_me(person.id));
        if act == Act::Delete || (me && act != Act::Enable(true)) {
            self.asked.set(Some((person, act)));
        } else {
            self.run(person, act);
        }
    }

    fn run(self, person: Person, act: Act) {
        spawn_local(async move {
            let name = &person.name;
            let done = match act {
                Act::Delete => requests::delete_person(person.id).await.map(|()| format!("{name} was deleted")),
                Act::SignOut => {
                    requests::sign_out_person(person.id).await.map(|()| format!("{name} is signed out everywhere"))
                }
                Act::Enable(enabled) => {
                    let change = PersonChange { enabled: Some(enabled), ..PersonChange::default() };
                    let said = if enabled { "may sign in again" } else { "may not sign in any more" };
                    requests::change_person(person.id, &change).await.map(|_| format!("{name} {said}"))
                }
                Act::Role(role) => {
                    let change = PersonChange { role: Some(role), ..PersonChange::default() };
                    let said = words::role(role).to_lowercase();
                    requests::change_person(person.id, &change).await.map(|_| format!("{name} is now {said}"))
                }
            };
            match done {
                Ok(said) => self.toasts.say(said),
                Err(problem) => self.toasts.refuse(&format!("{name} stays as they were"), &problem),
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
pub fn PeoplePage() -> impl IntoView {
    page_title(|| "People".to_owned());
    let adding = RwSignal::new(false);
    let people = People {
        list: LocalResource::new(requests::people),
        asked: RwSignal::new(None),
        password: RwSignal::new(None),
        toasts: Toasts::expect(),
        access: Access::expect(),
    };
    view! {
        <div class="page">
            <PageHead title="People" lead="Who may sign in, and what they may do.">
                <AddButton open=adding label="Add person" testid="add-person" />
            </PageHead>
            <Table people />
            <Roles />
            <AddPersonDialog open=adding on_added=move || people.load() />
            <SetPasswordDialog person=people.password on_done=move || people.load() />
            <Question people />
        </div>
    }
}

#[component]
fn Table(people: People) -> impl IntoView {
    let list = people.list;
    let state = Memo::new(move |_| ListState::of(list.get().map(|got| got.map(|list| list.items.is_empty()))));
    let known = Memo::new(move |_| list.get().and_then(Result::ok).map(|list| list.items).unwrap_or_default());
    // A row stays when its figures change: the focus may be in it.
    let row = move |first: Person| {
        let person = Memo::new(move |before: Option<&Person>| {
            let found = known.with(|all| all.iter().find(|person| person.id == first.id).cloned());
            found.unwrap_or_else(|| before.unwrap_or(&first).clone())
        });
        view! { <PersonRow person people /> }
    };
    view! {
        <ListFrame state rows=4 retry=move || people.load() nothing=Nobody>
            <div class="table-frame">
                <table class="table table-cards people-table" data-testid="people-table">
                    <caption class="visually-hidden">"People"</caption>
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
                        <For each=move || known.get() key=|person| person.id children=row />
                    </tbody>
                </table>
            </div>
        </ListFrame>
    }
}

#[component]
fn PersonRow(person: Memo<Person>, people: People) -> impl IntoView {
    let id = person.with_untracked(|person| person.id);
    let name = move || person.with(|person| person.name.clone());
    let signed_in_at = Memo::new(move |_| person.with(|person| person.signed_in_at));
    let sessions = Memo::new(move |_| person.with(|person| person.sessions));
    let is_signed_in = move || sessions.get() > 0;
    let want = move |act| people.want(person.get_untracked(), act);
    view! {
        <tr data-testid="person-row" data-name=name>
            <td class="cell-title">
                {name}
                {move || people.is_me(id).then(|| view! { <span class="badge person-you">"You"</span> })}
            </td>
            <td class="person-role">
                <RoleSelect person people />
            </td>
            <td class="person-enabled">
                <button
                    type="button"
                    class="switch"
                    role="switch"
                    aria-checked=move || person.with(|person| person.enabled).to_string()
                    aria-label=move || format!("{} may sign in", name())
                    data-testid="person-enabled"
                    on:click=move |_| want(Act::Enable(!person.with_untracked(|person| person.enabled)))
                >
                    <span class="switch-track"></span>
                    <span aria-hidden="true">
                        {move || if person.with(|person| person.enabled) { "Enabled" } else { "Disabled" }}
                    </span>
                </button>
            </td>
            <td data-label="Last sign-in">
                {move || match signed_in_at.get() {
                    Some(at) => view! { <Relative at /> }.into_any(),
                    None => "Never".into_any(),
                }}
            </td>
            <td class="person-sessions">
                <span data-testid="person-sessions">{move || counted(sessions.get(), "session")}</span>
                <Show when=is_signed_in>
                    <button
                        type="button"
                        class="link-button person-out"
                        data-testid="sign-out-person"
                        aria-label=move || format!("Sign out {} everywhere", name())
                        on:click=move |_| want(Act::SignOut)
                    >
                        "Sign out"
                    </button>
                </Show>
            </td>
            <td class="person-actions">
                <button
                    type="button"
                    class="icon-button"
                    data-testid="set-password-of"
                    title="Set a new password"
                    aria-label=move || format!("Set a new password for {}", name())
                    on:click=move |_| people.password.set(Some(person.get_untracked()))
                >
                    <Icon glyph=Glyph::Key />
                </button>
                <button
                    type="button"
                    class="icon-button"
                    data-testid="delete-person"
                    title="Delete"
                    aria-label=move || format!("Delete {}", name())
                    on:click=move |_| want(Act::Delete)
                >
                    <Icon glyph=Glyph::Trash />
                </button>
            </td>
        </tr>
    }
}

#[component]
fn RoleSelect(person: Memo<Person>, people: People) -> impl IntoView {
    let role = Memo::new(move |_| person.with(|person| person.role));
    let choose = move |event: ev::Event| {
        let Some(select) = event.target().and_then(|target| target.dyn_into::<HtmlSelectElement>().ok()) else {
            return;
        };
        let chosen = Role::ALL.into_iter().find(|role| role.as_str() == select.value());
        // It shows what is, and that is not changed yet.
        select.set_value(role.get_untracked().as_str());
        if let Some(chosen) = chosen {
            people.want(person.get_untracked(), Act::Role(chosen));
        }
    };
    view! {
        <select
            class="select"
            data-testid="person-role"
            aria-label=move || format!("Role of {}", person.with(|person| person.name.clone()))
            prop:value=move || role.get().as_str()
            on:change=choose
        >
            {Role::ALL
                .map(|choice| {
                    let selected = move || role.get() == choice;
                    view! { <option value=choice.as_str() selected=selected>{words::role(choice)}</option> }
                })
                .collect_view()}
        </select>
    }
}

#[component]
fn Nobody() -> impl IntoView {
    view! {
        <div class="empty" data-testid="nobody">
            <Icon glyph=Glyph::People />
            <p class="empty-title">"Nobody has an account yet"</p>
            <p>"Loadify is open to everybody on this machine. Make the first account by the link that the server printed."</p>
        </div>
    }
}

/// What the roles mean.
#[component]
fn Roles() -> impl IntoView {
    let line = |role: Role| view! { <div><dt>{words::role(role)}</dt><dd>{words::role_note(role)}</dd></div> };
    view! { <dl class="roles">{Role::ALL.map(line).collect_view()}</dl> }
}

#[component]
fn Question(people: People) -> impl IntoView {
    let (open, shown) = question_about(people.asked);
    let words = Memo::new(move |_| {
        shown.with(|shown| shown.as_ref().map(|(person, act)| question(person, *act, people.is_me(person.id))))
    });
    let part = move |take: fn(&Words) -> &str| {
        Signal::derive(move || {
            words.with(|words| words.as_ref().map(|words| take(words).to_owned()).unwrap_or_default())
        })
    };
    let text = part(|words| &words.text);
    let confirmed = move || {
        if let Some((person, act)) = shown.get_untracked() {
            people.run(person, act);
        }
    };
    view! {
        <ConfirmDialog
            open
            title=part(|words| &words.title)
            confirm=part(|words| words.confirm)
            dismiss="Cancel"
            testid="confirm-person"
            on_confirm=confirmed
        >
            <p>{text}</p>
        </ConfirmDialog>
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Words {
    title: String,
    text: String,
    confirm: &'static str,
}

fn question(person: &Person, act: Act, me: bool) -> Words {
    let name = &person.name;
    let words = |title: String, text: &str, confirm| Words { title, text: text.to_owned(), confirm };
    match act {
        Act::Delete if me => words(
            "Delete your own account?".into(),
            "You are signed out at once and cannot come back by yourself.",
            "Delete my account",
        ),
        Act::Delete => words(
            format!("Delete {name}?"),
            "Their sessions end. The audit log keeps what they did. This cannot be taken back.",
            "Delete the account",
        ),
        Act::Enable(_) => words(
            "Disable your own account?".into(),
            "You are signed out at once and cannot sign in until an admin enables it again.",
            "Disable my account",
        ),
        Act::Role(role) => words(
            format!("Become {}?", words::role(role).to_lowercase()),
            "You are signed out, and may do less after you have signed in again.",
            "Change my role",
        ),
        Act::SignOut => words("Sign out everywhere?".into(), "All your sessions end, this one too.", "Sign out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_would_shut_themselves_out_is_asked_in_so_many_words() {
        let ada = Person {
            id: 1,
            name: "Ada".into(),
            role: Role::Admin,
            enabled: true,
            created_at: chrono::DateTime::UNIX_EPOCH,
            signed_in_at: None,
            sessions: 1,
        };
        assert_eq!(question(&ada, Act::Delete, false).title, "Delete Ada?");
        assert_eq!(question(&ada, Act::Delete, true).title, "Delete your own account?");
        assert_eq!(question(&ada, Act::Role(Role::Viewer), true).title, "Become viewer?");
        assert!(question(&ada, Act::Enable(false), true).text.contains("signed out"));
    }
}
