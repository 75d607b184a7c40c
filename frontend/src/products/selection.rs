//! Which products are ticked.

use std::collections::HashSet;

use leptos::prelude::*;

use super::catalogue::Catalogue;

/// Found in the context. Survives paging, but not another filter: one would not see any more what is ticked.
#[derive(Clone, Copy)]
pub struct Selection {
    ids: RwSignal<HashSet<i64>>,
    /// All products that match, also those of other pages.
    pub whole: RwSignal<bool>,
    /// The product that was ticked last, where a range begins.
    anchor: StoredValue<Option<i64>>,
    /// Stored, so that this stays small to hand on.
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
        Effect::new(move |before: Option<()>| {
            filter.track();
            if before.is_some() {
                selection.clear();
            }
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

    /// Returns the number of selected products; `None` until all matches have been counted.
    pub fn count(self) -> Option<i64> {
        if self.whole.get() {
            return self.catalogue().total.get();
        }
        Some(self.ids.with(|ids| i64::try_from(ids.len()).unwrap_or(i64::MAX)))
    }

    /// The ticked products one by one, in the order of their ids; not for all that match.
    pub fn ids(self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.ids.with(|ids| ids.iter().copied().collect());
        ids.sort_unstable();
        ids
    }

    /// Ticks a product or takes its tick away; with `range`, does the same to all between it and the one before.
    pub fn toggle(self, id: i64, range: bool) {
        let page = untrack(|| self.catalogue().ids());
        let ticked = !untrack(|| self.has(id));
        if self.whole.get_untracked() {
            // Only what can be seen stays ticked.
            self.whole.set(false);
            self.ids.set(page.iter().copied().collect());
        }
        let anchor = self.anchor.get_value().filter(|_| range);
        let between = between(&page, anchor.unwrap_or(id), id);
        self.ids.update(|ids| {
            for id in between {
                if ticked {
                    ids.insert(id)
                } else {
                    ids.remove(&id)
                };
            }
        });
        self.anchor.set_value(Some(id));
    }

    /// Ticks the whole page, or takes all of its ticks away where it is ticked already.
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
        let ticked = page.iter().filter(|id| self.has(**id)).count();
        match ticked {
            0 => PageState::None,
            n if n == page.len() => PageState::All,
            _ => PageState::Some,
        }
    }

    /// Takes the ticks of these products away.
    pub fn forget(self, gone: &[i64]) {
        self.ids.update(|ids| ids.retain(|id| !gone.contains(id)));
    }

    pub fn clear(self) {
        self.whole.set(false);
        self.ids.update(HashSet::clear);
        self.anchor.set_value(None);
    }
}

/// How much of the page is ticked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageState {
    None,
    Some,
    All,
}

/// All of `page` from one to the other, whichever comes first; the last alone where the other is not on the page.
fn between(page: &[i64], from: i64, to: i64) -> Vec<i64> {
    let place = |id| page.iter().position(|known| *known == id);
    match (place(from), place(to)) {
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
}
