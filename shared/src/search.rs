//! Which products a list shows, in which order, and what the list answers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::product::Product;

/// Longest search text, in characters.
pub const MAX_QUERY_CHARS: usize = 200;

/// Which products are meant. An absent condition holds for every product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ProductFilter {
    /// Words, separated by white space. Each must occur in the SKU, the name or the description, anywhere in a word and in
    /// any case.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub q: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Whether the description is not empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_description: Option<bool>,
    /// Created at this moment or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_from: Option<DateTime<Utc>>,
    /// Created before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_to: Option<DateTime<Utc>>,
    /// Last changed at this moment or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_from: Option<DateTime<Utc>>,
    /// Last changed before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_to: Option<DateTime<Utc>>,
    /// The import that last created or changed the product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import: Option<i64>,
}

impl ProductFilter {
    /// The words that must occur.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.q.split_whitespace()
    }

    /// Whether every product is meant.
    pub fn is_empty(&self) -> bool {
        self.words().next().is_none() && *self == Self { q: self.q.clone(), ..Self::default() }
    }
}

/// The order of a list. Products of equal rank follow each other in the order in which they came into the catalogue.
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
    /// By name, whatever its case.
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameDesc,
    /// Longest unchanged first.
    #[serde(rename = "updated")]
    Updated,
    /// Last changed first.
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

    /// The word that stands in the address.
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

    /// The order that this word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == word)
    }

    pub const fn is_descending(self) -> bool {
        matches!(self, Self::CreatedDesc | Self::SkuDesc | Self::NameDesc | Self::UpdatedDesc)
    }
}

/// How many products match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Total {
    pub count: i64,
    /// Where it is not exact, there are more than `count`; `/products/count` tells how many.
    pub exact: bool,
}

impl Total {
    pub const fn is_any(self) -> bool {
        self.count > 0 || !self.exact
    }
}

/// One page of products.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProductPage {
    pub items: Vec<Product>,
    /// All products that match, not only those of this page.
    pub total: Total,
    /// Cursor of the page after this one; absent on the last page.
    pub next: Option<String>,
    /// Cursor of the page before this one; absent on the first page.
    pub previous: Option<String>,
}

/// Whether the catalogue can be sorted and filtered at full speed. Results are complete in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IndexState {
    /// Changed products that are not yet sorted in.
    pub pending: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_order_are_those_of_json() {
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
}
