//! Cuts the body of a request into chunks.
//!
//! ```text
//!                 bytes                       CHUNK_BYTES, FLUSH_INTERVAL, or end of the body
//!   body ──────────────────▶ buffered ──────────────────────────────────────────────▶ pending
//!                                │                                                       │ checksum verified,
//!                                │ fewer than MIN_CHUNK_BYTES:                           │ or none announced
//!                                │ stay in the row, as its tail                          ▼
//!                                └──────────────────────────────────────────────────▶ accepted ──▶ import
//!                                                                                     (offset advances)
//! ```
//!
//! - *buffered*: in memory. The buffer begins with the tail of the upload, which is accepted already.
//! - *pending*: an object in storage that does not count. A body with a checksum counts whole or not at all: its chunks stay
//!   pending until it ends. Without a checksum, a chunk is accepted as soon as it is stored.
//! - *accepted*: the offset is behind it. So what arrived is kept even if the rest does not, and a process that is killed
//!   loses a few seconds.
//!
//! A client that sends many small bodies makes few objects, and each request costs the same, however many came before:
//! fewer than [`MIN_CHUNK_BYTES`] are stored in the row of the upload, and only become a chunk together with what follows.

use std::{future::Future, pin::pin, time::Duration};

use actix_web::web::{Bytes, BytesMut, Payload};
use diesel::QueryResult;
use diesel_async::AsyncConnection;
use futures_util::StreamExt;
use shared::csv::{self, FileError, HEAD_BYTES};
use tokio::time::Instant;

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    storage::{self, Chunk, Quotas},
    uploads::{
        chunks, complete,
        digest::{Hasher, Running},
        lock,
        protocol::Checksum,
        queries::{self, Progress, UploadRow},
    },
};

/// Size of a chunk, in bytes; also what one request may hold in memory. A file of 4 GiB has 1,024 of them.
const CHUNK_BYTES: usize = 4 << 20;
/// Size below which bytes are stored in the row instead of a chunk. As long as the format is not known, that is the whole file.
const MIN_CHUNK_BYTES: usize = HEAD_BYTES;
/// Time after which bytes are stored although they do not fill a chunk, for slow connections.
const FLUSH_INTERVAL: Duration = Duration::from_secs(10);

/// What the headers of a request say about its body.
#[derive(Debug, Default)]
pub struct PatchHeaders {
    pub checksum: Option<Checksum>,
    /// `Upload-Length`, if it was deferred.
    pub length: Option<i64>,
    /// `Content-Length`, if the body has one.
    pub body: Option<i64>,
}

/// The outcome of a body that was stored.
#[derive(Debug)]
pub struct Appended {
    pub upload: UploadRow,
    /// The body was not read to its end, so the connection cannot be used again.
    pub is_short: bool,
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Complete,
    Disconnected,
    /// Nothing arrived for too long.
    Idle,
    /// A newer request wants the lock.
    Preempted,
    /// This process is stopping.
    Stopping,
}

/// Writes a body into an upload.
pub struct ChunkWriter<'app> {
    app: &'app App,
    /// As it is in the database.
    upload: UploadRow,
    /// The token of this request.
    token: i64,
    length: Option<i64>,
    /// Largest possible size of the file, in bytes.
    max_length: i64,
    /// Largest possible size of the body, in bytes.
    max_body: i64,
    hash: Running,
    format: Option<serde_json::Value>,
    /// The beginning of the file, until there is enough of it to detect the format.
    head: Vec<u8>,
    /// The bytes that are in no chunk.
    buffer: BytesMut,
    pending: Vec<Chunk>,
    /// Offset in the file of the first byte of `buffer`.
    buffer_start: i64,
    checksum: Option<(Hasher, Vec<u8>)>,
}

impl<'app> ChunkWriter<'app> {
    /// # Errors
    /// 400 and 413 for headers that do not fit the upload; 409 if its offset has changed; 507 if there is no room for a file
    /// whose size becomes known with this request.
    pub async fn new(app: &'app App, upload: UploadRow, headers: PatchHeaders) -> ApiResult<Self> {
        let max = i64::try_from(app.config.max_upload_bytes).unwrap_or(i64::MAX);
        let length = known_length(&upload, headers.length, max)?;
        let max_length = length.unwrap_or(max);
        let max_body = max_length - upload.received;
        if headers.body.is_some_and(|body| body > max_body) {
            return Err(ApiError::TooLarge { max_bytes: max_body.unsigned_abs() });
        }
        let tail = {
            let conn = &mut *app.db().await?;
            if let Some(length) = length.filter(|_| upload.length.is_none()) {
                storage::grow(conn, &upload.object_key, length, Quotas::of(&app.config)).await?;
            }
            queries::tail(conn, &upload.id, upload.received).await?
        };
        let Some(tail) = tail else { return Err(lock::lost(app, &upload.id).await) };
        Ok(Self {
            app,
            length,
            max_length,
            max_body,
            hash: Running::restore(&upload.hash_state).map_err(ApiError::Internal)?,
            format: upload.format.clone(),
            head: if upload.format.is_none() { tail.clone() } else { Vec::new() },
            buffer_start: upload.received - i64::try_from(tail.len()).unwrap_or(i64::MAX),
            buffer: BytesMut::from(&tail[..]),
            pending: Vec::new(),
            checksum: headers.checksum.map(|checksum| (checksum.algorithm.hasher(), checksum.digest)),
            token: upload.lock_token,
            upload,
        })
    }

