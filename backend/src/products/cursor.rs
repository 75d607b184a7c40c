//! Cursors of list pages, as opaque texts.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::search::{ProductFilter, ProductSort};

/// Bytes of the checksum of a cursor. It guards against mistakes, not against malice: a forged cursor can only make a page
/// begin somewhere else.
const CHECKSUM_BYTES: usize = 6;

/// A position between two products of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The sort key of the product; empty if the list is sorted by id.
    pub key: String,
    pub id: i64,
}

/// The part of a list that a page shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cursor {
    /// From the first product on.
    First,
    /// Only the product whose SKU equals the search text; it comes before all others.
    Exact,
    /// From the first of the other products on.
    Rest,
    After(Position),
    Before(Position),
}

impl Cursor {
    /// Encodes the cursor as a text that can only be decoded for the same list.
    pub fn encode(&self, filter: &ProductFilter, sort: ProductSort) -> String {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.extend_from_slice(&checksum(&bytes, filter, sort));
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Decodes a cursor; `None` if it is not a cursor of this list.
    pub fn decode(text: &str, filter: &ProductFilter, sort: ProductSort) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (cursor, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
        (checksum(cursor, filter, sort) == sum).then(|| serde_json::from_slice(cursor).ok())?
    }
}

fn checksum(cursor: &[u8], filter: &ProductFilter, sort: ProductSort) -> [u8; CHECKSUM_BYTES] {
    let list = serde_json::to_vec(&(filter, sort)).unwrap_or_default();
    let sum = Sha256::new().chain_update(cursor).chain_update(list).finalize();
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&sum[..CHECKSUM_BYTES]);
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_decoded_only_unmodified_and_for_its_own_list() {
        let (filter, sort) = (ProductFilter { q: "tea".into(), ..ProductFilter::default() }, ProductSort::Name);
        let cursor = Cursor::After(Position { key: "grüner tee".into(), id: 7 });
        let text = cursor.encode(&filter, sort);
        assert_eq!(Cursor::decode(&text, &filter, sort), Some(cursor));
        assert_eq!(Cursor::decode(&text, &filter, ProductSort::NameDesc), None);
        assert_eq!(Cursor::decode(&text, &ProductFilter::default(), sort), None);
        for index in 0..text.len() {
            let mut modified = text.clone().into_bytes();
            modified[index] = if modified[index] == b'A' { b'B' } else { b'A' };
            let modified = String::from_utf8(modified).expect("ASCII");
            assert_eq!(Cursor::decode(&modified, &filter, sort), None, "{modified}");
        }
        assert_eq!(Cursor::decode("", &filter, sort), None);
        assert_eq!(Cursor::decode("after-20", &filter, sort), None);
    }
}
