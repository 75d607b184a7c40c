//! Reads parts of a file before it is sent.

use shared::csv;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File};

use super::queue::UploadError;
use super::request::whole;
use super::resumable::{self, TAIL_BYTES};

/// Inspects the beginning of the file, so that a file that cannot be imported is not sent at all. Returns its fingerprint.
pub async fn inspect(file: &File) -> Result<String, UploadError> {
    let size = size_of(file);
    let head_bytes = i64::try_from(csv::HEAD_BYTES).unwrap_or(i64::MAX);
    let read = async || Ok((bytes(file, 0, head_bytes).await?, bytes(file, size - TAIL_BYTES, size).await?));
    let (head, tail) = read().await.map_err(|_: JsValue| unreadable(file))?;
    match csv::inspect(&head, size <= head_bytes) {
        Ok(_) => Ok(resumable::fingerprint(&file.name(), size, whole(file.last_modified()), &head, &tail)),
        Err(error) => Err(UploadError::new(format!("{} cannot be imported", file.name()), error.detail)),
    }
}

/// Checks that the file can still be read: it may have been moved, changed or unplugged since it was chosen. While the file
/// is being sent, the browser reports that as a network error.
pub async fn check(file: &File, offset: i64) -> Result<(), UploadError> {
    bytes(file, offset, offset + 1).await.map(drop).map_err(|_| unreadable(file))
}

fn unreadable(file: &File) -> UploadError {
    let detail = "The browser cannot read it. If it is a folder, choose a file in it; if it was moved or changed, choose it again.";
    UploadError::new(format!("{} cannot be read", file.name()), detail)
}

pub fn size_of(file: &File) -> i64 {
    whole(file.size())
}

/// A part of the file, from one byte to before another; a beginning before the file is that of the file.
#[expect(clippy::cast_precision_loss, reason = "JavaScript counts so")]
pub fn slice(file: &File, from: i64, to: i64) -> Result<Blob, JsValue> {
    file.slice_with_f64_and_f64(from.max(0) as f64, to as f64)
}

async fn bytes(file: &File, from: i64, to: i64) -> Result<Vec<u8>, JsValue> {
    let buffer = JsFuture::from(slice(file, from, to)?.array_buffer()).await?;
    Ok(js_sys::Uint8Array::new(&buffer).to_vec())
}
