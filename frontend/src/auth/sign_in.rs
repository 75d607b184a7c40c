//! The sign-in page, and the form that it shares with the re-authentication dialog.

use std::time::Duration;

use leptos::leptos_dom::helpers::IntervalHandle;
use leptos::{ev, html, prelude::*};
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate, use_query_map};
use shared::{auth::SignIn, problem::ErrorCode};
use wasm_bindgen_futures::spawn_local;

use super::layout::AuthLayout;
use super::password::{PasswordField, Use};
use super::redirect::{is_server_page, local_target, sign_in_href};
use super::requests::{self, RequestError};
use super::state::Auth;
use crate::api;
use crate::ui::format::whole_seconds;
use crate::ui::{Notice, Tone, page_title};

/// Shown at every URL while the user is not signed in.
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
        <AuthLayout title="Sign in to Loadify">
            <SignInForm name=String::new() />
        </AuthLayout>
    }
}

/// Shown at the URL of the sign-in page once the user is signed in: redirects to the requested page.
#[component]
pub fn SignInRedirect() -> impl IntoView {
    let query = use_query_map();
    let navigate = use_navigate();
    Effect::new(move |_| {
        let next = query.with_untracked(|query| query.get("next")).unwrap_or_default();
        let next = local_target(&next).unwrap_or("/");
        if is_server_page(next) {
            // It fails only for a malformed URL.
            let _ = window().location().replace(next);
        } else {
            navigate(next, NavigateOptions { replace: true, ..NavigateOptions::default() });
        }
    });
}

/// Name and password. [`Auth::signed_in`] continues after a successful sign-in.
#[component]
pub fn SignInForm(
    /// The name of the expected user; empty if it is not known.
    name: String,
) -> impl IntoView {
    let auth = Auth::expect();
    let known = !name.is_empty();
    let (name, password) = (RwSignal::new(name), RwSignal::new(String::new()));
    let busy = RwSignal::new(false);
    let errors = SignInErrors::new();
    let fields = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() || errors.wait.get_untracked() > 0 {
            return;
        }
        let empty = if name.with_untracked(|name| name.trim().is_empty()) { Some(fields.0) } else { None };
        let empty = empty.or_else(|| password.with_untracked(String::is_empty).then_some(fields.1));
        if let Some(field) = empty {
            errors.error.set(Some(SignInError::Incomplete));
            focus(field);
            return;
        }
        busy.set(true);
        errors.error.set(None);
        let credentials = SignIn { name: name.get_untracked(), password: password.get_untracked() };
        spawn_local(async move {
            let result = requests::sign_in(&credentials).await;
            busy.try_set(false);
            match result {
                Ok(info) => auth.signed_in(info),
                Err(error) if !errors.error.is_disposed() => {
                    errors.show(&error);
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
    let label = move || match (busy.get(), errors.wait.get(), errors.error.get()) {
        (true, ..) => "Signing in …".to_owned(),
        (_, 1.., _) => format!("Wait {}", whole_seconds(f64::from(errors.wait.get()))),
        (.., Some(SignInError::Unreachable)) => "Try again".to_owned(),
        _ => "Sign in".to_owned(),
    };
    view! {
        <form class="auth-form" novalidate on:submit=submit data-testid="sign-in-form">
            <ErrorNotice errors />
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
                    aria-invalid=move || errors.is_name_missing(&name.read()).then_some("true")
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
                class="button button-primary auth-submit"
                data-testid="sign-in"
                aria-disabled=move || (busy.get() || errors.wait.get() > 0).then_some("true")
            >
                {label}
            </button>
        </form>
    }
}

/// Why the sign-in failed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SignInError {
    Incomplete,
    Wrong,
    TooMany,
    Unreachable,
    Other(String),
}

impl SignInError {
    fn new(error: &RequestError) -> Self {
        match error.problem.code {
            ErrorCode::Unauthenticated => Self::Wrong,
            ErrorCode::TooManyRequests => Self::TooMany,
            ErrorCode::Unavailable => Self::Unreachable,
            _ => Self::Other(error.problem.detail.clone()),
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Incomplete => "Enter your name and your password",
            Self::Wrong => "Name or password is wrong",
            Self::TooMany => "Too many attempts",
            Self::Unreachable => "Can't reach the server",
            Self::Other(_) => "Couldn't sign in",
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Incomplete => String::new(),
            Self::Wrong => "Check both. An admin can set a new password for you.".to_owned(),
            Self::TooMany => "Wait before you try again.".to_owned(),
            Self::Unreachable => "Check your connection, then try again.".to_owned(),
            Self::Other(detail) => detail.clone(),
        }
    }
}

#[derive(Clone, Copy)]
struct SignInErrors {
    error: RwSignal<Option<SignInError>>,
    /// Seconds until the next attempt is allowed.
    wait: RwSignal<u32>,
    countdown: StoredValue<Option<IntervalHandle>>,
}

impl SignInErrors {
    fn new() -> Self {
        let errors = Self { error: RwSignal::new(None), wait: RwSignal::new(0), countdown: StoredValue::new(None) };
        on_cleanup(move || errors.stop());
        errors
    }

    fn stop(self) {
        if let Some(countdown) = self.countdown.try_update_value(Option::take).flatten() {
            countdown.clear();
        }
    }

    fn show(self, error: &RequestError) {
        self.error.set(Some(SignInError::new(error)));
        let Some(seconds) = error.retry_after.filter(|_| error.problem.code == ErrorCode::TooManyRequests) else {
            return;
        };
        self.wait.set(seconds);
        self.stop();
        let tick = move || {
            let left = self.wait.get_untracked().saturating_sub(1);
            self.wait.set(left);
            if left == 0 {
                self.stop();
                self.error.set(None);
            }
        };
        self.countdown.set_value(set_interval_with_handle(tick, Duration::from_secs(1)).ok());
    }

    fn is_name_missing(self, name: &str) -> bool {
        name.trim().is_empty() && self.error.get() == Some(SignInError::Incomplete)
    }
}

#[component]
fn ErrorNotice(errors: SignInErrors) -> impl IntoView {
    move || {
        let error = errors.error.get()?;
        Some(view! {
            <Notice tone=Tone::Bad title=error.title() testid="sign-in-problem">
                <p>{error.text()}</p>
            </Notice>
        })
    }
}

fn focus(field: NodeRef<html::Input>) {
    if let Some(field) = field.get_untracked() {
        let _ = field.focus();
    }
}

/// Typing replaces the selected text.
fn select(field: NodeRef<html::Input>) {
    focus(field);
    if let Some(field) = field.get_untracked() {
        field.select();
    }
}
