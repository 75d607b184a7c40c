use leptos::prelude::*;
use leptos_router::components::Outlet;
use shared::{auth::Permission, search::ProductFilter};

use super::bulk::BulkBar;
use super::catalogue::Catalogue;
use super::delete_all::DeleteAllDialog;
use super::filters::{FilterChips, clear};
use super::guard::{Guard, GuardDialog};
use super::keyboard::{Help, HelpDialog, listen};
use super::news::NewsBar;
use super::pager::Pager;
use super::panel::SidePanel;
use super::prefs::use_prefs;
use super::query::Panel;
use super::selection::Selection;
use super::table::ProductTable;
use super::toolbar::Toolbar;
use crate::auth::Auth;
use crate::ui::format::counted;
use crate::ui::{Glyph, Icon, ProblemNotice, Skeleton, page_title};

/// Products as the address names them, and beside them the one that is open.
#[component]
pub fn ProductsPage() -> impl IntoView {
    let catalogue = Catalogue::provide();
    let selection = Selection::provide(catalogue);
    let guard = Guard::provide(catalogue);
    let help = Help(RwSignal::new(false));
    provide_context(help);
    listen(catalogue, selection, guard, help, Auth::expect());
    let prefs = use_prefs();
    let deleting_all = RwSignal::new(false);
    page_title(move || match guard.shown.get() {
        Panel::Closed => "Products".to_owned(),
        Panel::New { .. } => "New product".to_owned(),
        Panel::Edit(id) => format!("Product {id}"),
        Panel::Nowhere => "No such product".to_owned(),
    });
    view! {
        <div class="page products-page">
            <Head />
            <Toolbar prefs deleting_all />
            <FilterChips />
            <NewsBar />
            {move || match catalogue.problem.get() {
                Some(problem) => {
                    view! { <ProblemNotice problem retry=move || catalogue.load() /> }.into_any()
                }
                None => view! { <Loaded><ProductTable prefs /><Pager /></Loaded> }.into_any(),
            }}
            <BulkBar />
            <SidePanel />
            <GuardDialog />
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
    let filter = Memo::new(move |_| catalogue.listing.with(|l| l.as_ref().map(|l| l.view.filter.clone())));
    let text = move || match (catalogue.total.get(), filter.get()) {
        (Some(total), Some(filter)) => total_text(total, &filter),
        _ => "Counting …".to_owned(),
    };
    let value = move || catalogue.total.get();
    view! {
        <header class="page-head">
            <div>
                <h1>"Products"</h1>
                <p class="page-lead" role="status" data-testid="products-total" data-value=value>
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

/// The list once there is one; what to do where it is empty.
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
    /// All products of this page are gone.
    PastTheEnd,
}

#[component]
fn NoProducts() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let auth = Auth::expect();
    let may_import = move || auth.can(Permission::WriteImports);
    let may_write = move || auth.can(Permission::WriteProducts);
    let advice = move || {
        if may_import() {
            "Import a CSV file with the columns sku and name, or add the first one by hand."
        } else {
            "They are here as soon as somebody imports a file or adds one by hand."
        }
    };
    view! {
        <div class="empty" data-testid="no-products">
            <Icon glyph=Glyph::Products />
            <p class="empty-title">"No products yet"</p>
            <p>{advice}</p>
            <div class="empty-actions">
                <Show when=may_import>
                    <a class="button button-primary" href="/">"Import a file"</a>
                </Show>
                <Show when=may_write>
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
        Some(q) => format!("Nothing matches “{q}”"),
        None => "Nothing matches these filters".to_owned(),
    };
    view! {
        <div class="empty" data-testid="no-match">
            <Icon glyph=Glyph::Search />
            <p class="empty-title">{title}</p>
            <p>"Every word must occur in the SKU, the name or the description."</p>
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
            <p class="empty-title">"Nothing is left on this page"</p>
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
    fn the_count_says_whether_it_is_of_matches() {
        let (all, some) = (ProductFilter::default(), ProductFilter { q: "tea".into(), ..ProductFilter::default() });
        assert_eq!(total_text(1, &all), "1 product");
        assert_eq!(total_text(1, &some), "1 product matches");
        assert_eq!(total_text(0, &some), "0 products match");
        assert_eq!(total_text(10_000, &all), "10,000 products");
    }
}
