//! What this browser remembers of uploads, so that they go on after a reload: by the file's fingerprint, their URL.

use leptos::prelude::window;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const KEY: &str = "loadify.uploads";
/// So many uploads are remembered; the oldest are forgotten first, and expire at the server.
const MOST: usize = 20;
/// How much of the end of a file goes into its fingerprint, in bytes.
pub const TAIL_BYTES: i64 = 64 * 1024;

/// An upload that has begun and is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub fingerprint: String,
    pub url: String,
    pub file_name: String,
    /// Of the file, in bytes.
    pub size: i64,
    /// Bytes that the server has, as far as is known here.
    pub offset: i64,
}

/// Tells a file from others: by its name, size and time of change, and by its beginning and its end.
///
/// A browser gives a page no path and no lasting handle; reading all of a large file would take too long.
pub fn fingerprint(name: &str, size: i64, modified_ms: i64, head: &[u8], tail: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [name.as_bytes(), &size.to_le_bytes(), &modified_ms.to_le_bytes(), head, tail] {
        // With its length before it, no part runs into the next.
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// All that are remembered, oldest first. A browser may refuse to keep anything.
pub fn all() -> Vec<Kept> {
    let text = storage().and_then(|storage| storage.get_item(KEY).ok().flatten());
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Remembers an upload, or how far it has come. Gives whether that worked.
pub fn keep(kept: Kept) -> bool {
    // Read anew each time: other tabs write, too.
    write(&with(all(), kept))
}

pub fn forget(url: &str) {
    let rest: Vec<_> = all().into_iter().filter(|kept| kept.url != url).collect();
    write(&rest);
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

fn write(list: &[Kept]) -> bool {
    let Ok(text) = serde_json::to_string(list) else { return false };
    storage().is_some_and(|storage| storage.set_item(KEY, &text).is_ok())
}

/// The list with one more, or with news of one.
fn with(mut list: Vec<Kept>, kept: Kept) -> Vec<Kept> {
    match list.iter_mut().find(|known| known.url == kept.url) {
        Some(known) => *known = kept,
        None => list.push(kept),
    }
    let surplus = list.len().saturating_sub(MOST);
    list.drain(..surplus);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(url: &str, offset: i64) -> Kept {
        Kept { fingerprint: url.to_owned(), url: url.to_owned(), file_name: "a.csv".to_owned(), size: 100, offset }
    }

    #[test]
    fn a_fingerprint_changes_with_each_of_its_parts() {
        let same = || fingerprint("a.csv", 10, 1_000, b"head", b"tail");
        assert_eq!(same(), same());
        let others = [
            fingerprint("b.csv", 10, 1_000, b"head", b"tail"),
            fingerprint("a.csv", 11, 1_000, b"head", b"tail"),
            fingerprint("a.csv", 10, 1_001, b"head", b"tail"),
            fingerprint("a.csv", 10, 1_000, b"Head", b"tail"),
            fingerprint("a.csv", 10, 1_000, b"head", b"tails"),
            fingerprint("a.csv", 10, 1_000, b"headt", b"ail"),
        ];
        assert!(others.iter().all(|other| *other != same()), "{others:?}");
        assert_eq!(same().len(), 32);
    }

    #[test]
    fn news_of_an_upload_take_the_place_of_what_was_known() {
        let list = with(vec![kept("/a", 1), kept("/b", 1)], kept("/a", 50));
        assert_eq!(list, [kept("/a", 50), kept("/b", 1)]);
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let list = (0..25).fold(Vec::new(), |list, number| with(list, kept(&format!("/{number}"), 0)));
        assert_eq!((list.len(), list[0].url.as_str(), list[19].url.as_str()), (20, "/5", "/24"));
    }
}
