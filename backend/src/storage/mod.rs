//! Where uploaded files lie: a folder, a bucket, or memory. Web and workers see the same.

mod pieces;

use std::{io::SeekFrom, ops::Range, path::PathBuf, sync::Arc};

use anyhow::Context;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt, WriteMultipart, aws::AmazonS3Builder,
    local::LocalFileSystem, memory::InMemory, path::Path, prefix::PrefixStore,
};
use tokio::io::AsyncSeekExt;
use tokio_util::io::ReaderStream;
use url::Url;

pub use pieces::{Piece, list_key};

/// The bytes of an object, as they come.
pub type ByteStream = BoxStream<'static, std::io::Result<Bytes>>;

/// Size of the parts that an upload is written in, in bytes. S3 wants at least 5 MiB.
const PART_BYTES: usize = 5 << 20;
/// Size of the pieces that a file is read in, in bytes.
const FILE_READ_BYTES: usize = 256 << 10;
/// Parts of one upload that may be on their way to storage at once; with [`PART_BYTES`] this bounds its memory.
const PARTS_IN_FLIGHT: usize = 2;

/// The storage that `STORAGE_URL` names.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    folder: Option<PathBuf>,
    /// Without credentials, for messages.
    place: String,
}

impl Storage {
    /// # Errors
    /// When the folder cannot be made, or the settings of the bucket are incomplete.
    pub fn open(url: &Url) -> anyhow::Result<Self> {
        let mut folder = None;
        let store: Arc<dyn ObjectStore> = match url.scheme() {
            "memory" => Arc::new(InMemory::new()),
            "s3" => {
                let bucket = AmazonS3Builder::from_env().with_url(url.as_str()).build().context("STORAGE_URL")?;
                Arc::new(PrefixStore::new(bucket, url.path().trim_matches('/')))
            }
            _ => {
                let path = url.to_file_path().map_err(|()| anyhow::anyhow!("STORAGE_URL: {url} is not a path"))?;
                std::fs::create_dir_all(&path)
                    .with_context(|| format!("STORAGE_URL: cannot make the folder {}", path.display()))?;
                folder = Some(path.clone());
                Arc::new(LocalFileSystem::new_with_prefix(path).context("STORAGE_URL")?)
            }
        };
        let mut place = url.clone();
        // A URL of this kind may have no user at all, which is fine too.
        let _ = place.set_username("").and_then(|()| place.set_password(None));
        place.set_query(None);
        Ok(Self { store, folder, place: place.to_string() })
    }

    /// What to call this storage in a message.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Asks whether it answers.
    pub async fn probe(&self) -> object_store::Result<()> {
        if let Some(folder) = &self.folder {
            // An object that is not there says nothing about the folder.
            let found = tokio::fs::read_dir(folder).await;
            return found
                .map(drop)
                .map_err(|error| object_store::Error::Generic { store: "file", source: error.into() });
        }
        match self.store.head(&Path::from("probe")).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Begins a new object. Nobody sees it before it is finished.
    pub async fn create(&self, key: &str) -> object_store::Result<Upload> {
        let parts = self.store.put_multipart(&Path::from(key)).await?;
        Ok(Upload { parts: WriteMultipart::new_with_chunk_size(parts, PART_BYTES) })
    }

    /// Writes a whole object that is not large.
    pub async fn put(&self, key: &str, bytes: Bytes) -> object_store::Result<()> {
        self.store.put(&Path::from(key), bytes.into()).await.map(drop)
    }

    /// Makes `pieces` readable as one object under `key`, which is of [`list_key`].
    pub async fn join(&self, key: &str, pieces: &[Piece]) -> object_store::Result<()> {
        pieces::write(self, key, pieces).await
    }

    /// The bytes of a file from `offset` on.
    pub async fn read(&self, key: &str, offset: u64) -> object_store::Result<ByteStream> {
        if pieces::is_list(key) {
            return pieces::read(self, key, offset).await;
        }
        self.read_object(key, offset).await
    }

    async fn read_object(&self, key: &str, offset: u64) -> object_store::Result<ByteStream> {
        let options = GetOptions { range: (offset > 0).then_some(GetRange::Offset(offset)), ..GetOptions::default() };
        let found = self.store.get_opts(&Path::from(key), options).await?;
        match found.payload {
            // Read in large pieces: the store's own stream takes 8 KiB at a time, each by way of another thread, which
            // takes longer than to parse them.
            GetResultPayload::File(file, _) => {
                let mut file = tokio::fs::File::from_std(file);
                let sought = file.seek(SeekFrom::Start(found.range.start)).await;
                sought.map_err(|error| object_store::Error::Generic { store: "file", source: error.into() })?;
                Ok(ReaderStream::with_capacity(file, FILE_READ_BYTES).boxed())
            }
            GetResultPayload::Stream(stream) => Ok(stream.map_err(std::io::Error::other).boxed()),
        }
    }

    /// A part of a file, in memory.
    pub async fn read_range(&self, key: &str, range: Range<u64>) -> object_store::Result<Bytes> {
        if pieces::is_list(key) {
            return pieces::read_range(self, key, range).await;
        }
        self.read_object_range(key, range).await
    }

    async fn read_object_range(&self, key: &str, range: Range<u64>) -> object_store::Result<Bytes> {
        self.store.get_range(&Path::from(key), range).await
    }

    async fn read_whole(&self, key: &str) -> object_store::Result<Bytes> {
        self.store.get(&Path::from(key)).await?.bytes().await
    }

    /// Deletes a file, with all its pieces.
    pub async fn delete(&self, key: &str) -> object_store::Result<()> {
        if pieces::is_list(key) {
            return pieces::delete(self, key).await;
        }
        self.delete_object(key).await
    }

    /// Deletes an object, and not what it lists.
    pub async fn delete_object(&self, key: &str) -> object_store::Result<()> {
        self.store.delete(&Path::from(key)).await
    }
}

/// An object that is being written.
pub struct Upload {
    parts: WriteMultipart,
}

impl Upload {
    /// Takes the next bytes; waits while storage is behind.
    pub async fn write(&mut self, bytes: Bytes) -> object_store::Result<()> {
        self.parts.wait_for_capacity(PARTS_IN_FLIGHT).await?;
        self.parts.put(bytes);
        Ok(())
    }

    /// Makes the object visible, whole.
    pub async fn finish(self) -> object_store::Result<()> {
        self.parts.finish().await.map(|_| ())
    }

    /// Forgets what was written.
    pub async fn abort(self) -> object_store::Result<()> {
        self.parts.abort().await
    }
}
