//! The hint that products changed. The list itself never moves while it is being read.

use std::ops::ControlFlow;

use leptos::prelude::*;
use shared::bulk::CatalogueChange;
use wasm_bindgen_futures::spawn_local;

use super::catalogue::Catalogue;
use crate::api;
use crate::products::requests;
use crate::stream::{self, Incoming};
use crate::ui::format::counted;

/// What changed since the list was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Changes {
    /// Number of changes that were counted.
    count: i64,
    /// There are changes that were not counted.
    more: bool,
}

impl Changes {
    fn add(&mut self, count: Option<i64>) {
        match count {
            Some(count) => self.count += count,
            None => self.more = true,
        }
    }

    fn is_empty(self) -> bool {
        self == Self::default()
    }

    fn text(self) -> String {
        match (self.count, self.more) {
            (0, _) => "Products changed".to_owned(),
            (count, false) => format!("{} changed", counted(count, "product")),
            (count, true) => format!("More than {} changed", counted(count, "product")),
        }
    }
}

#[component]
pub fn ChangesBar() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let changes = RwSignal::new(Changes::default());
    let client = api::client_id();
    stream::listen(requests::changes_url(), "changed", move |update: Incoming<CatalogueChange>| {
        match update {
            Incoming::Received(change) if change.client.as_ref() == Some(&client) => {}
            Incoming::Received(change) => changes.update(|changes| changes.add(change.count)),
            // Events may have been missed.
            Incoming::Reconnected => spawn_local(async move {
                if catalogue.is_outdated().await {
                    changes.try_update(|changes| changes.add(None));
                }
            }),
        }
        ControlFlow::Continue(())
    });
    // A list that was loaded again shows all changes.
    Effect::new(move |_| {
        catalogue.listing.track();
        changes.set(Changes::default());
    });
    view! {
        <div class="changes" role="status">
            <Show when=move || !changes.get().is_empty()>
                <div class="changes-pill" data-testid="changes">
                    <span>{move || changes.get().text()}</span>
                    <button
                        type="button"
                        class="link-button"
                        data-testid="refresh-list"
                        on:click=move |_| catalogue.reload()
                    >
                        "Refresh"
                    </button>
                </div>
            </Show>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_add_up_and_uncounted_ones_are_not_hidden() {
        let mut changes = Changes::default();
        assert!(changes.is_empty());
        changes.add(Some(1));
        assert_eq!(changes.text(), "1 product changed");
        changes.add(Some(11));
        assert_eq!(changes.text(), "12 products changed");
        changes.add(None);
        assert_eq!(changes.text(), "More than 12 products changed");
        assert_eq!(Changes { count: 0, more: true }.text(), "Products changed");
    }
}
