//! The side panel: a product, or a new one, next to the list.

use leptos::{html, prelude::*};
use shared::{
    auth::Permission,
    problem::{ErrorCode, Problem},
    product::{Product, ProductInput},
};

use super::details::{ProductDetails, ReadOnlyNotice};
use super::form_view::ProductForm;
use super::unsaved_changes::UnsavedChanges;
use crate::api;
use crate::auth::Auth;
use crate::products::list::catalogue::Catalogue;
use crate::products::list::keyboard::focus_product;
use crate::products::list::query::Panel;
use crate::products::requests;
use crate::ui::{Glyph, Icon, ProblemNotice, Skeleton};

#[component]
pub fn SidePanel() -> impl IntoView {
    let unsaved = UnsavedChanges::expect();
    let auth = Auth::expect();
    let can_write = Memo::new(move |_| auth.can(Permission::WriteProducts));
    let element = NodeRef::<html::Section>::new();
    keep_focus(unsaved, element);
    let title = move || match unsaved.shown.get() {
        _ if !can_write.get() => "Product",
        Panel::New { copy: None } => "New product",
        Panel::New { copy: Some(_) } => "Duplicate product",
        Panel::Edit(_) => "Edit product",
        Panel::NotFound | Panel::Closed => "Product not found",
    };
    let content = move || match unsaved.shown.get() {
        Panel::Closed => ().into_any(),
        Panel::NotFound => {
            let problem = api::problem(404, ErrorCode::NotFound, "This address does not belong to a product.");
            view! { <NoSuchProduct problem /> }.into_any()
        }
        Panel::New { .. } if !can_write.get() => view! { <ReadOnlyNotice /> }.into_any(),
        Panel::New { copy: None } => view! { <ProductForm start=ProductInput::default() product=None /> }.into_any(),
        Panel::New { copy: Some(id) } => view! { <LoadProduct id copy=true /> }.into_any(),
        Panel::Edit(id) => view! { <LoadProduct id copy=false /> }.into_any(),
    };
    view! {
        <Show when=move || unsaved.shown.get() != Panel::Closed>
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
                        on:click=move |_| unsaved.close()
                    >
                        <Icon glyph=Glyph::Cross />
                    </button>
                </header>
                {content}
            </section>
        </Show>
    }
}

/// Moves the focus to the panel when it opens, and back to the row when it closes.
fn keep_focus(unsaved: UnsavedChanges, element: NodeRef<html::Section>) {
    Effect::new(move |before: Option<Panel>| {
        let shown = unsaved.shown.get();
        match (before, shown) {
            (Some(Panel::Edit(id)), Panel::Closed) => drop(focus_product(id)),
            (Some(Panel::New { .. } | Panel::NotFound), Panel::Closed) => {
                // There is no row to return to.
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

/// Loads the product: the one in the list may be minutes old.
#[component]
fn LoadProduct(
    id: i64,
    /// Starts a new product with the content of this one.
    copy: bool,
) -> impl IntoView {
    let catalogue = Catalogue::expect();
    let auth = Auth::expect();
    let product = LocalResource::new(move || requests::product(id));
    let form = move |product: Product| {
        catalogue.put(product.clone());
        if !untrack(|| auth.can(Permission::WriteProducts)) {
            return view! { <ProductDetails product /> }.into_any();
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
