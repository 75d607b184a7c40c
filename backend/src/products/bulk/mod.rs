//! Changes of many products: of named ones at once, or of all that match a filter by a job.
//!
//! The row of the job is the job (`job`). `run` is its task: it changes some thousand products per transaction, together with
//! the checkpoint and the ids of the changed products (`undo`). `stream` reports the progress.

pub mod job;
pub mod routes;
mod run;
pub mod stream;
mod undo;

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use shared::bulk::BulkAction;

pub use job::{delete_old as delete_old_jobs, due_count};
pub use run::run_slice;

use crate::products::{
    changes::{self, Deletion},
    row::ProductRow,
};

/// Applies `action` to `rows`, which the caller has locked. Returns the ids of the products that it changed.
async fn apply(
    conn: &mut AsyncPgConnection,
    action: BulkAction,
    rows: Vec<ProductRow>,
    deletion: Deletion,
    client: Option<&str>,
) -> QueryResult<Vec<i64>> {
    match action {
        BulkAction::Activate => changes::set_active(conn, rows, true, client).await,
        BulkAction::Deactivate => changes::set_active(conn, rows, false, client).await,
        BulkAction::Delete => changes::delete(conn, rows, deletion, client).await,
        // Of a job that a newer version has created.
        BulkAction::Unknown => {
            Err(diesel::result::Error::QueryBuilderError("this version does not know the action of the job".into()))
        }
    }
}
