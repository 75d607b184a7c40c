//! The catalogue.
//!
//! `list` and `search` find products; `edit` is for one of them, `bulk` for many, `wipe` for all. Whatever is changed by hand
//! goes through `changes`, which is where the consequences are; `news` tells of it, and `export` writes a file.

mod bulk;
mod changes;
mod cursor;
mod edit;
mod export;
mod headers;
mod list;
mod news;
mod queries;
mod routes;
mod row;
mod search;
mod wipe;

pub use bulk::{forget_jobs, run_slice};
pub use queries::forget_deleted;
pub use routes::configure;
pub use search::{Tender, note_texts};
