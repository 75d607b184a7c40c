//! A product, its fields, and the rules for them.

use std::collections::BTreeMap;

use crate::{
    problem::FieldError,
    text::{header_key, is_blank, without_invisible},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use crate::text::sku_key;

/// Maximum length of a SKU, in characters (Unicode scalar values).
///
/// Its key is indexed, and a B-tree entry of Postgres holds about 2,700 bytes: 200 characters of 4 bytes, each grown up
/// to threefold by normalisation and case mapping, still fit.
pub const MAX_SKU_CHARS: usize = 200;
/// Maximum length of a name, in characters.
pub const MAX_NAME_CHARS: usize = 500;
/// Maximum length of a description, and of the value of an attribute, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 65_536;
/// Maximum number of attributes of a product.
pub const MAX_ATTRIBUTES: usize = 200;
/// Maximum length of the name of an attribute, in characters.
pub const MAX_ATTRIBUTE_NAME_CHARS: usize = 500;

/// One product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Product {
    pub id: i64,
    /// As it was last written; unique by its key, which ignores case, invisible characters and the width of spaces.
    pub sku: String,
    pub name: String,
    /// Empty if the product has none.
    pub description: String,
    pub active: bool,
    /// Columns of the file other than `sku`, `name` and `description`, by header.
    pub attributes: BTreeMap<String, String>,
    /// Increases with every change; the `ETag` of the product is this number in quotes.
    pub version: i64,
    /// Id of the import that was the last to create or change the product; absent if no import did.
    pub import: Option<i64>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// All writable fields of a product, for `POST` and `PUT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProductInput {
    /// At most 200 characters; unique by its key, which ignores case, invisible characters and the width of spaces.
    pub sku: String,
    /// At most 500 characters.
    pub name: String,
    /// At most 65,536 characters.
    #[serde(default)]
    pub description: String,
    #[serde(default = "yes")]
    pub active: bool,
    /// At most 200. `sku`, `name` and `description` are not allowed as names.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

const fn yes() -> bool {
    true
}

/// A product without any text, as the form of a new product begins.
impl Default for ProductInput {
    fn default() -> Self {
        Self {
            sku: String::new(),
            name: String::new(),
            description: String::new(),
            active: yes(),
            attributes: BTreeMap::new(),
        }
    }
}

/// The writable fields of a product other than its attributes. Exports, conflicts, details and webhook messages iterate over
/// these. `CONTRIBUTING.md` lists what else a new field needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    Sku,
    Name,
    Description,
    Active,
}

impl Field {
    pub const ALL: [Self; 4] = [Self::Sku, Self::Name, Self::Description, Self::Active];
    /// The fields that are columns of an exported file, in their order. Attributes follow.
    pub const TEXTS: [Self; 3] = [Self::Sku, Self::Name, Self::Description];

    /// The name in JSON and in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sku => "sku",
            Self::Name => "name",
            Self::Description => "description",
            Self::Active => "active",
        }
    }

    /// The name for display.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Sku => "SKU",
            Self::Name => "Name",
            Self::Description => "Description",
            Self::Active => "Status",
        }
    }

    /// Returns the text in `product`; empty for a field that is not a text.
    pub fn text(self, product: &ProductInput) -> &str {
        match self {
            Self::Sku => &product.sku,
            Self::Name => &product.name,
            Self::Description => &product.description,
            Self::Active => "",
        }
    }

    /// Returns the value as JSON.
    pub fn value(self, product: &ProductInput) -> serde_json::Value {
        match self {
            Self::Active => product.active.into(),
            text => text.text(product).into(),
        }
    }

    /// Returns the value for display.
    pub fn display(self, product: &ProductInput) -> &str {
        match self {
            Self::Active if product.active => "Active",
            Self::Active => "Inactive",
            text => text.text(product),
        }
    }

    /// Copies the value from one product to another.
    pub fn copy(self, from: &ProductInput, to: &mut ProductInput) {
        match self {
            Self::Sku => to.sku.clone_from(&from.sku),
            Self::Name => to.name.clone_from(&from.name),
            Self::Description => to.description.clone_from(&from.description),
            Self::Active => to.active = from.active,
        }
    }
}

/// A merge patch (RFC 7396) for `PATCH`. Absent fields keep their values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ProductChange {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "null_is_empty")]
    pub sku: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "null_is_empty")]
    pub name: Option<String>,
    /// `null` removes the description.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "null_is_empty")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "not_null")]
    pub active: Option<bool>,
    /// Sets each named attribute, or removes it if the value is `null`; other attributes keep their values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Option<String>>,
}

/// In a merge patch, `null` removes a value. Not called for absent fields.
fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer).map(|text| Some(text.unwrap_or_default()))
}

/// A product cannot be without this field, so a merge patch cannot remove it.
fn not_null<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl ProductInput {
    /// Returns the product as it is stored, by an import too: without white space around SKU and name, and without empty
    /// attributes.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        self.sku = self.sku.trim().to_owned();
        self.name = self.name.trim().to_owned();
        self.attributes = self
            .attributes
            .into_iter()
            .map(|(name, value)| (without_invisible(name.trim()).trim().to_owned(), value))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        self
    }

    /// Returns the errors of all fields; empty if the product can be stored. Attributes are named `attributes.{name}`.
    pub fn check(&self) -> Vec<FieldError> {
        let field = |field: &str, result: Result<(), FieldRuleError>| {
            result.err().map(|error| FieldError { field: field.to_owned(), message: error.to_string() })
        };
        let mut errors: Vec<_> = [
            field("sku", check_sku(&self.sku)),
            field("name", check_name(&self.name)),
            field("description", check_description(&self.description)),
        ]
        .into_iter()
        .flatten()
        .collect();
        if self.attributes.len() > MAX_ATTRIBUTES {
            let message = format!("are {}; at most {MAX_ATTRIBUTES} are allowed", self.attributes.len());
            errors.push(FieldError { field: "attributes".into(), message });
        }
        for (name, value) in &self.attributes {
            let problem = check_attribute_name(name).and_then(|()| check_description(value));
            errors.extend(field(&format!("attributes.{name}"), problem));
        }
        errors
    }
}

