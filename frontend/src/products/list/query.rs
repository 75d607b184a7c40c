//! The state in the address: which products are listed, in which order, and which panel is open. Pure.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use shared::search::{ProductFilter, ProductSort};

/// Page sizes in products. The first is the default.
pub const PAGE_SIZES: [u32; 3] = [50, 100, 200];

/// A list of products. Its parameters are those of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListView {
    pub filter: ProductFilter,
    pub sort: ProductSort,
    /// Where the page begins or ends; `None` for the first page.
    pub cursor: Option<String>,
    /// Products on the page: one of [`PAGE_SIZES`].
    pub limit: u32,
}

impl Default for ListView {
    fn default() -> Self {
        Self { filter: ProductFilter::default(), sort: ProductSort::default(), cursor: None, limit: PAGE_SIZES[0] }
    }
}

impl ListView {
    /// Reads the parameters of an address. Invalid ones are ignored.
    pub fn read(parameter: impl Fn(&str) -> Option<String>) -> Self {
        let flag = |name| parameter(name).and_then(|word| word.parse().ok());
        let moment = |name| {
            let moment = DateTime::parse_from_rfc3339(&parameter(name)?).ok()?;
            Some(moment.with_timezone(&Utc))
        };
        let limit = parameter("limit").and_then(|size| size.parse().ok()).filter(|size| PAGE_SIZES.contains(size));
        Self {
            filter: ProductFilter {
                q: parameter("q").unwrap_or_default(),
                active: flag("active"),
                has_description: flag("has_description"),
                created_from: moment("created_from"),
                created_to: moment("created_to"),
                updated_from: moment("updated_from"),
                updated_to: moment("updated_to"),
                import: parameter("import").and_then(|id| id.parse().ok()),
            },
            sort: parameter("sort").and_then(|word| ProductSort::parse(&word)).unwrap_or_default(),
            cursor: parameter("cursor").filter(|cursor| !cursor.is_empty()),
            limit: limit.unwrap_or(PAGE_SIZES[0]),
        }
    }

    /// Returns the query of the address with its question mark; empty for the default view.
    pub fn query(&self) -> String {
        let mut query = filter_query(&self.filter);
        let mut add = |name: &str, value: &str| push(&mut query, name, value);
        if self.sort != ProductSort::default() {
            add("sort", self.sort.as_str());
        }
        if self.limit != PAGE_SIZES[0] {
            add("limit", &self.limit.to_string());
        }
        if let Some(cursor) = &self.cursor {
            add("cursor", cursor);
        }
        query
    }

    /// Returns the address of this list without a panel.
    pub fn href(&self) -> String {
        format!("/products{}", self.query())
    }

    /// The first page with another filter.
    pub fn with_filter(&self, filter: ProductFilter) -> Self {
        Self { filter, cursor: None, ..self.clone() }
    }

    /// The first page in another order.
    pub fn with_sort(&self, sort: ProductSort) -> Self {
        Self { sort, cursor: None, ..self.clone() }
    }

    /// The first page of another size: pages of different sizes begin at different products.
    pub fn with_limit(&self, limit: u32) -> Self {
        Self { limit, cursor: None, ..self.clone() }
    }

    pub fn at(&self, cursor: Option<String>) -> Self {
        Self { cursor, ..self.clone() }
    }
}

/// Returns the conditions as a query with its question mark; empty if there are none.
pub fn filter_query(filter: &ProductFilter) -> String {
    let mut query = String::new();
    let moment = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let parameters = [
        ("q", Some(filter.q.clone()).filter(|q| !q.is_empty())),
        ("active", filter.active.map(|flag| flag.to_string())),
        ("has_description", filter.has_description.map(|flag| flag.to_string())),
        ("created_from", filter.created_from.map(moment)),
        ("created_to", filter.created_to.map(moment)),
        ("updated_from", filter.updated_from.map(moment)),
        ("updated_to", filter.updated_to.map(moment)),
        ("import", filter.import.map(|id| id.to_string())),
    ];
    for (name, value) in parameters {
        if let Some(value) = value {
            push(&mut query, name, &value);
        }
    }
    query
}

