//! The account menu, and the menu of the pages for admins.

use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_location;
use shared::auth::Permission;
use wasm_bindgen_futures::spawn_local;

use super::sessions::SessionsDialog;
use super::state::Auth;
use super::user_dialogs::ChangePasswordDialog;
use super::{labels, requests};
use crate::ui::{Glyph, Icon, Popover, Toasts};

/// Pages that need a permission: path, label, icon, permission.
const PAGES: [(&str, &str, Glyph, Permission); 4] = [
    ("/webhooks", "Webhooks", Glyph::External, Permission::Webhooks),
    ("/users", "Users", Glyph::Users, Permission::Admin),
    ("/keys", "API keys", Glyph::Key, Permission::Admin),
    ("/audit", "Audit log", Glyph::Clock, Permission::Admin),
];

/// At the end of the top bar. In a narrow window it also contains the pages for admins.
#[component]
pub fn AccountMenu() -> impl IntoView {
    let auth = Auth::expect();
    let open = RwSignal::new(false);
    let (changing, listing) = (RwSignal::new(false), RwSignal::new(false));
    let initial = move || {
        let name = auth.user().map(|user| user.name).unwrap_or_default();
        name.chars().next().map(|first| first.to_uppercase().to_string())
    };
    let button = move || match initial() {
        Some(initial) => view! { <span class="avatar" aria-hidden="true">{initial}</span> }.into_any(),
        None => view! { <span class="avatar avatar-open"><Icon glyph=Glyph::User /></span> }.into_any(),
    };
    view! {
        <div class="account">
            <Popover open label="Account" testid="account" button=button bare=true>
                <CurrentUser />
                <ul class="menu-list account-pages">
                    <PageLinks open />
                </ul>
                <OwnAccount open changing listing />
            </Popover>
        </div>
        <ChangePasswordDialog open=changing />
        <SessionsDialog open=listing />
    }
}

/// The pages for admins, in the top bar of a wide window.
#[component]
pub fn ManageMenu() -> impl IntoView {
    let auth = Auth::expect();
    let open = RwSignal::new(false);
    let path = use_location().pathname;
    let is_current = move || path.with(|path| PAGES[1..].iter().any(|(page, ..)| path.starts_with(page)));
    view! {
        <Show when=move || auth.can(Permission::Admin)>
            <div class="manage" class:manage-current=is_current>
                <Popover open label="Manage" testid="manage" button=|| view! { "Manage" <Icon glyph=Glyph::Chevron /> }>
                    <ul class="menu-list">{PAGES[1..].iter().map(|page| link(*page, open)).collect_view()}</ul>
                </Popover>
            </div>
        </Show>
    }
}

#[component]
fn PageLinks(open: RwSignal<bool>) -> impl IntoView {
    let auth = Auth::expect();
    PAGES.map(|page| {
        view! {
            <Show when=move || auth.can(page.3)>
                {link(page, open)}
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
fn CurrentUser() -> impl IntoView {
    let auth = Auth::expect();
    move || match auth.user() {
        Some(user) => view! {
            <div class="account-user" data-testid="account-user">
                <p class="account-name">{user.name}</p>
                <p class="card-note">{labels::role(user.role)}</p>
            </div>
        }
        .into_any(),
        None => view! {
            <div class="account-user" data-testid="account-user">
                <p class="account-name">"Open mode"</p>
                <p class="card-note">
                    "No accounts yet. Anyone on this computer has full access. Use the setup link in the server log."
                </p>
            </div>
        }
        .into_any(),
    }
}

/// Actions on the own account.
#[component]
fn OwnAccount(open: RwSignal<bool>, changing: RwSignal<bool>, listing: RwSignal<bool>) -> impl IntoView {
    let auth = Auth::expect();
    let toasts = Toasts::expect();
    let show = move |dialog: RwSignal<bool>| {
        open.set(false);
        dialog.set(true);
    };
    let sign_out = move |_| {
        open.set(false);
        spawn_local(async move {
            match requests::sign_out().await {
                Ok(()) => Auth::signed_out(),
                Err(problem) => toasts.fail("Couldn't sign out", &problem),
            }
        });
    };
    view! {
        <Show when=move || auth.user().is_some()>
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
