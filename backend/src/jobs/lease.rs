//! Jobs as rows: claimed by lease and epoch. One implementation for imports and for changes of many products.
//!
//! The row is the truth. A claim raises `epoch`, and every write of a worker names the epoch of its claim, so a worker that
//! was presumed dead and continues cannot write any more. The lease (`wake_at`) only says when other workers may claim the
//! job. A table of jobs has the columns `id, status, cancel_requested, attempts, interruptions, epoch, wake_at,
//! last_enqueued_at, error, finished_at`.
//!
//! The functions run in the transaction of their caller, who adds what belongs to the job and its end.

use std::time::Duration;

use diesel::{
    QueryResult, QueryableByName,
    sql_types::{BigInt, Bool, Integer, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::job::JobStatus;

use crate::db::{self, GetConnectionError, Pool};

/// Claims without progress, each ended by the death of the worker or by a fault of the input, after which a job fails.
pub const MAX_ATTEMPTS: i32 = 5;
/// Limit of one statement that claims, renews, releases or ends a job. These touch a few rows.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit of one transaction with such statements, as the worker sees it: longer than the database's own limit.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);
/// Time after which the scheduler sends a message again for a job that is still due.
const REENQUEUE_AFTER: Duration = Duration::from_secs(10);
/// Longest pause before the next attempt.
const MAX_RETRY_DELAY: Duration = Duration::from_mins(1);

/// A table of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobTable {
    Imports,
    BulkJobs,
}

impl JobTable {
    const fn name(self) -> &'static str {
        match self {
            Self::Imports => "imports",
            Self::BulkJobs => "bulk_jobs",
        }
    }
}

/// Why the work on a job stopped, apart from the job itself.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("another worker has claimed the job")]
    Fenced,
    #[error("no progress for {} s", .0.as_secs())]
    Stalled(Duration),
    #[error("the database did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("no connection to the database: {0}")]
    Pool(#[from] GetConnectionError),
    #[error(transparent)]
    Db(#[from] diesel::result::Error),
}

/// What is left to do after a slice of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing, or nothing now.
    Done,
    /// The job should be enqueued again at once.
    More,
}

/// The right to work on a job until the lease expires or another worker claims it.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    table: JobTable,
    pub id: i64,
    pub epoch: i64,
    pub duration: Duration,
}

/// The columns of a job that decide about its claims.
#[derive(Debug, Clone, QueryableByName)]
pub struct JobState {
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Bool)]
    pub cancel_requested: bool,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
}

/// Result of [`claim`]. The caller ends a job that is cancelled or exhausted.
#[derive(Debug)]
pub enum Claim {
    /// The job has ended, or another worker's lease is running.
    NotDue,
    /// Cancellation was requested, and no worker is left to see that.
    Cancelled,
    /// [`MAX_ATTEMPTS`] claims brought no progress.
    Exhausted,
    Acquired(Lease),
}

/// Claims a job that is due.
pub async fn claim(conn: &mut AsyncPgConnection, table: JobTable, id: i64, duration: Duration) -> QueryResult<Claim> {
    limit_transaction(conn, duration).await?;
    let due = format!(
        "SELECT status, cancel_requested, attempts FROM {} \
         WHERE id = $1 AND status IN ('queued', 'running') AND wake_at <= now() FOR NO KEY UPDATE",
        table.name()
    );
    let found = diesel::sql_query(due).bind::<BigInt, _>(id).get_result::<JobState>(conn).await;
    let Some(job) = db::optional(found)? else {
        return Ok(Claim::NotDue);
    };
    if job.cancel_requested {
        return Ok(Claim::Cancelled);
    }
    if job.attempts >= MAX_ATTEMPTS {
        return Ok(Claim::Exhausted);
    }
    let acquire = format!(
        "UPDATE {} SET status = 'running', epoch = epoch + 1, attempts = attempts + 1, error = NULL, \
             wake_at = now() + {} WHERE id = $1 RETURNING epoch",
        table.name(),
        interval(duration)
    );
    let Epoch { epoch } = diesel::sql_query(acquire).bind::<BigInt, _>(id).get_result(conn).await?;
    Ok(Claim::Acquired(Lease { table, id, epoch, duration }))
}

#[derive(QueryableByName)]
struct Epoch {
    #[diesel(sql_type = BigInt)]
    epoch: i64,
}

