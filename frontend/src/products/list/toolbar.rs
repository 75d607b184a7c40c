//! The toolbar above the list: search, filters, order, and menus.

use leptos::{ev, prelude::*};
use shared::search::{ProductFilter, ProductSort};

use super::catalogue::Catalogue;
use super::filters::FilterButton;
use super::menu::{MoreMenu, ViewButton};
use super::prefs::Prefs;
use super::search_field::SearchField;

/// The orders to choose from on a narrow page, where there are no column headers.
const ORDERS: [(ProductSort, &str); 8] = [
    (ProductSort::CreatedDesc, "Newest first"),
    (ProductSort::Created, "Oldest first"),
    (ProductSort::UpdatedDesc, "Recently updated"),
    (ProductSort::Updated, "Least recently updated"),
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
