//! Resumable uploads by the tus protocol 1.0.0 (<https://tus.io/protocols/resumable-upload>).
//!
//! A file arrives in the bodies of any number of requests, to any web process. `protocol` reads and writes the headers,
//! `layer` is what all requests have in common, `routes` the requests. `hold` decides who may write: the newest request,
//! once the one before has kept what it has. `receive` cuts a body into `blocks`, each an immutable object in storage
//! that counts only once `queries` has moved the offset from exactly where the block begins. `complete` turns the whole
//! file into an import. `sweep` clears away what nobody finishes.

mod blocks;
mod complete;
mod digest;
mod hold;
mod layer;
mod protocol;
mod queries;
mod receive;
mod routes;
mod sweep;

pub use layer::override_method;
pub use routes::configure;
pub use sweep::tend;
