//! Queries of imports.

use anyhow::Context;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use shared::{
    csv::FileFormat,
    event::{EventKind, ImportEvent},
    import::{Counts, Import, ImportPhase, RejectedRow, RowErrorCode},
    job::JobStatus,
};

use crate::{
    db, events,
    schema::{import_errors, imports},
};

/// A row of `imports`.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = imports)]
pub struct ImportRow {
    pub id: i64,
    pub file_name: String,
    object_key: Option<String>,
    size_bytes: Option<i64>,
    sha256: Option<String>,
    format: Option<serde_json::Value>,
    status: String,
    phase: Option<String>,
    pub cancel_requested: bool,
    pub rows_total: Option<i64>,
    pub bytes_scanned: i64,
    rows_read: i64,
    created: i64,
    updated: i64,
    unchanged: i64,
    duplicates: i64,
    rejected: i64,
    pub last_seq: i64,
    pub interruptions: i32,
    wake_at: DateTime<Utc>,
    pub error: Option<String>,
    created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    pub file_removed_at: Option<DateTime<Utc>>,
    pub details_removed_at: Option<DateTime<Utc>>,
    /// With its query until the file is fetched.
    pub source_url: Option<String>,
    pub bytes_fetched: i64,
    pub user_id: Option<i64>,
}

impl ImportRow {
    pub fn status(&self) -> JobStatus {
        db::parse_enum(&self.status)
    }

    pub fn phase(&self) -> Option<ImportPhase> {
        self.phase.as_deref().map(db::parse_enum)
    }

    pub fn counts(&self) -> Counts {
        Counts {
            read: self.rows_read,
            created: self.created,
            updated: self.updated,
            unchanged: self.unchanged,
            duplicates: self.duplicates,
            rejected: self.rejected,
        }
    }

    /// Whether the file is in storage. If not, it has to be fetched from its URL first.
    pub fn is_fetched(&self) -> bool {
        self.object_key.is_some()
    }

    /// The stored file.
    ///
    /// # Errors
    /// When the file is not fetched.
    pub fn file(&self) -> anyhow::Result<ImportFile> {
        let stored =
            (|| Some((self.object_key.clone()?, self.size_bytes?, self.sha256.clone()?, self.format.clone()?)))();
        let (object_key, size_bytes, sha256, format) = stored.context("the file is not fetched")?;
        Ok(ImportFile {
            object_key,
            size_bytes: u64::try_from(size_bytes)?,
            sha256,
            format: serde_json::from_value(format)?,
        })
    }

    /// When the next attempt is made, while the import waits after an interruption.
    fn next_attempt_at(&self) -> Option<DateTime<Utc>> {
        (self.error.is_some() && !self.status().is_final()).then_some(self.wake_at)
    }

    fn event(&self, kind: EventKind, at: DateTime<Utc>) -> ImportEvent {
        ImportEvent {
            seq: self.last_seq,
            kind,
            at,
            status: self.status(),
            phase: self.phase(),
            rows_total: self.rows_total,
            size_bytes: self.size_bytes,
            bytes_fetched: self.bytes_fetched,
            bytes_scanned: self.bytes_scanned,
            counts: self.counts(),
            error: self.error.clone(),
            next_attempt_at: self.next_attempt_at(),
        }
    }
}

impl From<ImportRow> for Import {
    fn from(row: ImportRow) -> Self {
        let next_attempt_at = row.next_attempt_at();
        Self {
            id: row.id,
            status: row.status(),
            phase: row.phase(),
            cancelling: row.cancel_requested && !row.status().is_final(),
            counts: row.counts(),
            file_name: row.file_name,
            size_bytes: row.size_bytes,
            sha256: row.sha256,
            rows_total: row.rows_total,
            bytes_scanned: row.bytes_scanned,
            last_seq: row.last_seq,
            next_attempt_at,
            error: row.error,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            file_removed_at: row.file_removed_at,
            details_removed_at: row.details_removed_at,
            source_url: row.source_url.map(|url| without_query(&url).to_owned()),
            bytes_fetched: row.bytes_fetched,
        }
    }
}

/// A file in storage.
#[derive(Debug, Clone)]
pub struct ImportFile {
    pub object_key: String,
    pub size_bytes: u64,
    /// In lower-case hexadecimal.
    pub sha256: String,
    pub format: FileFormat,
}

/// A URL without its query and fragment, which may hold secrets.
pub fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Whether any import is running.
pub async fn is_running(conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    let running = imports::table.filter(imports::status.eq(JobStatus::Running.as_str()));
    diesel::select(diesel::dsl::exists(running)).get_result(conn).await
}

