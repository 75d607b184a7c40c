use std::time::Duration;

use leptos::leptos_dom::helpers::TimeoutHandle;
use leptos::{ev, html, prelude::*};
use shared::search::{MAX_QUERY_CHARS, ProductFilter, ProductSort};

use super::catalogue::Catalogue;
use super::filters::FilterButton;
use super::keyboard::focus_row;
use super::menu::{MoreMenu, ViewButton};
use super::prefs::Prefs;
use crate::ui::{Glyph, Icon};

/// Pause in typing after which the list is loaded.
const DEBOUNCE: Duration = Duration::from_millis(120);

/// Orders as the narrow page offers them: there are no column heads to press.
const ORDERS: [(ProductSort, &str); 8] = [
    (ProductSort::CreatedDesc, "Newest first"),
    (ProductSort::Created, "Oldest first"),
    (ProductSort::UpdatedDesc, "Last changed"),
    (ProductSort::Updated, "Unchanged longest"),
    (ProductSort::Sku, "SKU, A to Z"),
    (ProductSort::SkuDesc, "SKU, Z to A"),
    (ProductSort::Name, "Name, A to Z"),
    (ProductSort::NameDesc, "Name, Z to A"),
];

#[component]
pub fn Toolbar(prefs: RwSignal<Prefs>, deleting_all: RwSignal<bool>) -> impl IntoView {
    view! {
        <div class="toolbar" role="search" aria-label="Products">
            <SearchField />
            <StatusFilter />
            <FilterButton />
            <OrderSelect />
            <div class="toolbar-end">
                <ViewButton prefs />
                <MoreMenu deleting_all />
            </div>
        </div>
    }
}

/// Searches while one types: each pause loads the list, and only one step of the history is made of it all.
#[component]
fn SearchField() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let input = NodeRef::<html::Input>::new();
    let typed = RwSignal::new(catalogue.view.with_untracked(|view| view.filter.q.clone()));
    let asked = StoredValue::new(typed.get_untracked());
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let ask = move || {
        let view = catalogue.view.get_untracked();
        let q = typed.get_untracked();
        asked.set_value(q.clone());
        if view.filter.q != q {
            catalogue.show(&view.with_filter(ProductFilter { q, ..view.filter.clone() }), true);
        }
    };
    let stop = move || {
        if let Some(timer) = timer.try_update_value(Option::take).flatten() {
            timer.clear();
        }
    };
    on_cleanup(stop);
    // What the address says by other ways than typing: a link, a step back, filters that are cleared.
    Effect::new(move |_| {
        let q = catalogue.view.with(|view| view.filter.q.clone());
        if asked.get_value() != q {
            stop();
            asked.set_value(q.clone());
            typed.set(q);
        }
    });
    let on_input = move |event: ev::Event| {
        typed.set(event_target_value(&event));
        stop();
        let ask = move || {
            if !typed.is_disposed() {
                ask();
            }
        };
        timer.set_value(set_timeout_with_handle(ask, DEBOUNCE).ok());
    };
    let on_key = move |event: ev::KeyboardEvent| match event.key().as_str() {
        "Enter" => {
            stop();
            ask();
        }
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
                stop();
                typed.set(String::new());
                ask();
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
                node_ref=input
                data-testid="search"
                aria-label="Search in SKU, name and description"
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

#[component]
fn StatusFilter() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let active = Memo::new(move |_| catalogue.view.with(|view| view.filter.active));
    let choice = move |value: Option<bool>, label: &'static str, testid: &'static str| {
        let choose = move |_| {
            let view = catalogue.view.get_untracked();
            catalogue.show(&view.with_filter(ProductFilter { active: value, ..view.filter.clone() }), false);
        };
        view! {
            <button
                type="button"
                class="segment"
                data-testid=testid
                aria-pressed=move || (active.get() == value).to_string()
                on:click=choose
            >
                {label}
            </button>
        }
    };
    view! {
        <div class="segments" role="group" aria-label="Status">
            {choice(None, "All", "status-all")}
            {choice(Some(true), "Active", "status-active")}
            {choice(Some(false), "Inactive", "status-inactive")}
        </div>
    }
}

#[component]
fn OrderSelect() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let sort = Memo::new(move |_| catalogue.view.with(|view| view.sort));
    let choose = move |event: ev::Event| {
        if let Some(sort) = ProductSort::parse(&event_target_value(&event)) {
            catalogue.show(&catalogue.view.get_untracked().with_sort(sort), false);
        }
    };
    view! {
        <select class="select order-select" aria-label="Order" data-testid="order" prop:value=move || sort.get().as_str() on:change=choose>
            {ORDERS
                .map(|(order, label)| {
                    view! {
                        <option value=order.as_str() selected=move || sort.get() == order>
                            {label}
                        </option>
                    }
                })
                .collect_view()}
        </select>
    }
}
