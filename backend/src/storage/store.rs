//! Reading and writing objects, wherever `STORAGE_URL` points.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::Context;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    GetResultPayload, ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, local::LocalFileSystem, memory::InMemory,
    path::Path, prefix::PrefixStore,
};
use tokio_util::io::ReaderStream;
use url::Url;

use super::{Chunk, ROOT, folder, manifest};

/// The bytes of an object, as they arrive.
pub type ByteStream = BoxStream<'static, std::io::Result<Bytes>>;

/// Size of one read from a local file, in bytes.
const READ_BYTES: usize = 256 << 10;

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error(
        "the disk of the file storage is almost full: {free_bytes} bytes are free, and {min_free_bytes} are kept free; try again when space has been freed"
    )]
    DiskFull { free_bytes: u64, min_free_bytes: u64 },
    /// An object is missing or has another size than was written.
    #[error("object {key} has {found} bytes in storage instead of {expected}")]
    Damaged { key: String, expected: u64, found: u64 },
    #[error(transparent)]
    Store(#[from] object_store::Error),
}

/// The storage that `STORAGE_URL` names.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    folder: Option<PathBuf>,
    /// Free space on the disk of `folder` below which nothing is written, in bytes.
    min_free_bytes: u64,
    /// The URL without credentials, for messages.
    location: String,
}

