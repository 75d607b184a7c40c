//! Where a page begins, as an opaque text.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::search::{ProductFilter, ProductSort};

/// Bytes of the check sum behind a cursor. It is against mistakes, not against malice: all that a cursor can do is to begin
/// a page somewhere else.
const CHECK_BYTES: usize = 6;

/// A place between two products of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// What the product is sorted by before its id; empty where that is the id itself.
    pub key: String,
    pub id: i64,
}

/// Which part of a list a page shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Window {
    /// From the first product on.
    First,
    /// The product alone whose SKU is what is searched for; it comes before all others.
    Exact,
    /// From the first of the others on.
    Rest,
    After(Place),
    Before(Place),
}

impl Window {
    /// As an opaque text. It can be read for the same list only.
    pub fn encode(&self, filter: &ProductFilter, sort: ProductSort) -> String {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.extend_from_slice(&check(&bytes, filter, sort));
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None` where it is not a cursor of this list.
    pub fn decode(text: &str, filter: &ProductFilter, sort: ProductSort) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (window, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
        (check(window, filter, sort) == sum).then(|| serde_json::from_slice(window).ok())?
    }
}

fn check(window: &[u8], filter: &ProductFilter, sort: ProductSort) -> [u8; CHECK_BYTES] {
    let list = serde_json::to_vec(&(filter, sort)).unwrap_or_default();
    let sum = Sha256::new().chain_update(window).chain_update(list).finalize();
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&sum[..CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_for_its_own_list_only_and_not_when_it_was_touched() {
        let (filter, sort) = (ProductFilter { q: "tea".into(), ..ProductFilter::default() }, ProductSort::Name);
        let window = Window::After(Place { key: "grüner tee".into(), id: 7 });
        let text = window.encode(&filter, sort);
        assert_eq!(Window::decode(&text, &filter, sort), Some(window));
        assert_eq!(Window::decode(&text, &filter, ProductSort::NameDesc), None);
        assert_eq!(Window::decode(&text, &ProductFilter::default(), sort), None);
        for index in 0..text.len() {
            let mut touched = text.clone().into_bytes();
            touched[index] = if touched[index] == b'A' { b'B' } else { b'A' };
            let touched = String::from_utf8(touched).expect("ASCII");
            assert_eq!(Window::decode(&touched, &filter, sort), None, "{touched}");
        }
        assert_eq!(Window::decode("", &filter, sort), None);
        assert_eq!(Window::decode("after-20", &filter, sort), None);
    }
}