    /// Chunks that are stored and do not count.
    pub fn pending(&self) -> &[Chunk] {
        &self.pending
    }

    /// The offset up to which bytes have arrived.
    fn offset(&self) -> i64 {
        self.buffer_start + i64::try_from(self.buffer.len()).unwrap_or(i64::MAX)
    }

    /// Whether all bytes of the file have arrived.
    fn is_whole(&self) -> bool {
        self.length == Some(self.offset())
    }

    /// Receives the body; completes the upload if that was the rest of the file.
    ///
    /// # Errors
    /// As [`ApiError`] says; what has been accepted until then stays accepted.
    pub async fn run(&mut self, body: &mut Payload, preempted: impl Future<Output = ()>) -> ApiResult<Appended> {
        let start = self.upload.received;
        let mut end = self.read(body, preempted).await?;
        if self.is_whole() && self.checksum.is_none() {
            // Only the mark of its end is missing.
            end = End::Complete;
        }
        if end == End::Complete {
            self.verify_checksum()?;
            self.detect_layout().await?;
            if self.is_whole() {
                self.complete().await?;
                return Ok(Appended { upload: self.upload.clone(), is_short: false });
            }
        } else if self.checksum.is_some() {
            // What cannot be verified does not count.
            return self.outcome(end, start).await;
        }
        self.flush().await?;
        self.outcome(end, start).await
    }

    async fn outcome(&self, end: End, start: i64) -> ApiResult<Appended> {
        let (advanced, offset) = (self.upload.received > start, self.upload.received);
        let appended = Appended { upload: self.upload.clone(), is_short: end != End::Complete };
        match end {
            End::Disconnected => Err(ApiError::UploadIncomplete { received: offset.unsigned_abs() }),
            End::Preempted => Err(lock::lost(self.app, &self.upload.id).await),
            End::Stopping if !advanced => Err(ApiError::Unavailable("this process, which is about to stop,")),
            End::Idle if !advanced => {
                let seconds = self.app.config.upload_idle().as_secs();
                Err(ApiError::Silent { seconds, advice: "ask for the offset with HEAD and resume from there" })
            }
            End::Complete | End::Idle | End::Stopping => Ok(appended),
        }
    }

    /// Reads to the end of the body, or until there is a reason to stop. What has arrived already is handled first: because
    /// of a newer request, the client must not have to send it again.
    async fn read(&mut self, body: &mut Payload, preempted: impl Future<Output = ()>) -> ApiResult<End> {
        let mut preempted = pin!(preempted);
        let idle = self.app.config.upload_idle();
        let mut idle_at = Instant::now() + idle;
        let mut flush_at = Instant::now() + FLUSH_INTERVAL;
        loop {
            tokio::select! {
                biased;
                bytes = body.next() => match bytes {
                    None => return Ok(End::Complete),
                    Some(Err(_)) => return Ok(End::Disconnected),
                    Some(Ok(bytes)) => {
                        if self.offset() == self.upload.received {
                            flush_at = Instant::now() + FLUSH_INTERVAL;
                        }
                        self.push(&bytes).await?;
                    }
                },
                () = self.app.shutdown.cancelled() => return Ok(End::Stopping),
                () = &mut preempted => return Ok(End::Preempted),
                () = tokio::time::sleep_until(idle_at) => return Ok(End::Idle),
                () = tokio::time::sleep_until(flush_at), if self.offset() > self.upload.received && !self.is_whole() => {
                    flush_at = Instant::now() + FLUSH_INTERVAL;
                    self.flush().await?;
                    continue;
                }
            }
            // The end of the file is not accepted before the end of the body: more may follow, which would be too much.
            if self.buffer.len() >= CHUNK_BYTES && !self.is_whole() {
                self.flush().await?;
                if self.upload.lock_token != self.token {
                    return Ok(End::Preempted);
                }
                if self.app.shutdown.is_cancelled() {
                    return Ok(End::Stopping);
                }
            }
            idle_at = Instant::now() + idle;
        }
    }

    async fn push(&mut self, bytes: &Bytes) -> ApiResult<()> {
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        if size > self.max_length - self.offset() {
            return Err(ApiError::TooLarge { max_bytes: self.max_body.unsigned_abs() });
        }
        self.buffer.extend_from_slice(bytes);
        self.hash.update(bytes);
        if let Some((hasher, _)) = &mut self.checksum {
            hasher.update(bytes);
        }
        if self.format.is_none() {
            let missing = HEAD_BYTES.saturating_sub(self.head.len());
            self.head.extend_from_slice(&bytes[..bytes.len().min(missing)]);
            // Bytes that were damaged on their way say nothing about the file.
            if self.checksum.is_none() {
                self.detect_layout().await?;
            }
        }
        Ok(())
    }

