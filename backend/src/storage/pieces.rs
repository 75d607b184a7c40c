//! Objects that are lists of other objects, and are read as one.
//!
//! A file that arrives in blocks is not copied together when it is complete: S3 can only join parts of at least 5 MiB
//! that were begun as one multipart upload, a folder would have to write all bytes again, and the client waits for the
//! answer meanwhile. So a small object lists the blocks, and reading goes from one to the next.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{ByteStream, Storage};

/// Ends the keys of such lists, and of nothing else.
const SUFFIX: &str = ".blocks";
/// Blocks that are opened at the same time: while one is read, the storage finds the next.
const OPEN_AT_ONCE: usize = 2;
/// Blocks that are deleted at the same time.
const DELETE_AT_ONCE: usize = 8;

/// Part of a larger file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    pub key: String,
    /// In bytes.
    pub size: u64,
}

/// The key for a list with this name.
pub fn list_key(name: &str) -> String {
    format!("{name}{SUFFIX}")
}

pub fn is_list(key: &str) -> bool {
    key.ends_with(SUFFIX)
}

/// Writes the list of `pieces`, in their order.
pub async fn write(storage: &Storage, key: &str, pieces: &[Piece]) -> Result<()> {
    let list = serde_json::to_vec(pieces).map_err(|error| unreadable(error.into()))?;
    storage.put(key, list.into()).await
}

async fn list(storage: &Storage, key: &str) -> Result<Vec<Piece>> {
    let list = storage.read_whole(key).await?;
    serde_json::from_slice(&list).map_err(|error| unreadable(error.into()))
}

fn unreadable(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Generic { store: "pieces", source }
}

/// The bytes from `offset` on.
pub async fn read(storage: &Storage, key: &str, offset: u64) -> Result<ByteStream> {
    let parts = overlapping(list(storage, key).await?, offset..u64::MAX);
    let storage = storage.clone();
    let opened = stream::iter(parts).map(move |(piece, range)| {
        let storage = storage.clone();
        async move { storage.read_object(&piece.key, range.start).await.map_err(std::io::Error::other) }
    });
    Ok(opened.buffered(OPEN_AT_ONCE).try_flatten().boxed())
}

/// The bytes of `range`, in memory; fewer where the file ends before.
pub async fn read_range(storage: &Storage, key: &str, range: Range<u64>) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    for (piece, range) in overlapping(list(storage, key).await?, range) {
        bytes.extend_from_slice(&storage.read_object_range(&piece.key, range).await?);
    }
    Ok(bytes.freeze())
}

/// Deletes the pieces, then the list: what fails half-way can be done again.
pub async fn delete(storage: &Storage, key: &str) -> Result<()> {
    let deleting = stream::iter(list(storage, key).await?).map(|piece| async move {
        match storage.delete_object(&piece.key).await {
            Err(Error::NotFound { .. }) => Ok(()),
            done => done,
        }
    });
    deleting.buffer_unordered(DELETE_AT_ONCE).try_collect::<()>().await?;
    storage.delete_object(key).await
}

/// The pieces that have bytes of `range`, each with the range inside it.
fn overlapping(pieces: Vec<Piece>, range: Range<u64>) -> Vec<(Piece, Range<u64>)> {
    let mut found = Vec::new();
    let mut start = 0;
    for piece in pieces {
        let end = start + piece.size;
        if piece.size > 0 && start < range.end && end > range.start {
            let inner = range.start.saturating_sub(start)..range.end.min(end) - start;
            found.push((piece, inner));
        }
        start = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(key: &str, size: u64) -> Piece {
        Piece { key: key.into(), size }
    }

    async fn stored(texts: &[&str]) -> (Storage, String) {
        let storage = Storage::open(&"memory:///".parse().unwrap()).unwrap();
        let mut pieces = Vec::new();
        for (no, text) in texts.iter().enumerate() {
            let key = format!("blocks/{no}");
            storage.put(&key, Bytes::from((*text).to_owned())).await.unwrap();
            pieces.push(piece(&key, text.len() as u64));
        }
        let key = list_key("imports/1");
        write(&storage, &key, &pieces).await.unwrap();
        (storage, key)
    }

    #[tokio::test]
    async fn a_list_reads_like_the_file_from_every_offset() {
        let (storage, key) = stored(&["sku,", "n", "", "ame\na,b\n"]).await;
        let whole = "sku,name\na,b\n";
        for start in 0..=whole.len() {
            let read: Vec<Bytes> = storage.read(&key, start as u64).await.unwrap().try_collect().await.unwrap();
            assert_eq!(read.concat(), whole[start..].as_bytes(), "from {start}");
            for end in start..=whole.len() {
                let range = storage.read_range(&key, start as u64..end as u64).await.unwrap();
                assert_eq!(range, whole[start..end].as_bytes(), "{start}..{end}");
            }
        }
    }

    #[tokio::test]
    async fn deleting_a_list_deletes_its_pieces_even_when_some_are_gone() {
        let (storage, key) = stored(&["a", "b", "c"]).await;
        storage.delete("blocks/1").await.unwrap();
        storage.delete(&key).await.unwrap();
        for key in ["blocks/0", "blocks/2", &key] {
            let error = storage.read(key, 0).await.err();
            assert!(matches!(error, Some(Error::NotFound { .. })), "{key}: {error:?}");
        }
    }

    #[tokio::test]
    async fn a_missing_piece_is_an_error_and_not_a_shorter_file() {
        let (storage, key) = stored(&["a", "b"]).await;
        storage.delete("blocks/1").await.unwrap();
        let read: std::io::Result<Vec<Bytes>> = storage.read(&key, 0).await.unwrap().try_collect().await;
        assert!(read.is_err());
    }
}