impl Storage {
    /// # Errors
    /// When the folder cannot be created, or the settings of the bucket are incomplete.
    pub fn open(url: &Url, min_free_bytes: u64) -> anyhow::Result<Self> {
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
                    .with_context(|| format!("STORAGE_URL: cannot create the folder {}", path.display()))?;
                folder = Some(path.clone());
                // An object that a response confirms as stored must survive a power failure; S3 promises that by itself.
                Arc::new(LocalFileSystem::new_with_prefix(path).context("STORAGE_URL")?.with_fsync(true))
            }
        };
        let mut location = url.clone();
        // URLs of some schemes cannot have a user, which is fine.
        let _ = location.set_username("").and_then(|()| location.set_password(None));
        location.set_query(None);
        Ok(Self { store, folder, min_free_bytes, location: location.to_string() })
    }

    /// Returns the name of this storage for messages.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Checks that the storage responds.
    pub async fn probe(&self) -> object_store::Result<()> {
        if let Some(folder) = &self.folder {
            // That an object does not exist says nothing about the folder.
            return tokio::fs::read_dir(folder).await.map(drop).map_err(local);
        }
        match self.store.head(&Path::from("probe")).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Checks that `bytes` more fit on the disk.
    ///
    /// # Errors
    /// [`StorageError::DiskFull`] if less than the configured minimum would be left. A bucket never is.
    pub fn check_free_space(&self, bytes: u64) -> Result<(), StorageError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let disk = rustix::fs::statvfs(folder).map_err(|error| local(error.into()))?;
        let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free_bytes < self.min_free_bytes.saturating_add(bytes) {
            return Err(StorageError::DiskFull { free_bytes, min_free_bytes: self.min_free_bytes });
        }
        Ok(())
    }

    /// Writes an object, and returns once it is durable. The object is not visible before it is complete.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StorageError> {
        self.check_free_space(bytes.len() as u64)?;
        self.store.put(&Path::from(key), bytes.into()).await.map(drop).map_err(disk_full_or_other)
    }

    /// Makes `chunks` readable as the file `object_key`, after checking that all of them are stored completely.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] if a chunk is missing or has another size.
    pub async fn write_manifest(&self, object_key: &str, chunks: &[Chunk]) -> Result<(), StorageError> {
        manifest::write(self, object_key, chunks).await
    }

    /// The bytes of a file.
    pub async fn read(&self, object_key: &str) -> object_store::Result<ByteStream> {
        manifest::read(self, object_key).await
    }

    pub(super) async fn read_object(&self, key: &str) -> object_store::Result<ByteStream> {
        match self.store.get(&Path::from(key)).await?.payload {
            // Read in large pieces: the store's own stream reads 8 KiB at a time, each on another thread, which takes longer
            // than parsing them.
            GetResultPayload::File(file, _) => {
                Ok(ReaderStream::with_capacity(tokio::fs::File::from_std(file), READ_BYTES).boxed())
            }
            GetResultPayload::Stream(stream) => Ok(stream.map_err(std::io::Error::other).boxed()),
        }
    }

    pub(super) async fn read_whole_object(&self, key: &str) -> object_store::Result<Bytes> {
        self.store.get(&Path::from(key)).await?.bytes().await
    }

    /// The sizes of all objects of a file, by key.
    pub(super) async fn object_sizes(&self, object_key: &str) -> object_store::Result<BTreeMap<String, u64>> {
        let objects = self.store.list(Some(&Path::from(folder(object_key))));
        objects.map_ok(|object| (object.location.to_string(), object.size)).try_collect().await
    }

    /// Removes one object, if it exists.
    pub async fn remove_object(&self, key: &str) -> object_store::Result<()> {
        if let Some(root) = &self.folder {
            // The temporary file of a process that was killed before it could rename it.
            ignore_missing(tokio::fs::remove_file(root.join(format!("{key}{STAGED}"))).await).map_err(local)?;
        }
        match self.store.delete(&Path::from(key)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => other,
        }
    }

    /// Removes a file with all its objects. It is not an error if there are none.
    pub async fn remove_file(&self, object_key: &str) -> object_store::Result<()> {
        let folder = folder(object_key);
        if let Some(root) = &self.folder {
            return ignore_missing(tokio::fs::remove_dir_all(root.join(folder)).await).map_err(local);
        }
        let keys = self.store.list(Some(&Path::from(folder))).map_ok(|object| object.location).boxed();
        let removed = self.store.delete_stream(keys).filter(|removed| {
            let missing = matches!(removed, Err(object_store::Error::NotFound { .. }));
            async move { !missing }
        });
        removed.try_for_each(async |_| Ok(())).await
    }

    /// The folders of all files in storage, with the time when something was last written there.
    pub(super) async fn list_folders(&self) -> object_store::Result<BTreeMap<String, DateTime<Utc>>> {
        let mut folders = BTreeMap::new();
        if let Some(root) = &self.folder {
            let mut entries = match tokio::fs::read_dir(root.join(ROOT)).await {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(folders),
                other => other.map_err(local)?,
            };
            while let Some(entry) = entries.next_entry().await.map_err(local)? {
                // A file that is removed at this moment is not an error.
                let Ok(modified) = entry.metadata().await.and_then(|found| found.modified()) else { continue };
                folders.insert(format!("{ROOT}/{}", entry.file_name().to_string_lossy()), modified.into());
            }
            return Ok(folders);
        }
        let mut objects = self.store.list(Some(&Path::from(ROOT)));
        while let Some(object) = objects.try_next().await? {
            let newest = folders.entry(folder(object.location.as_ref()).to_owned()).or_insert(object.last_modified);
            *newest = object.last_modified.max(*newest);
        }
        Ok(folders)
    }
}

/// Ends the name of a local file that is being written, as `object_store` names it.
const STAGED: &str = "#1";

fn local(source: std::io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "file", source: source.into() }
}

fn ignore_missing(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A disk can fill up between the check and the write.
fn disk_full_or_other(error: object_store::Error) -> StorageError {
    let causes = std::iter::successors(Some(&error as &(dyn std::error::Error + 'static)), |cause| cause.source());
    let mut io = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    let full = [std::io::ErrorKind::StorageFull, std::io::ErrorKind::QuotaExceeded];
    if io.any(|error| full.contains(&error.kind())) {
        return StorageError::DiskFull { free_bytes: 0, min_free_bytes: 0 };
    }
    error.into()
}
