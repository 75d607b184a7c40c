//! Imports: from a stored file to products, in slices that may end at any moment.
//!
//! `routes` is the HTTP side, `live` its stream of events. `process` is the task: `survey` reads the file once, `load`
//! reads it again and deals its rows to `lanes`, which write by
//! `upsert`. `records` and `rows` read the file; `job` is the state of an
//! import as a job: who holds it, how far it is, how it ends.

mod job;
mod lanes;
mod live;
mod load;
mod process;
mod queries;
mod records;
mod routes;
mod rows;
mod survey;
mod ticker;
mod upload;
mod upsert;

pub use job::due;
pub use process::run_slice;
pub use queries::{NewImport, insert, is_running};
pub use routes::{configure, kept_name};
