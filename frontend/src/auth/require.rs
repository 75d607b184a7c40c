//! Shows pages only to authenticated users with the permission.

use std::time::Duration;

use leptos::prelude::*;
use leptos_router::hooks::use_location;
use shared::{auth::Permission, problem::Problem};
use wasm_bindgen_futures::spawn_local;

use super::labels;
use super::layout::AuthLayout;
use super::setup::SetupPage;
use super::sign_in::SignInPage;
use super::state::{Auth, AuthState};
use crate::ui::{Glyph, Icon, every, page_title};

/// Delay before the session is requested again from a server that cannot be reached.
const RETRY_DELAY: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, PartialEq, Eq)]
enum View {
    Loading,
    Unreachable(Problem),
    Setup,
    SignIn,
    Page,
}

/// Shows its children if the user is signed in, or need not be.
#[component]
pub fn RequireAuth(children: ChildrenFn) -> impl IntoView {
    let auth = Auth::expect();
    let path = use_location().pathname;
    spawn_local(auth.load());
    let current = Memo::new(move |_| {
        let setup = path.read().trim_end_matches('/') == "/setup";
        auth.state.with(|state| match state {
            AuthState::Loading => View::Loading,
            AuthState::Unreachable(problem) => View::Unreachable(problem.clone()),
            _ if setup => View::Setup,
            AuthState::SignedOut => View::SignIn,
            AuthState::SignedIn(_) => View::Page,
        })
    });
    move || match current.get() {
        View::Loading => view! { <Loading /> }.into_any(),
        View::Unreachable(problem) => view! { <Unreachable problem /> }.into_any(),
        View::Setup => view! { <SetupPage /> }.into_any(),
        View::SignIn => view! { <SignInPage /> }.into_any(),
        View::Page => children().into_any(),
    }
}

/// Empty at first: most responses arrive before the text could be read.
#[component]
fn Loading() -> impl IntoView {
    view! {
        <main id="main" class="auth-layout">
            <p class="auth-loading" role="status">"Connecting …"</p>
        </main>
    }
}

#[component]
fn Unreachable(problem: Problem) -> impl IntoView {
    page_title(|| "Not connected".to_owned());
    let auth = Auth::expect();
    let connecting = RwSignal::new(false);
    let connect = move || {
        if connecting.try_get_untracked() == Some(false) {
            connecting.set(true);
            spawn_local(async move {
                auth.load().await;
                connecting.try_set(false);
            });
        }
    };
    every(RETRY_DELAY, connect);
    view! {
        <AuthLayout title="Can't reach Loadify">
            <div data-testid="server-away">
                <p role="status">{problem.detail}</p>
                <p class="card-note">"Retrying every few seconds. This page continues when the server responds."</p>
            </div>
            <button type="button" class="button auth-submit" on:click=move |_| connect()>
                {move || if connecting.get() { "Connecting …" } else { "Try now" }}
            </button>
        </AuthLayout>
    }
}

/// Shows its children to users with this permission, and a notice to others.
#[component]
pub fn RequirePermission(permission: Permission, children: ChildrenFn) -> impl IntoView {
    let auth = Auth::expect();
    let can = Memo::new(move |_| auth.can(permission));
    move || if can.get() { children().into_any() } else { view! { <NotPermitted /> }.into_any() }
}

#[component]
fn NotPermitted() -> impl IntoView {
    page_title(|| "Not allowed".to_owned());
    let auth = Auth::expect();
    let role = move || auth.user().map(|user| labels::role(user.role).to_lowercase());
    view! {
        <div class="page page-narrow">
            <section class="empty" data-testid="not-permitted">
                <Icon glyph=Glyph::Key />
                <h1>"You don't have access"</h1>
                <p>
                    {move || role().map(|role| format!("Your role is {role}. "))}
                    "Ask an admin for access."
                </p>
                <a class="button button-primary" href="/products">"Go to the products"</a>
            </section>
        </div>
    }
}