/// Limits a transaction of a worker. A worker that freezes in the middle of one would keep its locks for as long as its
/// connection lasts, and the next worker would wait for them: the database ends such a session when the lease is over.
pub async fn limit_transaction(conn: &mut AsyncPgConnection, lease: Duration) -> QueryResult<()> {
    limit_statements(conn, lease, STATEMENT_TIMEOUT).await
}

/// As [`limit_transaction`], with another limit for each statement.
pub async fn limit_statements(conn: &mut AsyncPgConnection, lease: Duration, statement: Duration) -> QueryResult<()> {
    conn.batch_execute(&format!(
        "SET LOCAL idle_in_transaction_session_timeout = {}; SET LOCAL statement_timeout = {}",
        lease.as_millis(),
        statement.as_millis()
    ))
    .await
}

impl Lease {
    /// Locks the job for the rest of the transaction.
    ///
    /// # Errors
    /// [`JobError::Fenced`] when another worker has claimed the job, or it has ended.
    pub async fn lock(&self, conn: &mut AsyncPgConnection) -> Result<JobState, JobError> {
        let held = format!(
            "SELECT status, cancel_requested, attempts FROM {} \
             WHERE id = $1 AND epoch = $2 AND status = 'running' FOR NO KEY UPDATE",
            self.table.name()
        );
        let found = diesel::sql_query(held).bind::<BigInt, _>(self.id).bind::<BigInt, _>(self.epoch);
        db::optional(found.get_result(conn).await)?.ok_or(JobError::Fenced)
    }

    /// Extends the lease of a locked job; `progressed` starts the counts of attempts and interruptions over.
    pub async fn renew(&self, conn: &mut AsyncPgConnection, progressed: bool) -> QueryResult<()> {
        let counts = if progressed { ", attempts = 0, interruptions = 0" } else { "" };
        let renew = format!(
            "UPDATE {} SET wake_at = now() + {}{counts} WHERE id = $1",
            self.table.name(),
            interval(self.duration)
        );
        diesel::sql_query(renew).bind::<BigInt, _>(self.id).execute(conn).await.map(drop)
    }

    /// Releases a locked job, so that any worker can claim it. Returns whether its attempts are exhausted; the caller then
    /// ends it.
    pub async fn release(
        &self,
        conn: &mut AsyncPgConnection,
        job: &JobState,
        release: &Release<'_>,
    ) -> QueryResult<bool> {
        if matches!(release, Release::Fault(_)) && job.attempts >= MAX_ATTEMPTS {
            return Ok(true);
        }
        let (attempts, interruptions, wake_at, reason) = match release {
            Release::SliceOver => ("attempts - 1", "interruptions", "now()", None),
            Release::Shutdown(reason) => ("attempts - 1", "interruptions", "now()", Some(*reason)),
            Release::Interrupted(reason) => ("attempts - 1", "interruptions + 1", RETRY_AT, Some(*reason)),
            Release::Fault(reason) => ("attempts", "interruptions + 1", RETRY_AT, Some(*reason)),
        };
        // The worker itself enqueues what has more to do at once; the scheduler does not enqueue it for a while.
        let update = format!(
            "UPDATE {} SET attempts = greatest({attempts}, 0), interruptions = {interruptions}, wake_at = {wake_at}, \
                 last_enqueued_at = CASE WHEN $3 THEN now() ELSE last_enqueued_at END, error = $2 WHERE id = $1",
            self.table.name()
        );
        diesel::sql_query(update)
            .bind::<BigInt, _>(self.id)
            .bind::<Nullable<Text>, _>(reason)
            .bind::<Bool, _>(matches!(release, Release::SliceOver))
            .execute(conn)
            .await?;
        Ok(false)
    }

    /// Takes back the attempt of a claim that was lost while its worker was alive: the input did not kill it.
    pub async fn uncount(&self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        let update = format!(
            "UPDATE {} SET attempts = greatest(attempts - 1, 0) WHERE id = $1 AND epoch > $2 AND status = 'running'",
            self.table.name()
        );
        diesel::sql_query(update).bind::<BigInt, _>(self.id).bind::<BigInt, _>(self.epoch).execute(conn).await.map(drop)
    }
}

/// 2, 4, 8, 16, 32, 60, 60 ... seconds after interruption 1, 2, 3 ...; see [`MAX_RETRY_DELAY`].
const RETRY_AT: &str = "now() + least(interval '1 s' * 2 ^ least(interruptions + 1, 16), interval '60 s')";
const _: () = assert!(MAX_RETRY_DELAY.as_secs() == 60);

