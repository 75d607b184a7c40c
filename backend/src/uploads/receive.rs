//! A request that has the right to write: its body is taken, and the upload is free for the next one.

use std::sync::Arc;

use actix_web::web::Payload;

use crate::{
    app::App,
    http::{ApiError, ApiResult, body},
    uploads::{
        blocks,
        hold::Hold,
        intake::Intake,
        protocol::Checksum,
        queries::{self, UploadRow},
    },
};

/// What a request says about its body.
#[derive(Debug, Default)]
pub struct Announced {
    pub checksum: Option<Checksum>,
    /// `Upload-Length`, where it was deferred.
    pub length: Option<i64>,
    /// `Content-Length`, where the body has one.
    pub body: Option<i64>,
}

/// What came of a body, and whether more of it could have come.
#[derive(Debug)]
pub struct Received {
    pub upload: UploadRow,
    /// The body was not read to its end, so the connection is of no use any more.
    pub is_short: bool,
}

/// Takes the body of a request that holds `hold`.
///
/// # Errors
/// As [`ApiError`] says; what arrived and was not refused is kept nevertheless, except where a checksum was announced.
pub async fn receive(app: Arc<App>, hold: Hold, mut body: Payload, announced: Announced) -> ApiResult<Received> {
    let (upload, superseded) = hold.split(Arc::clone(&app));
    let (id, writer) = (upload.id.clone(), upload.writer);
    let mut began = false;
    let received = match Intake::new(&app, upload, announced).await {
        Ok(mut intake) => {
            began = true;
            let received = intake.run(&mut body, superseded).await;
            if received.is_err() {
                blocks::discard(&app, &intake.pending).await;
            }
            received
        }
        Err(error) => Err(error),
    };
    // Ended uploads and those that a newer request has taken are held by nobody, or not by this one.
    let released = async { ApiResult::Ok(queries::release(&mut *app.db().await?, &id, writer).await?) }.await;
    if let Err(error) = released {
        tracing::warn!("Upload {id} is not let go of; the next request waits for that in vain: {error}");
    }
    if let Err(ApiError::File(_) | ApiError::TooLarge { .. }) = received
        && began
    {
        body::drain(&mut body).await;
    }
    received
}
