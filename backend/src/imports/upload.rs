//! A file from the body of a request to storage.

use std::time::Duration;

use actix_web::{HttpRequest, http::header, web::Payload};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::{
    app::App,
    http::{ApiError, ApiResult, body},
    imports::intake::{Intake, Stored},
};

/// Stores the body of `request`.
///
/// # Errors
/// Where it is too large, ends early, goes silent, or is no table of products; nothing is then left in storage.
pub async fn receive(app: &App, request: &HttpRequest, mut body: Payload) -> ApiResult<Stored> {
    refuse_forms(request)?;
    let max_bytes = app.config.max_upload_bytes;
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > max_bytes) {
        body::drain(&mut body).await;
        return Err(ApiError::TooLarge { max_bytes });
    }
    let mut intake = Intake::begin(app).await?;
    let refused = match copy(&mut body, &mut intake, app.config.upload_idle()).await {
        Ok(()) => match intake.finish().await {
            Ok(stored) => return Ok(stored),
            Err(refusal) => refusal.into(),
        },
        Err(error) => {
            intake.abort().await;
            error
        }
    };
    // Who has gone silent is not in the middle of sending.
    if !matches!(refused, ApiError::Silent { .. }) {
        body::drain(&mut body).await;
    }
    Err(refused)
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

async fn copy(body: &mut Payload, intake: &mut Intake, idle: Duration) -> ApiResult<()> {
    let silent = |_| ApiError::Silent { seconds: idle.as_secs(), advice: "send the file again" };
    while let Some(chunk) = timeout(idle, body.next()).await.map_err(silent)? {
        let chunk = chunk.map_err(|_| ApiError::UploadIncomplete { received: intake.size() })?;
        intake.take(chunk).await?;
    }
    Ok(())
}
