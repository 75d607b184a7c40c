//! A change of many products as a job: who holds it, how far it is, how it ends.
//!
//! As with imports the row is the truth, the highest `epoch` holds it, and the lease (`wake_at`) only says when others may
//! try. Every write of a holder is under the row's lock and names its epoch.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    dsl::{now, sql},
    expression::SqlLiteral,
    prelude::*,
    sql_types::Timestamptz,
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use shared::{
    bulk::{BulkAction, BulkJob, BulkStatus},
    search::ProductFilter,
};

use crate::{db, events, schema::bulk_jobs};

/// Times that a job is taken without making progress before it is given up.
const MAX_ATTEMPTS: i32 = 5;
/// How long the sweep waits before it rings again for the same job, in seconds.
const RING_AGAIN_SECONDS: u32 = 10;

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
    epoch: i64,
    attempts: i32,
    error: Option<String>,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl JobRow {
    pub fn action(&self) -> BulkAction {
        db::word(&self.action)
    }

    pub fn status(&self) -> BulkStatus {
        db::word(&self.status)
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
            // The caller rings; the sweep need not, for a while.
            bulk_jobs::rung_at.eq(now),
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

fn after_now(delay: Duration) -> SqlLiteral<Timestamptz> {
    sql(&format!("now() + interval '{} milliseconds'", delay.as_millis()))
}

/// Takes the job. `None` where there is nothing to do: it has ended, is held by another worker, or was cancelled or given up
/// just now.
pub async fn claim(conn: &mut AsyncPgConnection, id: i64, lease: Duration) -> QueryResult<Option<JobRow>> {
    conn.transaction(async |conn| {
        let due = bulk_jobs::status
            .eq_any([BulkStatus::Queued.as_str(), BulkStatus::Running.as_str()])
            .and(bulk_jobs::wake_at.le(now));
        let found = JobRow::query().filter(bulk_jobs::id.eq(id)).filter(due).for_no_key_update().first(conn).await;
        let Some(row) = db::optional(found)? else {
            return Ok(None);
        };
        if row.cancel_requested {
            end(conn, id, BulkStatus::Cancelled, None).await?;
            return Ok(None);
        }
        if row.attempts >= MAX_ATTEMPTS {
            let reason = format!("The worker died {MAX_ATTEMPTS} times without getting past product {}.", row.id_done);
            end(conn, id, BulkStatus::Failed, Some(&reason)).await?;
            return Ok(None);
        }
        events::job_moved(conn, id).await?;
        diesel::update(bulk_jobs::table.find(id))
            .set((
                bulk_jobs::status.eq(BulkStatus::Running.as_str()),
                bulk_jobs::epoch.eq(bulk_jobs::epoch + 1),
                bulk_jobs::attempts.eq(bulk_jobs::attempts + 1),
                bulk_jobs::wake_at.eq(after_now(lease)),
                bulk_jobs::error.eq(None::<String>),
            ))
            .returning(JobRow::as_returning())
            .get_result(conn)
            .await
            .map(Some)
    })
    .await
}

/// Locks the job for its holder. `None` when the claim is lost.
pub async fn hold(conn: &mut AsyncPgConnection, claim: &JobRow) -> QueryResult<Option<JobRow>> {
    let held = bulk_jobs::id
        .eq(claim.id)
        .and(bulk_jobs::epoch.eq(claim.epoch))
        .and(bulk_jobs::status.eq(BulkStatus::Running.as_str()));
    db::optional(JobRow::query().filter(held).for_no_key_update().first(conn).await)
}

/// Moves the checkpoint of a job that is held, in the transaction that did what it says.
pub async fn advance(
    conn: &mut AsyncPgConnection,
    id: i64,
    id_done: i64,
    done: i64,
    changed: i64,
    lease: Duration,
) -> QueryResult<()> {
    diesel::update(bulk_jobs::table.find(id))
        .set((
            bulk_jobs::id_done.eq(id_done),
            bulk_jobs::done.eq(bulk_jobs::done + done),
            bulk_jobs::changed.eq(bulk_jobs::changed + changed),
            bulk_jobs::attempts.eq(0),
            bulk_jobs::wake_at.eq(after_now(lease)),
        ))
        .execute(conn)
        .await?;
    events::job_moved(conn, id).await
}

/// Gives a job back that is not at its end; `reason` says what went wrong, if something did. `false` when the claim is lost.
pub async fn release(conn: &mut AsyncPgConnection, claim: &JobRow, reason: Option<&str>) -> QueryResult<bool> {
    conn.transaction(async |conn| {
        let Some(row) = hold(conn, claim).await? else {
            return Ok(false);
        };
        if reason.is_some() && row.attempts >= MAX_ATTEMPTS {
            return end(conn, row.id, BulkStatus::Failed, reason).await.map(|_| true);
        }
        // 2, 4, 8, 16 seconds; at once where nothing went wrong, which is no attempt either.
        let (delay, attempts) = match reason {
            Some(_) => (Duration::from_secs(1 << row.attempts.clamp(1, 6)), row.attempts),
            None => (Duration::ZERO, 0),
        };
        diesel::update(bulk_jobs::table.find(row.id))
            .set((
                bulk_jobs::wake_at.eq(after_now(delay)),
                bulk_jobs::attempts.eq(attempts),
                bulk_jobs::error.eq(reason),
            ))
            .execute(conn)
            .await?;
        events::job_moved(conn, row.id).await.map(|()| true)
    })
    .await
}

/// Cancels at once what no worker has had yet, else asks the worker to. A job that has ended stays as it is.
pub async fn cancel(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<JobRow>> {
    conn.transaction(async |conn| {
        let found = JobRow::query().filter(bulk_jobs::id.eq(id)).for_no_key_update().first(conn).await;
        let Some(row) = db::optional(found)? else {
            return Ok(None);
        };
        match row.status() {
            BulkStatus::Queued => end(conn, id, BulkStatus::Cancelled, None).await.map(Some),
            BulkStatus::Running => diesel::update(bulk_jobs::table.find(id))
                .set(bulk_jobs::cancel_requested.eq(true))
                .returning(JobRow::as_returning())
                .get_result(conn)
                .await
                .map(Some),
            _ => Ok(Some(row)),
        }
    })
    .await
}

/// Ends a job for good; the caller holds it.
pub async fn end(
    conn: &mut AsyncPgConnection,
    id: i64,
    status: BulkStatus,
    reason: Option<&str>,
) -> QueryResult<JobRow> {
    events::job_moved(conn, id).await?;
    diesel::update(bulk_jobs::table.find(id))
        .set((bulk_jobs::status.eq(status.as_str()), bulk_jobs::error.eq(reason), bulk_jobs::finished_at.eq(now)))
        .returning(JobRow::as_returning())
        .get_result(conn)
        .await
}

/// Jobs that somebody should take: their message was lost, or their worker was. Each is named again only after
/// [`RING_AGAIN_SECONDS`].
pub async fn due(conn: &mut AsyncPgConnection) -> QueryResult<Vec<i64>> {
    let again = sql::<Timestamptz>(&format!("now() - interval '{RING_AGAIN_SECONDS} seconds'"));
    diesel::update(bulk_jobs::table)
        .filter(bulk_jobs::status.eq_any([BulkStatus::Queued.as_str(), BulkStatus::Running.as_str()]))
        .filter(bulk_jobs::wake_at.le(now))
        .filter(bulk_jobs::rung_at.is_null().or(bulk_jobs::rung_at.lt(again.nullable())))
        .set(bulk_jobs::rung_at.eq(now))
        .returning(bulk_jobs::id)
        .get_results(conn)
        .await
}

/// Throws away jobs that ended so many days ago.
pub async fn forget(conn: &mut AsyncPgConnection, days: u16) -> QueryResult<()> {
    let then = sql::<Timestamptz>(&format!("now() - interval '{days} days'"));
    diesel::delete(bulk_jobs::table.filter(bulk_jobs::finished_at.lt(then.nullable()))).execute(conn).await.map(drop)
}
