//! The setup page: creates the first user by the link that the server prints at start.

use std::cell::RefCell;

use leptos::{ev, prelude::*};
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use shared::{
    auth::{AuthMode, Setup, check_password, check_user_name},
    problem::Problem,
};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use super::labels::sentence;
use super::layout::AuthLayout;
use super::password::NewPasswordField;
use super::requests;
use super::state::{Auth, AuthState};
use crate::ui::{FormErrorNotice, TextField, focus_first_error, of_field, page_title};

thread_local! {
    /// The token of the link; removed from the URL, so that it does not stay in the history.
    static TOKEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Moves the token from the URL of the setup page into memory.
pub fn take_token() {
    let location = window().location();
    let is_setup = location.pathname().is_ok_and(|path| path.trim_end_matches('/') == "/setup");
    let token = location.hash().unwrap_or_default();
    let token = token.trim_start_matches('#');
    if is_setup && !token.is_empty() {
        TOKEN.set(Some(token.to_owned()));
        // It fails only for a URL of another site.
        let _ = window().history().and_then(|h| h.replace_state_with_url(&JsValue::NULL, "", Some("/setup")));
    }
}

#[component]
pub fn SetupPage() -> impl IntoView {
    page_title(|| "Create the admin account".to_owned());
    let auth = Auth::expect();
    // The link can be opened again in a tab that already shows this page.
    let opened = RwSignal::new(0);
    let listener = window_event_listener(ev::hashchange, move |_| {
        take_token();
        opened.update(|opened| *opened += 1);
    });
    on_cleanup(move || listener.remove());
    // Read once: the account that is created here must not replace the form by the notice that there is one.
    let is_closed = auth.state.with_untracked(|state| match state {
        AuthState::SignedIn(info) => info.mode == AuthMode::Closed,
        _ => true,
    });
    move || {
        opened.track();
        let token = TOKEN.with_borrow(Clone::clone);
        match token {
            _ if is_closed => view! { <AlreadySetUp /> }.into_any(),
            None => view! { <NoToken /> }.into_any(),
            Some(token) => view! {
                <AuthLayout title="Create the admin account">
                    <SetupForm token />
                </AuthLayout>
            }
            .into_any(),
        }
    }
}

#[component]
fn AlreadySetUp() -> impl IntoView {
    view! {
        <AuthLayout title="Setup is complete">
            <p data-testid="already-set-up">"The setup link can be used once. Sign in, or ask an admin for an account."</p>
            <a class="button button-primary auth-submit" href="/sign-in">"Sign in"</a>
        </AuthLayout>
    }
}

#[component]
fn NoToken() -> impl IntoView {
    view! {
        <AuthLayout title="This link is incomplete">
            <p data-testid="no-token">
                "Copy the whole setup link from the server log: it ends with # and a long code. It can be used once.
                Restart the server to get a new one."
            </p>
            <a class="button auth-submit" href="/">"Continue without an account"</a>
        </AuthLayout>
    }
}

#[component]
fn SetupForm(token: String) -> impl IntoView {
    let auth = Auth::expect();
    let navigate = use_navigate();
    let (name, password) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let (submitted, busy) = (RwSignal::new(false), RwSignal::new(false));
    let problem = RwSignal::new(None::<Problem>);
    // An error from the server does not apply to changed input.
    Effect::new(move |_| {
        name.track();
        password.track();
        problem.set(None);
    });
    let name_error = Memo::new(move |_| {
        let found = check_user_name(&name.read()).map(|error| error.message).filter(|_| submitted.get());
        let from_server = || problem.with(|problem| of_field(&problem.as_ref()?.errors, "name"));
        found.or_else(from_server).map(|message| sentence("The name", &message))
    });
    let server_error = Signal::derive(move || problem.with(|problem| of_field(&problem.as_ref()?.errors, "password")));
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        submitted.set(true);
        let setup = Setup { token: token.clone(), name: name.get_untracked(), password: password.get_untracked() };
        let wrong = check_user_name(&setup.name).or_else(|| check_password("password", &setup.password, &setup.name));
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
                    auth.signed_in(info);
                    navigate("/", NavigateOptions { replace: true, ..NavigateOptions::default() });
                }
                Err(error) => {
                    busy.try_set(false);
                    problem.try_set(Some(error.problem));
                }
            }
        });
    };
    view! {
        <form class="auth-form" novalidate on:submit=submit data-testid="setup-form">
            <p class="card-note">"From then on, everyone needs an account, also on this computer."</p>
            <FormErrorNotice problem title="Couldn't create the account" testid="setup-problem" />
            <TextField
                id="setup-name"
                label="Name"
                value=name
                problem=name_error
                focus=true
                autocomplete="username"
                autocapitalize="off"
                spellcheck="false"
            />
            <NewPasswordField id="setup-password" label="Password" value=password name submitted server_error can_generate=true />
            <button
                type="submit"
                class="button button-primary auth-submit"
                data-testid="create-account"
                aria-disabled=move || busy.get().then_some("true")
            >
                {move || if busy.get() { "Creating …" } else { "Create account" }}
            </button>
        </form>
    }
}
