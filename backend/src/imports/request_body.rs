//! Writes the file in the body of a request to storage.

use std::time::Duration;

use actix_web::{HttpRequest, http::header, web::Payload};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::{
    app::App,
    http::{ApiError, ApiResult, body},
    imports::file_writer::{Stored, StoredFileWriter},
};

/// Stores the body of `request`, which counts against the quota of a user (`None` in open mode).
///
/// # Errors
/// If it is too large, ends early, is idle for too long, is not a table of products, or there is no room for it; nothing stays
/// in storage then.
pub async fn store(app: &App, user_id: Option<i64>, request: &HttpRequest, mut body: Payload) -> ApiResult<Stored> {
    reject_forms(request)?;
    let size = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let stored = async {
        let mut writer = StoredFileWriter::create(app, user_id, size).await?;
        copy(&mut body, &mut writer, app.config.upload_idle()).await?;
        ApiResult::Ok(writer.finish().await?)
    };
    let stored = stored.await;
    // A client that is idle is not in the middle of sending.
    if stored.as_ref().is_err_and(|error| !matches!(error, ApiError::Silent { .. })) {
        body::drain(&mut body).await;
    }
    stored
}

/// A form would be stored with its boundaries in it.
fn reject_forms(request: &HttpRequest) -> ApiResult<()> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("multipart/") || kind.starts_with("application/x-www-form-urlencoded") {
        let advice = "send the file itself as the body, with Content-Type: text/csv, for example: curl --data-binary @products.csv -H 'Content-Type: text/csv'";
        return Err(ApiError::UnsupportedMediaType(format!("{kind} is not accepted here; {advice}")));
    }
    Ok(())
}

async fn copy(body: &mut Payload, writer: &mut StoredFileWriter, idle: Duration) -> ApiResult<()> {
    let is_idle = |_| ApiError::Silent { seconds: idle.as_secs(), advice: "send the file again" };
    while let Some(bytes) = timeout(idle, body.next()).await.map_err(is_idle)? {
        let bytes = bytes.map_err(|_| ApiError::UploadIncomplete { received: writer.size() })?;
        writer.write(bytes).await?;
    }
    Ok(())
}
