use leptos::{ev, prelude::*};
use shared::{auth::Permission, problem::ErrorCode, product::Product};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Element, HtmlInputElement};

use super::catalogue::{Catalogue, Row};
use super::guard::Guard;
use super::marks::{Marked, excerpt};
use super::prefs::Column;
use super::query::Panel;
use super::requests;
use super::selection::Selection;
use super::shown::ActiveBadge;
use crate::auth::Auth;
use crate::ui::Relative;

/// One product. The row takes the focus (arrow keys lead to it); its name is the link that opens it.
#[component]
pub fn ProductRow(row: Row, columns: Memo<Vec<Column>>) -> impl IntoView {
    let (catalogue, selection, guard) = (Catalogue::expect(), Selection::expect(), Guard::expect());
    let id = row.id;
    let product = RwSignal::from(row.product);
    let is_open = Memo::new(move |_| catalogue.panel.get() == Panel::Edit(id));
    let href = move || catalogue.href(Panel::Edit(id));
    let open = move |event: ev::MouseEvent| {
        if !is_on_control(&event) && !is_selecting() {
            guard.go(catalogue.href(Panel::Edit(id)));
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
                <code>
                    <Marked text=sku words=catalogue.words />
                </code>
            </td>
            <td class="cell-name">
                <a class="product-link" href=href data-noscroll>
                    <Marked text=name words=catalogue.words />
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
            view! { <td class=class data-label=label><div class="clamp">{value}</div></td> }.into_any()
        }
    }
}

#[component]
fn Description(product: RwSignal<Product>) -> impl IntoView {
    let words = Catalogue::expect().words;
    let text = Memo::new(move |_| words.with(|words| product.with(|product| excerpt(&product.description, words))));
    view! {
        <div class="clamp">
            <Marked text words />
        </div>
    }
}

/// Ticks the product; with Shift, all from the one that was ticked before.
#[component]
fn Tick(id: i64, sku: Signal<String>) -> impl IntoView {
    let selection = Selection::expect();
    let ticked = move || selection.has(id);
    let toggle = move |event: ev::MouseEvent| {
        selection.toggle(id, event.shift_key());
        // The browser has its own idea of what a click does.
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

/// Whether the product is active; for who may change that, a switch.
#[component]
fn Active(product: RwSignal<Product>) -> impl IntoView {
    let auth = Auth::expect();
    let may_write = Memo::new(move |_| auth.can(Permission::WriteProducts));
    move || {
        if may_write.get() {
            view! { <ActiveSwitch product /> }.into_any()
        } else {
            view! { <ActiveBadge active=Signal::derive(move || product.with(|product| product.active)) /> }.into_any()
        }
    }
}

/// Whether the product is active, and what changes it. Shows what is wanted at once; goes back where it is refused.
#[component]
fn ActiveSwitch(product: RwSignal<Product>) -> impl IntoView {
    let catalogue = Catalogue::expect();
    let active = Memo::new(move |_| product.with(|product| product.active));
    let pending = RwSignal::new(false);
    let toggle = move |_| {
        if pending.get_untracked() {
            return;
        }
        let before = product.get_untracked();
        let wanted = !before.active;
        product.update(|product| product.active = wanted);
        pending.set(true);
        spawn_local(async move {
            let answer = requests::set_active(before.id, before.version, wanted).await;
            let answer = match answer {
                Err(problem) if problem.code == ErrorCode::PreconditionFailed => {
                    catalogue.toasts.warn(format!("{} was changed meanwhile. This is how it is now.", before.sku));
                    requests::product(before.id).await
                }
                answer => answer,
            };
            pending.try_set(false);
            match answer {
                Ok(product) => catalogue.put(product),
                Err(problem) => {
                    product.try_set(before.clone());
                    catalogue.toasts.refuse(&format!("{} could not be changed", before.sku), &problem);
                }
            }
        });
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

/// Whether the click is meant for something in the row.
fn is_on_control(event: &ev::MouseEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    target.is_some_and(|target| target.closest("a, button, input, label").is_ok_and(|control| control.is_some()))
}

/// Whether a text is being marked to copy it.
fn is_selecting() -> bool {
    window().get_selection().ok().flatten().is_some_and(|selection| !selection.is_collapsed())
}