fn push(query: &mut String, name: &str, value: &str) {
    query.push(if query.is_empty() { '?' } else { '&' });
    query.push_str(name);
    query.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            query.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(query, "%{byte:02X}");
        }
    }
}

/// The panel next to the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    Closed,
    /// A new product, or a copy of another one.
    New {
        copy: Option<i64>,
    },
    Edit(i64),
    /// The address names no product.
    NotFound,
}

impl Panel {
    /// Reads the path, and the parameter `copy`.
    pub fn read(path: &str, copy: Option<&str>) -> Self {
        match path.trim_end_matches('/').strip_prefix("/products/") {
            None => Self::Closed,
            Some("new") => Self::New { copy: copy.and_then(|id| id.parse().ok()) },
            Some(id) => id.parse().map_or(Self::NotFound, Self::Edit),
        }
    }

    /// Returns the address of this panel next to that list.
    pub fn href(self, view: &ListView) -> String {
        let mut query = view.query();
        let path = match self {
            Self::Closed | Self::NotFound => String::new(),
            Self::New { copy } => {
                if let Some(id) = copy {
                    push(&mut query, "copy", &id.to_string());
                }
                "/new".to_owned()
            }
            Self::Edit(id) => format!("/{id}"),
        };
        format!("/products{path}{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> ListView {
        let parameters: Vec<(&str, &str)> =
            query.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('=')).collect();
        ListView::read(|name| {
            let value = parameters.iter().find(|(known, _)| *known == name)?.1;
            Some(value.replace("%20", " ").replace("%26", "&").replace("%C3%A9", "é"))
        })
    }

    #[test]
    fn an_address_has_all_of_a_view_and_nothing_of_the_default() {
        assert_eq!(ListView::default().href(), "/products");
        let view = ListView {
            filter: ProductFilter {
                q: "green té & co".into(),
                active: Some(false),
                has_description: Some(true),
                created_from: DateTime::from_timestamp(1_800_000_000, 0),
                import: Some(3),
                ..ProductFilter::default()
            },
            sort: ProductSort::NameDesc,
            cursor: Some("abc_-1".into()),
            limit: 200,
        };
        assert_eq!(read(&view.query()), view, "{}", view.query());
        assert!(view.query().starts_with("?q=green%20t%C3%A9%20%26%20co&active=false"), "{}", view.query());
    }

    #[test]
    fn invalid_parameters_are_ignored() {
        assert_eq!(read("?active=perhaps&sort=price&limit=7&import=x&created_from=today&cursor="), ListView::default());
    }

    #[test]
    fn another_filter_order_or_size_begins_at_the_first_page() {
        let view = ListView { cursor: Some("c".into()), ..ListView::default() };
        assert_eq!(view.with_sort(ProductSort::Sku).cursor, None);
        assert_eq!(view.with_limit(100).cursor, None);
        assert_eq!(view.with_filter(ProductFilter::default()).cursor, None);
    }

    #[test]
    fn a_panel_keeps_the_list_next_to_it() {
        let view = ListView { limit: 100, ..ListView::default() };
        for panel in [Panel::Closed, Panel::New { copy: None }, Panel::New { copy: Some(7) }, Panel::Edit(5)] {
            let href = panel.href(&view);
            let (path, query) = href.split_once('?').expect("a query");
            let copy = query.split('&').find_map(|pair| pair.strip_prefix("copy="));
            assert_eq!(Panel::read(path, copy), panel, "{href}");
            assert_eq!(read(query), view, "{href}");
        }
        assert_eq!(Panel::read("/products/tea", None), Panel::NotFound);
        assert_eq!(Panel::read("/products/", None), Panel::Closed);
    }
}
