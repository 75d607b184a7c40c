//! The side panel: one product, or one to be, beside the list.

use leptos::{html, prelude::*};
use shared::{
    auth::Permission,
    problem::{ErrorCode, Problem},
    product::{Product, ProductInput},
};

use super::catalogue::Catalogue;
use super::form::ProductForm;
use super::guard::Guard;
use super::keyboard::focus_product;
use super::query::Panel;
use super::requests;
use super::shown::{OnlyReads, ProductShown};
use crate::api;
use crate::auth::Auth;
use crate::ui::{Glyph, Icon, ProblemNotice, Skeleton};

#[component]
pub fn SidePanel() -> impl IntoView {
    let guard = Guard::expect();
    let auth = Auth::expect();
    let may_write = Memo::new(move |_| auth.can(Permission::WriteProducts));
    let element = NodeRef::<html::Section>::new();
    keep_focus(guard, element);
    let title = move || match guard.shown.get() {
        _ if !may_write.get() => "Product",
        Panel::New { copy: None } => "New product",
        Panel::New { copy: Some(_) } => "Copy of a product",
        Panel::Edit(_) => "Edit product",
        Panel::Nowhere | Panel::Closed => "No such product",
    };
    let content = move || match guard.shown.get() {
        Panel::Closed => ().into_any(),
        Panel::Nowhere => {
            let problem = api::problem(404, ErrorCode::NotFound, "The address names no product.");
            view! { <NoSuchProduct problem /> }.into_any()
        }
        Panel::New { .. } if !may_write.get() => view! { <OnlyReads /> }.into_any(),
        Panel::New { copy: None } => view! { <ProductForm start=empty() product=None /> }.into_any(),
        Panel::New { copy: Some(id) } => view! { <Load id copy=true /> }.into_any(),
        Panel::Edit(id) => view! { <Load id copy=false /> }.into_any(),
    };
    view! {
        <Show when=move || guard.shown.get() != Panel::Closed>
            <section
                class="panel"
                role="dialog"
                aria-labelledby="panel-title"
                tabindex="-1"
                data-testid="panel"
                node_ref=element
            >
                <header class="panel-head">
                    <h2 id="panel-title">{title}</h2>
                    <button
                        type="button"
                        class="icon-button"
                        aria-label="Close"
                        data-testid="close-panel"
                        on:click=move |_| guard.close()
                    >
                        <Icon glyph=Glyph::Cross />
                    </button>
                </header>
                {content}
            </section>
        </Show>
    }
}

/// The panel takes the focus when it opens, and gives it back to the row when it closes.
fn keep_focus(guard: Guard, element: NodeRef<html::Section>) {
    Effect::new(move |before: Option<Panel>| {
        let shown = guard.shown.get();
        match (before, shown) {
            (Some(Panel::Edit(id)), Panel::Closed) => drop(focus_product(id)),
            (Some(Panel::New { .. } | Panel::Nowhere), Panel::Closed) => {
                // There is no row to go back to.
                let main = document().get_element_by_id("main");
                if let Some(main) =
                    main.and_then(|main| wasm_bindgen::JsCast::dyn_into::<web_sys::HtmlElement>(main).ok())
                {
                    let _ = main.focus();
                }
            }
            (_, Panel::Closed) => {}
            _ => {
                if let Some(element) = element.get() {
                    let _ = element.focus();
                }
            }
        }
        shown
    });
}

fn empty() -> ProductInput {
    ProductInput {
        sku: String::new(),
        name: String::new(),
        description: String::new(),
        active: true,
        attributes: std::collections::BTreeMap::default(),
    }
}

/// Asks for the product as it is now: that of the list may be some minutes old.
#[component]
fn Load(
    id: i64,
    /// What is loaded is only what the new one looks like at first.
    copy: bool,
) -> impl IntoView {
    let catalogue = Catalogue::expect();
    let auth = Auth::expect();
    let product = LocalResource::new(move || requests::product(id));
    let form = move |product: Product| {
        catalogue.put(product.clone());
        if !untrack(|| auth.can(Permission::WriteProducts)) {
            return view! { <ProductShown product /> }.into_any();
        }
        let start = ProductInput::from(product.clone());
        if copy {
            let start = ProductInput { sku: String::new(), ..start };
            view! { <ProductForm start product=None /> }.into_any()
        } else {
            view! { <ProductForm start product=Some(product) /> }.into_any()
        }
    };
    view! {
        <Suspense fallback=|| view! { <div class="panel-body"><Skeleton rows=6 /></div> }>
            {move || Suspend::new(async move {
                match product.await {
                    Ok(product) => form(product),
                    Err(problem) if problem.code == ErrorCode::NotFound => view! { <NoSuchProduct problem /> }.into_any(),
                    Err(problem) => {
                        view! {
                            <div class="panel-body">
                                <ProblemNotice problem retry=move || product.refetch() />
                            </div>
                        }
                            .into_any()
                    }
                }
            })}
        </Suspense>
    }
}

#[component]
fn NoSuchProduct(problem: Problem) -> impl IntoView {
    view! {
        <div class="panel-body" data-testid="no-such-product">
            <p>{problem.detail}</p>
            <p>"It may have been deleted."</p>
        </div>
    }
}
