//! Verifies a stored file: one that is shorter than, or different from, the uploaded file must not be imported.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use anyhow::Context;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{
    imports::{queries::ImportFile, records::Unreadable},
    storage::Storage,
};

/// Reads the whole file and compares its size and SHA-256 with those of the upload. Returns `false` when it was stopped;
/// `steps` grows while it reads.
///
/// # Errors
/// [`Unreadable`] if the stored file is not the uploaded one, else the error of the storage.
pub async fn verify(
    storage: &Storage,
    file: &ImportFile,
    steps: &AtomicU64,
    stop: &CancellationToken,
) -> anyhow::Result<bool> {
    let mut bytes = storage.read(&file.object_key).await?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    while let Some(chunk) = bytes.next().await {
        if stop.is_cancelled() {
            return Ok(false);
        }
        let chunk = match chunk {
            Err(error) if is_missing(&error) => {
                return Err(different("a part of it is missing"));
            }
            chunk => chunk.context("the file cannot be read")?,
        };
        hash.update(&chunk);
        size += chunk.len() as u64;
        steps.fetch_add(1, Relaxed);
    }
    if size != file.size_bytes {
        return Err(different(&format!("it has {size} bytes instead of {}", file.size_bytes)));
    }
    if format!("{:x}", hash.finalize()) != file.sha256 {
        return Err(different("its SHA-256 is different"));
    }
    Ok(true)
}

fn different(how: &str) -> anyhow::Error {
    Unreadable(format!(
        "The stored file differs from the uploaded one: {how}. Check the file storage, then import the file again."
    ))
    .into()
}

/// Whether an object of the file does not exist.
fn is_missing(error: &io::Error) -> bool {
    let source = error.get_ref().and_then(|source| source.downcast_ref());
    matches!(source, Some(object_store::Error::NotFound { .. }))
}
