//! A product for who may read it and no more.

use leptos::prelude::*;
use shared::Product;

use super::fields::record;

/// All that is known of a product.
#[component]
pub fn ProductShown(product: Product) -> impl IntoView {
    let described = (!product.description.is_empty()).then(|| product.description.clone());
    let attribute = |(name, value): (&String, &String)| {
        view! { <div><dt>{name.clone()}</dt><dd>{value.clone()}</dd></div> }
    };
    view! {
        <div class="panel-body" data-testid="product-shown">
            <dl class="shown">
                <div><dt>"SKU"</dt><dd><code>{product.sku.clone()}</code></dd></div>
                <div><dt>"Name"</dt><dd>{product.name.clone()}</dd></div>
                <div><dt>"Status"</dt><dd><ActiveBadge active=product.active /></dd></div>
                {described.map(|text| view! { <div><dt>"Description"</dt><dd class="shown-text">{text}</dd></div> })}
                {product.attributes.iter().map(attribute).collect_view()}
            </dl>
            {record(&product)}
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
