//! A request that has the lock: its body is received, and the lock is released.

use std::sync::Arc;

use actix_web::web::Payload;

use crate::{
    app::App,
    http::{ApiError, ApiResult, body},
    uploads::{
        chunk_writer::{Appended, ChunkWriter, PatchHeaders},
        chunks,
        lock::Lock,
        queries,
    },
};

/// Appends the body of a request that has `lock`.
///
/// # Errors
/// As [`ApiError`] says. What arrived and was not rejected is stored nevertheless, unless a checksum was announced.
pub async fn append(app: Arc<App>, lock: Lock, mut body: Payload, headers: PatchHeaders) -> ApiResult<Appended> {
    let (upload, preempted) = lock.split(Arc::clone(&app));
    let (id, token) = (upload.id.clone(), upload.lock_token);
    let mut started = false;
    let appended = match ChunkWriter::new(&app, upload, headers).await {
        Ok(mut writer) => {
            started = true;
            let appended = writer.run(&mut body, preempted).await;
            if appended.is_err() {
                chunks::discard(&app, writer.pending()).await;
            }
            appended
        }
        Err(error) => Err(error),
    };
    // An upload that has ended has no lock owner, and one that a newer request took over has another: then this does nothing.
    let released = async { ApiResult::Ok(queries::release_lock(&mut *app.db().await?, &id, token).await?) }.await;
    if let Err(error) = released {
        tracing::warn!("Upload {id}: releasing the lock failed; the next request will wait for the timeout: {error}");
    }
    if let Err(ApiError::File(_) | ApiError::TooLarge { .. } | ApiError::InsufficientStorage { .. }) = appended
        && started
    {
        body::drain(&mut body).await;
    }
    appended
}
