//! The search field of the toolbar.

use std::time::Duration;

use leptos::leptos_dom::helpers::TimeoutHandle;
use leptos::{ev, html, prelude::*};
use shared::search::{MAX_QUERY_CHARS, ProductFilter};

use super::catalogue::Catalogue;
use super::keyboard::focus_row;
use crate::ui::{Glyph, Icon};

/// Pause in typing after which the list is loaded.
const DEBOUNCE: Duration = Duration::from_millis(120);

/// The text in the field, and the search that follows it.
#[derive(Clone, Copy)]
struct Search {
    catalogue: Catalogue,
    typed: RwSignal<String>,
    /// The text that was searched for last.
    searched: StoredValue<String>,
    timer: StoredValue<Option<TimeoutHandle>>,
}

impl Search {
    fn new(catalogue: Catalogue) -> Self {
        let typed = RwSignal::new(catalogue.view.with_untracked(|view| view.filter.q.clone()));
        let searched = StoredValue::new(typed.get_untracked());
        let search = Self { catalogue, typed, searched, timer: StoredValue::new(None) };
        on_cleanup(move || search.stop_timer());
        // Follows changes of the address that were not typed here: a link, a step back, cleared filters.
        Effect::new(move |_| {
            let q = catalogue.view.with(|view| view.filter.q.clone());
            if search.searched.get_value() != q {
                search.stop_timer();
                search.searched.set_value(q.clone());
                search.typed.set(q);
            }
        });
        search
    }

    /// Searches for the text in the field.
    fn run(self) {
        self.stop_timer();
        let view = self.catalogue.view.get_untracked();
        let q = self.typed.get_untracked();
        self.searched.set_value(q.clone());
        if view.filter.q != q {
            self.catalogue.show(&view.with_filter(ProductFilter { q, ..view.filter.clone() }), true);
        }
    }

    fn run_after_pause(self) {
        self.stop_timer();
        let run = move || {
            if !self.typed.is_disposed() {
                self.run();
            }
        };
        self.timer.set_value(set_timeout_with_handle(run, DEBOUNCE).ok());
    }

    fn stop_timer(self) {
        if let Some(timer) = self.timer.try_update_value(Option::take).flatten() {
            timer.clear();
        }
    }
}

/// Searches while the user types: each pause loads the list, and all of it is one entry of the history.
#[component]
pub fn SearchField() -> impl IntoView {
    let search = Search::new(Catalogue::expect());
    let typed = search.typed;
    let input = NodeRef::<html::Input>::new();
    let on_input = move |event: ev::Event| {
        typed.set(event_target_value(&event));
        search.run_after_pause();
    };
    let on_key = move |event: ev::KeyboardEvent| match event.key().as_str() {
        "Enter" => search.run(),
        "ArrowDown" => {
            event.prevent_default();
            focus_row(0);
        }
        "Escape" => {
            event.prevent_default();
            if typed.with_untracked(String::is_empty) {
                if let Some(input) = input.get_untracked() {
                    let _ = input.blur();
                }
            } else {
                typed.set(String::new());
                search.run();
            }
        }
        _ => {}
    };
    view! {
        <div class="search">
            <Icon glyph=Glyph::Search />
            <input
                type="search"
                class="search-input"
                dir="auto"
                node_ref=input
                data-testid="search"
                aria-label="Search in SKU, name, description and attributes"
                aria-keyshortcuts="/"
                placeholder="Search products"
                autocomplete="off"
                spellcheck="false"
                maxlength=MAX_QUERY_CHARS.to_string()
                prop:value=typed
                on:input=on_input
                on:keydown=on_key
            />
            <kbd class="search-key" aria-hidden="true">"/"</kbd>
        </div>
    }
}
