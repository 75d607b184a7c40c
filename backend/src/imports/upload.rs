//! A file from a request to storage: counted, hashed, looked at, never whole in memory.

use actix_web::{
    HttpRequest,
    http::header,
    web::{Bytes, BytesMut, Payload},
};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use shared::detect::{self, HEAD_BYTES, Layout};

use crate::{
    app::App,
    error::{ApiError, ApiResult},
    storage::Upload,
};

/// A file that lies in storage.
pub struct Stored {
    pub object_key: String,
    pub size_bytes: i64,
    pub sha256: String,
    pub layout: Layout,
}

/// Body bytes that are still read, and thrown away, after a refusal: a client that is cut off while it sends never sees
/// the answer.
const DRAIN_BYTES: u64 = 64 << 20;

/// Stores the body of `request`.
///
/// # Errors
/// Where it is too large, ends early, or is no table of products; nothing is then left in storage.
pub async fn receive(app: &App, request: &HttpRequest, mut body: Payload) -> ApiResult<Stored> {
    refuse_forms(request)?;
    let max_bytes = app.config.max_upload_bytes;
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > max_bytes) {
        drain(&mut body).await;
        return Err(ApiError::TooLarge { max_bytes });
    }
    let object_key = format!("imports/{:032x}", rand::random::<u128>());
    let mut upload = app.storage.create(&object_key).await?;
    match copy(&mut body, &mut upload, max_bytes).await {
        Ok((size_bytes, sha256, layout)) => {
            upload.finish().await?;
            Ok(Stored { object_key, size_bytes: i64::try_from(size_bytes).unwrap_or(i64::MAX), sha256, layout })
        }
        Err(error) => {
            if let Err(error) = upload.abort().await {
                tracing::warn!("An unfinished upload is left in storage: {error}");
            }
            drain(&mut body).await;
            Err(error)
        }
    }
}

/// A form would be stored with its boundaries in it.
fn refuse_forms(request: &HttpRequest) -> ApiResult<()> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("multipart/") || kind.starts_with("application/x-www-form-urlencoded") {
        let advice = "send the file itself as the body, with Content-Type: text/csv, for instance: curl --data-binary @products.csv -H 'Content-Type: text/csv'";
        return Err(ApiError::UnsupportedMediaType(format!("{kind} is not taken here; {advice}")));
    }
    Ok(())
}

async fn copy(body: &mut Payload, upload: &mut Upload, max_bytes: u64) -> ApiResult<(u64, String, Layout)> {
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut head = BytesMut::new();
    let mut layout = None;
    while let Some(chunk) = body.next().await {
        let chunk: Bytes = chunk.map_err(|_| ApiError::UploadIncomplete { received: size })?;
        size += chunk.len() as u64;
        if size > max_bytes {
            return Err(ApiError::TooLarge { max_bytes });
        }
        if layout.is_none() {
            head.extend_from_slice(&chunk);
            if head.len() >= HEAD_BYTES {
                layout = Some(detect::inspect(&head[..HEAD_BYTES], false)?);
                head = BytesMut::new();
            }
        }
        hash.update(&chunk);
        upload.write(chunk).await?;
    }
    let layout = match layout {
        Some(layout) => layout,
        None => detect::inspect(&head, true)?,
    };
    Ok((size, format!("{:x}", hash.finalize()), layout))
}

async fn drain(body: &mut Payload) {
    let mut drained = 0;
    while let Some(Ok(chunk)) = body.next().await {
        drained += chunk.len() as u64;
        if drained > DRAIN_BYTES {
            return;
        }
    }
}