    /// Detects the format of the file, if its head has arrived.
    async fn detect_layout(&mut self) -> ApiResult<()> {
        let whole = self.is_whole() && self.head.len() < HEAD_BYTES;
        if self.format.is_some() || !(whole || self.head.len() >= HEAD_BYTES) {
            return Ok(());
        }
        match csv::inspect(&self.head, whole) {
            Ok(format) => {
                let format = serde_json::to_value(format).map_err(|error| ApiError::Internal(error.into()))?;
                self.format = Some(format);
                self.head = Vec::new();
                Ok(())
            }
            Err(problem) => Err(self.fail(problem).await?),
        }
    }

    /// Ends the upload: its file cannot be imported.
    async fn fail(&self, problem: FileError) -> ApiResult<ApiError> {
        let (id, from) = (&self.upload.id, self.upload.received);
        if queries::fail(&mut *self.app.db().await?, id, from, &problem).await? {
            tracing::info!("Upload {id} is rejected: {problem}");
            return Ok(problem.into());
        }
        Ok(lock::lost(self.app, id).await)
    }

    /// Compares the body with its checksum.
    fn verify_checksum(&mut self) -> ApiResult<()> {
        let Some((hasher, expected)) = self.checksum.take() else { return Ok(()) };
        if hasher.finish() == expected { Ok(()) } else { Err(ApiError::ChecksumMismatch) }
    }

    /// Stores what has arrived; makes it count, unless its checksum is not known yet.
    async fn flush(&mut self) -> ApiResult<()> {
        if self.length.is_none() {
            let (key, quotas) = (&self.upload.object_key, Quotas::of(&self.app.config));
            storage::grow(&mut *self.app.db().await?, key, self.offset(), quotas).await?;
        }
        if self.buffer.len() >= MIN_CHUNK_BYTES {
            self.store().await?;
        }
        if self.checksum.is_none() {
            return self.accept().await;
        }
        Ok(chunks::renew(&mut *self.app.db().await?, &self.pending).await?)
    }

    /// Makes a pending chunk of the buffer.
    async fn store(&mut self) -> ApiResult<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let end = self.offset();
        let bytes = self.buffer.split().freeze();
        let Some(chunk) = chunks::store(self.app, &self.upload, self.buffer_start, bytes).await? else {
            return Err(lock::lost(self.app, &self.upload.id).await);
        };
        self.pending.push(chunk);
        self.buffer_start = end;
        Ok(())
    }

    fn progress(&self) -> Progress {
        Progress {
            received: self.offset(),
            length: self.length,
            tail: self.buffer.to_vec(),
            hash_state: self.hash.state(),
            format: self.format.clone(),
        }
    }

    /// Advances the offset over everything that has arrived.
    async fn accept(&mut self) -> ApiResult<()> {
        let to = self.progress();
        if to.received == self.upload.received && to.length == self.upload.length {
            return Ok(());
        }
        let (id, from, hours) = (&self.upload.id, self.upload.received, self.app.config.upload_expiry_hours);
        let pending = &self.pending;
        let accepted = {
            let conn = &mut *self.app.db().await?;
            let accepting = conn.transaction(async |conn| {
                let advanced = queries::advance(conn, id, from, &to, hours).await?;
                if advanced.is_some() && !pending.is_empty() {
                    chunks::accept(conn, pending).await?;
                }
                QueryResult::Ok(advanced)
            });
            chunks::unless_orphaned(accepting.await)?
        };
        let Some(upload) = accepted else {
            return Err(lock::lost(self.app, &self.upload.id).await);
        };
        self.upload = upload;
        self.pending.clear();
        Ok(())
    }

    /// Makes an import of the file, of which all bytes have arrived.
    async fn complete(&mut self) -> ApiResult<()> {
        self.store().await?;
        let to = self.progress();
        let Some(upload) = complete::complete(self.app, &self.upload, &to, &self.pending, self.hash.clone()).await?
        else {
            return Err(lock::lost(self.app, &self.upload.id).await);
        };
        self.upload = upload;
        self.pending.clear();
        Ok(())
    }
}

/// The length of the file, as far as it is known with this request.
fn known_length(upload: &UploadRow, announced: Option<i64>, max: i64) -> ApiResult<Option<i64>> {
    let invalid = |why: String| Err(ApiError::BadRequest(why));
    match (upload.length, announced) {
        (known, None) => Ok(known),
        (Some(known), Some(announced)) if known != announced => invalid(format!(
            "Upload-Length is {known} since the upload was created; it cannot be changed to {announced}"
        )),
        (Some(known), Some(_)) => Ok(Some(known)),
        (None, Some(announced)) if announced > max => Err(ApiError::TooLarge { max_bytes: max.unsigned_abs() }),
        (None, Some(announced)) if announced < upload.received => {
            invalid(format!("Upload-Length is {announced}, but {} bytes have been received already", upload.received))
        }
        (None, Some(announced)) => Ok(Some(announced)),
    }
}
