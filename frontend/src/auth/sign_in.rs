//! Signing in: the page, and the form that the dialog over a page has as well.

use std::time::Duration;

use leptos::leptos_dom::helpers::IntervalHandle;
use leptos::{ev, html, prelude::*};
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate, use_query_map};
use shared::{auth::SignIn, problem::ErrorCode};
use wasm_bindgen_futures::spawn_local;

use super::entrance::Entrance;
use super::next::{is_of_the_server, local, sign_in_href};
use super::password::{PasswordField, Use};
use super::requests::{self, Refusal};
use super::state::Access;
use crate::api;
use crate::ui::format::whole_seconds;
use crate::ui::{Notice, Tone, page_title};

/// What is shown at every address while nobody is signed in.
#[component]
pub fn SignInPage() -> impl IntoView {
    page_title(|| "Sign in".to_owned());
    let location = use_location();
    let navigate = use_navigate();
    Effect::new(move |_| {
        let path = location.pathname.get();
        if path != "/sign-in" {
            let search = location.search.get_untracked();
            let search = if search.is_empty() { search } else { format!("?{}", search.trim_start_matches('?')) };
            let href = sign_in_href(&format!("{path}{search}"), api::encode);
            navigate(&href, NavigateOptions { replace: true, ..NavigateOptions::default() });
        }
    });
    view! {
        <Entrance title="Sign in to Loadify">
            <SignInForm name=String::new() />
        </Entrance>
    }
}

/// What is at the address of the sign-in page once somebody is signed in: the way on.
#[component]
pub fn Entered() -> impl IntoView {
    let query = use_query_map();
    let navigate = use_navigate();
    Effect::new(move |_| {
        let next = query.with_untracked(|query| query.get("next")).unwrap_or_default();
        let next = local(&next).unwrap_or("/");
        if is_of_the_server(next) {
            // It fails only for an address that cannot be read.
            let _ = window().location().replace(next);
        } else {
            navigate(next, NavigateOptions { replace: true, ..NavigateOptions::default() });
        }
    });
}

/// Name and password. What follows is the matter of [`Access::signed_in`].
#[component]
pub fn SignInForm(
    /// Who is expected; a name is asked for as well where it is empty.
    name: String,
) -> impl IntoView {
    let access = Access::expect();
    let known = !name.is_empty();
    let (name, password) = (RwSignal::new(name), RwSignal::new(String::new()));
    let busy = RwSignal::new(false);
    let trouble = Trouble::new();
    let fields = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() || trouble.wait.get_untracked() > 0 {
            return;
        }
        let empty = if name.with_untracked(|name| name.trim().is_empty()) { Some(fields.0) } else { None };
        let empty = empty.or_else(|| password.with_untracked(String::is_empty).then_some(fields.1));
        if let Some(field) = empty {
            trouble.told.set(Some(Told::Incomplete));
            focus(field);
            return;
        }
        busy.set(true);
        trouble.told.set(None);
        let asked = SignIn { name: name.get_untracked(), password: password.get_untracked() };
        spawn_local(async move {
            let answer = requests::sign_in(&asked).await;
            busy.try_set(false);
            match answer {
                Ok(info) => access.signed_in(info),
                Err(refusal) if !trouble.told.is_disposed() => {
                    trouble.tell(&refusal);
                    select(fields.1);
                }
                Err(_) => {}
            }
        });
    };
    Effect::new(move |_| {
        if let (Some(_), Some(_)) = (fields.0.get(), fields.1.get()) {
            focus(if known { fields.1 } else { fields.0 });
        }
    });
    let label = move || match (busy.get(), trouble.wait.get(), trouble.told.get()) {
        (true, ..) => "Signing in …".to_owned(),
        (_, 1.., _) => format!("Wait {}", whole_seconds(f64::from(trouble.wait.get()))),
        (.., Some(Told::Away)) => "Try again".to_owned(),
        _ => "Sign in".to_owned(),
    };
    view! {
        <form class="entrance-form" novalidate on:submit=submit data-testid="sign-in-form">
            <TroubleNotice trouble />
            <div class="field">
                <label class="field-label" for="sign-in-name">"Name"</label>
                <input
                    class="input"
                    id="sign-in-name"
                    data-testid="sign-in-name"
                    node_ref=fields.0
                    autocomplete="username"
                    autocapitalize="off"
                    spellcheck="false"
                    aria-invalid=move || trouble.is_of_name(&name.read()).then_some("true")
                    prop:value=name
                    on:input=move |event| name.set(event_target_value(&event))
                />
            </div>
            <PasswordField
                id="sign-in-password"
                label="Password"
                value=password
                usage=Use::Current
                problem=None
                node_ref=fields.1
            />
            <button
                type="submit"
                class="button button-primary entrance-submit"
                data-testid="sign-in"
                aria-disabled=move || (busy.get() || trouble.wait.get() > 0).then_some("true")
            >
                {label}
            </button>
        </form>
    }
}

