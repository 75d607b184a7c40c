//! The page with the list of products and the panel next to it.

use leptos::prelude::*;
use leptos_router::components::Outlet;
use shared::{auth::Permission, search::ProductFilter};

use super::bulk::bar::BulkBar;
use super::bulk::delete_all::DeleteAllDialog;
use super::bulk::selection::Selection;
use super::detail::panel::SidePanel;
use super::detail::unsaved_changes::{DiscardDialog, UnsavedChanges};
use super::list::catalogue::Catalogue;
use super::list::changes::ChangesBar;
use super::list::filters::{FilterChips, clear};
use super::list::import_note::ImportNote;
use super::list::keyboard::{Help, HelpDialog, listen};
use super::list::pager::Pager;
use super::list::prefs::use_prefs;
use super::list::query::Panel;
use super::list::table::ProductTable;
use super::list::toolbar::Toolbar;
use crate::auth::Auth;
use crate::ui::format::counted;
use crate::ui::{Glyph, Icon, ProblemNotice, Skeleton, page_title};

#[component]
pub fn ProductsPage() -> impl IntoView {
    let catalogue = Catalogue::provide();
    let selection = Selection::provide(catalogue);
    let unsaved = UnsavedChanges::provide(catalogue);
    let help = Help(RwSignal::new(false));
    provide_context(help);
    listen(catalogue, selection, unsaved, help, Auth::expect());
    let prefs = use_prefs();
    let deleting_all = RwSignal::new(false);
    page_title(move || match unsaved.shown.get() {
        Panel::Closed => "Products".to_owned(),
        Panel::New { .. } => "New product".to_owned(),
        Panel::Edit(id) => format!("Product {id}"),
        Panel::NotFound => "Product not found".to_owned(),
    });
    view! {
        <div class="page products-page">
            <Head />
            <Toolbar prefs deleting_all />
            <FilterChips />
            <ImportNote />
            <ChangesBar />
            {move || match catalogue.problem.get() {
                Some(problem) => {
                    view! { <ProblemNotice problem retry=move || catalogue.load() /> }.into_any()
                }
                None => view! { <Loaded><ProductTable prefs /><Pager /></Loaded> }.into_any(),
            }}
            <BulkBar />
            <SidePanel />
            <DiscardDialog />
            <HelpDialog />
            <DeleteAllDialog open=deleting_all />
            <Outlet />
        </div>
    }
}

#[component]
fn Head() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let auth = Auth::expect();
    let filter = Memo::new(move |_| catalogue.filter());
    let text = move || match catalogue.total.get() {
        Some(total) => filter.with(|filter| total_text(total, filter)),
        None => "Counting …".to_owned(),
    };
    view! {
        <header class="page-head">
            <div>
                <h1>"Products"</h1>
                <p class="page-lead" role="status" data-testid="products-total" data-value=move || catalogue.total.get()>
                    {text}
                </p>
            </div>
            <div class="page-actions">
                <Show when=move || auth.can(Permission::WriteImports)>
                    <a class="button" href="/">
                        <Icon glyph=Glyph::Upload />
                        "Import a file"
                    </a>
                </Show>
                <Show when=move || auth.can(Permission::WriteProducts)>
                    <a
                        class="button button-primary"
                        href=move || catalogue.href(Panel::New { copy: None })
                        data-noscroll
                        data-testid="new-product"
                        aria-keyshortcuts="n"
                    >
                        <Icon glyph=Glyph::Plus />
                        "Add product"
                    </a>
                </Show>
            </div>
        </header>
    }
}

fn total_text(total: i64, filter: &ProductFilter) -> String {
    let verb = match total {
        _ if filter.is_empty() => "",
        1 => " matches",
        _ => " match",
    };
    counted(total, "product") + verb
}

/// The list once it is loaded, or what to do if it is empty.
#[component]
fn Loaded(children: ChildrenFn) -> impl IntoView {
    let catalogue = Catalogue::expect();
    let state = Memo::new(move |_| {
        catalogue.listing.with(|listing| match listing {
            None => State::Loading,
            Some(listing) if !listing.rows.is_empty() => State::Rows,
            Some(listing) if listing.view.cursor.is_some() => State::PastTheEnd,
            Some(listing) if listing.view.filter.is_empty() => State::Empty,
            Some(_) => State::NoMatch,
        })
    });
    let pending = move || catalogue.loading.get() && state.get() != State::Loading;
    view! {
        <div class="loads" class:loads-pending=pending>
            {move || match state.get() {
                State::Loading => view! { <Skeleton rows=14 /> }.into_any(),
                State::Rows => children(),
                State::Empty => view! { <NoProducts /> }.into_any(),
                State::NoMatch => view! { <NoMatch /> }.into_any(),
                State::PastTheEnd => view! { <PastTheEnd /> }.into_any(),
            }}
        </div>
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Loading,
    Rows,
    /// There are no products at all.
    Empty,
    NoMatch,
    /// No product is left on this page.
    PastTheEnd,
}

#[component]
fn NoProducts() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let auth = Auth::expect();
    let can_import = move || auth.can(Permission::WriteImports);
    let can_write = move || auth.can(Permission::WriteProducts);
    let advice = move || {
        if can_import() {
            "Import a CSV file with the columns sku and name, or add the first product here."
        } else {
            "Products appear here after an import, or when someone adds them."
        }
    };
    view! {
        <div class="empty" data-testid="no-products">
            <Icon glyph=Glyph::Products />
            <p class="empty-title">"No products yet"</p>
            <p>{advice}</p>
            <div class="empty-actions">
                <Show when=can_import>
                    <a class="button button-primary" href="/">"Import a file"</a>
                </Show>
                <Show when=can_write>
                    <a class="button" href=move || catalogue.href(Panel::New { copy: None }) data-noscroll>"Add product"</a>
                </Show>
            </div>
        </div>
    }
}

#[component]
fn NoMatch() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let q = catalogue.listing.with_untracked(|l| l.as_ref().map(|l| l.view.filter.q.trim().to_owned()));
    let title = match q.filter(|q| !q.is_empty()) {
        Some(q) => format!("No products match “\u{2068}{q}\u{2069}”"),
        None => "No products match these filters".to_owned(),
    };
    view! {
        <div class="empty" data-testid="no-match">
            <Icon glyph=Glyph::Search />
            <p class="empty-title">{title}</p>
            <p>"Each word must occur in the SKU, name, description or an attribute."</p>
            <button type="button" class="button" data-testid="clear-all" on:click=move |_| clear(catalogue)>
                "Clear search and filters"
            </button>
        </div>
    }
}

#[component]
fn PastTheEnd() -> impl IntoView {
    let catalogue = Catalogue::expect();
    view! {
        <div class="empty">
            <Icon glyph=Glyph::Products />
            <p class="empty-title">"No products on this page"</p>
            <a class="button" href=move || catalogue.view.with(|view| view.at(None).href()) data-noscroll>
                "Go to the first page"
            </a>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_says_whether_products_are_filtered() {
        let (all, some) = (ProductFilter::default(), ProductFilter { q: "tea".into(), ..ProductFilter::default() });
        assert_eq!(total_text(1, &all), "1 product");
        assert_eq!(total_text(1, &some), "1 product matches");
        assert_eq!(total_text(0, &some), "0 products match");
        assert_eq!(total_text(10_000, &all), "10,000 products");
    }
}
