//! The store of resumable uploads in this browser: their URLs, by the fingerprint of the file.

use leptos::prelude::window;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const STORAGE_KEY: &str = "loadify.uploads";
/// Uploads that are stored; the oldest are removed first, and expire at the server.
const MAX_UPLOADS: usize = 20;
/// Bytes at the end of a file that go into its fingerprint.
pub const TAIL_BYTES: i64 = 64 * 1024;

/// An upload that is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumable {
    pub fingerprint: String,
    pub url: String,
    pub file_name: String,
    /// Size of the file, in bytes.
    pub size: i64,
    /// Bytes that the server has, as far as is known here.
    pub offset: i64,
}

/// Identifies a file: by its name, size and modification time, and by its beginning and its end.
///
/// A page gets neither the path nor a permanent handle of a file; reading all of a large file would take too long.
pub fn fingerprint(name: &str, size: i64, modified_ms: i64, head: &[u8], tail: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [name.as_bytes(), &size.to_le_bytes(), &modified_ms.to_le_bytes(), head, tail] {
        // With its length before it, no part can run into the next.
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// All stored uploads, oldest first. A browser may refuse to store anything.
pub fn all() -> Vec<Resumable> {
    let text = storage().and_then(|storage| storage.get_item(STORAGE_KEY).ok().flatten());
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Stores an upload, or its new offset. Returns whether that worked.
pub fn save(stored: Resumable) -> bool {
    // Read again each time: other tabs write, too.
    write(&with(all(), stored))
}

pub fn remove(url: &str) {
    let rest: Vec<_> = all().into_iter().filter(|stored| stored.url != url).collect();
    write(&rest);
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

fn write(list: &[Resumable]) -> bool {
    let Ok(text) = serde_json::to_string(list) else { return false };
    storage().is_some_and(|storage| storage.set_item(STORAGE_KEY, &text).is_ok())
}

/// The list with one more entry, or with one replaced.
fn with(mut list: Vec<Resumable>, stored: Resumable) -> Vec<Resumable> {
    match list.iter_mut().find(|known| known.url == stored.url) {
        Some(known) => *known = stored,
        None => list.push(stored),
    }
    let surplus = list.len().saturating_sub(MAX_UPLOADS);
    list.drain(..surplus);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(url: &str, offset: i64) -> Resumable {
        Resumable { fingerprint: url.to_owned(), url: url.to_owned(), file_name: "a.csv".to_owned(), size: 100, offset }
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
    fn a_new_state_replaces_the_stored_one() {
        let list = with(vec![stored("/a", 1), stored("/b", 1)], stored("/a", 50));
        assert_eq!(list, [stored("/a", 50), stored("/b", 1)]);
    }

    #[test]
    fn the_oldest_are_removed_first() {
        let list = (0..25).fold(Vec::new(), |list, number| with(list, stored(&format!("/{number}"), 0)));
        assert_eq!((list.len(), list[0].url.as_str(), list[19].url.as_str()), (20, "/5", "/24"));
    }
}
