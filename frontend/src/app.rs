//! The frame around every page, and which page stands at which address.

use leptos::{html, prelude::*};
use leptos_router::components::{A, ParentRoute, Route, Router, Routes};
use leptos_router::hooks::use_location;
use leptos_router::path;

use crate::imports::{DropOverlay, HistoryPage, LivePage, StartPage, UploadPill, Uploads};
use crate::products::ProductsPage;
use crate::ui::{self, Glyph, Icon, Logo, ToastList, Toasts};
use crate::webhooks::{WebhookPage, WebhooksPage};

#[component]
pub fn App() -> impl IntoView {
    ui::provide_clock();
    Toasts::provide();
    view! {
        <Router>
            <Frame />
        </Router>
    }
}

/// Everything that needs the router: an upload leads to another page when it ends.
#[component]
fn Frame() -> impl IntoView {
    Uploads::provide();
    let main = NodeRef::new();
    focus_on_navigation(main);
    view! {
        <a class="skip-link" href="#main" rel="external">"Skip to content"</a>
        <TopBar />
        <main id="main" tabindex="-1" node_ref=main>
            <Routes fallback=NotFoundPage>
                <Route path=path!("/") view=StartPage />
                <Route path=path!("/imports") view=HistoryPage />
                <Route path=path!("/imports/:id") view=LivePage />
                <ParentRoute path=path!("/products") view=ProductsPage>
                    // The list stays while the address names a product beside it; the page reads which.
                    <Route path=path!("") view=|| () />
                    <Route path=path!(":panel") view=|| () />
                </ParentRoute>
                <Route path=path!("/webhooks") view=WebhooksPage />
                <Route path=path!("/webhooks/:id") view=WebhookPage />
            </Routes>
        </main>
        <footer class="footer">
            <span>"Loadify " {env!("CARGO_PKG_VERSION")}</span>
            <a href="/api/docs" rel="external">"API documentation"</a>
        </footer>
        <DropOverlay />
        <ToastList />
    }
}

#[component]
fn TopBar() -> impl IntoView {
    view! {
        <header class="topbar">
            <div class="topbar-inner">
                <a class="brand" href="/" aria-label="Loadify, start page">
                    <Logo />
                    <span class="brand-name">"Loadify"</span>
                </a>
                <nav class="nav" aria-label="Main">
                    <A href="/" exact=true>"Import"</A>
                    <A href="/imports">"Imports"</A>
                    <A href="/products">"Products"</A>
                    <A href="/webhooks">"Webhooks"</A>
                </nav>
                <UploadPill />
                <a class="topbar-docs" href="/api/docs" rel="external" title="API documentation">
                    "API"
                    <Icon glyph=Glyph::External />
                </a>
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
