//! A row of the table.

use leptos::{ev, prelude::*};
use shared::{auth::Permission, problem::ErrorCode, product::Product};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Element, HtmlInputElement};

use super::catalogue::{Catalogue, Row};
use super::highlight::{Highlighted, excerpt};
use super::prefs::Column;
use super::query::Panel;
use crate::auth::Auth;
use crate::products::bulk::selection::Selection;
use crate::products::detail::details::ActiveBadge;
use crate::products::detail::unsaved_changes::UnsavedChanges;
use crate::products::requests;
use crate::ui::Relative;

/// One product. The row can have the focus (arrow keys move it); its name is the link that opens the product.
#[component]
pub fn ProductRow(row: Row, columns: Memo<Vec<Column>>) -> impl IntoView {
    let (catalogue, selection, unsaved) = (Catalogue::expect(), Selection::expect(), UnsavedChanges::expect());
    let id = row.id;
    let product = RwSignal::from(row.product);
    let is_open = Memo::new(move |_| catalogue.panel.get() == Panel::Edit(id));
    let href = move || catalogue.href(Panel::Edit(id));
    let open = move |event: ev::MouseEvent| {
        if !is_on_control(&event) && !is_selecting_text() {
            unsaved.go(catalogue.href(Panel::Edit(id)));
        }
    };
    let sku = Signal::derive(move || product.with(|product| product.sku.clone()));
    let name = Signal::derive(move || product.with(|product| product.name.clone()));
    view! {
        <tr
            tabindex="-1"
            data-id=id
            data-testid="product-row"
            class:row-open=move || is_open.get()
            class:row-ticked=move || selection.has(id)
            aria-current=move || is_open.get().then_some("true")
            on:click=open
        >
            <td class="cell-tick">
                <Tick id sku />
            </td>
            <td class="cell-sku">
                <code dir="auto">
                    <Highlighted text=sku words=catalogue.words />
                </code>
            </td>
            <td class="cell-name">
                <a class="product-link" dir="auto" href=href data-noscroll>
                    <Highlighted text=name words=catalogue.words />
                </a>
            </td>
            <For
                each=move || columns.get()
                key=Clone::clone
                children=move |column| cell(&column, product)
            />
        </tr>
    }
}

fn cell(column: &Column, product: RwSignal<Product>) -> AnyView {
    let class = column.class();
    match column {
        Column::Description => view! { <td class=class><Description product /></td> }.into_any(),
        Column::Active => view! { <td class=class><Active product /></td> }.into_any(),
        Column::Created => {
            let at = Memo::new(move |_| product.with(|product| product.created_at));
            view! { <td class=class data-label="Created">{move || view! { <Relative at=at.get() /> }}</td> }.into_any()
        }
        Column::Updated => {
            let at = Memo::new(move |_| product.with(|product| product.updated_at));
            view! { <td class=class data-label="Updated">{move || view! { <Relative at=at.get() /> }}</td> }.into_any()
        }
        Column::Import => {
            let link = move || {
                let id = product.with(|product| product.import)?;
                Some(view! { <a href=format!("/imports/{id}")>{format!("No. {id}")}</a> })
            };
            view! { <td class=class data-label="Import">{link}</td> }.into_any()
        }
        Column::Attribute(name) => {
            let label = name.clone();
            let name = name.clone();
            let value = move || product.with(|product| product.attributes.get(&name).cloned());
            view! { <td class=class data-label=label><div class="clamp" dir="auto">{value}</div></td> }.into_any()
        }
    }
}

#[component]
fn Description(product: RwSignal<Product>) -> impl IntoView {
    let words = Catalogue::expect().words;
    let text = Memo::new(move |_| words.with(|words| product.with(|product| excerpt(&product.description, words))));
    view! {
        <div class="clamp" dir="auto">
            <Highlighted text words />
        </div>
    }
}

/// Selects the product; with Shift, also those between it and the one selected before.
#[component]
fn Tick(id: i64, sku: Signal<String>) -> impl IntoView {
    let selection = Selection::expect();
    let ticked = move || selection.has(id);
    let toggle = move |event: ev::MouseEvent| {
        selection.toggle(id, event.shift_key());
        // The browser has toggled it, too.
        if let Some(input) = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok()) {
            input.set_checked(untrack(ticked));
        }
    };
    view! {
        <input
            type="checkbox"
            class="tick"
            data-testid="select-row"
            aria-label=move || format!("Select {}", sku.get())
            prop:checked=ticked
            on:click=toggle
        />
    }
}

/// The status of the product: a switch for users who can change it.
#[component]
fn Active(product: RwSignal<Product>) -> impl IntoView {
    let auth = Auth::expect();
    let can_write = Memo::new(move |_| auth.can(Permission::WriteProducts));
    move || {
        if can_write.get() {
            view! { <ActiveSwitch product /> }.into_any()
        } else {
            view! { <ActiveBadge active=Signal::derive(move || product.with(|product| product.active)) /> }.into_any()
        }
    }
}

/// Activates and deactivates the product. Shows the new status at once, and the old one again if the server refuses.
#[component]
fn ActiveSwitch(product: RwSignal<Product>) -> impl IntoView {
    let catalogue = Catalogue::expect();
    let active = Memo::new(move |_| product.with(|product| product.active));
    let pending = RwSignal::new(false);
    let toggle = move |_| {
        if !pending.get_untracked() {
            spawn_local(toggle_active(catalogue, product, pending));
        }
    };
    view! {
        <button
            type="button"
            class="switch"
            role="switch"
            data-testid="toggle-active"
            aria-checked=move || active.get().to_string()
            aria-label=move || format!("{} is active", product.with(|product| product.sku.clone()))
            on:click=toggle
        >
            <span class="switch-track"></span>
            <span aria-hidden="true">{move || if active.get() { "Active" } else { "Inactive" }}</span>
        </button>
    }
}

async fn toggle_active(catalogue: Catalogue, product: RwSignal<Product>, pending: RwSignal<bool>) {
    let before = product.get_untracked();
    let active = !before.active;
    product.update(|product| product.active = active);
    pending.set(true);
    let response = match requests::set_active(before.id, before.version, active).await {
        Err(problem) if problem.code == ErrorCode::PreconditionFailed => {
            let sku = &before.sku;
            catalogue.toasts.warn(format!("Someone else changed {sku}. The list now shows the current version."));
            requests::product(before.id).await
        }
        response => response,
    };
    pending.try_set(false);
    match response {
        Ok(product) => catalogue.put(product),
        Err(problem) => {
            product.try_set(before.clone());
            catalogue.toasts.fail(&format!("Couldn't change {}", before.sku), &problem);
        }
    }
}

/// Whether the click is on a control of the row.
fn is_on_control(event: &ev::MouseEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    target.is_some_and(|target| target.closest("a, button, input, label").is_ok_and(|control| control.is_some()))
}

/// Whether a text is selected, to be copied.
fn is_selecting_text() -> bool {
    window().get_selection().ok().flatten().is_some_and(|selection| !selection.is_collapsed())
}
