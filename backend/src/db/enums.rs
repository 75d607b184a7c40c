//! Text columns that hold one of a few values.

use serde::de::DeserializeOwned;

/// Parses a text column as the enum that serializes to such texts. A value that this version does not know, because a newer
/// process wrote it, becomes the variant of the enum that has `#[serde(other)]`.
pub fn parse_enum<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_value(text.into()).expect("an enum of a column has a variant for unknown values")
}
