//! Which products are selected.

use std::collections::HashSet;

use leptos::prelude::*;
use shared::search::ProductFilter;

use crate::products::list::catalogue::Catalogue;
use crate::ui::format::thousands;

/// The selection, provided as context. It survives paging and sorting. It belongs to its search and filters: a change of
/// either clears it, since products that are no longer listed must not be changed unseen.
#[derive(Clone, Copy)]
pub struct Selection {
    ids: RwSignal<HashSet<i64>>,
    /// All matching products, including those on other pages.
    pub whole: RwSignal<bool>,
    /// The product that was selected last, where a range begins.
    anchor: StoredValue<Option<i64>>,
    /// Stored to keep this small.
    catalogue: StoredValue<Catalogue>,
}

impl Selection {
    pub fn provide(catalogue: Catalogue) -> Self {
        let selection = Self {
            ids: RwSignal::default(),
            whole: RwSignal::new(false),
            anchor: StoredValue::new(None),
            catalogue: StoredValue::new(catalogue),
        };
        let filter = Memo::new(move |_| catalogue.filter());
        Effect::new(move |before: Option<ProductFilter>| {
            // Read, not tracked: a memo that was never read does not notice changes.
            let filter = filter.get();
            if before.is_some_and(|before| before != filter) {
                selection.clear();
            }
            filter
        });
        provide_context(selection);
        selection
    }

    pub fn expect() -> Self {
        expect_context()
    }

    fn catalogue(self) -> Catalogue {
        self.catalogue.get_value()
    }

    pub fn has(self, id: i64) -> bool {
        self.whole.get() || self.ids.with(|ids| ids.contains(&id))
    }

    pub fn is_empty(self) -> bool {
        !self.whole.get() && self.ids.with(HashSet::is_empty)
    }

    /// Number of selected products; `None` for all matching products before they are counted.
    pub fn count(self) -> Option<i64> {
        if self.whole.get() {
            return self.catalogue().total.get();
        }
        Some(self.ids.with(|ids| i64::try_from(ids.len()).unwrap_or(i64::MAX)))
    }

    /// Says what is selected.
    pub fn description(self) -> String {
        let here = self.catalogue().ids().iter().filter(|id| self.has(**id)).count();
        let is_filtered = !self.catalogue().filter().is_empty();
        description(self.whole.get(), self.count(), i64::try_from(here).unwrap_or(i64::MAX), is_filtered)
    }

    /// The selected products in the order of their ids. Not for all matching products.
    pub fn ids(self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.ids.with(|ids| ids.iter().copied().collect());
        ids.sort_unstable();
        ids
    }

    /// Selects or deselects a product; with `range`, also those between it and the one selected before.
    pub fn toggle(self, id: i64, range: bool) {
        let page = untrack(|| self.catalogue().ids());
        let select = !untrack(|| self.has(id));
        if self.whole.get_untracked() {
            // Only products of this page stay selected.
            self.whole.set(false);
            self.ids.set(page.iter().copied().collect());
        }
        let anchor = self.anchor.get_value().filter(|_| range);
        let between = between(&page, anchor.unwrap_or(id), id);
        self.ids.update(|ids| {
            for id in between {
                if select {
                    ids.insert(id)
                } else {
                    ids.remove(&id)
                };
            }
        });
        self.anchor.set_value(Some(id));
    }

    /// Selects the whole page, or deselects it if all of it is selected.
    pub fn toggle_page(self) {
        let all = untrack(|| self.page_state()) == PageState::All;
        let page = untrack(|| self.catalogue().ids());
        self.whole.set(false);
        self.ids.update(|ids| {
            for id in page {
                if all {
                    ids.remove(&id)
                } else {
                    ids.insert(id)
                };
            }
        });
    }

    pub fn page_state(self) -> PageState {
        let page = self.catalogue().ids();
        let selected = page.iter().filter(|id| self.has(**id)).count();
        match selected {
            0 => PageState::None,
            n if n == page.len() => PageState::All,
            _ => PageState::Some,
        }
    }

    /// Deselects products.
    pub fn remove(self, gone: &[i64]) {
        self.ids.update(|ids| ids.retain(|id| !gone.contains(id)));
    }

    pub fn clear(self) {
        self.whole.set(false);
        self.ids.update(HashSet::clear);
        self.anchor.set_value(None);
    }
}

/// How much of the page is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageState {
    None,
    Some,
    All,
}

fn description(whole: bool, count: Option<i64>, here: i64, is_filtered: bool) -> String {
    let products = if is_filtered { "matching products" } else { "products" };
    match (whole, count) {
        (true, Some(count)) => format!("All {} {products} selected", thousands(count)),
        (true, None) => format!("All {products} selected"),
        (false, count) => {
            let count = count.unwrap_or_default();
            let elsewhere = match count - here {
                ..=0 => String::new(),
                1 if here == 0 => ", on another page".to_owned(),
                _ if here == 0 => ", on other pages".to_owned(),
                n => format!(", {} on other pages", thousands(n)),
            };
            format!("{} selected{elsewhere}", thousands(count))
        }
    }
}

/// Everything on `page` from one product to the other, in either direction; only the last if the other is not on the page.
fn between(page: &[i64], from: i64, to: i64) -> Vec<i64> {
    let position = |id| page.iter().position(|known| *known == id);
    match (position(from), position(to)) {
        (Some(from), Some(to)) => page[from.min(to)..=from.max(to)].to_vec(),
        _ => vec![to],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_goes_both_ways_and_not_beyond_the_page() {
        let page = [9, 7, 5, 3];
        assert_eq!(between(&page, 7, 3), [7, 5, 3]);
        assert_eq!(between(&page, 5, 9), [9, 7, 5]);
        assert_eq!(between(&page, 5, 5), [5]);
        assert_eq!(between(&page, 1, 5), [5]);
    }

    #[test]
    fn the_description_mentions_what_is_not_on_screen() {
        assert_eq!(description(false, Some(3), 3, true), "3 selected");
        assert_eq!(description(false, Some(3), 1, false), "3 selected, 2 on other pages");
        assert_eq!(description(false, Some(2), 0, false), "2 selected, on other pages");
        assert_eq!(description(true, Some(9_000), 50, true), "All 9,000 matching products selected");
        assert_eq!(description(true, None, 50, false), "All products selected");
    }
}
