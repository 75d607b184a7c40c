//! The end of an import. Every end goes through [`end`], whether a worker, a user or the next claim decides on it.

use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Nullable, Text},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use shared::{event::EventKind, import::Import, job::JobStatus, webhook::WebhookEvent};

use crate::{
    imports::queries::{self, ImportRow},
    jobs::{
        JobError,
        lease::{self, Cancel, JobTable, Lease},
    },
    schema::{import_errors, import_partitions, imports},
    telemetry::metrics,
    webhooks,
};

/// How an import is to end.
#[derive(Debug, Clone, Copy)]
pub enum Ending<'reason> {
    /// All rows are processed. The result is checked: the import may still fail.
    Completed,
    Failed(&'reason str),
    Cancelled,
}

/// Ends a locked import: fences its worker, sums the partitions and checks the sums.
pub async fn end(conn: &mut AsyncPgConnection, id: i64, ending: Ending<'_>) -> Result<ImportRow, JobError> {
    fence_partitions(conn, id).await?;
    sum_partitions(conn, id).await?;
    let row = queries::get(conn, id).await?.ok_or(JobError::Fenced)?;
    let (kind, reason) = match ending {
        Ending::Completed => match objection(conn, &row).await? {
            None => (EventKind::Completed, None),
            Some(reason) => (EventKind::Failed, Some(reason)),
        },
        Ending::Failed(reason) => (EventKind::Failed, Some(reason.to_owned())),
        Ending::Cancelled => (EventKind::Cancelled, None),
    };
    let status = match kind {
        EventKind::Completed => JobStatus::Completed,
        EventKind::Cancelled => JobStatus::Cancelled,
        _ => JobStatus::Failed,
    };
    lease::finish(conn, JobTable::Imports, id, status, reason.as_deref()).await?;
    // The query of a URL may hold secrets. It is needed only to retry a fetch that failed.
    let keeps_query = status == JobStatus::Failed && !row.is_fetched();
    let source_url =
        if keeps_query { row.source_url.as_deref() } else { row.source_url.as_deref().map(queries::without_query) };
    diesel::update(imports::table.find(id))
        .set((imports::phase.eq(None::<String>), imports::source_url.eq(source_url)))
        .execute(conn)
        .await?;
    let row = queries::publish(conn, id, kind).await?;
    notify_webhooks(conn, kind, &row).await?;
    Ok(row)
}

/// Shuts out the writers of the current claim; waits for a batch that is being committed. [`lease::finish`] raises the epoch
/// of the import to the same number.
async fn fence_partitions(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::update(import_partitions::table.filter(import_partitions::import_id.eq(id)))
        .set(import_partitions::epoch.eq(import_partitions::epoch + 1))
        .execute(conn)
        .await
        .map(drop)
}

/// Why an import whose rows are all processed has not succeeded, if it has not.
async fn objection(conn: &mut AsyncPgConnection, row: &ImportRow) -> QueryResult<Option<String>> {
    let counts = row.counts();
    if Some(counts.read) != row.rows_total || !counts.adds_up() {
        return Ok(Some(format!(
            "The result does not add up: the file has {} rows, {} are accounted for. This is a bug in Loadify; please report it.",
            row.rows_total.unwrap_or_default(),
            counts.read
        )));
    }
    if counts.rejected == 0 || counts.rejected < counts.read {
        return Ok(None);
    }
    let first: Option<(i64, String)> = import_errors::table
        .filter(import_errors::import_id.eq(row.id))
        .select((import_errors::row_no, import_errors::message))
        .order(import_errors::row_no)
        .first(conn)
        .await
        .optional()?;
    let example = first.map(|(row_no, message)| format!(" Row {row_no}: {message}.")).unwrap_or_default();
    let rows = if counts.read == 1 {
        "The only row was rejected.".to_owned()
    } else {
        format!("All {} rows were rejected.", counts.read)
    };
    Ok(Some(format!("{rows}{example}")))
}

async fn notify_webhooks(conn: &mut AsyncPgConnection, kind: EventKind, row: &ImportRow) -> QueryResult<()> {
    let event = match kind {
        EventKind::Completed => WebhookEvent::ImportCompleted,
        EventKind::Failed => WebhookEvent::ImportFailed,
        _ => return Ok(()),
    };
    let import: Import = row.clone().into();
    let at = import.finished_at.unwrap_or_default();
    // The commit notifies the web processes, which enqueue the deliveries; the scheduler finds any that were missed.
    webhooks::fan_out(conn, event, at, &[webhooks::message::import(&import)]).await?;
    Ok(())
}

