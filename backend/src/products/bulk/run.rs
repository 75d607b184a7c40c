//! The task of a bulk job: changes its products, several thousand per transaction, for one slice of time.

use std::time::{Duration, Instant};

use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::AsyncPgConnection;
use shared::job::JobStatus;

use super::{
    apply,
    job::{self, JobRow},
    undo,
};
use crate::{
    app::App,
    jobs::{
        Fault, JobError, Progress,
        lease::{self, Lease, Release},
    },
    products::{changes::Deletion, queries, search},
};

/// Time for which a worker waits for its batch beyond the limit of the database: after it, the connection is presumed dead.
const ANSWER_MARGIN: Duration = Duration::from_secs(5);
/// Immediate retries of the same products, when another transaction writes them at the same time.
const MAX_COLLISIONS: u32 = 20;

/// Works on the job until it is done, or for one slice. Safe to call at any time and any number of times.
///
/// # Errors
/// Only when the database does not answer; the job is then resumed after its lease.
pub async fn run_slice(app: &App, id: i64) -> anyhow::Result<Progress> {
    let claimed = job::claim(&mut *app.pool.get().await?, id, app.config.lease()).await?;
    let Some(lease) = claimed else {
        return Ok(Progress::Done);
    };
    tracing::info!(job.id = id, "Job {id}: claimed");
    let result = work(app, &lease).await;
    match release(app, &lease, &result).await {
        Err(JobError::Fenced) => {
            tracing::warn!(job.id = id, "Job {id}: another worker has claimed it");
            Ok(Progress::Done)
        }
        released => Ok(released?),
    }
}

/// Records how the slice ended.
async fn release(app: &App, lease: &Lease, result: &anyhow::Result<Progress>) -> Result<Progress, JobError> {
    let conn = &mut *app.pool.get().await?;
    let error = match result {
        Ok(Progress::Done) => return Ok(Progress::Done),
        Ok(Progress::More) => {
            job::release(conn, lease, &Release::SliceOver).await?;
            return Ok(Progress::More);
        }
        Err(error) => error,
    };
    match Fault::of(error) {
        Fault::Fenced => return Err(JobError::Fenced),
        Fault::Environment(reason) => job::release(conn, lease, &Release::Interrupted(&reason)).await?,
        Fault::Input(reason) => job::release(conn, lease, &Release::Fault(&reason)).await?,
    }
    tracing::warn!(job.id = lease.id, "Job {}: interrupted: {error:#}", lease.id);
    Ok(Progress::Done)
}

async fn work(app: &App, lease: &Lease) -> anyhow::Result<Progress> {
    let deadline = Instant::now() + app.config.slice();
    let mut collisions = 0;
    loop {
        if app.shutdown.is_cancelled() || Instant::now() >= deadline {
            return Ok(Progress::More);
        }
        match change_batch(app, lease).await {
            Ok(Progress::More) => collisions = 0,
            Ok(Progress::Done) => return Ok(Progress::Done),
            Err(error) if collides(&error) && collisions < MAX_COLLISIONS => collisions += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Changes the next products and moves the checkpoint, or does nothing.
///
/// All of it sees one moment: a product that is changed after it was found to match fails the transaction, which is then
/// repeated, instead of being changed although it does not match any more.
async fn change_batch(app: &App, lease: &Lease) -> anyhow::Result<Progress> {
    // A batch that took longer than the lease would be fenced.
    lease::with_connection(&app.pool, lease.duration + ANSWER_MARGIN, async |conn| {
        conn.build_transaction().repeatable_read().run(async |conn| change_next(app, conn, lease).await).await
    })
    .await
}

async fn change_next(app: &App, conn: &mut AsyncPgConnection, lease: &Lease) -> anyhow::Result<Progress> {
    lease::limit_statements(conn, lease.duration, lease.duration).await?;
    let job = job::lock(conn, lease).await?;
    if job.cancel_requested {
        job::end(conn, job.id, JobStatus::Cancelled, None).await?;
        return Ok(Progress::Done);
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
    job::advance(conn, lease, last, done, count).await?;
    if batch.may_be_followed && last < job.last_id && done > 0 {
        return Ok(Progress::More);
    }
    job::end(conn, job.id, JobStatus::Completed, None).await?;
    Ok(Progress::Done)
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
    let query = match error.downcast_ref::<JobError>() {
        Some(JobError::Db(error)) => Some(error),
        _ => error.downcast_ref(),
    };
    match query {
        Some(Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
        Some(Error::DatabaseError(_, info)) => info.message().contains("deadlock detected"),
        _ => false,
    }
}
