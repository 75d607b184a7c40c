//! The list in hand: what was loaded last, and what has been changed in it since.

use std::collections::{BTreeSet, HashMap};

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate, use_query_map};
use shared::{
    problem::{ErrorCode, Problem},
    product::Product,
    search::{ProductFilter, ProductPage},
};
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;

use super::query::{ListView, Panel};
use super::{marks, requests};
use crate::ui::Toasts;

/// Goes to an address; in the place of the one before, or as a step that can be taken back.
type Go = dyn Fn(&str, bool) + Send + Sync;

/// A product of the list. Its signal stays the same from one answer to the next: what has not changed is not drawn anew.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: i64,
    pub product: ArcRwSignal<Product>,
}

/// A page of products, and the list it belongs to.
#[derive(Debug, Clone)]
pub struct Listing {
    pub view: ListView,
    pub rows: Vec<Row>,
    pub next: Option<String>,
    pub previous: Option<String>,
}

/// The list of the page. Found in the context.
///
/// Not a resource: the old rows stay until the new ones are here, a row can be changed in place before the server has
/// agreed, and an answer that comes late must not undo that.
#[derive(Clone, Copy)]
pub struct Catalogue {
    /// What the address asks for.
    pub view: Memo<ListView>,
    /// What is open beside it, by the address.
    pub panel: Memo<Panel>,
    /// What was loaded last.
    pub listing: RwSignal<Option<Listing>>,
    pub problem: RwSignal<Option<Problem>>,
    pub loading: RwSignal<bool>,
    /// Number of products that match the list that was loaded last; `None` until it arrives.
    pub total: RwSignal<Option<i64>>,
    /// Lower-case words to mark.
    pub words: Signal<Vec<String>>,
    /// Number of the newest request: answers to older ones are thrown away.
    asked: StoredValue<u64>,
    abort: StoredValue<Option<AbortController>, LocalStorage>,
    /// The filter whose exact count is known or being asked for.
    counted: StoredValue<Option<ProductFilter>>,
    go: StoredValue<Box<Go>>,
    pub toasts: Toasts,
}

impl Catalogue {
    /// Begins to follow the address.
    pub fn provide() -> Self {
        let (query, path) = (use_query_map(), use_location().pathname);
        let view = Memo::new(move |_| query.with(|query| ListView::read(|name| query.get(name))));
        let panel = Memo::new(move |_| Panel::read(&path.read(), query.read().get("copy").as_deref()));
        let listing = RwSignal::new(None::<Listing>);
        let words = Memo::new(move |_| {
            let q = listing.with(|listing| listing.as_ref().map(|l| l.view.filter.q.clone()));
            marks::search_words(&q.unwrap_or_default())
        });
        let navigate = use_navigate();
        let go = move |href: &str, replace: bool| {
            navigate(href, NavigateOptions { replace, scroll: false, ..NavigateOptions::default() });
        };
        let catalogue = Self {
            view,
            panel,
            listing,
            problem: RwSignal::new(None),
            loading: RwSignal::new(true),
            total: RwSignal::new(None),
            words: words.into(),
            asked: StoredValue::new(0),
            abort: StoredValue::new_local(None),
            counted: StoredValue::new(None),
            go: StoredValue::new(Box::new(go)),
            toasts: Toasts::expect(),
        };
        Effect::new(move |_| {
            view.track();
            catalogue.load();
        });
        provide_context(catalogue);
        catalogue
    }

    pub fn expect() -> Self {
        expect_context()
    }

    /// Goes to an address of this page, as a step that the person can take back.
    pub fn go(self, href: &str) {
        self.go.with_value(|go| go(href, false));
    }

    /// Shows another list, with the same panel beside it. Where it `replaces`, the one before is not gone back to.
    pub fn show(self, view: &ListView, replaces: bool) {
        let href = self.panel.get_untracked().href(view);
        self.go.with_value(|go| go(&href, replaces));
    }

    /// The address of a panel beside the list of now.
    pub fn href(self, panel: Panel) -> String {
        self.view.with(|view| panel.href(view))
    }

    pub fn filter(self) -> ProductFilter {
        self.view.with(|view| view.filter.clone())
    }

