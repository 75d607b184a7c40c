//! A request that has the right to write: its body is taken, and the upload is free for the next one.

use std::{sync::Arc, time::Duration};

use actix_web::web::Payload;
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::{
    app::App,
    error::{ApiError, ApiResult},
    uploads::{
        blocks,
        hold::Hold,
        intake::Intake,
        protocol::Checksum,
        queries::{self, UploadRow},
    },
};

/// Bytes that are still read, and thrown away, after a refusal in mid-body: a client that is cut off while it sends may
/// not see the answer.
const DRAIN_BYTES: usize = 64 << 20;
/// And for how long.
const DRAIN_TIME: Duration = Duration::from_secs(20);
/// A client that sends nothing for so long has no trouble to hear the answer.
const PAUSE: Duration = Duration::from_secs(2);

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
        drain(&mut body).await;
    }
    received
}

/// Reads on and forgets, until the client pauses.
async fn drain(body: &mut Payload) {
    let mut drained = 0;
    let until = Instant::now() + DRAIN_TIME;
    while let Ok(Some(Ok(chunk))) = tokio::time::timeout(PAUSE, body.next()).await {
        drained += chunk.len();
        if drained > DRAIN_BYTES || Instant::now() > until {
            return;
        }
    }
}