/// Why a worker releases a job that has not ended.
#[derive(Debug, Clone, Copy)]
pub enum Release<'reason> {
    /// Other jobs have their turn.
    SliceOver,
    /// The worker is being stopped.
    Shutdown(&'reason str),
    /// Something failed that is not the fault of the job's input: it is retried until it succeeds.
    Interrupted(&'reason str),
    /// Something failed, and it may be the fault of the input: this was one of [`MAX_ATTEMPTS`].
    Fault(&'reason str),
}

/// Ends a job. It is fenced: the epoch grows, so that a worker that still holds a claim cannot write any more. Returns the
/// new epoch.
pub async fn finish(
    conn: &mut AsyncPgConnection,
    table: JobTable,
    id: i64,
    status: JobStatus,
    error: Option<&str>,
) -> QueryResult<i64> {
    let end = format!(
        "UPDATE {} SET status = $2, error = $3, finished_at = now(), epoch = epoch + 1 WHERE id = $1 RETURNING epoch",
        table.name()
    );
    let Epoch { epoch } = diesel::sql_query(end)
        .bind::<BigInt, _>(id)
        .bind::<Text, _>(status.as_str())
        .bind::<Nullable<Text>, _>(error)
        .get_result(conn)
        .await?;
    Ok(epoch)
}

/// Result of [`request_cancel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    NotFound,
    /// No worker has claimed it: the caller ends it.
    Unclaimed,
    /// Its worker will see it.
    Requested,
    /// It had been requested before, or the job has ended.
    Unchanged,
}

/// Requests that a job stops. It stays locked for the rest of the transaction.
pub async fn request_cancel(conn: &mut AsyncPgConnection, table: JobTable, id: i64) -> QueryResult<Cancel> {
    let lock =
        format!("SELECT status, cancel_requested, attempts FROM {} WHERE id = $1 FOR NO KEY UPDATE", table.name());
    let found = diesel::sql_query(lock).bind::<BigInt, _>(id).get_result::<JobState>(conn).await;
    let Some(job) = db::optional(found)? else {
        return Ok(Cancel::NotFound);
    };
    match job.status.as_str() {
        "queued" => Ok(Cancel::Unclaimed),
        "running" if !job.cancel_requested => {
            // A job that waits for its next attempt is claimed at once, to be ended.
            let request = format!(
                "UPDATE {} SET cancel_requested = true, \
                     wake_at = CASE WHEN error IS NULL THEN wake_at ELSE least(wake_at, now()) END WHERE id = $1",
                table.name()
            );
            diesel::sql_query(request).bind::<BigInt, _>(id).execute(conn).await?;
            Ok(Cancel::Requested)
        }
        _ => Ok(Cancel::Unchanged),
    }
}

/// Jobs that are due: their message was lost, their worker died, or their pause is over. A job that became due since its
/// last message is returned at once, any other again after [`REENQUEUE_AFTER`].
pub async fn due(conn: &mut AsyncPgConnection, table: JobTable) -> QueryResult<Vec<i64>> {
    let due = format!(
        "UPDATE {} SET last_enqueued_at = now() \
         WHERE status IN ('queued', 'running') AND wake_at <= now() \
             AND (last_enqueued_at IS NULL OR last_enqueued_at < wake_at OR last_enqueued_at < now() - {}) \
         RETURNING id",
        table.name(),
        interval(REENQUEUE_AFTER)
    );
    let rows: Vec<Id> = diesel::sql_query(due).load(conn).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

fn interval(duration: Duration) -> String {
    format!("interval '{} milliseconds'", duration.as_millis())
}

/// Runs `work` on a connection of the pool for at most `limit`. A connection that does not answer in time is closed.
///
/// # Errors
/// [`JobError::Timeout`] after `limit`, [`JobError::Pool`] without a connection, and the errors of `work`.
pub async fn with_connection<T, E: From<JobError>>(
    pool: &Pool,
    limit: Duration,
    work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E>,
) -> Result<T, E> {
    let mut conn = pool.get().await.map_err(JobError::from)?;
    if let Ok(result) = tokio::time::timeout(limit, work(&mut conn)).await {
        return result;
    }
    conn.close();
    Err(JobError::Timeout(limit).into())
}
