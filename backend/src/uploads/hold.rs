//! Who may write an upload: one request at a time, and the newest is right.
//!
//! A client whose connection broke does not wait until the server has noticed; it comes back, perhaps to another process,
//! and must not be turned away for the sake of a request that is dead. So each request that wants to write takes a number.
//! The one that holds the upload hears of the higher number, keeps what it has, and lets go. One that does not let go
//! within [`PATIENCE`], because its process died, is passed over. This only decides who tries: that no two win is due to
//! the offset alone, see `queries::keep`.

use std::{future::Future, sync::Arc, time::Duration};

use chrono::Utc;
use tokio::{sync::broadcast, time::Instant};

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    uploads::queries::{self, UploadRow},
};

/// How long a newer request waits for the older one to keep what it has.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often who waits, or writes, looks without having been told to.
const LOOK: Duration = Duration::from_secs(1);

const SUPERSEDED: &str = "another request for this upload has taken over";
const MOVED: &str = "the bytes do not begin where the upload ends";

/// The right to try.
#[derive(Debug)]
pub struct Hold {
    /// As it was when the right was given.
    pub upload: UploadRow,
    /// Since before it was given.
    news: broadcast::Receiver<Arc<str>>,
}

impl Hold {
    /// The upload, and what ends when a newer request wants to write it, or it is gone.
    pub fn split(mut self, app: Arc<App>) -> (UploadRow, impl Future<Output = ()>) {
        let (id, writer) = (self.upload.id.clone(), self.upload.writer);
        let superseded = async move {
            loop {
                told(&mut self.news, &id).await;
                let standing = async { ApiResult::Ok(queries::get(&mut *app.db().await?, &id).await?) }.await;
                // Where the database is away, there is no newer one either.
                if let Ok(found) = standing
                    && found.is_none_or(|upload| upload.writer != writer)
                {
                    return;
                }
            }
        };
        (self.upload, superseded)
    }
}

/// Waits for news of the upload, for [`LOOK`] at most.
async fn told(news: &mut broadcast::Receiver<Arc<str>>, id: &str) {
    let told = async {
        // An error says that news were missed: reason to look.
        while news.recv().await.is_ok_and(|told| *told != *id) {}
    };
    // The time being over is as good a reason.
    let _ = tokio::time::timeout(LOOK, told).await;
}

/// Why an upload does not take bytes at `offset`.
fn refusal(id: &str, found: Option<UploadRow>, why: &'static str) -> ApiError {
    match found.map_or_else(|| Err(missing(id)), alive) {
        Ok(upload) => ApiError::OffsetConflict { offset: upload.received, why },
        Err(error) => error,
    }
}

pub fn missing(id: &str) -> ApiError {
    ApiError::NotFound(format!("upload {id}"))
}

/// An upload that can be spoken of: it has neither failed nor expired.
pub fn alive(upload: UploadRow) -> ApiResult<UploadRow> {
    if let Some(problem) = upload.problem() {
        return Err(problem.into());
    }
    if upload.expires_at <= Utc::now() {
        return Err(ApiError::Gone(format!("upload {} has expired; begin a new one", upload.id)));
    }
    Ok(upload)
}

/// Why nothing can be written any more where `hold` began.
pub async fn lost(app: &App, id: &str) -> ApiError {
    match async { ApiResult::Ok(queries::get(&mut *app.db().await?, id).await?) }.await {
        Ok(found) => refusal(id, found, SUPERSEDED),
        Err(error) => error,
    }
}

/// Lets a request write at `offset`, once an older one has made its end.
///
/// # Errors
/// 404, 410 and 422 for an upload that takes nothing any more; 409 with the offset where that is another, or becomes
/// another because the older request has kept more bytes.
pub async fn acquire(app: &App, id: &str, offset: i64) -> ApiResult<Hold> {
    let mut news = app.wakeups.uploads();
    let applied = {
        let conn = &mut *app.db().await?;
        match queries::apply(conn, id, offset).await? {
            Some(upload) => upload,
            None => return Err(refusal(id, queries::get(conn, id).await?, MOVED)),
        }
    };
    let writer = applied.writer;
    if applied.holder == Some(writer) {
        return Ok(Hold { upload: applied, news });
    }
    wait(app, id, Some(writer), &mut news).await?;
    let conn = &mut *app.db().await?;
    match queries::take(conn, id, writer, offset).await? {
        Some(upload) => Ok(Hold { upload, news }),
        None => Err(refusal(id, queries::get(conn, id).await?, SUPERSEDED)),
    }
}

/// Ends a request that is writing, so that the offset is what the client must go on from.
///
/// # Errors
/// 404, 410 and 422 for an upload that takes nothing any more.
pub async fn settle(app: &App, id: &str) -> ApiResult<UploadRow> {
    let mut news = app.wakeups.uploads();
    let holder = queries::interrupt(&mut *app.db().await?, id).await?;
    if let Some(holder) = holder {
        wait(app, id, None, &mut news).await?;
        // One that is dead is not to be waited for again.
        queries::release(&mut *app.db().await?, id, holder).await?;
    }
    let found = queries::get(&mut *app.db().await?, id).await?;
    alive(found.ok_or_else(|| missing(id))?)
}

/// Waits until nobody holds the upload, or there is a newer writer than `own`, or patience is over.
async fn wait(app: &App, id: &str, own: Option<i64>, news: &mut broadcast::Receiver<Arc<str>>) -> ApiResult<()> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let found = queries::get(&mut *app.db().await?, id).await?;
        let over = |upload: UploadRow| upload.holder.is_none() || own.is_some_and(|writer| writer != upload.writer);
        if found.is_none_or(over) {
            return Ok(());
        }
        told(news, id).await;
    }
    Ok(())
}
