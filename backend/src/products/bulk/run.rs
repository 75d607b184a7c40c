//! The task of a job: changes its products, some thousand per transaction, for a slice of time.

use std::time::Instant;

use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use shared::bulk::BulkStatus;

use super::{
    apply,
    job::{self, JobRow},
    undo,
};
use crate::{
    app::App,
    products::{changes::Deletion, queries, search},
};

/// Attempts for the same products while others write them at the same time.
const MAX_COLLISIONS: u32 = 20;

#[derive(Debug, thiserror::Error)]
#[error("another worker has claimed the job")]
struct FencedError;

/// Works on the job until it is done, or for one slice. It is safe to call this at any time and any number of times. Returns
/// `true` if the job should be enqueued again.
///
/// # Errors
/// Only if the database is not available; the job then continues when its lease has expired.
pub async fn run_slice(app: &App, id: i64) -> anyhow::Result<bool> {
    let claimed = job::claim(&mut *app.pool.get().await?, id, app.config.lease()).await?;
    let Some(claim) = claimed else {
        return Ok(false);
    };
    tracing::info!(job.id = id, "Job {id}: claimed at product {}", claim.id_done);
    let result = work(app, &claim).await;
    let conn = &mut *app.pool.get().await?;
    match result {
        Ok(more) => Ok(more && job::release(conn, &claim, None).await?),
        Err(error) if error.is::<FencedError>() => {
            tracing::warn!(job.id = id, "Job {id}: another worker has claimed it");
            Ok(false)
        }
        Err(error) => {
            tracing::warn!(job.id = id, "Job {id}: interrupted; retrying later: {error:#}");
            job::release(conn, &claim, Some(&format!("{error:#}"))).await?;
            Ok(false)
        }
    }
}

/// Returns `true` if there is more to do.
async fn work(app: &App, claim: &JobRow) -> anyhow::Result<bool> {
    let deadline = Instant::now() + app.config.slice();
    let mut collisions = 0;
    loop {
        if app.shutdown.is_cancelled() || Instant::now() >= deadline {
            return Ok(true);
        }
        match run_batch(app, claim).await {
            Ok(true) => collisions = 0,
            Ok(false) => return Ok(false),
            Err(error) if collides(&error) && collisions < MAX_COLLISIONS => collisions += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Changes the next products and moves the checkpoint, or does nothing. Returns `true` if there is more to do.
///
/// All statements read one snapshot: if a product changes after it was found to match, the transaction fails and is repeated,
/// instead of changing a product that no longer matches.
async fn run_batch(app: &App, claim: &JobRow) -> anyhow::Result<bool> {
    let conn = &mut *app.pool.get().await?;
    let mut transaction = conn.build_transaction().repeatable_read();
    transaction
        .run(async |conn| {
            conn.batch_execute("SET LOCAL statement_timeout = '60s'").await?;
            let job = job::hold(conn, claim).await?.ok_or(FencedError)?;
            if job.cancel_requested {
                job::end(conn, job.id, BulkStatus::Cancelled, None).await?;
                return anyhow::Ok(false);
            }
            let batch = next_batch(conn, &job, i64::from(app.config.bulk_batch_rows)).await?;
            let last = batch.ids.last().copied().unwrap_or(job.last_id);
            let done = i64::try_from(batch.ids.len())?;
            let rows = queries::lock(conn, &batch.ids).await?;
            let changed = apply(conn, job.action(), rows, Deletion::Final, job.client.as_deref()).await?;
            let count = i64::try_from(changed.len())?;
            if job.action().reverse().is_some() {
                undo::record(conn, job.id, changed).await?;
            }
            job::advance(conn, job.id, last, done, count, app.config.lease()).await?;
            if batch.may_be_followed && last < job.last_id && done > 0 {
                return Ok(true);
            }
            job::end(conn, job.id, BulkStatus::Completed, None).await?;
            Ok(false)
        })
        .await
}

struct Batch {
    ids: Vec<i64>,
    may_be_followed: bool,
}

async fn next_batch(conn: &mut AsyncPgConnection, job: &JobRow, limit: i64) -> anyhow::Result<Batch> {
    if let Some(undone) = job.undo_of {
        return Ok(Batch { ids: undo::next_batch(conn, undone, job.id_done).await?, may_be_followed: true });
    }
    let rows = search::find_after(conn, &job.filter()?, job.id_done, limit).await?;
    let may_be_followed = i64::try_from(rows.len())? == limit;
    Ok(Batch { ids: rows.iter().map(|row| row.id).filter(|id| *id <= job.last_id).collect(), may_be_followed })
}

/// Whether another transaction has written, or is writing, the same rows.
fn collides(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
        Some(Error::DatabaseError(_, info)) => info.message().contains("deadlock detected"),
        _ => false,
    }
}
