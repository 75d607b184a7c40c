//! The list as it was loaded last, with the changes that were made to it since.

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
use web_sys::{AbortController, AbortSignal};

use super::highlight;
use super::query::{ListView, Panel};
use crate::products::requests;
use crate::ui::Toasts;

/// Navigates to an address; the flag replaces the current entry of the history.
type Navigate = dyn Fn(&str, bool) + Send + Sync;

/// A product of the list. Its signal survives from one response to the next, so that an unchanged row is not rendered again.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: i64,
    pub product: ArcRwSignal<Product>,
}

/// A page of products, and the view that it was loaded for.
#[derive(Debug, Clone)]
pub struct Listing {
    pub view: ListView,
    pub rows: Vec<Row>,
    pub next: Option<String>,
    pub previous: Option<String>,
}

/// The list of the page, provided as context.
///
/// Not a resource: the old rows stay until the new ones arrive, a row can be changed before the server has confirmed it, and
/// a late response must not undo that.
#[derive(Clone, Copy)]
pub struct Catalogue {
    /// The view in the address.
    pub view: Memo<ListView>,
    /// The panel in the address.
    pub panel: Memo<Panel>,
    /// What was loaded last.
    pub listing: RwSignal<Option<Listing>>,
    pub problem: RwSignal<Option<Problem>>,
    pub loading: RwSignal<bool>,
    /// The number of products that match the filter in the address, once it is counted.
    pub total: RwSignal<Option<i64>>,
    /// Words to highlight, in lower case.
    pub words: Signal<Vec<String>>,
    /// Number of the newest request; responses to older ones are dropped.
    request: StoredValue<u64>,
    abort: StoredValue<Option<AbortController>, LocalStorage>,
    /// The filter whose count is known or under way.
    counted: StoredValue<Option<ProductFilter>>,
    abort_count: StoredValue<Option<AbortController>, LocalStorage>,
    navigate: StoredValue<Box<Navigate>>,
    pub toasts: Toasts,
}

impl Catalogue {
    /// Starts following the address.
    pub fn provide() -> Self {
        let (query, path) = (use_query_map(), use_location().pathname);
        let view = Memo::new(move |_| query.with(|query| ListView::read(|name| query.get(name))));
        let panel = Memo::new(move |_| Panel::read(&path.read(), query.read().get("copy").as_deref()));
        let listing = RwSignal::new(None::<Listing>);
        let words = Memo::new(move |_| {
            let q = listing.with(|listing| listing.as_ref().map(|listing| listing.view.filter.q.clone()));
            highlight::search_words(&q.unwrap_or_default())
        });
        let navigate = use_navigate();
        let navigate = move |href: &str, replace: bool| {
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
            request: StoredValue::new(0),
            abort: StoredValue::new_local(None),
            counted: StoredValue::new(None),
            abort_count: StoredValue::new_local(None),
            navigate: StoredValue::new(Box::new(navigate)),
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

    /// Navigates within this page, as a new entry of the history.
    pub fn go(self, href: &str) {
        self.navigate.with_value(|navigate| navigate(href, false));
    }

    /// Shows another list, with the same panel next to it. `replaces` makes it take the current entry of the history.
    pub fn show(self, view: &ListView, replaces: bool) {
        let href = self.panel.get_untracked().href(view);
        self.navigate.with_value(|navigate| navigate(&href, replaces));
    }

    /// The address of a panel next to the current list.
    pub fn href(self, panel: Panel) -> String {
        self.view.with(|view| panel.href(view))
    }

    pub fn filter(self) -> ProductFilter {
        self.view.with(|view| view.filter.clone())
    }

    /// Loads the list of the address, and the count of its filter unless that is known.
    pub fn load(self) {
        let view = self.view.get_untracked();
        let number = self.request.get_value() + 1;
        self.request.set_value(number);
        self.loading.set(true);
        let signal = replace_abort(self.abort);
        // The list never waits for the count, which can take seconds.
        self.count(&view.filter);
        spawn_local(async move {
            let response = requests::page(&view, signal.as_ref()).await;
            // The user may have left the page.
            if self.request.try_get_value() == Some(number) {
                self.loading.set(false);
                match response {
                    Ok(page) => self.accept(view, page),
                    Err(problem) => self.fail(&view, problem),
                }
            }
        });
    }

    /// Loads the list and its count again after a change.
    pub fn reload(self) {
        self.counted.set_value(None);
        self.load();
    }

    /// Whether the server has other products for the shown page than it shows. False if they cannot be loaded.
    pub async fn is_outdated(self) -> bool {
        let Some(Some(view)) = self.listing.try_with_untracked(|l| l.as_ref().map(|l| l.view.clone())) else {
            return false;
        };
        let Ok(page) = requests::page(&view, None).await else { return false };
        let shown = self.listing.try_with_untracked(|listing| {
            let listing = listing.as_ref().filter(|listing| listing.view == view)?;
            Some(listing.rows.iter().map(|row| row.product.get_untracked()).collect::<Vec<_>>())
        });
        shown.flatten().is_some_and(|shown| shown != page.items)
    }

    fn accept(self, view: ListView, page: ProductPage) {
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
        self.listing.set(Some(Listing { view, rows, next: page.next, previous: page.previous }));
    }

    fn fail(self, view: &ListView, problem: Problem) {
        if problem.code == ErrorCode::BadRequest && view.cursor.is_some() {
            self.toasts.warn("That page of the list no longer exists. This is the first one.");
            self.show(&view.at(None), true);
            return;
        }
        self.problem.set(Some(problem));
    }

    /// Counts the matching products, unless their number is known or being counted.
    fn count(self, filter: &ProductFilter) {
        if self.counted.with_value(|counted| counted.as_ref() == Some(filter)) {
            return;
        }
        // After a change of products the old count stays until the new one arrives.
        if self.listing.with_untracked(|listing| listing.as_ref().is_none_or(|l| l.view.filter != *filter)) {
            self.total.set(None);
        }
        self.counted.set_value(Some(filter.clone()));
        let signal = replace_abort(self.abort_count);
        let filter = filter.clone();
        spawn_local(async move {
            let count = requests::count(&filter, signal.as_ref()).await;
            let is_current = self.counted.try_with_value(|counted| counted.as_ref() == Some(&filter)) == Some(true);
            match count {
                Ok(count) if is_current => self.total.set(Some(count)),
                // The next load tries again.
                Err(_) if is_current => self.counted.set_value(None),
                _ => {}
            }
        });
    }

    /// The row of a product, if the list has it.
    pub fn row(self, id: i64) -> Option<Row> {
        self.listing
            .with_untracked(|listing| listing.as_ref().and_then(|l| l.rows.iter().find(|row| row.id == id).cloned()))
    }

    /// Shows a product in its row as the server returned it.
    pub fn put(self, product: Product) {
        if let Some(row) = self.row(product.id) {
            row.put(product);
        }
    }

    /// Removes products from the list at once.
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
    /// Accepts a product unless it is older. An unchanged one is not rendered again.
    pub fn put(&self, product: Product) {
        if self.product.with_untracked(|known| known.version <= product.version && *known != product) {
            self.product.set(product);
        }
    }
}

/// Aborts the request before, and returns the signal for the next one.
fn replace_abort(slot: StoredValue<Option<AbortController>, LocalStorage>) -> Option<AbortSignal> {
    slot.update_value(|before| {
        if let Some(before) = before.take() {
            before.abort();
        }
        *before = AbortController::new().ok();
    });
    slot.with_value(|abort| abort.as_ref().map(AbortController::signal))
}
