//! Writes a file to storage while it arrives: counted, hashed and checked, never whole in memory.

use std::time::{Duration, Instant};

use actix_web::web::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use shared::csv::{self, FileError, FileFormat, HEAD_BYTES};
use tokio::task::JoinSet;

use crate::{
    app::App,
    db::{self, Pool},
    http::ApiError,
    storage::{self, Chunk, Quotas, ReserveError, Storage, StorageError, StoredFile},
};

/// Size of a chunk, in bytes.
const CHUNK_BYTES: usize = 4 << 20;
/// Chunks that may be on their way to storage at the same time; with [`CHUNK_BYTES`], this bounds the memory.
const CHUNKS_IN_FLIGHT: usize = 2;

/// A complete file in storage. It is removed after a while unless an import claims it.
pub struct Stored {
    pub object_key: String,
    pub size_bytes: i64,
    pub sha256: String,
    pub format: FileFormat,
}

/// Why a file is not stored.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the file is larger than {max_bytes} bytes, the largest size that is accepted")]
    TooLarge { max_bytes: u64 },
    /// It is not a table of products.
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Reserve(#[from] ReserveError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("no database connection: {0}")]
    NoConnection(#[from] db::GetConnectionError),
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TooLarge { max_bytes } => Self::TooLarge { max_bytes },
            WriteError::File(problem) => problem.into(),
            WriteError::Reserve(error) => error.into(),
            WriteError::Storage(error) => error.into(),
            WriteError::NoConnection(error) => error.into(),
        }
    }
}

/// A file that is being stored. If it is dropped before [`StoredFileWriter::finish`], nothing of it stays in storage.
pub struct StoredFileWriter {
    file: Reservation,
    storage: Storage,
    chunks: Vec<Chunk>,
    writing: JoinSet<Result<(), StorageError>>,
    buffer: BytesMut,
    hash: Sha256,
    size: u64,
    max_bytes: u64,
    /// The beginning of the file, until its format is known.
    head: BytesMut,
    format: Option<FileFormat>,
}

impl StoredFileWriter {
    /// Reserves room for a file of a user (`None` in open mode), of which the size may be known.
    ///
    /// # Errors
    /// If it is too large, or there is no room for it.
    pub async fn create(app: &App, user_id: Option<i64>, size: Option<u64>) -> Result<Self, WriteError> {
        let max_bytes = app.config.max_upload_bytes;
        if size.is_some_and(|size| size > max_bytes) {
            return Err(WriteError::TooLarge { max_bytes });
        }
        let bytes = size.unwrap_or(0);
        app.storage.check_free_space(bytes)?;
        Ok(Self {
            file: Reservation::create(app, user_id, bytes).await?,
            storage: app.storage.clone(),
            chunks: Vec::new(),
            writing: JoinSet::new(),
            buffer: BytesMut::new(),
            hash: Sha256::new(),
            size: 0,
            max_bytes,
            head: BytesMut::new(),
            format: None,
        })
    }

    /// Bytes that were written.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reserves room for the file, of which the size became known.
    ///
    /// # Errors
    /// If it is too large, or there is no room for it.
    pub async fn expect(&mut self, bytes: u64) -> Result<(), WriteError> {
        if bytes > self.max_bytes {
            return Err(WriteError::TooLarge { max_bytes: self.max_bytes });
        }
        self.storage.check_free_space(bytes)?;
        self.file.grow(bytes).await
    }

