//! A product for who may read it and no more.

use leptos::prelude::*;
use shared::product::Product;

use super::fields::record;

/// All that is known of a product.
#[component]
pub fn ProductShown(product: Product) -> impl IntoView {
    let record = record(&product);
    let Product { sku, name, description, active, attributes, .. } = product;
    let described = (!description.is_empty()).then(|| {
        view! { <div><dt>"Description"</dt><dd class="shown-text">{description}</dd></div> }
    });
    let attribute = |(name, value): (String, String)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> };
    view! {
        <div class="panel-body" data-testid="product-shown">
            <dl class="shown">
                <div><dt>"SKU"</dt><dd><code>{sku}</code></dd></div>
                <div><dt>"Name"</dt><dd>{name}</dd></div>
                <div><dt>"Status"</dt><dd><ActiveBadge active /></dd></div>
                {described}
                {attributes.into_iter().map(attribute).collect_view()}
            </dl>
            {record}
        </div>
    }
}

/// In the place of the form of a new product.
#[component]
pub fn OnlyReads() -> impl IntoView {
    view! {
        <div class="panel-body" data-testid="only-reads">
            <p>"Your role does not let you add products."</p>
            <p>"An admin can give you another one."</p>
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
