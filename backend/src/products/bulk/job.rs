//! A change of many products as a job: its row, its checkpoint, its end. Claims are those of [`crate::jobs::lease`].

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    dsl::{now, sql},
    prelude::*,
    sql_types::Timestamptz,
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use shared::{
    bulk::{BulkAction, BulkJob},
    job::JobStatus,
    search::ProductFilter,
};

use crate::{
    db, events,
    jobs::{
        JobError,
        lease::{self, Cancel, Claim, JobTable, Lease, MAX_ATTEMPTS, Release},
    },
    schema::bulk_jobs,
};

/// A row of `bulk_jobs`.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = bulk_jobs)]
pub struct JobRow {
    pub id: i64,
    action: String,
    filter: serde_json::Value,
    pub undo_of: Option<i64>,
    pub client: Option<String>,
    status: String,
    pub cancel_requested: bool,
    pub last_id: i64,
    pub id_done: i64,
    total: i64,
    done: i64,
    changed: i64,
    error: Option<String>,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl JobRow {
    pub fn action(&self) -> BulkAction {
        db::parse_enum(&self.action)
    }

    pub fn status(&self) -> JobStatus {
        db::parse_enum(&self.status)
    }

    /// Which products.
    pub fn filter(&self) -> serde_json::Result<ProductFilter> {
        serde_json::from_value(self.filter.clone())
    }
}

impl From<JobRow> for BulkJob {
    fn from(row: JobRow) -> Self {
        Self {
            id: row.id,
            action: row.action(),
            filter: row.filter().unwrap_or_default(),
            undo_of: row.undo_of,
            status: row.status(),
            total: row.total,
            done: row.done,
            changed: row.changed,
            error: row.error,
            created_at: row.created_at,
            finished_at: row.finished_at,
        }
    }
}

/// A job to create.
pub struct NewJob<'a> {
    pub action: BulkAction,
    pub filter: &'a ProductFilter,
    pub client: Option<&'a str>,
    /// The job that it reverts.
    pub undo_of: Option<i64>,
}

/// Creates a job. A worker finds it after the commit.
pub async fn insert(conn: &mut AsyncPgConnection, new: &NewJob<'_>, last_id: i64, total: i64) -> QueryResult<JobRow> {
    let filter =
        serde_json::to_value(new.filter).map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    diesel::insert_into(bulk_jobs::table)
        .values((
            bulk_jobs::action.eq(new.action.as_str()),
            bulk_jobs::filter.eq(filter),
            bulk_jobs::undo_of.eq(new.undo_of),
            bulk_jobs::client.eq(new.client),
            bulk_jobs::last_id.eq(last_id),
            bulk_jobs::total.eq(total),
            // The caller enqueues it; the scheduler need not, for a while.
            bulk_jobs::last_enqueued_at.eq(now),
        ))
        .returning(JobRow::as_returning())
        .get_result(conn)
        .await
}

pub async fn get(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<JobRow>> {
    db::optional(JobRow::query().filter(bulk_jobs::id.eq(id)).first(conn).await)
}

/// The latest, the newest first.
pub async fn latest(conn: &mut AsyncPgConnection, limit: i64) -> QueryResult<Vec<JobRow>> {
    JobRow::query().order(bulk_jobs::id.desc()).limit(limit).load(conn).await
}

/// Claims the job. `None` if there is nothing to do: it has ended, another worker has claimed it, or it was ended just now.
pub async fn claim(conn: &mut AsyncPgConnection, id: i64, duration: Duration) -> Result<Option<Lease>, JobError> {
    conn.transaction(async |conn| match lease::claim(conn, JobTable::BulkJobs, id, duration).await? {
        Claim::NotDue => Ok(None),
        Claim::Cancelled => {
            end(conn, id, JobStatus::Cancelled, None).await?;
            Ok(None)
        }
        Claim::Exhausted => {
            let id_done = get(conn, id).await?.map_or(0, |job| job.id_done);
            let reason =
                format!("The worker died {MAX_ATTEMPTS} times without getting past the product with id {id_done}.");
            end(conn, id, JobStatus::Failed, Some(&reason)).await?;
            Ok(None)
        }
        Claim::Acquired(lease) => {
            events::job_moved(conn, id).await?;
            Ok(Some(lease))
        }
    })
    .await
}

/// Locks the job for the rest of the transaction.
///
/// # Errors
/// [`JobError::Fenced`] when the claim is lost.
pub async fn lock(conn: &mut AsyncPgConnection, lease: &Lease) -> Result<JobRow, JobError> {
    lease.lock(conn).await?;
    get(conn, lease.id).await?.ok_or(JobError::Fenced)
}

/// Moves the checkpoint of a locked job, in the transaction that changed the products.
pub async fn advance(
    conn: &mut AsyncPgConnection,
    lease: &Lease,
    id_done: i64,
    done: i64,
    changed: i64,
) -> QueryResult<()> {
    diesel::update(bulk_jobs::table.find(lease.id))
        .set((
            bulk_jobs::id_done.eq(id_done),
            bulk_jobs::done.eq(bulk_jobs::done + done),
            bulk_jobs::changed.eq(bulk_jobs::changed + changed),
        ))
        .execute(conn)
        .await?;
    lease.renew(conn, true).await?;
    events::job_moved(conn, lease.id).await
}

/// Releases a job that is not at its end.
///
/// # Errors
/// [`JobError::Fenced`] when the claim is lost.
pub async fn release(conn: &mut AsyncPgConnection, lease: &Lease, release: &Release<'_>) -> Result<(), JobError> {
    conn.transaction(async |conn| {
        let job = lease.lock(conn).await?;
        let exhausted = lease.release(conn, &job, release).await?;
        if let (true, Release::Fault(reason)) = (exhausted, release) {
            end(conn, lease.id, JobStatus::Failed, Some(reason)).await?;
        }
        Ok(events::job_moved(conn, lease.id).await?)
    })
    .await
}

/// Cancels a job that no worker has claimed, else requests its worker to stop. A job that has ended stays as it is.
pub async fn cancel(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<JobRow>> {
    conn.transaction(async |conn| {
        if lease::request_cancel(conn, JobTable::BulkJobs, id).await? == Cancel::Unclaimed {
            end(conn, id, JobStatus::Cancelled, None).await?;
        }
        get(conn, id).await
    })
    .await
}

/// Ends a locked job.
pub async fn end(conn: &mut AsyncPgConnection, id: i64, status: JobStatus, reason: Option<&str>) -> QueryResult<()> {
    lease::finish(conn, JobTable::BulkJobs, id, status, reason).await?;
    events::job_moved(conn, id).await
}

/// Removes jobs that ended more than `days` days ago.
pub async fn delete_old(conn: &mut AsyncPgConnection, days: u16) -> QueryResult<()> {
    let then = sql::<Timestamptz>(&format!("now() - interval '{days} days'"));
    diesel::delete(bulk_jobs::table.filter(bulk_jobs::finished_at.lt(then.nullable()))).execute(conn).await.map(drop)
}

/// Returns how many jobs are due, for the metrics. What a worker has leased is not due.
pub async fn due_count(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    bulk_jobs::table
        .filter(bulk_jobs::status.eq_any([JobStatus::Queued.as_str(), JobStatus::Running.as_str()]))
        .filter(bulk_jobs::wake_at.le(now))
        .count()
        .get_result(conn)
        .await
}