/// Whether fewer than `max` imports are queued or running.
pub async fn has_room(conn: &mut AsyncPgConnection, max: u16) -> QueryResult<bool> {
    let open = [JobStatus::Queued, JobStatus::Running].map(JobStatus::as_str);
    let open: i64 = imports::table.filter(imports::status.eq_any(open)).count().get_result(conn).await?;
    Ok(open < max.into())
}

/// A file that has just been stored.
#[derive(Insertable)]
#[diesel(table_name = imports)]
pub struct NewImport<'a> {
    pub file_name: &'a str,
    pub object_key: &'a str,
    pub size_bytes: i64,
    pub sha256: &'a str,
    pub format: serde_json::Value,
}

/// Adds the import and its first event; once this is committed, a worker will find it.
pub async fn insert(conn: &mut AsyncPgConnection, new: &NewImport<'_>) -> QueryResult<ImportRow> {
    conn.transaction(async |conn| {
        let id: i64 = diesel::insert_into(imports::table)
            // The caller enqueues it; the scheduler need not, for a while.
            .values((new, imports::last_enqueued_at.eq(diesel::dsl::now)))
            .returning(imports::id)
            .get_result(conn)
            .await?;
        publish(conn, id, EventKind::Queued).await
    })
    .await
}

/// Adds an import whose file has to be fetched, and its first event.
pub async fn insert_url(
    conn: &mut AsyncPgConnection,
    user_id: Option<i64>,
    file_name: &str,
    url: &str,
) -> QueryResult<ImportRow> {
    conn.transaction(async |conn| {
        let id: i64 = diesel::insert_into(imports::table)
            .values((
                imports::file_name.eq(file_name),
                imports::user_id.eq(user_id),
                imports::source_url.eq(url),
                imports::last_enqueued_at.eq(diesel::dsl::now),
            ))
            .returning(imports::id)
            .get_result(conn)
            .await?;
        publish(conn, id, EventKind::Queued).await
    })
    .await
}

/// Assigns the next event of the import its number and writes it. The row stays locked until the caller commits.
pub async fn publish(conn: &mut AsyncPgConnection, id: i64, kind: EventKind) -> QueryResult<ImportRow> {
    let row: ImportRow = diesel::update(imports::table.find(id))
        .set(imports::last_seq.eq(imports::last_seq + 1))
        .returning(ImportRow::as_returning())
        .get_result(conn)
        .await?;
    let at = events::now(conn).await?;
    events::append(conn, id, &row.event(kind, at)).await?;
    Ok(row)
}

pub async fn get(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<ImportRow>> {
    db::optional(ImportRow::query().filter(imports::id.eq(id)).first(conn).await)
}

/// Imports older than `before`, newest first.
pub async fn list(conn: &mut AsyncPgConnection, before: Option<i64>, limit: i64) -> QueryResult<Vec<ImportRow>> {
    let mut query = ImportRow::query().into_boxed();
    if let Some(before) = before {
        query = query.filter(imports::id.lt(before));
    }
    query.order(imports::id.desc()).limit(limit).load(conn).await
}

#[derive(Queryable)]
pub struct ErrorRow {
    row_no: i64,
    line: i64,
    column: Option<String>,
    code: String,
    message: String,
    raw: Option<String>,
}

impl From<ErrorRow> for RejectedRow {
    fn from(row: ErrorRow) -> Self {
        let code: RowErrorCode = db::parse_enum(&row.code);
        Self { row_no: row.row_no, line: row.line, column: row.column, code, message: row.message, raw: row.raw }
    }
}

/// Rejected rows after row number `after`, in file order.
pub async fn rejected(conn: &mut AsyncPgConnection, id: i64, after: i64, limit: i64) -> QueryResult<Vec<ErrorRow>> {
    import_errors::table
        .filter(import_errors::import_id.eq(id).and(import_errors::row_no.gt(after)))
        .select((
            import_errors::row_no,
            import_errors::line,
            import_errors::column,
            import_errors::code,
            import_errors::message,
            import_errors::raw,
        ))
        .order(import_errors::row_no)
        .limit(limit)
        .load(conn)
        .await
}

/// Returns how many imports are due, for the metrics. What a worker has leased is not due.
pub async fn due_count(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    imports::table
        .filter(imports::status.eq_any([JobStatus::Queued.as_str(), JobStatus::Running.as_str()]))
        .filter(imports::wake_at.le(diesel::dsl::now))
        .count()
        .get_result(conn)
        .await
}
