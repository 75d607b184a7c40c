//! The frame around every page, and which page stands at which address.

use leptos::{html, prelude::*};
use leptos_router::components::{A, ParentRoute, Route, Router, Routes};
use leptos_router::hooks::{use_location, use_navigate};
use leptos_router::{NavigateOptions, path};
use shared::auth::Permission;

use crate::auth::{
    AccountMenu, AuditPage, Auth, KeysPage, ManageMenu, OpenModeBanner, ReauthDialog, RequireAuth, RequirePermission,
    SignInRedirect, UsersPage,
};
use crate::imports::{DropOverlay, HistoryPage, LivePage, StartPage, UploadPill, Uploads};
use crate::products::ProductsPage;
use crate::ui::{self, Glyph, Icon, Logo, ToastList, Toasts};
use crate::webhooks::{WebhookPage, WebhooksPage};

#[component]
pub fn App() -> impl IntoView {
    ui::provide_clock();
    Toasts::provide();
    Auth::provide();
    view! {
        <Router>
            <RequireAuth>
                <Frame />
            </RequireAuth>
        </Router>
    }
}

/// Everything that needs the router: an upload leads to another page when it ends.
#[component]
fn Frame() -> impl IntoView {
    Uploads::provide();
    let auth = Auth::expect();
    let main = NodeRef::new();
    focus_on_navigation(main);
    view! {
        <a class="skip-link" href="#main" rel="external">"Skip to content"</a>
        <TopBar />
        <OpenModeBanner />
        <main id="main" tabindex="-1" node_ref=main>
            <Routes fallback=NotFoundPage>
                <Route path=path!("/") view=HomePage />
                <Route path=path!("/sign-in") view=SignInRedirect />
                <Route path=path!("/imports") view=HistoryPage />
                <Route path=path!("/imports/:id") view=LivePage />
                <ParentRoute path=path!("/products") view=ProductsPage>
                    // The list stays while the address names a product beside it; the page reads which.
                    <Route path=path!("") view=|| () />
                    <Route path=path!(":panel") view=|| () />
                </ParentRoute>
                <Route path=path!("/webhooks") view=|| view! { <RequirePermission permission=Permission::Webhooks><WebhooksPage /></RequirePermission> } />
                <Route path=path!("/webhooks/:id") view=|| view! { <RequirePermission permission=Permission::Webhooks><WebhookPage /></RequirePermission> } />
                <Route path=path!("/users") view=|| view! { <RequirePermission permission=Permission::Admin><UsersPage /></RequirePermission> } />
                <Route path=path!("/keys") view=|| view! { <RequirePermission permission=Permission::Admin><KeysPage /></RequirePermission> } />
                <Route path=path!("/audit") view=|| view! { <RequirePermission permission=Permission::Admin><AuditPage /></RequirePermission> } />
            </Routes>
        </main>
        <footer class="footer">
            <span>"Loadify " {env!("CARGO_PKG_VERSION")}</span>
            <a href="/api/docs" rel="external">"API documentation"</a>
        </footer>
        {move || auth.can(Permission::WriteImports).then(|| view! { <DropOverlay /> })}
        <ToastList />
        <ReauthDialog />
    }
}

/// The page where an import begins; the products, for who may not begin one.
#[component]
fn HomePage() -> impl IntoView {
    let auth = Auth::expect();
    let navigate = use_navigate();
    let may_import = Memo::new(move |_| auth.can(Permission::WriteImports));
    Effect::new(move |_| {
        if !may_import.get() {
            navigate("/products", NavigateOptions { replace: true, ..NavigateOptions::default() });
        }
    });
    move || may_import.get().then(|| view! { <StartPage /> })
}

#[component]
fn TopBar() -> impl IntoView {
    let auth = Auth::expect();
    let may = move |permission| move || auth.can(permission);
    view! {
        <header class="topbar">
            <div class="topbar-inner">
                <a class="brand" href="/" aria-label="Loadify, start page">
                    <Logo />
                    <span class="brand-name">"Loadify"</span>
                </a>
                <nav class="nav" aria-label="Main">
                    <Show when=may(Permission::WriteImports)>
                        <A href="/" exact=true>"Import"</A>
                    </Show>
                    <A href="/imports">"Imports"</A>
                    <A href="/products">"Products"</A>
                    <Show when=may(Permission::Webhooks)>
                        <A href="/webhooks" attr:class="nav-wide">"Webhooks"</A>
                    </Show>
                    <ManageMenu />
                </nav>
                <UploadPill />
                <a class="topbar-docs" href="/api/docs" rel="external" title="API documentation">
                    "API"
                    <Icon glyph=Glyph::External />
                </a>
                <AccountMenu />
            </div>
        </header>
    }
}

/// Moves the focus to the new page, so that the keyboard and a screen reader start there and not in the old place.
/// A change of the query alone (the next page of a list) leaves it where it is; so does what opens beside the list of
/// products, which takes the focus itself.
fn focus_on_navigation(main: NodeRef<html::Main>) {
    let path = use_location().pathname;
    Effect::new(move |previous: Option<String>| {
        let path = path.get();
        let path = if path.starts_with("/products/") { "/products".to_owned() } else { path };
        if previous.is_some_and(|previous| previous != path)
            && let Some(main) = main.get_untracked()
        {
            // An element that cannot take the focus is no reason to fail.
            let _ = main.focus();
        }
        path
    });
}

#[component]
fn NotFoundPage() -> impl IntoView {
    ui::page_title(|| "Page not found".to_owned());
    view! {
        <div class="page page-narrow">
            <section class="empty">
                <p class="empty-code">"404"</p>
                <h1>"There is no such page"</h1>
                <p>"The address may be mistyped, or the page has moved."</p>
                <a class="button button-primary" href="/">"Go to the start page"</a>
            </section>
        </div>
    }
}
