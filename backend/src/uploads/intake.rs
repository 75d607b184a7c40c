//! The body of a request, cut into blocks.
//!
//! A block is stored when it is full, when it has been filling for [`BLOCK_TIME`], and when the body ends, in whatever
//! way; then the offset moves. So what arrived is kept although the rest did not come, and a process that is killed loses
//! seconds. A body with a checksum counts whole or not at all: its blocks are stored as well, and accepted together.

use std::{future::Future, pin::pin, time::Duration};

use actix_web::web::{Bytes, BytesMut, Payload};
use diesel::QueryResult;
use diesel_async::AsyncConnection;
use futures_util::StreamExt;
use shared::detect::{self, FileProblem, HEAD_BYTES};
use tokio::time::Instant;

use crate::{
    app::App,
    http::{ApiError, ApiResult},
    storage::Piece,
    uploads::{
        blocks, complete,
        digest::{Hasher, Running},
        hold,
        queries::{self, Progress, UploadRow},
        receive::{Announced, Received},
    },
};

/// Size of a block, in bytes; also what one request may hold in memory. A file of 4 GiB has 1,024 of them.
const BLOCK_BYTES: usize = 4 << 20;
/// How long a block may fill, for the sake of slow lines.
const BLOCK_TIME: Duration = Duration::from_secs(10);
/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As it should.
    Whole,
    /// The connection broke.
    Cut,
    /// Nothing came for too long.
    Silent,
    /// A newer request wants to write.
    Superseded,
    /// This process is to stop.
    Stopping,
}

/// A body on its way into blocks.
pub struct Intake<'app> {
    app: &'app App,
    /// As it stands in the database.
    upload: UploadRow,
    /// The number of this request among those that write.
    writer: i64,
    length: Option<i64>,
    /// Most that the file may have, in bytes.
    limit: i64,
    /// Most that the body may have.
    room: i64,
    hash: Running,
    layout: Option<serde_json::Value>,
    /// The beginning of the file, until there is enough of it to tell the layout.
    head: Vec<u8>,
    /// The block that is being filled.
    block: BytesMut,
    /// Blocks that are stored and not accepted.
    pub pending: Vec<Piece>,
    /// Bytes in them.
    pending_bytes: i64,
    checksum: Option<(Hasher, Vec<u8>)>,
}

impl<'app> Intake<'app> {
    pub async fn new(app: &'app App, upload: UploadRow, announced: Announced) -> ApiResult<Self> {
        let max = i64::try_from(app.config.max_upload_bytes).unwrap_or(i64::MAX);
        let length = known_length(&upload, announced.length, max)?;
        let limit = length.unwrap_or(max);
        let room = limit - upload.received;
        if announced.body.is_some_and(|body| body > room) {
            return Err(ApiError::TooLarge { max_bytes: room.unsigned_abs() });
        }
        let head = match upload.layout {
            Some(_) => Vec::new(),
            None => head(app, &upload.id).await?,
        };
        Ok(Self {
            app,
            length,
            limit,
            room,
            hash: Running::restore(&upload.hash).map_err(ApiError::Internal)?,
            layout: upload.layout.clone(),
            head,
            block: BytesMut::new(),
            pending: Vec::new(),
            pending_bytes: 0,
            checksum: announced.checksum.map(|checksum| (checksum.algorithm.hasher(), checksum.digest)),
            writer: upload.writer,
            upload,
        })
    }

    /// The offset up to which bytes have arrived, kept or not.
    fn offset(&self) -> i64 {
        self.upload.received + self.pending_bytes + i64::try_from(self.block.len()).unwrap_or(i64::MAX)
    }