impl From<Product> for ProductInput {
    fn from(product: Product) -> Self {
        Self {
            sku: product.sku,
            name: product.name,
            description: product.description,
            active: product.active,
            attributes: product.attributes,
        }
    }
}

impl ProductChange {
    /// Returns `product` with the change applied.
    pub fn apply(self, product: ProductInput) -> ProductInput {
        let mut attributes = product.attributes;
        for (name, value) in self.attributes {
            match value {
                Some(value) => attributes.insert(name, value),
                None => attributes.remove(&name),
            };
        }
        ProductInput {
            sku: self.sku.unwrap_or(product.sku),
            name: self.name.unwrap_or(product.name),
            description: self.description.unwrap_or(product.description),
            active: self.active.unwrap_or(product.active),
            attributes,
        }
    }
}

/// A rule for a field of a product that a value breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldRuleError {
    #[error("is missing")]
    Missing,
    #[error("has {chars} characters; at most {max} are allowed")]
    TooLong { chars: usize, max: usize },
    #[error("contains a NUL character, which cannot be stored")]
    Nul,
    #[error("is the name of a product field")]
    Reserved,
}

/// Checks a SKU. It must contain a visible character.
pub fn check_sku(sku: &str) -> Result<(), FieldRuleError> {
    required(sku, MAX_SKU_CHARS)
}

/// Checks a name. It must contain a visible character.
pub fn check_name(name: &str) -> Result<(), FieldRuleError> {
    required(name, MAX_NAME_CHARS)
}

/// Checks a description or the value of an attribute. It may be empty.
pub fn check_description(text: &str) -> Result<(), FieldRuleError> {
    bounded(text, MAX_DESCRIPTION_CHARS)
}

/// Checks the name of an attribute, which is the header of its column in a file.
pub fn check_attribute_name(name: &str) -> Result<(), FieldRuleError> {
    let key = header_key(name);
    if Field::TEXTS.iter().any(|field| key == field.as_str()) {
        return Err(FieldRuleError::Reserved);
    }
    required(name, MAX_ATTRIBUTE_NAME_CHARS)
}

fn required(text: &str, max: usize) -> Result<(), FieldRuleError> {
    if is_blank(text) {
        return Err(FieldRuleError::Missing);
    }
    bounded(text, max)
}

fn bounded(text: &str, max: usize) -> Result<(), FieldRuleError> {
    if text.as_bytes().contains(&0) {
        return Err(FieldRuleError::Nul);
    }
    // A string has at most as many characters as bytes, so most texts need no counting.
    if text.len() > max {
        let chars = text.chars().count();
        if chars > max {
            return Err(FieldRuleError::TooLong { chars, max });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_sku_fits_an_index_entry() {
        let widest =
            ('\0'..=char::MAX).map(|c| sku_key(&format!("a{c}")).len() - 1).max().expect("there are characters");
        assert!(widest * MAX_SKU_CHARS <= 2_700, "a character can take {widest} bytes");
    }

    #[test]
    fn limits_count_characters_not_bytes() {
        assert_eq!(check_sku(&"ä".repeat(MAX_SKU_CHARS)), Ok(()));
        assert_eq!(check_sku(&"ä".repeat(MAX_SKU_CHARS + 1)), Err(FieldRuleError::TooLong { chars: 201, max: 200 }));
        assert_eq!(check_sku(" \t"), Err(FieldRuleError::Missing));
        assert_eq!(check_sku("\u{200b}\u{a0}"), Err(FieldRuleError::Missing));
        assert_eq!(check_name("a\0b"), Err(FieldRuleError::Nul));
        assert_eq!(check_description(""), Ok(()));
        assert_eq!(check_attribute_name(" SKU"), Err(FieldRuleError::Reserved));
        assert_eq!(check_attribute_name("na\u{200b}me"), Err(FieldRuleError::Reserved));
    }

    #[test]
    fn a_change_is_merged_and_what_it_makes_is_checked() {
        let product = ProductInput {
            sku: "TEA-1".into(),
            name: "Tea".into(),
            description: "Green".into(),
            attributes: [("colour", "green"), ("size", "XL")].map(|(k, v)| (k.into(), v.into())).into(),
            ..ProductInput::default()
        };
        let change: ProductChange = serde_json::from_str(
            r#"{"name": null, "description": null, "active": false, "attributes": {"size": null, "price": "1.50", "empty": ""}}"#,
        )
        .expect("a change");
        let changed = change.apply(product).normalised();
        assert_eq!(changed.attributes.keys().collect::<Vec<_>>(), ["colour", "price"]);
        assert!(!changed.active && changed.description.is_empty());
        let errors = changed.check();
        assert_eq!((errors.len(), errors[0].field.as_str()), (1, "name"));
    }
}
