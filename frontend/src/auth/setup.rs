//! The first account, made by the link that the server printed when it started.

use std::cell::RefCell;

use leptos::{ev, prelude::*};
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use shared::{
    auth::{AccessMode, Setup, check_name, check_password},
    problem::Problem,
};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use super::entrance::Entrance;
use super::password::NewPasswordField;
use super::requests;
use super::state::{Access, Standing};
use super::words::sentence;
use crate::ui::{RefusalNotice, TextField, focus_first_error, of_field, page_title};

thread_local! {
    /// What the link opens; kept out of the address, and so out of the history.
    static TOKEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Takes the token out of the address, where this is that page.
pub fn take_token() {
    let location = window().location();
    let is_setup = location.pathname().is_ok_and(|path| path.trim_end_matches('/') == "/setup");
    let token = location.hash().unwrap_or_default();
    let token = token.trim_start_matches('#');
    if is_setup && !token.is_empty() {
        TOKEN.set(Some(token.to_owned()));
        // It fails only for an address of another site.
        let _ = window().history().and_then(|h| h.replace_state_with_url(&JsValue::NULL, "", Some("/setup")));
    }
}

#[component]
pub fn SetupPage() -> impl IntoView {
    page_title(|| "Make the first account".to_owned());
    let access = Access::expect();
    // The link may be opened again where the page is already.
    let opened = RwSignal::new(0);
    let again = window_event_listener(ev::hashchange, move |_| {
        take_token();
        opened.update(|opened| *opened += 1);
    });
    on_cleanup(move || again.remove());
    // As it was when the page opened: the account that is made here is no reason to say that there is one.
    let is_closed = access.standing.with_untracked(|standing| match standing {
        Standing::In(info) => info.mode == AccessMode::Closed,
        _ => true,
    });
    move || {
        opened.track();
        let token = TOKEN.with_borrow(Clone::clone);
        match token {
            _ if is_closed => view! { <AlreadyMade /> }.into_any(),
            None => view! { <NoToken /> }.into_any(),
            Some(token) => view! {
                <Entrance title="Make the first account">
                    <SetupForm token />
                </Entrance>
            }
            .into_any(),
        }
    }
}

#[component]
fn AlreadyMade() -> impl IntoView {
    view! {
        <Entrance title="There is an account already">
            <p data-testid="already-set-up">"The link for the first account is good once. Sign in; an admin can add people."</p>
            <a class="button button-primary entrance-submit" href="/sign-in">"Sign in"</a>
        </Entrance>
    }
}

#[component]
fn NoToken() -> impl IntoView {
    view! {
        <Entrance title="This link is not whole">
            <p data-testid="no-token">
                "The first account is made by a link that the server prints when it starts. Open it as a whole: it ends
                with # and a long word. It is good once; a new start prints a new one."
            </p>
            <a class="button entrance-submit" href="/">"Go on without an account"</a>
        </Entrance>
    }
}

#[component]
fn SetupForm(token: String) -> impl IntoView {
    let access = Access::expect();
    let navigate = use_navigate();
    let (name, password) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let (submitted, busy) = (RwSignal::new(false), RwSignal::new(false));
    let problem = RwSignal::new(None::<Problem>);
    // What the server said of a text is no more true of another one.
    Effect::new(move |_| {
        name.track();
        password.track();
        problem.set(None);
    });
    let name_problem = Memo::new(move |_| {
        let found = check_name(&name.read()).map(|error| error.message).filter(|_| submitted.get());
        let refused = || problem.with(|problem| of_field(&problem.as_ref()?.errors, "name"));
        found.or_else(refused).map(|message| sentence("The name", &message))
    });
    let refused = Signal::derive(move || problem.with(|problem| of_field(&problem.as_ref()?.errors, "password")));
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        submitted.set(true);
        let setup = Setup { token: token.clone(), name: name.get_untracked(), password: password.get_untracked() };
        let wrong = check_name(&setup.name).or_else(|| check_password("password", &setup.password, &setup.name));
        if wrong.is_some() || busy.get_untracked() {
            focus_first_error();
            return;
        }
        busy.set(true);
        let navigate = navigate.clone();
        spawn_local(async move {
            match requests::set_up(&setup).await {
                Ok(info) => {
                    TOKEN.set(None);
                    access.signed_in(info);
                    navigate("/", NavigateOptions { replace: true, ..NavigateOptions::default() });
                }
                Err(refusal) => {
                    busy.try_set(false);
                    problem.try_set(Some(refusal.problem));
                }
            }
        });
    };
    view! {
        <form class="entrance-form" novalidate on:submit=submit data-testid="setup-form">
            <p class="card-note">"It is an admin's. From then on everybody needs an account, on this machine too."</p>
            <RefusalNotice problem title="The account was not made" testid="setup-problem" />
            <TextField
                id="setup-name"
                label="Name"
                value=name
                problem=name_problem
                focus=true
                autocomplete="username"
                autocapitalize="off"
                spellcheck="false"
            />
            <NewPasswordField id="setup-password" label="Password" value=password name submitted refused offers=true />
            <button
                type="submit"
                class="button button-primary entrance-submit"
                data-testid="make-account"
                aria-disabled=move || busy.get().then_some("true")
            >
                {move || if busy.get() { "Making it …" } else { "Make the account" }}
            </button>
        </form>
    }
}
