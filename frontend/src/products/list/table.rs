//! The table of products. On a narrow page its rows become cards.

use leptos::{html, prelude::*};
use shared::search::ProductSort;

use super::catalogue::Catalogue;
use super::prefs::{Column, Density, Prefs};
use super::row::ProductRow;
use crate::products::bulk::selection::{PageState, Selection};
use crate::ui::{Glyph, Icon};

#[component]
pub fn ProductTable(prefs: RwSignal<Prefs>) -> impl IntoView {
    let catalogue = Catalogue::expect();
    let columns = Memo::new(move |_| prefs.with(Prefs::shown));
    let compact = move || prefs.with(|prefs| prefs.density == Density::Compact);
    let has_description = move || columns.with(|columns| columns.contains(&Column::Description));
    let min_width = move || format!("{}rem", prefs.with(Prefs::min_width));
    let rows = move || catalogue.listing.with(|listing| listing.as_ref().map(|l| l.rows.clone()).unwrap_or_default());
    let frame = NodeRef::<html::Div>::new();
    scroll_to_top_on_new_page(catalogue, frame);
    view! {
        <div class="table-frame products-frame" node_ref=frame>
            <table
                class="table table-cards products-table"
                class:products-compact=compact
                class:products-described=has_description
                style=("--min-width", min_width)
                data-testid="products-table"
                aria-busy=move || catalogue.loading.get().to_string()
            >
                <caption class="visually-hidden">"Products"</caption>
                <thead>
                    <tr>
                        <th scope="col" class="cell-tick">
                            <PageTick />
                        </th>
                        <SortHeader label="SKU" class="cell-sku" ascending=ProductSort::Sku descending=ProductSort::SkuDesc />
                        <SortHeader label="Name" class="cell-name" ascending=ProductSort::Name descending=ProductSort::NameDesc />
                        <For each=move || columns.get() key=Clone::clone children=|column| column_header(&column) />
                    </tr>
                </thead>
                <tbody>
                    <For each=rows key=|row| row.id children=move |row| view! { <ProductRow row columns /> } />
                </tbody>
            </table>
        </div>
    }
}

/// Another page begins at its top, while a list that is loaded again stays where it is.
fn scroll_to_top_on_new_page(catalogue: Catalogue, frame: NodeRef<html::Div>) {
    let view = Memo::new(move |_| catalogue.listing.with(|listing| listing.as_ref().map(|l| l.view.clone())));
    Effect::new(move |before: Option<()>| {
        view.read();
        if let Some(frame) = frame.get_untracked().filter(|_| before.is_some()) {
            frame.set_scroll_top(0);
        }
    });
}

fn column_header(column: &Column) -> AnyView {
    let (label, class) = (column.label().to_owned(), column.class());
    match column {
        Column::Created => {
            view! { <SortHeader label class ascending=ProductSort::Created descending=ProductSort::CreatedDesc /> }
                .into_any()
        }
        Column::Updated => {
            view! { <SortHeader label class ascending=ProductSort::Updated descending=ProductSort::UpdatedDesc /> }
                .into_any()
        }
        _ => view! { <th scope="col" class=class title=label.clone()><bdi>{label.clone()}</bdi></th> }.into_any(),
    }
}

/// A column that sorts in one order, then in the other. Times begin with the newest.
#[component]
fn SortHeader(
    #[prop(into)] label: String,
    class: &'static str,
    ascending: ProductSort,
    descending: ProductSort,
) -> impl IntoView {
    let catalogue = Catalogue::expect();
    let sort = Memo::new(move |_| catalogue.view.with(|view| view.sort));
    let first = if matches!(ascending, ProductSort::Created | ProductSort::Updated) { descending } else { ascending };
    let order = move || match sort.get() {
        sort if sort == ascending => "ascending",
        sort if sort == descending => "descending",
        _ => "none",
    };
    let change = move |_| {
        let next = match sort.get_untracked() {
            sort if sort == ascending => descending,
            sort if sort == descending => ascending,
            _ => first,
        };
        catalogue.show(&catalogue.view.get_untracked().with_sort(next), false);
    };
    let arrow = move || match order() {
        "ascending" => Some(view! { <Icon glyph=Glyph::ArrowUp /> }),
        "descending" => Some(view! { <Icon glyph=Glyph::ArrowDown /> }),
        _ => None,
    };
    let testid = format!("sort-{}", ascending.as_str());
    view! {
        <th scope="col" class=class aria-sort=order>
            <button type="button" class="sort" data-testid=testid on:click=change>
                {label}
                {arrow}
            </button>
        </th>
    }
}

/// Selects all products of the page.
#[component]
fn PageTick() -> impl IntoView {
    let selection = Selection::expect();
    let state = Memo::new(move |_| selection.page_state());
    let tick = NodeRef::<html::Input>::new();
    Effect::new(move |_| {
        if let Some(tick) = tick.get() {
            tick.set_checked(state.get() == PageState::All);
            tick.set_indeterminate(state.get() == PageState::Some);
        }
    });
    view! {
        <input
            type="checkbox"
            class="tick"
            node_ref=tick
            data-testid="select-page"
            aria-label="Select all products on this page"
            on:change=move |_| {
                selection.toggle_page();
                // If the state is the same, the effect does not correct what the browser shows.
                if let Some(tick) = tick.get_untracked() {
                    tick.set_checked(state.get_untracked() == PageState::All);
                }
            }
        />
    }
}
