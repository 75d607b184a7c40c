//! Imports: from a stored file to products, in slices that may end at any moment.
//!
//! `routes` is the HTTP side, `upload` and `by_url` take new files by way of `intake`, `live` is the stream of events.
//! `process` is the task: `fetch` gets a file that is only a URL so far, `survey` reads it once, `load` reads it again and
//! deals its rows to `lanes`, which write by `upsert`. `records` and `rows` read the file; `job` is the state of an
//! import as a job: who holds it, how far it is, how it ends. `retention` removes files in the end.

mod by_url;
mod fetch;
mod intake;
mod job;
mod lanes;
mod live;
mod load;
mod process;
mod queries;
mod records;
mod retention;
mod routes;
mod rows;
mod survey;
mod ticker;
mod upload;
mod upsert;

pub use fetch::Fetcher;
pub use job::due;
pub use process::run_slice;
pub use queries::{NewImport, insert, is_running};
pub use retention::Remover;
pub use routes::{admit, configure, kept_name};
