//! The lock on an upload: one request at a time writes, and the newest request wins.
//!
//! A client whose connection broke does not wait until the server has noticed. It reconnects, perhaps to another process,
//! and must not be rejected because of a request that is dead. So each request that wants to write gets a token, larger
//! than all earlier ones. The lock owner sees the larger token, stores what it has received and releases the lock. An owner
//! that does not release it within [`PREEMPT_TIMEOUT`], because its process died, is replaced. The lock only decides which
//! request tries to write; that no two requests write at the same offset is guaranteed by the offset alone, see
//! [`queries::advance`].

use std::{future::Future, sync::Arc, time::Duration};

use chrono::Utc;
use tokio::{sync::broadcast, time::Instant};

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    uploads::queries::{self, UploadRow},
};

/// Time that a lock owner has to store what it has received, once a newer request wants the lock.
const PREEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval at which owners and waiting requests read the row although no notification arrived.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

const PREEMPTED: &str = "another request for this upload has taken over";
const OTHER_OFFSET: &str = "the bytes do not begin where the upload ends";

/// Permission to write an upload.
#[derive(Debug)]
pub struct Lock {
    /// As it was when the lock was acquired.
    pub upload: UploadRow,
    /// Subscribed before the lock was acquired.
    notifications: broadcast::Receiver<Arc<str>>,
}

impl Lock {
    /// Returns the upload, and a future that completes when a newer request wants the lock or the upload is deleted.
    pub fn split(mut self, app: Arc<App>) -> (UploadRow, impl Future<Output = ()>) {
        let (id, token) = (self.upload.id.clone(), self.upload.lock_token);
        let preempted = async move {
            loop {
                notified(&mut self.notifications, &id).await;
                let read = async { ApiResult::Ok(queries::get(&mut *app.db().await?, &id).await?) }.await;
                // While the database is unreachable, no newer request can have got a token.
                if let Ok(found) = read
                    && found.is_none_or(|upload| upload.lock_token != token)
                {
                    return;
                }
            }
        };
        (self.upload, preempted)
    }
}

/// Waits for a notification about the upload, for at most [`POLL_INTERVAL`].
async fn notified(notifications: &mut broadcast::Receiver<Arc<str>>, id: &str) {
    let notified = async {
        // An error means that notifications were missed, which is a reason to read the row.
        while notifications.recv().await.is_ok_and(|notified| *notified != *id) {}
    };
    // So is the end of the interval.
    let _ = tokio::time::timeout(POLL_INTERVAL, notified).await;
}

/// Why an upload does not accept bytes at the requested offset.
fn conflict(id: &str, found: Option<UploadRow>, why: &'static str) -> ApiError {
    match found.map_or_else(|| Err(not_found(id)), usable) {
        Ok(upload) => ApiError::OffsetConflict { offset: upload.received, why },
        Err(error) => error,
    }
}

pub fn not_found(id: &str) -> ApiError {
    ApiError::not_found("upload", id)
}

/// Returns the upload if it has neither failed nor expired.
///
/// # Errors
/// 422 with the reason for which it failed; 410 once it has expired.
pub fn usable(upload: UploadRow) -> ApiResult<UploadRow> {
    if let Some(problem) = upload.problem() {
        return Err(problem.into());
    }
    if upload.expires_at <= Utc::now() {
        return Err(ApiError::Gone(format!("upload {} has expired; create a new one", upload.id)));
    }
    Ok(upload)
}

/// The error for a request that lost its lock.
pub async fn lost(app: &App, id: &str) -> ApiError {
    match async { ApiResult::Ok(queries::get(&mut *app.db().await?, id).await?) }.await {
        Ok(found) => conflict(id, found, PREEMPTED),
        Err(error) => error,
    }
}

/// Acquires the lock for a request that writes at `offset`, and preempts an older owner.
///
/// # Errors
/// 404, 410 and 422 for an upload that accepts no more bytes; 409 with the current offset if that differs from `offset`, or
/// changes because the older owner stored more bytes.
pub async fn acquire(app: &App, id: &str, offset: i64) -> ApiResult<Lock> {
    let mut notifications = app.notifications.uploads();
    let requested = {
        let conn = &mut *app.db().await?;
        match queries::request_lock(conn, id, offset).await? {
            Some(upload) => upload,
            None => return Err(conflict(id, queries::get(conn, id).await?, OTHER_OFFSET)),
        }
    };
    let token = requested.lock_token;
    if requested.lock_owner == Some(token) {
        return Ok(Lock { upload: requested, notifications });
    }
    wait_for_release(app, id, Some(token), &mut notifications).await?;
    let conn = &mut *app.db().await?;
    match queries::take_over_lock(conn, id, token, offset).await? {
        Some(upload) => Ok(Lock { upload, notifications }),
        None => Err(conflict(id, queries::get(conn, id).await?, PREEMPTED)),
    }
}

/// Ends the request that is writing, if there is one, so that the offset is final until the client sends more.
///
/// # Errors
/// 404, 410 and 422 for an upload that accepts no more bytes.
pub async fn preempt(app: &App, id: &str) -> ApiResult<UploadRow> {
    let mut notifications = app.notifications.uploads();
    let owner = queries::preempt_lock(&mut *app.db().await?, id).await?;
    if let Some(owner) = owner {
        wait_for_release(app, id, None, &mut notifications).await?;
        // If the owner is dead, the next request must not wait for it again.
        queries::release_lock(&mut *app.db().await?, id, owner).await?;
    }
    let found = queries::get(&mut *app.db().await?, id).await?;
    usable(found.ok_or_else(|| not_found(id))?)
}

/// Waits until the lock is free, a token newer than `own` exists, or [`PREEMPT_TIMEOUT`] is over.
async fn wait_for_release(
    app: &App,
    id: &str,
    own: Option<i64>,
    notifications: &mut broadcast::Receiver<Arc<str>>,
) -> ApiResult<()> {
    let deadline = Instant::now() + PREEMPT_TIMEOUT;
    while Instant::now() < deadline {
        let found = queries::get(&mut *app.db().await?, id).await?;
        let over = |upload: UploadRow| upload.lock_owner.is_none() || own.is_some_and(|own| own != upload.lock_token);
        if found.is_none_or(over) {
            return Ok(());
        }
        notified(notifications, id).await;
    }
    Ok(())
}
