//! Which side of the door a tab is on.

use std::time::Duration;

use leptos::prelude::*;
use leptos_router::hooks::use_location;
use shared::{auth::Permission, problem::Problem};
use wasm_bindgen_futures::spawn_local;

use super::entrance::Entrance;
use super::setup::SetupPage;
use super::sign_in::SignInPage;
use super::state::{Access, Standing};
use crate::ui::{Glyph, Icon, every, page_title};

/// Pause before a server that cannot be reached is asked again.
const PAUSE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Waiting,
    Away(Problem),
    Setup,
    Outside,
    Inside,
}

/// Shows its children to who is signed in, or may be here without.
#[component]
pub fn Gate(children: ChildrenFn) -> impl IntoView {
    let access = Access::expect();
    let path = use_location().pathname;
    spawn_local(access.ask());
    let place = Memo::new(move |_| {
        let setup = path.read().trim_end_matches('/') == "/setup";
        access.standing.with(|standing| match standing {
            Standing::Asking => Place::Waiting,
            Standing::Away(problem) => Place::Away(problem.clone()),
            _ if setup => Place::Setup,
            Standing::Out => Place::Outside,
            Standing::In(_) => Place::Inside,
        })
    });
    move || match place.get() {
        Place::Waiting => view! { <Waiting /> }.into_any(),
        Place::Away(problem) => view! { <Away problem /> }.into_any(),
        Place::Setup => view! { <SetupPage /> }.into_any(),
        Place::Outside => view! { <SignInPage /> }.into_any(),
        Place::Inside => children().into_any(),
    }
}

/// Says nothing at first: most answers are here before one could read it.
#[component]
fn Waiting() -> impl IntoView {
    view! {
        <main id="main" class="entrance">
            <p class="entrance-waiting" role="status">"Connecting …"</p>
        </main>
    }
}

#[component]
fn Away(problem: Problem) -> impl IntoView {
    page_title(|| "Not connected".to_owned());
    let access = Access::expect();
    let asking = RwSignal::new(false);
    let ask = move || {
        if asking.try_get_untracked() == Some(false) {
            asking.set(true);
            spawn_local(async move {
                access.ask().await;
                asking.try_set(false);
            });
        }
    };
    every(PAUSE, ask);
    view! {
        <Entrance title="Loadify cannot be reached">
            <div data-testid="server-away">
                <p role="status">{problem.detail}</p>
                <p class="card-note">"It is asked again every few seconds; this page goes on by itself."</p>
            </div>
            <button type="button" class="button entrance-submit" on:click=move |_| ask()>
                {move || if asking.get() { "Asking …" } else { "Try now" }}
            </button>
        </Entrance>
    }
}

/// Shows its children to who may do that; tells the others so.
#[component]
pub fn Permitted(permission: Permission, children: ChildrenFn) -> impl IntoView {
    let access = Access::expect();
    let may = Memo::new(move |_| access.may(permission));
    move || if may.get() { children().into_any() } else { view! { <NotPermitted /> }.into_any() }
}

#[component]
fn NotPermitted() -> impl IntoView {
    page_title(|| "Not allowed".to_owned());
    let access = Access::expect();
    let role = move || access.person().map(|person| super::words::role(person.role).to_lowercase());
    view! {
        <div class="page page-narrow">
            <section class="empty" data-testid="not-permitted">
                <Icon glyph=Glyph::Key />
                <h1>"This page is not open to you"</h1>
                <p>
                    {move || role().map(|role| format!("Your role is {role}. "))}
                    "An admin can give you another one."
                </p>
                <a class="button button-primary" href="/products">"Go to the products"</a>
            </section>
        </div>
    }
}
