//! A file on its way to storage: counted, hashed, looked at, never whole in memory.

use actix_web::web::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use shared::detect::{self, FileProblem, HEAD_BYTES, Layout};

use crate::{app::App, http::ApiError, storage::Upload};

/// A file that lies in storage.
pub struct Stored {
    pub object_key: String,
    pub size_bytes: i64,
    pub sha256: String,
    pub layout: Layout,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the file is larger than {max_bytes} bytes, which is the most that is taken here")]
    TooLarge { max_bytes: u64 },
    /// It is no table of products.
    #[error(transparent)]
    File(#[from] FileProblem),
    #[error("the file storage does not answer")]
    Storage(#[from] object_store::Error),
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooLarge { max_bytes } => Self::TooLarge { max_bytes },
            Refusal::File(problem) => problem.into(),
            Refusal::Storage(error) => error.into(),
        }
    }
}

/// A file that is being stored. Ended by [`Intake::finish`] or [`Intake::abort`].
pub struct Intake {
    object_key: String,
    upload: Upload,
    hash: Sha256,
    size: u64,
    max_bytes: u64,
    /// The beginning of the file, until its layout is known.
    head: BytesMut,
    layout: Option<Layout>,
}

impl Intake {
    pub async fn begin(app: &App) -> object_store::Result<Self> {
        let object_key = format!("imports/{:032x}", rand::random::<u128>());
        let upload = app.storage.create(&object_key).await?;
        Ok(Self {
            object_key,
            upload,
            hash: Sha256::new(),
            size: 0,
            max_bytes: app.config.max_upload_bytes,
            head: BytesMut::new(),
            layout: None,
        })
    }

    /// Bytes that were taken.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Refuses a file that is too large before it comes, by the size that is announced.
    pub fn expect(&self, bytes: u64) -> Result<(), Refusal> {
        if bytes > self.max_bytes { Err(Refusal::TooLarge { max_bytes: self.max_bytes }) } else { Ok(()) }
    }

    /// Takes the next bytes; waits while storage is behind.
    pub async fn take(&mut self, chunk: Bytes) -> Result<(), Refusal> {
        self.size += chunk.len() as u64;
        if self.size > self.max_bytes {
            return Err(Refusal::TooLarge { max_bytes: self.max_bytes });
        }
        if self.layout.is_none() {
            self.head.extend_from_slice(&chunk);
            if self.head.len() >= HEAD_BYTES {
                self.layout = Some(detect::inspect(&self.head[..HEAD_BYTES], false)?);
                self.head = BytesMut::new();
            }
        }
        self.hash.update(&chunk);
        Ok(self.upload.write(chunk).await?)
    }

    /// The file is whole. Where it is refused after all, nothing is left in storage.
    pub async fn finish(self) -> Result<Stored, Refusal> {
        let layout = match &self.layout {
            Some(layout) => layout.clone(),
            None => match detect::inspect(&self.head, true) {
                Ok(layout) => layout,
                Err(problem) => {
                    self.abort().await;
                    return Err(problem.into());
                }
            },
        };
        self.upload.finish().await?;
        Ok(Stored {
            object_key: self.object_key,
            size_bytes: i64::try_from(self.size).unwrap_or(i64::MAX),
            sha256: format!("{:x}", self.hash.finalize()),
            layout,
        })
    }

    /// Leaves nothing in storage.
    pub async fn abort(self) {
        if let Err(error) = self.upload.abort().await {
            tracing::warn!("An unfinished upload is left in storage: {error}");
        }
    }
}
