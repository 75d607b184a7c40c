//! The frame around every page, and the routes.

use leptos::{html, prelude::*};
use leptos_router::components::{A, ParentRoute, Route, Router, Routes};
use leptos_router::hooks::{use_location, use_navigate};
use leptos_router::{NavigateOptions, path};
use shared::auth::Permission;

use crate::api;
use crate::auth::{
    AccountMenu, AuditPage, Auth, KeysPage, ManageMenu, OpenModeBanner, ReauthDialog, RequireAuth, RequirePermission,
    SignInRedirect, UsersPage,
};
use crate::imports::{
    DropOverlay, HistoryPage, LivePage, RunningBadge, RunningImports, StartPage, UploadPill, Uploads,
};
use crate::products::ProductsPage;
use crate::ui::{self, Glyph, Icon, Logo, ToastList, Toasts};
use crate::webhooks::{WebhookPage, WebhooksPage};

#[component]
pub fn App() -> impl IntoView {
    ui::provide_clock();
    api::provide_reachability();
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

/// Everything that needs the router: a finished upload navigates to its import.
#[component]
fn Frame() -> impl IntoView {
    Uploads::provide();
    show_running_imports_in_title(RunningImports::provide());
    let auth = Auth::expect();
    let main = NodeRef::new();
    focus_on_navigation(main);
    view! {
        <a class="skip-link" href="#main" rel="external">"Skip to content"</a>
        <TopBar />
        <OpenModeBanner />
        <UnreachableNote />
        <main id="main" tabindex="-1" node_ref=main>
            <Routes fallback=NotFoundPage>
                <Route path=path!("/") view=HomePage />
                <Route path=path!("/sign-in") view=SignInRedirect />
                <Route path=path!("/imports") view=HistoryPage />
                <Route path=path!("/imports/:id") view=LivePage />
                <ParentRoute path=path!("/products") view=ProductsPage>
                    // The list stays while a product is open next to it; the page reads its id from the address.
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

/// The page that starts an import, or the products for users who cannot import.
#[component]
fn HomePage() -> impl IntoView {
    let auth = Auth::expect();
    let navigate = use_navigate();
    let can_import = Memo::new(move |_| auth.can(Permission::WriteImports));
    Effect::new(move |_| {
        if !can_import.get() {
            navigate("/products", NavigateOptions { replace: true, ..NavigateOptions::default() });
        }
    });
    move || can_import.get().then(|| view! { <StartPage /> })
}

#[component]
fn TopBar() -> impl IntoView {
    let auth = Auth::expect();
    let can = move |permission| move || auth.can(permission);
    view! {
        <header class="topbar">
            <div class="topbar-inner">
                <a class="brand" href="/" aria-label="Loadify, start page">
                    <Logo />
                    <span class="brand-name">"Loadify"</span>
                </a>
                <nav class="nav" aria-label="Main">
                    <Show when=can(Permission::WriteImports)>
                        <A href="/" exact=true>"Import"</A>
                    </Show>
                    <A href="/imports">"Imports" <RunningBadge /></A>
                    <A href="/products">"Products"</A>
                    <Show when=can(Permission::Webhooks)>
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

/// Shows in the title of every tab that an import runs. The page of an import has its own progress there.
fn show_running_imports_in_title(running: RunningImports) {
    let path = use_location().pathname;
    ui::provide_title_prefix(Signal::derive(move || {
        let text = running.text().filter(|_| !path.read().starts_with("/imports/"))?;
        Some(if text.ends_with('%') { format!("Importing {text}") } else { "Importing".to_owned() })
    }));
}

/// Says that the server cannot be reached. The page of an import has a notice of its own.
#[component]
fn UnreachableNote() -> impl IntoView {
    let path = use_location().pathname;
    let shown = Memo::new(move |_| !api::is_reachable() && !path.read().starts_with("/imports/"));
    view! {
        <div role="status">
            <Show when=move || shown.get()>
                <p class="unreachable" data-testid="unreachable">
                    <Icon glyph=Glyph::Warning />
                    "Can't reach the server. Reconnecting …"
                </p>
            </Show>
        </div>
    }
}

/// Moves the focus to a new page, so that the keyboard and screen readers start there. A change of the query alone (the next
/// page of a list) keeps the focus; so does the panel next to the products, which takes it itself.
fn focus_on_navigation(main: NodeRef<html::Main>) {
    let path = use_location().pathname;
    Effect::new(move |previous: Option<String>| {
        let path = path.get();
        let path = if path.starts_with("/products/") { "/products".to_owned() } else { path };
        if previous.is_some_and(|previous| previous != path)
            && let Some(main) = main.get_untracked()
        {
            // An element that cannot take the focus is no error.
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
                <h1>"Page not found"</h1>
                <p>"Check the address, or go to the start page."</p>
                <a class="button button-primary" href="/">"Go to start page"</a>
            </section>
        </div>
    }
}