    /// Loads the list of the address.
    pub fn load(self) {
        let view = self.view.get_untracked();
        let number = self.asked.get_value() + 1;
        self.asked.set_value(number);
        self.loading.set(true);
        self.abort.update_value(|before| {
            if let Some(before) = before.take() {
                before.abort();
            }
            *before = AbortController::new().ok();
        });
        let signal = self.abort.with_value(|abort| abort.as_ref().map(AbortController::signal));
        spawn_local(async move {
            let answer = requests::page(&view, signal.as_ref()).await;
            // The page may have been left, and then there is nothing to put the answer into.
            if self.asked.try_get_value() == Some(number) {
                self.loading.set(false);
                match answer {
                    Ok(page) => self.take(view, page),
                    Err(problem) => self.refuse(&view, problem),
                }
            }
        });
    }

    /// Loads the list anew after something was changed: the count too.
    pub fn reload(self) {
        self.counted.set_value(None);
        self.load();
    }

    fn take(self, view: ListView, page: ProductPage) {
        self.problem.set(None);
        let mut known: HashMap<i64, Row> = self.listing.with_untracked(|listing| {
            listing.iter().flat_map(|listing| &listing.rows).map(|row| (row.id, row.clone())).collect()
        });
        let row = |product: Product| match known.remove(&product.id) {
            Some(row) => {
                row.put(product);
                row
            }
            None => Row { id: product.id, product: ArcRwSignal::new(product) },
        };
        let rows = page.items.into_iter().map(row).collect();
        self.count(&view.filter);
        self.listing.set(Some(Listing { view, rows, next: page.next, previous: page.previous }));
    }

    fn refuse(self, view: &ListView, problem: Problem) {
        if problem.code == ErrorCode::BadRequest && view.cursor.is_some() {
            self.toasts.warn("That page of the list cannot be found; this is the first one.");
            self.show(&view.at(None), true);
            return;
        }
        self.problem.set(Some(problem));
    }

    /// Requests the number of matches, unless it is known or being requested.
    fn count(self, filter: &ProductFilter) {
        if self.counted.with_value(|counted| counted.as_ref() == Some(filter)) {
            return;
        }
        self.counted.set_value(Some(filter.clone()));
        self.total.set(None);
        let filter = filter.clone();
        spawn_local(async move {
            let total = requests::count(&filter).await;
            let is_current = self.counted.try_with_value(|counted| counted.as_ref() == Some(&filter)) == Some(true);
            match total {
                Ok(total) if is_current => self.total.set(Some(total)),
                // The next page of the list requests it again.
                Err(_) if is_current => self.counted.set_value(None),
                _ => {}
            }
        });
    }

    /// The product as it is in the list, where it is there.
    pub fn row(self, id: i64) -> Option<Row> {
        self.listing
            .with_untracked(|listing| listing.as_ref().and_then(|l| l.rows.iter().find(|row| row.id == id).cloned()))
    }

    /// Shows a product as the server has it now, in its place.
    pub fn put(self, product: Product) {
        if let Some(row) = self.row(product.id) {
            row.put(product);
        }
    }

    /// Takes products out of the list at once.
    pub fn remove(self, ids: &[i64]) {
        self.listing.update(|listing| {
            if let Some(listing) = listing {
                listing.rows.retain(|row| !ids.contains(&row.id));
            }
        });
    }

    /// Ids of the products on the page, from top to bottom.
    pub fn ids(self) -> Vec<i64> {
        self.listing.with(|listing| listing.iter().flat_map(|listing| &listing.rows).map(|row| row.id).collect())
    }

    /// Names of the attributes of the products on the page.
    pub fn attribute_names(self) -> BTreeSet<String> {
        self.listing.with(|listing| {
            let rows = listing.iter().flat_map(|listing| &listing.rows);
            rows.flat_map(|row| row.product.with(|p| p.attributes.keys().cloned().collect::<Vec<_>>())).collect()
        })
    }
}

impl Row {
    /// Nothing is drawn anew where nothing has changed, and an answer that was overtaken changes nothing.
    pub fn put(&self, product: Product) {
        if self.product.with_untracked(|known| known.version <= product.version && *known != product) {
            self.product.set(product);
        }
    }
}
