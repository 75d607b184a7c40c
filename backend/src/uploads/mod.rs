//! Resumable uploads by the tus protocol 1.0.0 (<https://tus.io/protocols/resumable-upload>).
//!
//! A file arrives in the bodies of any number of requests, to any web process. `protocol` reads and writes the headers,
//! `middleware` does what all requests have in common, `routes` has the handlers. `lock` decides which request may write: the
//! newest, once the one before has stored what it received. `append` receives a body, and `chunk_writer` cuts it into
//! `chunks`, each an immutable object in storage that counts only once `queries` has advanced the offset from exactly where
//! the chunk begins. `complete` makes an import of the whole file. `expire` deletes unfinished uploads and orphaned chunks.

mod append;
mod chunk_writer;
mod chunks;
mod complete;
mod digest;
mod expire;
mod lock;
mod middleware;
mod protocol;
mod queries;
mod routes;

pub use expire::expire;
pub use middleware::override_method;
pub use routes::configure;