/// Copies the sums over the partitions to the import.
pub async fn sum_partitions(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::sql_query(
        "UPDATE imports SET created = sums.created, updated = sums.updated, unchanged = sums.unchanged, \
             duplicates = sums.duplicates, rejected = sums.rejected, \
             rows_read = sums.created + sums.updated + sums.unchanged + sums.duplicates + sums.rejected \
         FROM (SELECT coalesce(sum(created), 0)::bigint AS created, coalesce(sum(updated), 0)::bigint AS updated, \
             coalesce(sum(unchanged), 0)::bigint AS unchanged, coalesce(sum(duplicates), 0)::bigint AS duplicates, \
             coalesce(sum(rejected), 0)::bigint AS rejected FROM import_partitions WHERE import_id = $1) AS sums \
         WHERE id = $1",
    )
    .bind::<BigInt, _>(id)
    .execute(conn)
    .await
    .map(drop)
}

/// Ends an import by its worker.
///
/// # Errors
/// [`JobError::Fenced`] when the claim is lost.
pub async fn finish(conn: &mut AsyncPgConnection, lease: &Lease, ending: Ending<'_>) -> Result<ImportRow, JobError> {
    let row = conn
        .transaction(async |conn| {
            lease::limit_transaction(conn, lease.duration).await?;
            lease.lock(conn).await?;
            end(conn, lease.id, ending).await
        })
        .await?;
    count(&row);
    Ok(row)
}

/// Cancels an import that no worker has claimed, else requests its worker to stop. An import that has ended stays as it is.
/// `None` if it does not exist.
pub async fn cancel(conn: &mut AsyncPgConnection, id: i64) -> Result<Option<ImportRow>, JobError> {
    let (row, ended) = conn
        .transaction(async |conn| match lease::request_cancel(conn, JobTable::Imports, id).await? {
            Cancel::NotFound => Ok::<_, JobError>((None, false)),
            Cancel::Unclaimed => Ok((Some(end(conn, id, Ending::Cancelled).await?), true)),
            Cancel::Requested => Ok((Some(queries::publish(conn, id, EventKind::Cancelling).await?), false)),
            Cancel::Unchanged => Ok((queries::get(conn, id).await?, false)),
        })
        .await?;
    if let Some(row) = row.as_ref().filter(|_| ended) {
        count(row);
    }
    Ok(row)
}

/// Why an import cannot be retried.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error("import {0} does not exist")]
    NotFound(i64),
    #[error("import {id} is {status}; only a failed import can be retried", status = .status.as_str())]
    NotFailed { id: i64, status: JobStatus },
    #[error("all rows of import {0} have been processed; correct the rejected rows, then import them as a new file")]
    NothingLeft(i64),
    #[error("the file of import {0} is no longer stored; import it again")]
    FileRemoved(i64),
    #[error(transparent)]
    Db(#[from] diesel::result::Error),
}

/// Queues a failed import again. It continues at the checkpoints of its partitions.
pub async fn retry(conn: &mut AsyncPgConnection, id: i64) -> Result<ImportRow, RetryError> {
    conn.transaction(async |conn| {
        let found = ImportRow::query().filter(imports::id.eq(id)).for_no_key_update().first(conn).await;
        let row = found.optional()?.ok_or(RetryError::NotFound(id))?;
        if row.status() != JobStatus::Failed {
            return Err(RetryError::NotFailed { id, status: row.status() });
        }
        if row.rows_total == Some(row.counts().read) {
            return Err(RetryError::NothingLeft(id));
        }
        if row.file_removed_at.is_some() || row.details_removed_at.is_some() {
            return Err(RetryError::FileRemoved(id));
        }
        diesel::update(imports::table.find(id))
            .set((
                imports::status.eq(JobStatus::Queued.as_str()),
                imports::cancel_requested.eq(false),
                imports::attempts.eq(0),
                imports::interruptions.eq(0),
                imports::error.eq(sql::<Nullable<Text>>("NULL")),
                imports::finished_at.eq(None::<chrono::DateTime<chrono::Utc>>),
                imports::wake_at.eq(diesel::dsl::now),
                // The caller enqueues it.
                imports::last_enqueued_at.eq(diesel::dsl::now),
            ))
            .execute(conn)
            .await?;
        Ok(queries::publish(conn, id, EventKind::Retried).await?)
    })
    .await
}

/// Counts an import whose end is committed.
pub fn count(row: &ImportRow) {
    metrics::import_ended(row.status());
}
