//! Links to the next and previous page, and the page size.

use leptos::{ev, prelude::*};

use super::catalogue::{Catalogue, Listing};
use super::query::PAGE_SIZES;
use crate::ui::format::counted;
use crate::ui::{Glyph, Icon};

#[component]
pub fn Pager() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let shown = move || {
        let rows = catalogue.listing.with(|listing| listing.as_ref().map_or(0, |l| l.rows.len()));
        format!("{} on this page", counted(i64::try_from(rows).unwrap_or(i64::MAX), "product"))
    };
    let limit = Memo::new(move |_| catalogue.view.with(|view| view.limit));
    let choose = move |event: ev::Event| {
        if let Ok(limit) = event_target_value(&event).parse() {
            catalogue.show(&catalogue.view.get_untracked().with_limit(limit), false);
        }
    };
    view! {
        <nav class="pager" aria-label="Pages of products">
            <span class="pager-note">{shown}</span>
            <label class="pager-size">
                <span>"Rows"</span>
                <select class="select" data-testid="page-size" on:change=choose>
                    {PAGE_SIZES
                        .map(|size| {
                            view! {
                                <option value=size.to_string() selected=move || limit.get() == size>
                                    {size}
                                </option>
                            }
                        })
                        .collect_view()}
                </select>
            </label>
            <PageLink cursor=|listing| listing.previous.clone() testid="previous-page">
                <Icon glyph=Glyph::Previous />
                "Previous"
            </PageLink>
            <PageLink cursor=|listing| listing.next.clone() testid="next-page">
                "Next"
                <Icon glyph=Glyph::Next />
            </PageLink>
        </nav>
    }
}

/// A link to another page, disabled if there is none.
#[component]
fn PageLink(cursor: fn(&Listing) -> Option<String>, testid: &'static str, children: Children) -> impl IntoView {
    let catalogue = Catalogue::expect();
    let href = Memo::new(move |_| {
        let panel = catalogue.panel.get();
        catalogue.listing.with(|listing| {
            let listing = listing.as_ref()?;
            Some(panel.href(&listing.view.at(Some(cursor(listing)?))))
        })
    });
    // Without an address it takes no focus; its role keeps its meaning for screen readers.
    view! {
        <a
            class="button"
            href=move || href.get()
            role="link"
            aria-disabled=move || href.get().is_none().then_some("true")
            data-testid=testid
        >
            {children()}
        </a>
    }
}
