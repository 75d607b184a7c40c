//! The list of products: its filter, its order, and the response.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{problem::FieldError, product::Product};

/// Maximum length of a search text, in characters.
pub const MAX_QUERY_CHARS: usize = 200;
/// Maximum number of words in a search text. Each word is one more condition on every product that is read.
pub const MAX_QUERY_WORDS: usize = 20;

/// A filter for products. An absent condition holds for every product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema, utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct ProductFilter {
    /// At most 20 words, separated by white space. Each must occur in the SKU, the name, the description or the value of an
    /// attribute, anywhere in a word. Case, accents, width and composition of the letters do not matter.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_length = 200), param(max_length = 200))]
    pub q: String,
    /// Only active, or only inactive products.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Only products with, or only products without a description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_description: Option<bool>,
    /// Created at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_from: Option<DateTime<Utc>>,
    /// Created before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_to: Option<DateTime<Utc>>,
    /// Last changed at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_from: Option<DateTime<Utc>>,
    /// Last changed before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_to: Option<DateTime<Utc>>,
    /// Id of the import that was the last to create or change the product. A product that a later import changes belongs
    /// to that import from then on, so the number of matches of an older import decreases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import: Option<i64>,
}

impl ProductFilter {
    /// Names of all conditions, as in JSON and in a query string.
    pub const FIELDS: [&str; 8] =
        ["q", "active", "has_description", "created_from", "created_to", "updated_from", "updated_to", "import"];

    /// The words that must occur.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.q.split_whitespace()
    }

    /// Whether the filter has no condition, so that every product matches.
    pub fn is_empty(&self) -> bool {
        self.words().next().is_none() && *self == Self { q: self.q.clone(), ..Self::default() }
    }

    /// Returns what is wrong with the search text, or `None` if it can be searched for.
    pub fn check(&self) -> Option<FieldError> {
        let (chars, words) = (self.q.chars().count(), self.words().count());
        let message = if chars > MAX_QUERY_CHARS {
            format!("has {chars} characters; at most {MAX_QUERY_CHARS} are allowed")
        } else if words > MAX_QUERY_WORDS {
            format!("has {words} words; at most {MAX_QUERY_WORDS} are allowed")
        } else if self.q.contains('\0') {
            "must not contain a NUL character".to_owned()
        } else {
            return None;
        };
        Some(FieldError { field: "q".into(), message })
    }
}

/// The order of a list. Products of equal rank follow each other in the order in which they were created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ProductSort {
    /// Oldest first.
    #[serde(rename = "created")]
    Created,
    /// Newest first.
    #[default]
    #[serde(rename = "-created")]
    CreatedDesc,
    #[serde(rename = "sku")]
    Sku,
    #[serde(rename = "-sku")]
    SkuDesc,
    /// By name, ignoring case.
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameDesc,
    /// Least recently changed first.
    #[serde(rename = "updated")]
    Updated,
    /// Most recently changed first.
    #[serde(rename = "-updated")]
    UpdatedDesc,
}

impl ProductSort {
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::CreatedDesc,
        Self::Sku,
        Self::SkuDesc,
        Self::Name,
        Self::NameDesc,
        Self::Updated,
        Self::UpdatedDesc,
    ];

    /// The value of the query parameter `sort`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::CreatedDesc => "-created",
            Self::Sku => "sku",
            Self::SkuDesc => "-sku",
            Self::Name => "name",
            Self::NameDesc => "-name",
            Self::Updated => "updated",
            Self::UpdatedDesc => "-updated",
        }
    }

    /// Parses the value of the query parameter `sort`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == text)
    }

    pub const fn is_descending(self) -> bool {
        matches!(self, Self::CreatedDesc | Self::SkuDesc | Self::NameDesc | Self::UpdatedDesc)
    }
}

/// The number of products that match a filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProductCount {
    pub count: i64,
}

/// One page of products. `/products/count` returns how many match in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProductPage {
    pub items: Vec<Product>,
    /// Cursor of the next page; absent on the last page.
    pub next: Option<String>,
    /// Cursor of the previous page; absent on the first page.
    pub previous: Option<String>,
}

/// State of the sort index. Lists are always complete; with a large lag, some orders and filters are slower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IndexState {
    /// Changed products that are not indexed yet.
    pub lag: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sort_values_equal_their_json() {
        for sort in ProductSort::ALL {
            assert_eq!(serde_json::to_value(sort).expect("serialises"), sort.as_str());
            assert_eq!(ProductSort::parse(sort.as_str()), Some(sort));
            assert_eq!(sort.is_descending(), sort.as_str().starts_with('-'));
        }
        assert_eq!(ProductSort::parse("price"), None);
    }

    #[test]
    fn a_filter_of_white_space_is_empty() {
        assert!(ProductFilter { q: " \t".into(), ..ProductFilter::default() }.is_empty());
        assert!(!ProductFilter { active: Some(false), ..ProductFilter::default() }.is_empty());
        assert_eq!(ProductFilter { q: " green  tea".into(), ..ProductFilter::default() }.words().count(), 2);
    }

    #[test]
    fn the_names_of_the_conditions_are_complete() {
        let unknown = serde_json::from_str::<ProductFilter>(r#"{"?": 1}"#).expect_err("an unknown field").to_string();
        let named: Vec<_> = unknown.split('`').skip(3).step_by(2).collect();
        assert_eq!(named, ProductFilter::FIELDS);
    }

    #[test]
    fn the_words_and_characters_of_a_search_are_limited() {
        let check = |q: String| ProductFilter { q, ..ProductFilter::default() }.check().map(|error| error.message);
        assert_eq!(check("a ".repeat(20)), None);
        assert_eq!(check("a ".repeat(21)).as_deref(), Some("has 21 words; at most 20 are allowed"));
        assert_eq!(check("ä".repeat(200)), None);
        assert_eq!(check("ä".repeat(201)).as_deref(), Some("has 201 characters; at most 200 are allowed"));
        assert_eq!(check("a\0".into()).as_deref(), Some("must not contain a NUL character"));
    }
}
