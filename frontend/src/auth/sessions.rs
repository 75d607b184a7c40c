//! The sessions of the current user.

use leptos::prelude::*;
use shared::{
    auth::{Session, SessionList},
    problem::Problem,
};
use wasm_bindgen_futures::spawn_local;

use super::state::Auth;
use super::{requests, user_agent};
use crate::ui::{Modal, ProblemNotice, Relative, Skeleton, Toasts};

#[component]
pub fn SessionsDialog(open: RwSignal<bool>) -> impl IntoView {
    view! {
        <Modal open title="My sessions" id="sessions-dialog">
            // Created again each time, to load the current list.
            <Show when=move || open.get()>
                <Sessions open />
            </Show>
        </Modal>
    }
}

#[component]
fn Sessions(open: RwSignal<bool>) -> impl IntoView {
    let toasts = Toasts::expect();
    let list = LocalResource::new(requests::sessions);
    let sign_out_everywhere = move |_| {
        spawn_local(async move {
            match requests::sign_out_everywhere().await {
                Ok(()) => Auth::signed_out(),
                Err(problem) => toasts.fail("Couldn't sign out", &problem),
            }
        });
    };
    view! {
        <p>"Browsers in which you are signed in. Sign out sessions you don't recognize, and change your password."</p>
        {move || content(list.get(), list)}
        <div class="dialog-actions">
            <button type="button" class="button button-quiet-danger" data-testid="sign-out-everywhere" on:click=sign_out_everywhere>
                "Sign out everywhere"
            </button>
            <button type="button" class="button" data-testid="close-sessions" on:click=move |_| open.set(false)>
                "Close"
            </button>
        </div>
    }
}

fn content(answer: Option<Result<SessionList, Problem>>, list: LocalResource<Result<SessionList, Problem>>) -> AnyView {
    match answer {
        None => view! { <Skeleton rows=2 /> }.into_any(),
        Some(Err(problem)) => view! { <ProblemNotice problem retry=move || list.refetch() /> }.into_any(),
        Some(Ok(sessions)) => {
            let line = |session| view! { <SessionLine session list /> };
            view! { <ul class="sessions" data-testid="sessions">{sessions.items.into_iter().map(line).collect_view()}</ul> }
                .into_any()
        }
    }
}

#[component]
fn SessionLine(session: Session, list: LocalResource<Result<SessionList, Problem>>) -> impl IntoView {
    let toasts = Toasts::expect();
    let ending = RwSignal::new(false);
    let Session { id, current, address, user_agent, created_at, last_used_at, .. } = session;
    let name = user_agent::name(&user_agent);
    let label = format!("Sign out {name} at {address}");
    let end = move |_| {
        ending.set(true);
        spawn_local(async move {
            if let Err(problem) = requests::end_session(id).await {
                toasts.fail("Couldn't end the session", &problem);
            }
            ending.try_set(false);
            if !list.is_disposed() {
                list.refetch();
            }
        });
    };
    let action = if current {
        view! { <span class="badge" data-tone="good">"This session"</span> }.into_any()
    } else {
        view! {
            <button
                type="button"
                class="button"
                data-testid="end-session"
                aria-label=label
                disabled=move || ending.get()
                on:click=end
            >
                "Sign out"
            </button>
        }
        .into_any()
    };
    view! {
        <li class="session" data-testid="session">
            <div>
                <p class="session-name" title=user_agent.clone()>{name} " · " {address}</p>
                <p class="card-note">"Signed in " <Relative at=created_at /> ", last used " <Relative at=last_used_at /></p>
            </div>
            {action}
        </li>
    }
}
