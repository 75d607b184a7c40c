//! Imports: from a stored file to products, in slices that may end at any moment.
//!
//! `routes` is the HTTP side, `request_body` and `by_url` accept new files by way of `file_writer`, `stream` sends the events.
//! `slice` is the task: `fetch` gets a file of which only the URL is known, `verify` and `scan` read it once, `load` reads it again and
//! partitions its rows for the `writer`s, which write by `upsert`. `records` and `rows` read the file. `claim`, `progress`
//! and `finish` are the states of an import: each of their functions is one transaction. `retention` removes old files and
//! records.

mod by_url;
mod claim;
mod duplicates;
mod fetch;
mod file_writer;
mod finish;
mod load;
mod progress;
mod queries;
mod records;
mod rejected;
mod request_body;
mod retention;
mod routes;
mod rows;
mod scan;
mod slice;
mod stream;
mod upsert;
mod verify;
mod writer;

pub use fetch::Fetcher;
pub use queries::{NewImport, due_count, insert, is_running};
pub use retention::Retention;
pub use routes::{admit, configure, kept_name};
pub use slice::run_slice;
