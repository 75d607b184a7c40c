//! The menu of who is signed in, and at its side what only admins have.

use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_location;
use shared::auth::Permission;
use wasm_bindgen_futures::spawn_local;

use super::person_dialogs::ChangePasswordDialog;
use super::sessions::SessionsDialog;
use super::state::Access;
use super::{requests, words};
use crate::ui::{Glyph, Icon, Popover, Toasts};

/// Pages that not everybody has: address, name, sign, and who may open it.
const PLACES: [(&str, &str, Glyph, Permission); 4] = [
    ("/webhooks", "Webhooks", Glyph::External, Permission::Webhooks),
    ("/people", "People", Glyph::People, Permission::Admin),
    ("/keys", "API keys", Glyph::Key, Permission::Admin),
    ("/audit", "Audit log", Glyph::Clock, Permission::Admin),
];

/// At the end of the top bar. On a narrow window the pages of admins are in the menu of the account.
#[component]
pub fn AccountMenu() -> impl IntoView {
    let access = Access::expect();
    let open = RwSignal::new(false);
    let (changing, listing) = (RwSignal::new(false), RwSignal::new(false));
    let initial = move || {
        let name = access.person().map(|person| person.name).unwrap_or_default();
        name.chars().next().map(|first| first.to_uppercase().to_string())
    };
    let button = move || match initial() {
        Some(initial) => view! { <span class="avatar" aria-hidden="true">{initial}</span> }.into_any(),
        None => view! { <span class="avatar avatar-open"><Icon glyph=Glyph::Person /></span> }.into_any(),
    };
    view! {
        <div class="account">
            <Popover open label="Account" testid="account" button=button bare=true>
                <Who />
                <ul class="menu-list account-places">
                    <Places open />
                </ul>
                <Own open changing listing />
            </Popover>
        </div>
        <ChangePasswordDialog open=changing />
        <SessionsDialog open=listing />
    }
}

/// The pages of admins, in the bar of a wide window.
#[component]
pub fn ManageMenu() -> impl IntoView {
    let access = Access::expect();
    let open = RwSignal::new(false);
    let path = use_location().pathname;
    let here = move || path.with(|path| PLACES[1..].iter().any(|(place, ..)| path.starts_with(place)));
    view! {
        <Show when=move || access.may(Permission::Admin)>
            <div class="manage" class:manage-here=here>
                <Popover open label="Manage" testid="manage" button=|| view! { "Manage" <Icon glyph=Glyph::Chevron /> }>
                    <ul class="menu-list">{PLACES[1..].iter().map(|place| link(*place, open)).collect_view()}</ul>
                </Popover>
            </div>
        </Show>
    }
}

#[component]
fn Places(open: RwSignal<bool>) -> impl IntoView {
    let access = Access::expect();
    PLACES.map(|place| {
        view! {
            <Show when=move || access.may(place.3)>
                {link(place, open)}
            </Show>
        }
    })
}

fn link(
    (href, name, glyph, _): (&'static str, &'static str, Glyph, Permission),
    open: RwSignal<bool>,
) -> impl IntoView {
    view! {
        <li on:click=move |_| open.set(false)>
            <A href=href attr:class="menu-item" attr:data-testid=format!("nav{}", href.replace('/', "-"))>
                <Icon glyph />
                {name}
            </A>
        </li>
    }
}

#[component]
fn Who() -> impl IntoView {
    let access = Access::expect();
    move || match access.person() {
        Some(person) => view! {
            <div class="who" data-testid="who">
                <p class="who-name">{person.name}</p>
                <p class="card-note">{words::role(person.role)}</p>
            </div>
        }
        .into_any(),
        None => view! {
            <div class="who" data-testid="who">
                <p class="who-name">"Open"</p>
                <p class="card-note">
                    "No account has been made: everybody on this machine may do everything. The server prints a link for
                    the first account when it starts."
                </p>
            </div>
        }
        .into_any(),
    }
}

/// What concerns one's own account.
#[component]
fn Own(open: RwSignal<bool>, changing: RwSignal<bool>, listing: RwSignal<bool>) -> impl IntoView {
    let access = Access::expect();
    let toasts = Toasts::expect();
    let show = move |dialog: RwSignal<bool>| {
        open.set(false);
        dialog.set(true);
    };
    let sign_out = move |_| {
        open.set(false);
        spawn_local(async move {
            match requests::sign_out().await {
                Ok(()) => Access::signed_out(),
                Err(problem) => toasts.refuse("You are still signed in", &problem),
            }
        });
    };
    view! {
        <Show when=move || access.person().is_some()>
            <ul class="menu-list menu-rule">
                <li>
                    <button type="button" class="menu-item" data-testid="my-sessions" on:click=move |_| show(listing)>
                        <Icon glyph=Glyph::Clock />
                        "My sessions"
                    </button>
                </li>
                <li>
                    <button type="button" class="menu-item" data-testid="change-password" on:click=move |_| show(changing)>
                        <Icon glyph=Glyph::Key />
                        "Change password"
                    </button>
                </li>
                <li>
                    <button type="button" class="menu-item" data-testid="sign-out" on:click=sign_out>
                        <Icon glyph=Glyph::SignOut />
                        "Sign out"
                    </button>
                </li>
            </ul>
        </Show>
    }
}
