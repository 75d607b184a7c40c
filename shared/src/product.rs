//! A product, and the rules for its fields.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Longest SKU, in characters (Unicode scalar values).
///
/// Its key is indexed, and a B-tree entry of Postgres holds about 2,700 bytes: 200 characters of 4 bytes, each grown up
/// to threefold by normalisation and case mapping, still fit.
pub const MAX_SKU_CHARS: usize = 200;
/// Longest name, in characters.
pub const MAX_NAME_CHARS: usize = 500;
/// Longest description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 65_536;

/// One product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Product {
    pub id: i64,
    /// As it was last written; unique whatever its case.
    pub sku: String,
    pub name: String,
    /// Empty where there is none.
    pub description: String,
    pub active: bool,
    /// Columns of the file beside `sku`, `name` and `description`, by header.
    pub attributes: BTreeMap<String, String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// One page of products.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProductPage {
    pub items: Vec<Product>,
    /// All products, not only those of this page.
    pub total: i64,
    /// Cursor of the page after this one; absent on the last page.
    pub next: Option<String>,
    /// Cursor of the page before this one; absent on the first page.
    pub previous: Option<String>,
}

/// The form in which SKUs are compared: surrounding white space removed, NFC, lower case (Unicode, not the database's
/// locale), so that `TEA-01`, ` tea-01` and `Tea-01` are one product.
///
/// This is the only rule for equality of SKUs: rows of a file are de-duplicated with it before they reach the database,
/// whose unique column holds its result. It is idempotent.
pub fn sku_key(sku: &str) -> String {
    let sku = sku.trim();
    if sku.is_ascii() {
        return sku.to_ascii_lowercase();
    }
    // Lower-casing can take a string out of NFC, and normalising can bring forth a letter that has a lower case.
    let mut key: String = sku.nfc().collect::<String>().to_lowercase().nfc().collect();
    loop {
        let again: String = key.to_lowercase().nfc().collect::<String>().trim().to_owned();
        if again == key {
            return key;
        }
        key = again;
    }
}

/// What can be wrong with one field of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    #[error("is missing")]
    Missing,
    #[error("has {chars} characters; at most {max} are allowed")]
    TooLong { chars: usize, max: usize },
    #[error("contains a NUL character, which cannot be stored")]
    Nul,
}

/// Checks a SKU. It may not be empty once the white space around it is gone.
pub fn check_sku(sku: &str) -> Result<(), FieldProblem> {
    required(sku, MAX_SKU_CHARS)
}

/// Checks a name. It may not be empty once the white space around it is gone.
pub fn check_name(name: &str) -> Result<(), FieldProblem> {
    required(name, MAX_NAME_CHARS)
}

/// Checks a description, or the value of an attribute. It may be empty.
pub fn check_description(text: &str) -> Result<(), FieldProblem> {
    bounded(text, MAX_DESCRIPTION_CHARS)
}

fn required(text: &str, max: usize) -> Result<(), FieldProblem> {
    if text.trim().is_empty() {
        return Err(FieldProblem::Missing);
    }
    bounded(text, max)
}

fn bounded(text: &str, max: usize) -> Result<(), FieldProblem> {
    if text.as_bytes().contains(&0) {
        return Err(FieldProblem::Nul);
    }
    // A string has at most as many characters as bytes: most texts need no counting.
    if text.len() > max {
        let chars = text.chars().count();
        if chars > max {
            return Err(FieldProblem::TooLong { chars, max });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sku_is_the_same_whatever_its_case_spacing_and_composition() {
        for (left, right) in [
            ("TEA-01", "tea-01"),
            ("  Tea-01\t", "tea-01"),
            ("ÄPFEL", "äpfel"),
            ("Cafe\u{301}", "CAFÉ"),
            ("ΟΔΟΣ", "οδος"),
            ("\u{212a}elvin", "kelvin"), // KELVIN SIGN
        ] {
            assert_eq!(sku_key(left), sku_key(right), "{left} and {right}");
        }
        assert_ne!(sku_key("tea-01"), sku_key("tea-1"));
        assert_ne!(sku_key("strasse"), sku_key("straße"));
    }

    #[test]
    fn the_key_of_a_key_is_itself_for_every_character() {
        for c in '\0'..=char::MAX {
            for text in [c.to_string(), format!("a{c}\u{301}b"), format!("{c}\u{345}")] {
                let key = sku_key(&text);
                assert_eq!(sku_key(&key), key, "U+{:04X}", c as u32);
            }
        }
    }

    #[test]
    fn the_longest_sku_fits_an_index_entry() {
        let widest =
            ('\0'..=char::MAX).map(|c| sku_key(&format!("a{c}")).len() - 1).max().expect("there are characters");
        assert!(widest * MAX_SKU_CHARS <= 2_700, "a character can take {widest} bytes");
    }

    #[test]
    fn limits_count_characters_not_bytes() {
        assert_eq!(check_sku(&"ä".repeat(MAX_SKU_CHARS)), Ok(()));
        assert_eq!(check_sku(&"ä".repeat(MAX_SKU_CHARS + 1)), Err(FieldProblem::TooLong { chars: 201, max: 200 }));
        assert_eq!(check_sku(" \t"), Err(FieldProblem::Missing));
        assert_eq!(check_name("a\0b"), Err(FieldProblem::Nul));
        assert_eq!(check_description(""), Ok(()));
    }
}
