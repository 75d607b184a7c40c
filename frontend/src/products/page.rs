use std::collections::HashSet;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use shared::ProductPage;

use super::table::{OpenRows, ProductTable};
use crate::api;
use crate::ui::format::{counted, thousands};
use crate::ui::{Glyph, Icon, ProblemNotice, Skeleton, page_title};

const PAGE_SIZE: u32 = 50;

/// All products, page by page (`?cursor=` in the address).
#[component]
pub fn ProductsPage() -> impl IntoView {
    let query = use_query_map();
    let cursor = Memo::new(move |_| query.read().get("cursor"));
    let products = LocalResource::new(move || api::products(cursor.get(), PAGE_SIZE));
    // Above the table, which is made anew for each page.
    let open: OpenRows = RwSignal::new(HashSet::new());
    let (pending, set_pending) = signal(false);
    let total = Signal::derive(move || products.get().and_then(Result::ok).map(|page| page.total.count));
    page_title(|| "Products".to_owned());
    view! {
        <div class="page">
            <header class="page-head">
                <div>
                    <h1>"Products"</h1>
                    <p class="page-lead" data-testid="products-total" data-value=move || total.get()>
                        {move || total.get().map_or_else(|| "Counting …".to_owned(), |total| counted(total, "product"))}
                    </p>
                </div>
                <a class="button" href="/">
                    <Icon glyph=Glyph::Upload />
                    "Import a file"
                </a>
            </header>
            <div class="loads" class:loads-pending=move || pending.get()>
                <Transition fallback=|| view! { <Skeleton rows=14 /> } set_pending>
                    {move || Suspend::new(async move {
                        match products.await {
                            Ok(page) if page.items.is_empty() => view! { <NoProducts /> }.into_any(),
                            Ok(page) => view! { <Listing page open /> }.into_any(),
                            Err(problem) => view! { <ProblemNotice problem retry=move || products.refetch() /> }.into_any(),
                        }
                    })}
                </Transition>
            </div>
        </div>
    }
}

#[component]
fn Listing(page: ProductPage, open: OpenRows) -> impl IntoView {
    let shown = page.items.len();
    let ProductPage { items, total, next, previous } = page;
    view! {
        <ProductTable products=items open />
        <nav class="pager" aria-label="Pages of products">
            <span class="pager-note">{format!("{shown} of {}", thousands(total.count))}</span>
            <PageLink cursor=previous testid="previous-page">
                <Icon glyph=Glyph::Previous />
                "Previous"
            </PageLink>
            <PageLink cursor=next testid="next-page">
                "Next"
                <Icon glyph=Glyph::Next />
            </PageLink>
        </nav>
    }
}

/// A link to another page, or its place where there is none.
#[component]
fn PageLink(cursor: Option<String>, testid: &'static str, children: Children) -> impl IntoView {
    let href = cursor.map(|cursor| format!("/products?cursor={}", api::encode(&cursor)));
    let disabled = href.is_none().then_some("true");
    // A link without an address takes no focus; its role keeps it understandable.
    view! {
        <a class="button" href=href role="link" aria-disabled=disabled data-testid=testid>
            {children()}
        </a>
    }
}

#[component]
fn NoProducts() -> impl IntoView {
    view! {
        <div class="empty">
            <Icon glyph=Glyph::Products />
            <p class="empty-title">"No products yet"</p>
            <p>"Import a CSV file with the columns sku and name, and they are here a moment later."</p>
            <a class="button button-primary" href="/">"Import a file"</a>
        </div>
    }
}
