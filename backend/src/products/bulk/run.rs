//! The task of a job: deals with its products, some thousand in a transaction, for a slice of time.

use std::time::Instant;

use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::SimpleAsyncConnection;
use shared::bulk::BulkStatus;

use super::{
    act,
    job::{self, JobRow},
};
use crate::{
    app::App,
    products::{queries, search},
};

/// Times that the same products are tried again at once, when somebody else writes them meanwhile.
const MAX_COLLISIONS: u32 = 20;

#[derive(Debug, thiserror::Error)]
#[error("another worker has taken over")]
struct Fenced;

/// Works on the job until it is done, or for one slice. Safe to call at any time and any number of times. Gives `true` when
/// the job should be rung for again.
///
/// # Errors
/// Only when the database does not answer; the job then goes on after its lease.
pub async fn run_slice(app: &App, id: i64) -> anyhow::Result<bool> {
    let claimed = job::claim(&mut *app.pool.get().await?, id, app.config.lease()).await?;
    let Some(claim) = claimed else {
        return Ok(false);
    };
    tracing::info!(job.id = id, "Job {id}: taken at product {}", claim.id_done);
    let result = work(app, &claim).await;
    let conn = &mut *app.pool.get().await?;
    match result {
        Ok(more) => Ok(more && job::release(conn, &claim, None).await?),
        Err(error) if error.is::<Fenced>() => {
            tracing::warn!(job.id = id, "Job {id}: another worker has taken over");
            Ok(false)
        }
        Err(error) => {
            tracing::warn!(job.id = id, "Job {id}: interrupted: {error:#}");
            job::release(conn, &claim, Some(&format!("{error:#}"))).await?;
            Ok(false)
        }
    }
}

/// Gives `true` when there is more to do.
async fn work(app: &App, claim: &JobRow) -> anyhow::Result<bool> {
    let deadline = Instant::now() + app.config.slice();
    let mut collisions = 0;
    loop {
        if app.shutdown.is_cancelled() || Instant::now() >= deadline {
            return Ok(true);
        }
        match piece(app, claim).await {
            Ok(true) => collisions = 0,
            Ok(false) => return Ok(false),
            Err(error) if collides(&error) && collisions < MAX_COLLISIONS => collisions += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Deals with the next products, and moves the checkpoint, or does nothing. Gives `true` when there is more to do.
///
/// All of it sees one moment: a product that somebody changes after it was found to match fails the transaction, which then
/// looks again, instead of being changed though it does not match any more.
async fn piece(app: &App, claim: &JobRow) -> anyhow::Result<bool> {
    let limit = i64::from(app.config.bulk_batch_rows);
    let conn = &mut *app.pool.get().await?;
    let mut transaction = conn.build_transaction().repeatable_read();
    transaction
        .run(async |conn| {
            conn.batch_execute("SET LOCAL statement_timeout = '60s'").await?;
            let job = job::hold(conn, claim).await?.ok_or(Fenced)?;
            if job.cancel_requested {
                job::end(conn, job.id, BulkStatus::Cancelled, None).await?;
                return anyhow::Ok(false);
            }
            let mut ids: Vec<_> =
                search::matching(conn, &job.filter()?, job.id_done, limit).await?.iter().map(|row| row.id).collect();
            let full = i64::try_from(ids.len())? == limit;
            ids.retain(|id| *id <= job.last_id);
            let last = ids.last().copied().unwrap_or(job.last_id);
            let done = i64::try_from(ids.len())?;
            let rows = queries::lock(conn, &ids).await?;
            let changed = act(conn, job.action(), rows, false, job.client.as_deref()).await?;
            job::advance(conn, job.id, last, done, changed, app.config.lease()).await?;
            if full && last < job.last_id && done > 0 {
                return Ok(true);
            }
            job::end(conn, job.id, BulkStatus::Completed, None).await?;
            Ok(false)
        })
        .await
}

/// Whether somebody else has written, or is writing, the same rows.
fn collides(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
        Some(Error::DatabaseError(_, info)) => info.message().contains("deadlock detected"),
        _ => false,
    }
}
