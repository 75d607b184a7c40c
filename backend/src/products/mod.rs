//! The catalogue of products.
//!
//! `list` and `search` find products; `edit` changes one of them, `bulk` many, `delete_all` all. Every change except those of
//! imports goes through `changes`, which writes its consequences. `stream` reports changes to clients, and `export` writes a
//! file.

mod bulk;
mod changes;
mod cursor;
mod delete_all;
mod edit;
mod export;
mod headers;
mod list;
mod queries;
mod routes;
mod row;
mod search;
mod stream;

pub use bulk::{delete_old_jobs, due_count, run_slice};
pub use queries::purge_deleted;
pub use routes::configure;
pub use search::{Document, Maintenance, index_documents};
