//! Changes of many products: by their numbers at once, or all that match a filter as a job.
//!
//! The row of the job is the job (`job`); `run` is the task, which deals with some thousand products in a transaction and
//! puts its checkpoint into the same one; `watch` is the stream of its progress.

pub mod job;
pub mod routes;
mod run;
pub mod watch;

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use shared::bulk::BulkAction;

pub use job::forget as forget_jobs;
pub use run::run_slice;

use crate::products::{changes, row::ProductRow};

/// Does `action` to `rows`, which the caller has locked. Gives how many are now other than before.
async fn act(
    conn: &mut AsyncPgConnection,
    action: BulkAction,
    rows: Vec<ProductRow>,
    keep: bool,
    client: Option<&str>,
) -> QueryResult<i64> {
    match action {
        BulkAction::Activate => changes::set_active(conn, rows, true, client).await,
        BulkAction::Deactivate => changes::set_active(conn, rows, false, client).await,
        BulkAction::Delete => changes::delete(conn, rows, keep, client).await,
    }
}
