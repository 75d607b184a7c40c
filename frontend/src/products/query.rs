//! What the address says: which products are listed, in which order, and what is open beside them. Pure.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use shared::search::{ProductFilter, ProductSort};

/// Sizes of a page, in products. The first is meant where the address names none.
pub const PAGE_SIZES: [u32; 3] = [50, 100, 200];

/// A list of products as the address names it. The words are those of the API, so that one may try them there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListView {
    pub filter: ProductFilter,
    pub sort: ProductSort,
    /// Where the page begins or ends; the first page where there is none.
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
    /// Reads the parameters of an address. What cannot be read is taken as absent.
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

    /// The query of the address, with its question mark; empty where nothing is out of the ordinary.
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

    /// The address of this list alone.
    pub fn href(&self) -> String {
        format!("/products{}", self.query())
    }

    /// The list of other products, from its beginning.
    pub fn with_filter(&self, filter: ProductFilter) -> Self {
        Self { filter, cursor: None, ..self.clone() }
    }

    /// The same products in another order, from the beginning.
    pub fn with_sort(&self, sort: ProductSort) -> Self {
        Self { sort, cursor: None, ..self.clone() }
    }

    /// With pages of another size, from the beginning: a page of before may not begin where one of these does.
    pub fn with_limit(&self, limit: u32) -> Self {
        Self { limit, cursor: None, ..self.clone() }
    }

    pub fn at(&self, cursor: Option<String>) -> Self {
        Self { cursor, ..self.clone() }
    }
}

/// The conditions as a query with its question mark; empty where there are none.
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
            // Writing to a string does not fail.
            let _ = write!(query, "%{byte:02X}");
        }
    }
}

/// What is open beside the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    Closed,
    /// A product to be; as a copy of another one where that is named.
    New {
        copy: Option<i64>,
    },
    Edit(i64),
    /// The address names something that cannot be a product.
    Nowhere,
}

impl Panel {
    /// Reads the path, and the parameter `copy`.
    pub fn read(path: &str, copy: Option<&str>) -> Self {
        match path.trim_end_matches('/').strip_prefix("/products/") {
            None => Self::Closed,
            Some("new") => Self::New { copy: copy.and_then(|id| id.parse().ok()) },
            Some(id) => id.parse().map_or(Self::Nowhere, Self::Edit),
        }
    }

    /// The address of this panel beside that list.
    pub fn href(self, view: &ListView) -> String {
        let mut query = view.query();
        let path = match self {
            Self::Closed | Self::Nowhere => String::new(),
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
    fn an_address_says_all_of_a_list_and_nothing_of_an_ordinary_one() {
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
    fn what_cannot_be_read_is_absent() {
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
    fn a_panel_keeps_the_list_beside_it() {
        let view = ListView { limit: 100, ..ListView::default() };
        for panel in [Panel::Closed, Panel::New { copy: None }, Panel::New { copy: Some(7) }, Panel::Edit(5)] {
            let href = panel.href(&view);
            let (path, query) = href.split_once('?').expect("a query");
            let copy = query.split('&').find_map(|pair| pair.strip_prefix("copy="));
            assert_eq!(Panel::read(path, copy), panel, "{href}");
            assert_eq!(read(query), view, "{href}");
        }
        assert_eq!(Panel::read("/products/tea", None), Panel::Nowhere);
        assert_eq!(Panel::read("/products/", None), Panel::Closed);
    }
}