/// Why it did not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Incomplete,
    Wrong,
    TooMany,
    Away,
    Other(String),
}

impl Told {
    fn new(refusal: &Refusal) -> Self {
        match refusal.problem.code {
            ErrorCode::Unauthenticated => Self::Wrong,
            ErrorCode::TooManyRequests => Self::TooMany,
            ErrorCode::Unavailable => Self::Away,
            _ => Self::Other(refusal.problem.detail.clone()),
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Incomplete => "Enter your name and your password",
            Self::Wrong => "Name or password is wrong",
            Self::TooMany => "Too many attempts",
            Self::Away => "The server cannot be reached",
            Self::Other(_) => "You could not be signed in",
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Incomplete => String::new(),
            Self::Wrong => "Check both. An admin can set a new password for you.".to_owned(),
            Self::TooMany => "After several wrong passwords the next attempt has to wait.".to_owned(),
            Self::Away => "Check the connection, then try again. What you have typed stays.".to_owned(),
            Self::Other(detail) => detail.clone(),
        }
    }
}

#[derive(Clone, Copy)]
struct Trouble {
    told: RwSignal<Option<Told>>,
    /// Seconds until the next attempt.
    wait: RwSignal<u32>,
    clock: StoredValue<Option<IntervalHandle>>,
}

impl Trouble {
    fn new() -> Self {
        let trouble = Self { told: RwSignal::new(None), wait: RwSignal::new(0), clock: StoredValue::new(None) };
        on_cleanup(move || trouble.stop());
        trouble
    }

    fn stop(self) {
        if let Some(clock) = self.clock.try_update_value(Option::take).flatten() {
            clock.clear();
        }
    }

    fn tell(self, refusal: &Refusal) {
        self.told.set(Some(Told::new(refusal)));
        let Some(seconds) = refusal.wait.filter(|_| refusal.problem.code == ErrorCode::TooManyRequests) else { return };
        self.wait.set(seconds);
        self.stop();
        let tick = move || {
            let left = self.wait.get_untracked().saturating_sub(1);
            self.wait.set(left);
            if left == 0 {
                self.stop();
                self.told.set(None);
            }
        };
        self.clock.set_value(set_interval_with_handle(tick, Duration::from_secs(1)).ok());
    }

    fn is_of_name(self, name: &str) -> bool {
        name.trim().is_empty() && self.told.get() == Some(Told::Incomplete)
    }
}

#[component]
fn TroubleNotice(trouble: Trouble) -> impl IntoView {
    move || {
        let told = trouble.told.get()?;
        Some(view! {
            <Notice tone=Tone::Bad title=told.title() testid="sign-in-problem">
                <p>{told.text()}</p>
            </Notice>
        })
    }
}

fn focus(field: NodeRef<html::Input>) {
    if let Some(field) = field.get_untracked() {
        let _ = field.focus();
    }
}

/// What is in it is typed over.
fn select(field: NodeRef<html::Input>) {
    focus(field);
    if let Some(field) = field.get_untracked() {
        field.select();
    }
}