    pub async fn run(&mut self, body: &mut Payload, superseded: impl Future<Output = ()>) -> ApiResult<Received> {
        let begin = self.upload.received;
        let mut end = self.read(body, superseded).await?;
        if self.is_whole() && self.checksum.is_none() {
            // Only the mark of its end is missing.
            end = End::Whole;
        }
        if end == End::Whole {
            self.verify()?;
            self.look().await?;
            if self.is_whole() {
                self.complete().await?;
                return Ok(Received { upload: self.upload.clone(), is_short: false });
            }
        } else if self.checksum.is_some() {
            // What cannot be verified does not count.
            self.block.clear();
            blocks::discard(self.app, &std::mem::take(&mut self.pending)).await;
            self.pending_bytes = 0;
        }
        self.advance().await?;
        let (kept, offset) = (self.upload.received > begin, self.upload.received);
        match end {
            End::Cut => return Err(ApiError::UploadIncomplete { received: offset.unsigned_abs() }),
            End::Superseded => return Err(hold::lost(self.app, &self.upload.id).await),
            End::Stopping if !kept => return Err(ApiError::Unavailable("this process, which is about to stop,")),
            End::Silent if !kept => {
                let seconds = self.app.config.upload_idle().as_secs();
                return Err(ApiError::Silent { seconds, advice: "ask for the offset with HEAD and go on from there" });
            }
            End::Whole | End::Silent | End::Stopping => {}
        }
        Ok(Received { upload: self.upload.clone(), is_short: end != End::Whole })
    }

    /// Whether all bytes of the file have arrived.
    fn is_whole(&self) -> bool {
        self.length == Some(self.offset())
    }

    /// Reads to the end of the body, or until there is a reason not to. What has arrived already goes first: a newer
    /// request is not to make the client send it again.
    async fn read(&mut self, body: &mut Payload, superseded: impl Future<Output = ()>) -> ApiResult<End> {
        let mut superseded = pin!(superseded);
        let idle = self.app.config.upload_idle();
        let mut silent_at = Instant::now() + idle;
        let mut store_at = Instant::now() + BLOCK_TIME;
        loop {
            tokio::select! {
                biased;
                chunk = body.next() => match chunk {
                    None => return Ok(End::Whole),
                    Some(Err(_)) => return Ok(End::Cut),
                    Some(Ok(chunk)) => {
                        if self.block.is_empty() {
                            store_at = Instant::now() + BLOCK_TIME;
                        }
                        self.take(&chunk).await?;
                    }
                },
                () = self.app.shutdown.cancelled() => return Ok(End::Stopping),
                () = &mut superseded => return Ok(End::Superseded),
                () = tokio::time::sleep_until(silent_at) => return Ok(End::Silent),
                () = tokio::time::sleep_until(store_at), if !self.block.is_empty() && !self.is_whole() => {
                    self.advance().await?;
                    continue;
                }
            }
            // The end of the file is not accepted before the end of the body: more may follow, which would be too much.
            if self.block.len() >= BLOCK_BYTES && !self.is_whole() {
                self.advance().await?;
                if self.upload.writer != self.writer {
                    return Ok(End::Superseded);
                }
                if self.app.shutdown.is_cancelled() {
                    return Ok(End::Stopping);
                }
            }
            silent_at = Instant::now() + idle;
        }
    }

    async fn take(&mut self, chunk: &Bytes) -> ApiResult<()> {
        let size = i64::try_from(chunk.len()).unwrap_or(i64::MAX);
        if size > self.limit - self.offset() {
            return Err(ApiError::TooLarge { max_bytes: self.room.unsigned_abs() });
        }
        self.block.extend_from_slice(chunk);
        self.hash.update(chunk);
        if let Some((hasher, _)) = &mut self.checksum {
            hasher.update(chunk);
        }
        if self.layout.is_none() {
            let missing = HEAD_BYTES.saturating_sub(self.head.len());
            self.head.extend_from_slice(&chunk[..chunk.len().min(missing)]);
            // Bytes that were spoiled on their way say nothing about the file.
            if self.checksum.is_none() {
                self.look().await?;
            }
        }
        Ok(())
    }

    /// Looks at the head of the file, if it is there.
    async fn look(&mut self) -> ApiResult<()> {
        let whole = self.is_whole() && self.head.len() < HEAD_BYTES;
        if self.layout.is_some() || !(whole || self.head.len() >= HEAD_BYTES) {
            return Ok(());
        }
        match detect::inspect(&self.head, whole) {
            Ok(layout) => {
                let layout = serde_json::to_value(layout).map_err(|error| ApiError::Internal(error.into()))?;
                self.layout = Some(layout);
                self.head = Vec::new();
                Ok(())
            }
            Err(problem) => Err(self.fail(problem).await?),
        }
    }

