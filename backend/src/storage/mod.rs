//! Uploaded files: their bytes in a folder, a bucket or memory, and their rows in the database. Web and workers see the same.
//!
//! A file is stored as chunks and a manifest that lists them, all in one folder, `files/<id>/`; its name is the key of the
//! manifest. The table `stored_files` has a row for each file from before its first byte until its last object is removed,
//! so that nothing is forgotten when a process dies, and so that quotas can count. An upload or an import owns the file
//! while `remove_at` is NULL; once `remove_at` has passed, `maintenance` removes it.
//!
//! `store` reads and writes objects, `manifest` makes chunks readable as one file, `files` has the rows and the quotas.

mod files;
mod maintenance;
mod manifest;
mod store;

pub use files::{Quotas, ReserveError, StoredFile, claim, grow, release, renew, reserve};
pub use maintenance::Maintenance;
pub use manifest::Chunk;
pub use store::{ByteStream, Storage, StorageError};

/// A key for a new file. Random, so no key is used twice.
pub fn new_object_key() -> String {
    format!("{ROOT}/{:032x}/{MANIFEST}", rand::random::<u128>())
}

/// A key for a new chunk of a file.
pub fn new_chunk_key(object_key: &str) -> String {
    format!("{}/{:016x}", folder(object_key), rand::random::<u64>())
}

/// The folder of all files.
const ROOT: &str = "files";
const MANIFEST: &str = "manifest";

/// The folder that has all objects of a file and nothing else.
fn folder(object_key: &str) -> &str {
    object_key.rsplit_once('/').map_or(object_key, |(folder, _)| folder)
}