    /// Writes the next bytes; waits while storage is slower than they arrive.
    ///
    /// # Errors
    /// If the file is too large, is not a table of products, or cannot be stored.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), WriteError> {
        self.size += bytes.len() as u64;
        if self.size > self.max_bytes {
            return Err(WriteError::TooLarge { max_bytes: self.max_bytes });
        }
        if self.format.is_none() {
            self.head.extend_from_slice(&bytes);
            if self.head.len() >= HEAD_BYTES {
                self.format = Some(csv::inspect(&self.head[..HEAD_BYTES], false)?);
                self.head = BytesMut::new();
            }
        }
        self.hash.update(&bytes);
        self.buffer.extend_from_slice(&bytes);
        while self.buffer.len() >= CHUNK_BYTES {
            let chunk = self.buffer.split_to(CHUNK_BYTES).freeze();
            self.write_chunk(chunk).await?;
        }
        self.file.renew().await
    }

    async fn write_chunk(&mut self, bytes: Bytes) -> Result<(), WriteError> {
        self.file.grow(self.size).await?;
        while self.writing.len() >= CHUNKS_IN_FLIGHT {
            self.wait_for_chunk().await?;
        }
        let chunk = Chunk { key: storage::new_chunk_key(&self.file.object_key), size: bytes.len() as u64 };
        let (storage, key) = (self.storage.clone(), chunk.key.clone());
        self.writing.spawn(async move { storage.put(&key, bytes).await });
        self.chunks.push(chunk);
        Ok(())
    }

    async fn wait_for_chunk(&mut self) -> Result<(), WriteError> {
        match self.writing.join_next().await {
            None => Ok(()),
            Some(Ok(written)) => Ok(written?),
            Some(Err(error)) => {
                let source = object_store::Error::Generic { store: "chunk", source: error.into() };
                Err(StorageError::Store(source).into())
            }
        }
    }

    /// Completes the file, once all of it is durable.
    ///
    /// # Errors
    /// If it is not a table of products, or cannot be stored.
    pub async fn finish(mut self) -> Result<Stored, WriteError> {
        let format = match self.format.take() {
            Some(format) => format,
            None => csv::inspect(&self.head, true)?,
        };
        let rest = self.buffer.split().freeze();
        if !rest.is_empty() {
            self.write_chunk(rest).await?;
        }
        while !self.writing.is_empty() {
            self.wait_for_chunk().await?;
        }
        self.storage.write_manifest(&self.file.object_key, &self.chunks).await?;
        Ok(Stored {
            object_key: self.file.keep(),
            size_bytes: i64::try_from(self.size).unwrap_or(i64::MAX),
            sha256: format!("{:x}", self.hash.finalize()),
            format,
        })
    }
}

/// The row of a file that no import owns yet. Dropping it releases the file.
struct Reservation {
    object_key: String,
    pool: Pool,
    quotas: Quotas,
    /// Bytes that are reserved.
    bytes: u64,
    /// The file is removed after this time unless it is renewed: its process may have died.
    lease: Duration,
    renewed_at: Instant,
}

impl Reservation {
    async fn create(app: &App, user_id: Option<i64>, bytes: u64) -> Result<Self, WriteError> {
        let object_key = storage::new_object_key();
        let file = StoredFile { object_key: &object_key, user_id, bytes: i64::try_from(bytes).unwrap_or(i64::MAX) };
        let (quotas, lease) = (Quotas::of(&app.config), app.config.storage_grace());
        storage::reserve(&mut *app.pool.get().await?, &file, Some(lease), quotas).await?;
        Ok(Self { object_key, pool: app.pool.clone(), quotas, bytes, lease, renewed_at: Instant::now() })
    }

    async fn grow(&mut self, bytes: u64) -> Result<(), WriteError> {
        if bytes > self.bytes {
            let size = i64::try_from(bytes).unwrap_or(i64::MAX);
            storage::grow(&mut *self.pool.get().await?, &self.object_key, size, self.quotas).await?;
            self.bytes = bytes;
        }
        Ok(())
    }

    async fn renew(&mut self) -> Result<(), WriteError> {
        if self.renewed_at.elapsed() >= self.lease / 4 {
            let conn = &mut *self.pool.get().await?;
            storage::renew(conn, &self.object_key, self.lease).await.map_err(ReserveError::from)?;
            self.renewed_at = Instant::now();
        }
        Ok(())
    }

    /// Keeps the file until its lease ends, for an import to claim it.
    fn keep(mut self) -> String {
        std::mem::take(&mut self.object_key)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.object_key.is_empty() {
            return;
        }
        let (pool, key) = (self.pool.clone(), std::mem::take(&mut self.object_key));
        tokio::spawn(async move {
            let released = async { anyhow::Ok(storage::release(&mut *pool.get().await?, &[key]).await?) };
            if let Err(error) = released.await {
                tracing::warn!("An unfinished file remains in storage until its lease ends: {error:#}");
            }
        });
    }
}
