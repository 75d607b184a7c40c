use std::collections::{BTreeMap, HashSet};

use leptos::{either::Either, prelude::*};
use shared::Product;

use crate::ui::time::absolute;
use crate::ui::{Glyph, Icon, Relative};

/// Ids of the products whose details are shown.
pub type OpenRows = RwSignal<HashSet<i64>>;

#[component]
pub fn ProductTable(products: Vec<Product>, open: OpenRows) -> impl IntoView {
    view! {
        <div class="table-frame">
            <table class="table table-cards products-table" data-testid="products-table">
                <thead>
                    <tr>
                        <th scope="col" class="cell-toggle">
                            <span class="visually-hidden">"Details"</span>
                        </th>
                        <th scope="col">"SKU"</th>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Description"</th>
                        <th scope="col">"Status"</th>
                        <th scope="col">"Updated"</th>
                    </tr>
                </thead>
                <tbody>{products.into_iter().map(|product| view! { <ProductRow product open /> }).collect_view()}</tbody>
            </table>
        </div>
    }
}

#[component]
fn ProductRow(product: Product, open: OpenRows) -> impl IntoView {
    let id = product.id;
    let is_open = Memo::new(move |_| open.with(|open| open.contains(&id)));
    let toggle = move |_| {
        open.update(|open| {
            if !open.remove(&id) {
                open.insert(id);
            }
        });
    };
    let summary = one_line(&product.description);
    let (tone, state) = if product.active { ("good", "Active") } else { ("neutral", "Inactive") };
    let (sku, name, updated_at) = (product.sku.clone(), product.name.clone(), product.updated_at);
    view! {
        <tr class:row-open=move || is_open.get()>
            <td class="cell-toggle">
                <button
                    type="button"
                    class="toggle"
                    aria-expanded=move || is_open.get().to_string()
                    aria-label=format!("Details of {sku}")
                    on:click=toggle
                >
                    <Icon glyph=Glyph::Chevron />
                </button>
            </td>
            <td class="cell-sku"><code>{sku}</code></td>
            <td class="cell-name">{name}</td>
            <td class="cell-description"><div class="clamp">{summary}</div></td>
            <td class="cell-state"><span class="badge" data-tone=tone>{state}</span></td>
            <td class="cell-time" data-label="Updated"><Relative at=updated_at /></td>
        </tr>
        {move || is_open.get().then(|| view! { <Details product=product.clone() /> })}
    }
}

/// What does not fit a line: the whole description and the columns that were kept.
#[component]
fn Details(product: Product) -> impl IntoView {
    let description = if product.description.is_empty() { "None".to_owned() } else { product.description };
    view! {
        <tr class="details-row">
            <td colspan="6">
                <dl class="details">
                    <div class="details-wide">
                        <dt>"Description"</dt>
                        <dd class="details-text">{description}</dd>
                    </div>
                    {attributes(product.attributes)}
                    <div>
                        <dt>"Created"</dt>
                        <dd>{absolute(product.created_at)}</dd>
                    </div>
                    <div>
                        <dt>"Updated"</dt>
                        <dd>{absolute(product.updated_at)}</dd>
                    </div>
                </dl>
            </td>
        </tr>
    }
}

fn attributes(attributes: BTreeMap<String, String>) -> impl IntoView {
    if attributes.is_empty() {
        return Either::Left(());
    }
    let entry = |(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> };
    Either::Right(attributes.into_iter().map(entry).collect_view())
}

/// A text as one line: runs of white space become single spaces. Cut where no table shows more anyway.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() > LONGEST {
            line.push('…');
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_becomes_one_line() {
        assert_eq!(one_line("  Sencha,\r\n\tfirst   harvest\n"), "Sencha, first harvest");
        assert_eq!(one_line(""), "");
        let long = one_line(&"word ".repeat(1_000));
        assert!(long.len() < 320 && long.ends_with('…'), "{long}");
    }
}
