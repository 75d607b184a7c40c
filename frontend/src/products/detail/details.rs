//! A product for users who can read but not change it.

use leptos::prelude::*;
use shared::product::{Field, Product, ProductInput};

use crate::ui::Relative;

#[component]
pub fn ProductDetails(product: Product) -> impl IntoView {
    let history = history(&product);
    let input = ProductInput::from(product);
    let field = |field: Field| {
        let value = match field {
            Field::Active => view! { <ActiveBadge active=input.active /> }.into_any(),
            Field::Sku => view! { <code dir="auto">{field.display(&input).to_owned()}</code> }.into_any(),
            _ => field.display(&input).to_owned().into_any(),
        };
        view! { <div><dt>{field.label()}</dt><dd class="details-text" dir="auto">{value}</dd></div> }
    };
    let is_shown = |field: &Field| !field.display(&input).is_empty();
    let fields = Field::ALL.into_iter().filter(is_shown).map(field).collect_view();
    let attribute = |(name, value): (String, String)| {
        view! { <div><dt dir="auto">{name}</dt><dd dir="auto">{value}</dd></div> }
    };
    view! {
        <div class="panel-body" data-testid="product-details">
            <dl class="details">
                {fields}
                {input.attributes.into_iter().map(attribute).collect_view()}
            </dl>
            {history}
        </div>
    }
}

/// When the product was created and changed, and by which import.
pub fn history(product: &Product) -> impl IntoView + use<> {
    let Product { id, created_at, updated_at, import, .. } = *product;
    let import = import.map(|import| {
        view! {
            <div>
                <dt>"Last import"</dt>
                <dd><a href=format!("/imports/{import}")>{format!("No. {import}")}</a></dd>
            </div>
        }
    });
    view! {
        <dl class="record">
            <div><dt>"Created"</dt><dd><Relative at=created_at /></dd></div>
            <div><dt>"Updated"</dt><dd><Relative at=updated_at /></dd></div>
            {import}
            <div><dt>"Product ID"</dt><dd>{id}</dd></div>
        </dl>
    }
}

/// Shown to users who cannot add products.
#[component]
pub fn ReadOnlyNotice() -> impl IntoView {
    view! {
        <div class="panel-body" data-testid="read-only">
            <p>"You don't have permission to add products."</p>
            <p>"Ask an admin for another role."</p>
        </div>
    }
}

#[component]
pub fn ActiveBadge(#[prop(into)] active: Signal<bool>) -> impl IntoView {
    view! {
        <span class="badge" data-tone=move || if active.get() { "good" } else { "neutral" } data-testid="active-badge">
            <span class="badge-dot"></span>
            {move || if active.get() { "Active" } else { "Inactive" }}
        </span>
    }
}
