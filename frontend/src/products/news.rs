//! The hint that others have changed products. The list itself never moves under the eyes of who reads it.

use leptos::prelude::*;
use shared::bulk::CatalogueChange;

use super::catalogue::Catalogue;
use super::requests;
use crate::api;
use crate::stream::{self, Heard};
use crate::ui::format::counted;

/// What has happened since the list was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct News {
    /// Changes that were counted.
    count: i64,
    /// Changes that nobody has counted, or that may have been missed.
    more: bool,
}

impl News {
    fn add(&mut self, count: Option<i64>) {
        match count {
            Some(count) => self.count += count,
            None => self.more = true,
        }
    }

    fn is_empty(self) -> bool {
        self == Self::default()
    }

    fn text(self) -> String {
        match (self.count, self.more) {
            (0, _) => "Products have changed".to_owned(),
            (count, false) => format!("{} changed", counted(count, "product")),
            (count, true) => format!("More than {} changed", counted(count, "product")),
        }
    }
}

#[component]
pub fn NewsBar() -> impl IntoView {
    let catalogue = Catalogue::expect();
    let news = RwSignal::new(News::default());
    let client = api::client_id();
    stream::listen(requests::news_url(), "changed", move |heard: Heard<CatalogueChange>| {
        match heard {
            Heard::Message(told) if told.client.as_ref() == Some(&client) => {}
            Heard::Message(told) => news.update(|news| news.add(told.count)),
            Heard::Again => news.update(|news| news.add(None)),
        }
        true
    });
    // A list that is loaded anew shows it all.
    Effect::new(move |_| {
        catalogue.listing.track();
        news.set(News::default());
    });
    view! {
        <div class="news" role="status">
            {move || {
                let news = news.get();
                (!news.is_empty())
                    .then(|| {
                        view! {
                            <div class="news-pill" data-testid="news">
                                <span>{news.text()}</span>
                                <button
                                    type="button"
                                    class="link-button"
                                    data-testid="show-news"
                                    on:click=move |_| catalogue.reload()
                                >
                                    "Show"
                                </button>
                            </div>
                        }
                    })
            }}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_add_up_and_those_that_nobody_counted_are_not_hidden() {
        let mut news = News::default();
        assert!(news.is_empty());
        news.add(Some(1));
        assert_eq!(news.text(), "1 product changed");
        news.add(Some(11));
        assert_eq!(news.text(), "12 products changed");
        news.add(None);
        assert_eq!(news.text(), "More than 12 products changed");
        assert_eq!(News { count: 0, more: true }.text(), "Products have changed");
    }
}