    /// Ends the upload: its file cannot be imported.
    async fn fail(&self, problem: FileProblem) -> ApiResult<ApiError> {
        let (id, from) = (&self.upload.id, self.upload.received);
        let failed = {
            let conn = &mut *self.app.db().await?;
            let failing = conn.transaction(async |conn| {
                let failed = queries::fail(conn, id, from, &problem).await?;
                if failed {
                    blocks::orphan(conn, id).await?;
                }
                QueryResult::Ok(failed)
            });
            failing.await?
        };
        if failed {
            tracing::info!("Upload {id} is refused: {problem}");
            return Ok(problem.into());
        }
        Ok(hold::lost(self.app, id).await)
    }

    /// Compares the body with its checksum.
    fn verify(&mut self) -> ApiResult<()> {
        match self.checksum.take() {
            Some((hasher, expected)) => {
                if hasher.finish() == expected {
                    Ok(())
                } else {
                    Err(ApiError::ChecksumMismatch)
                }
            }
            None => Ok(()),
        }
    }

    /// Stores what has arrived; lets it count, unless its checksum is not known yet.
    async fn advance(&mut self) -> ApiResult<()> {
        self.store().await?;
        if self.checksum.is_none() {
            self.accept().await?;
        }
        Ok(())
    }

    async fn store(&mut self) -> ApiResult<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let (id, from) = (&self.upload.id, self.upload.received);
        let bytes = self.block.split().freeze();
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let Some(piece) = blocks::store(self.app, id, from, from + self.pending_bytes, bytes).await? else {
            return Err(hold::lost(self.app, id).await);
        };
        self.pending.push(piece);
        self.pending_bytes += size;
        Ok(())
    }

    fn progress(&self) -> Progress {
        Progress { received: self.offset(), length: self.length, hash: self.hash.state(), layout: self.layout.clone() }
    }

    /// Moves the offset over the blocks that are stored.
    async fn accept(&mut self) -> ApiResult<()> {
        let to = self.progress();
        if to.received == self.upload.received && to.length == self.upload.length {
            return Ok(());
        }
        let (id, from, hours) = (&self.upload.id, self.upload.received, self.app.config.upload_expiry_hours);
        let pending = &self.pending;
        let kept = {
            let conn = &mut *self.app.db().await?;
            let keeping = conn.transaction(async |conn| {
                let kept = queries::keep(conn, id, from, &to, hours).await?;
                if kept.is_some() {
                    blocks::accept(conn, pending).await?;
                }
                QueryResult::Ok(kept)
            });
            keeping.await?
        };
        let Some(upload) = kept else {
            return Err(hold::lost(self.app, id).await);
        };
        self.upload = upload;
        self.pending.clear();
        self.pending_bytes = 0;
        Ok(())
    }

    /// The file is whole.
    async fn complete(&mut self) -> ApiResult<()> {
        self.store().await?;
        let to = self.progress();
        let Some(upload) = complete::complete(self.app, &self.upload, &to, &self.pending, self.hash.clone()).await?
        else {
            return Err(hold::lost(self.app, &self.upload.id).await);
        };
        self.upload = upload;
        self.pending.clear();
        Ok(())
    }
}

/// The length of the file, by what is known and what the request says.
fn known_length(upload: &UploadRow, said: Option<i64>, max: i64) -> ApiResult<Option<i64>> {
    let refuse = |why: String| Err(ApiError::BadRequest(why));
    match (upload.length, said) {
        (known, None) => Ok(known),
        (Some(known), Some(said)) if known != said => {
            refuse(format!("Upload-Length is {known} since the upload was begun; it cannot be changed to {said}"))
        }
        (Some(known), Some(_)) => Ok(Some(known)),
        (None, Some(said)) if said > max => Err(ApiError::TooLarge { max_bytes: max.unsigned_abs() }),
        (None, Some(said)) if said < upload.received => {
            refuse(format!("Upload-Length is {said}, but {} bytes have been received already", upload.received))
        }
        (None, Some(said)) => Ok(Some(said)),
    }
}

/// The beginning of a file of which too little has arrived to tell its layout.
async fn head(app: &App, upload_id: &str) -> ApiResult<Vec<u8>> {
    let pieces = blocks::accepted(&mut *app.db().await?, upload_id).await?;
    let mut head = Vec::new();
    for piece in pieces {
        head.extend_from_slice(&app.storage.read_range(&piece.key, 0..piece.size).await?);
    }
    head.truncate(HEAD_BYTES);
    Ok(head)
}
