//! Manifests: objects that list the chunks of a file, so that they are read as one.
//!
//! The chunks of a file are not concatenated when it is complete: S3 can only join parts of at least 5 MiB that belong to
//! one multipart upload, a folder would have to write all bytes again, and the client would wait for the response all the
//! time. So a small object lists the chunks, and reading goes from one to the next.

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{ByteStream, Storage, StorageError};

/// Chunks that are opened at the same time: while one is read, the storage locates the next.
const OPEN_CONCURRENCY: usize = 2;

/// A part of a file, as an object of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    pub key: String,
    /// In bytes.
    pub size: u64,
}

/// Writes the manifest of `chunks`, in their order, after checking that they are stored completely.
pub async fn write(storage: &Storage, object_key: &str, chunks: &[Chunk]) -> Result<(), StorageError> {
    let sizes = storage.object_sizes(object_key).await?;
    for Chunk { key, size } in chunks {
        let found = sizes.get(key).copied().unwrap_or(0);
        if found != *size {
            return Err(StorageError::Damaged { key: key.clone(), expected: *size, found });
        }
    }
    let manifest = serde_json::to_vec(chunks).map_err(|error| unreadable(error.into()))?;
    storage.put(object_key, manifest.into()).await
}

async fn chunks(storage: &Storage, object_key: &str) -> Result<Vec<Chunk>> {
    let manifest = storage.read_whole_object(object_key).await?;
    serde_json::from_slice(&manifest).map_err(|error| unreadable(error.into()))
}

fn unreadable(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Generic { store: "manifest", source }
}

/// The bytes of the file.
pub async fn read(storage: &Storage, object_key: &str) -> Result<ByteStream> {
    let chunks = chunks(storage, object_key).await?;
    let storage = storage.clone();
    let opened = stream::iter(chunks).map(move |chunk| {
        let storage = storage.clone();
        async move { storage.read_object(&chunk.key).await.map_err(std::io::Error::other) }
    });
    Ok(opened.buffered(OPEN_CONCURRENCY).try_flatten().boxed())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::storage::{new_chunk_key, new_object_key};

    async fn stored(texts: &[&str]) -> (Storage, String, Vec<Chunk>) {
        let storage = Storage::open(&"memory:///".parse().unwrap(), 0).unwrap();
        let object_key = new_object_key();
        let mut chunks = Vec::new();
        for text in texts {
            let chunk = Chunk { key: new_chunk_key(&object_key), size: text.len() as u64 };
            storage.put(&chunk.key, Bytes::from((*text).to_owned())).await.unwrap();
            chunks.push(chunk);
        }
        write(&storage, &object_key, &chunks).await.unwrap();
        (storage, object_key, chunks)
    }

    #[tokio::test]
    async fn a_manifest_reads_like_the_file() {
        let (storage, key, _) = stored(&["sku,", "n", "", "ame\na,b\n"]).await;
        let read: Vec<Bytes> = storage.read(&key).await.unwrap().try_collect().await.unwrap();
        assert_eq!(read.concat(), b"sku,name\na,b\n");
    }

    #[tokio::test]
    async fn removing_a_file_removes_its_chunks_even_if_some_are_gone() {
        let (storage, key, chunks) = stored(&["a", "b", "c"]).await;
        let other = new_object_key();
        storage.put(&other, Bytes::from_static(b"of another file")).await.unwrap();
        storage.remove_object(&chunks[1].key).await.unwrap();
        storage.remove_file(&key).await.unwrap();
        for key in chunks.iter().map(|chunk| &chunk.key).chain([&key]) {
            let error = storage.read_whole_object(key).await.err();
            assert!(matches!(error, Some(Error::NotFound { .. })), "{key}: {error:?}");
        }
        assert!(storage.read_whole_object(&other).await.is_ok());
        storage.remove_file(&key).await.unwrap();
    }

    #[tokio::test]
    async fn a_missing_chunk_is_an_error_and_not_a_shorter_file() {
        let (storage, key, chunks) = stored(&["a", "b"]).await;
        storage.remove_object(&chunks[1].key).await.unwrap();
        let read: std::io::Result<Vec<Bytes>> = storage.read(&key).await.unwrap().try_collect().await;
        assert!(read.is_err());
    }

    #[tokio::test]
    async fn a_chunk_that_is_missing_or_shorter_than_recorded_gets_no_manifest() {
        let (storage, key, mut chunks) = stored(&["abc", "def"]).await;
        storage.put(&chunks[1].key, Bytes::from_static(b"de")).await.unwrap();
        let error = write(&storage, &key, &chunks).await.unwrap_err();
        assert!(matches!(error, StorageError::Damaged { expected: 3, found: 2, .. }), "{error}");
        chunks[1].key = new_chunk_key(&key);
        let error = write(&storage, &key, &chunks).await.unwrap_err();
        assert!(matches!(error, StorageError::Damaged { expected: 3, found: 0, .. }), "{error}");
    }
}
