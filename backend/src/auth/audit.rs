//! The audit log: who did what, when, from where.
//!
//! The middleware adds an entry before a change, and its outcome afterwards: every change has an entry, and an entry without
//! an outcome means that the process died.
//!
//! Neither waits for the disk: PostgreSQL writes its log in order, so the commit of the change, which does wait, also makes
//! the entry before it durable. A crash of the database server can lose outcomes and refused requests of its last second.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Json, Query},
};
use chrono::{DateTime, Utc};
use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Bool, Integer, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Deserialize;
use shared::auth::{AuditEntry, AuditPage, is_invisible};
use utoipa::IntoParams;

use crate::{
    app::App,
    db,
    http::{
        ApiError, ApiResult,
        csv::{self, CsvOptions},
    },
    schema::audit_log,
};

/// Longest actor and target, in characters.
const MAX_FIELD_CHARS: usize = 200;
/// Entries that one query of the CSV export reads.
const CSV_BATCH_SIZE: i64 = 1_000;

/// Returns text from a request as the log stores it: on one line and of limited length.
fn sanitized(text: &str) -> String {
    text.chars().map(|char| if is_invisible(char) { '\u{FFFD}' } else { char }).take(MAX_FIELD_CHARS).collect()
}

/// Adds an entry, with its outcome if that is known already. Returns its id.
pub async fn begin(
    conn: &mut AsyncPgConnection,
    actor: &str,
    action: &str,
    target: &str,
    address: &str,
    outcome: Option<StatusCode>,
) -> QueryResult<i64> {
    let statement = diesel::sql_query(
        "INSERT INTO audit_log (actor, action, target, address, status) \
         SELECT $1, $2, $3, $4, $5 FROM set_config('synchronous_commit', 'off', true) RETURNING id",
    )
    .bind::<Text, _>(sanitized(actor))
    .bind::<Text, _>(action)
    .bind::<Text, _>(sanitized(target))
    .bind::<Text, _>(address)
    .bind::<Nullable<Integer>, _>(outcome.map(|status| i32::from(status.as_u16())));
    Ok(db::prepared(statement).get_result::<Entry>(conn).await?.id)
}

/// Adds the outcome, and the path of what was created.
pub async fn finish(conn: &mut AsyncPgConnection, id: i64, status: u16, created: Option<&str>) -> QueryResult<()> {
    let statement = diesel::sql_query(
        "UPDATE audit_log SET status = $2, target = coalesce($3, target) \
         FROM set_config('synchronous_commit', 'off', true) WHERE id = $1",
    )
    .bind::<BigInt, _>(id)
    .bind::<Integer, _>(i32::from(status))
    .bind::<Nullable<Text>, _>(created.map(sanitized));
    db::prepared(statement).execute(conn).await.map(drop)
}

#[derive(QueryableByName)]
struct Entry {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

#[derive(HasQuery)]
#[diesel(table_name = audit_log)]
struct Row {
    id: i64,
    at: DateTime<Utc>,
    actor: String,
    action: String,
    target: String,
    address: String,
    status: Option<i32>,
}

impl From<Row> for AuditEntry {
    fn from(row: Row) -> Self {
        let Row { id, at, actor, action, target, address, status } = row;
        Self { id, at, actor, action, target, address, status }
    }
}

#[derive(Debug, Clone, Deserialize, IntoParams)]
pub struct AuditFilter {
    /// Exact name of a user, `key NAME`, `local` or `shell`
    actor: Option<String>,
    /// Exact action such as `product.update`, or a prefix ending in a dot such as `product.`; several separated by commas
    action: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
pub struct AuditCursor {
    /// `next` of the previous page
    before: Option<i64>,
    /// Entries per page, 1 to 200
    #[serde(default = "default_limit")]
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: i64,
}

fn default_limit() -> i64 {
    50
}

async fn read(
    conn: &mut AsyncPgConnection,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: i64,
) -> QueryResult<Vec<AuditEntry>> {
    let mut query = Row::query().into_boxed();
    if let Some(actor) = &filter.actor {
        query = query.filter(audit_log::actor.eq(actor));
    }
    if let Some(action) = &filter.action {
        // Not LIKE: these names contain underscores.
        let is_one_of =
            sql::<Bool>("EXISTS (SELECT 1 FROM unnest(string_to_array(").bind::<Text, _>(action.clone()).sql(
                ", ',')) AS wanted WHERE action = wanted OR (right(wanted, 1) = '.' AND starts_with(action, wanted)))",
            );
        query = query.filter(is_one_of);
    }
    if let Some(since) = filter.since {
        query = query.filter(audit_log::at.ge(since));
    }
    if let Some(until) = filter.until {
        query = query.filter(audit_log::at.lt(until));
    }
    if let Some(before) = before {
        query = query.filter(audit_log::id.lt(before));
    }
    let rows: Vec<Row> = query.order(audit_log::id.desc()).limit(limit).load(conn).await?;
    Ok(rows.into_iter().map(AuditEntry::from).collect())
}

/// Read the audit log.
///
/// Newest first: sign-ins, imports, and every change of products, webhooks, users and keys by a user or a key.
#[utoipa::path(get, path = "/audit", tag = "auth", params(AuditFilter, AuditCursor), responses(
    (status = 200, body = AuditPage),
))]
pub async fn list_audit(
    app: Data<App>,
    filter: Query<AuditFilter>,
    cursor: Query<AuditCursor>,
) -> ApiResult<Json<AuditPage>> {
    if !(1..=200).contains(&cursor.limit) {
        return Err(ApiError::invalid("limit", "must be 1 to 200"));
    }
    let mut items = read(&mut *app.db_for_read().await?, &filter, cursor.before, cursor.limit + 1).await?;
    let limit = usize::try_from(cursor.limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|entry| entry.id);
    Ok(Json(AuditPage { items, next }))
}

/// Download the audit log as CSV.
#[utoipa::path(get, path = "/audit.csv", tag = "auth", params(AuditFilter, CsvOptions), responses(
    (status = 200, body = String, content_type = "text/csv"),
))]
pub async fn audit_csv(
    app: Data<App>,
    filter: Query<AuditFilter>,
    options: Query<CsvOptions>,
) -> ApiResult<HttpResponse> {
    let (filter, options) = (filter.into_inner(), options.into_inner());
    let header = ["id", "at", "actor", "action", "target", "address", "status"].map(String::from).into();
    csv::download(app, options, "audit.csv", header, i64::MAX, async move |conn, before| {
        let entries = read(conn, &filter, Some(before), CSV_BATCH_SIZE).await?;
        let next = entries.last().filter(|_| i64::try_from(entries.len()) == Ok(CSV_BATCH_SIZE)).map(|last| last.id);
        Ok((entries.into_iter().map(cells).collect(), next))
    })
    .await
}

fn cells(entry: AuditEntry) -> Vec<String> {
    vec![
        entry.id.to_string(),
        entry.at.to_rfc3339(),
        entry.actor,
        entry.action,
        entry.target,
        entry.address,
        entry.status.map(|status| status.to_string()).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_request_cannot_start_a_new_line() {
        assert_eq!(
            sanitized("eve\n2026-01-01 admin deleted\u{1b}[2J"),
            "eve\u{FFFD}2026-01-01 admin deleted\u{FFFD}[2J"
        );
        assert_eq!(sanitized("\u{202E}nimda\u{200B}"), "\u{FFFD}nimda\u{FFFD}");
        assert_eq!(sanitized(&"x".repeat(1_000)).len(), MAX_FIELD_CHARS);
    }
}
