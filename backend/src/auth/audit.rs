//! The audit log: who did what, when, from where.
//!
//! The guard writes an entry before it lets a change happen, and its outcome afterwards: so nothing is changed that the log
//! does not know of, and an entry without an outcome tells of a process that died.
//!
//! Neither waits for the disk: the log of PostgreSQL is one sequence, so the commit of the change, which does wait, keeps the
//! entry before it. A crash of the server may forget outcomes, and refusals, of its last second.

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
use shared::auth::{AuditEntry, AuditPage};
use utoipa::IntoParams;

use crate::{
    app::App,
    db,
    http::{ApiError, ApiResult, csv},
    schema::audit_log,
};

/// Characters of an actor and of a target that are kept.
const MAX_CHARS: usize = 200;
/// Entries that the CSV reads at once.
const CSV_PAGE: i64 = 1_000;

/// Text of whoever asks, as it may stand in the log: on one line, and not endless.
fn line(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{FFFD}' } else { char }).take(MAX_CHARS).collect()
}

/// Writes an entry, with its outcome if that is known already. Gives its number.
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
    .bind::<Text, _>(line(actor))
    .bind::<Text, _>(action)
    .bind::<Text, _>(line(target))
    .bind::<Text, _>(address)
    .bind::<Nullable<Integer>, _>(outcome.map(|status| i32::from(status.as_u16())));
    Ok(db::prepared(statement).get_result::<Entry>(conn).await?.id)
}

/// Adds what became of it, and where that is what was made.
pub async fn finish(conn: &mut AsyncPgConnection, id: i64, status: u16, made: Option<&str>) -> QueryResult<()> {
    let statement = diesel::sql_query(
        "UPDATE audit_log SET status = $2, target = coalesce($3, target) \
         FROM set_config('synchronous_commit', 'off', true) WHERE id = $1",
    )
    .bind::<BigInt, _>(id)
    .bind::<Integer, _>(i32::from(status))
    .bind::<Nullable<Text>, _>(made.map(line));
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
    /// Name of a person, `key NAME`, or `anyone`
    actor: Option<String>,
    /// For instance `product.update`, or `product.` for all that begins so
    action: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
pub struct AuditPlace {
    /// `next` of another page
    before: Option<i64>,
    /// Entries on the page, 1 to 200
    #[serde(default = "default_limit")]
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: i64,
}

fn default_limit() -> i64 {
    50
}

async fn page(
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
        query = if action.ends_with('.') {
            // Not LIKE: an underscore is a letter of these names.
            let begins = sql::<Bool>("starts_with(action, ").bind::<Text, _>(action.clone()).sql(")");
            query.filter(begins)
        } else {
            query.filter(audit_log::action.eq(action))
        };
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
/// Newest first: every change by hand, import, sign-in, and every change of webhooks, people and keys.
#[utoipa::path(get, path = "/audit", tag = "access", params(AuditFilter, AuditPlace), responses(
    (status = 200, body = AuditPage),
))]
pub async fn list_audit(
    app: Data<App>,
    filter: Query<AuditFilter>,
    place: Query<AuditPlace>,
) -> ApiResult<Json<AuditPage>> {
    if !(1..=200).contains(&place.limit) {
        return Err(ApiError::invalid("limit", "must be 1 to 200"));
    }
    let mut items = page(&mut *app.db_for_read().await?, &filter, place.before, place.limit + 1).await?;
    let limit = usize::try_from(place.limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|entry| entry.id);
    Ok(Json(AuditPage { items, next }))
}

/// Download the audit log as CSV.
#[utoipa::path(get, path = "/audit.csv", tag = "access", params(AuditFilter), responses(
    (status = 200, body = String, content_type = "text/csv"),
))]
pub async fn audit_csv(app: Data<App>, filter: Query<AuditFilter>) -> ApiResult<HttpResponse> {
    let filter = filter.into_inner();
    let header = ["id", "at", "actor", "action", "target", "address", "status"].map(String::from).into();
    csv::download(app, "audit.csv", header, i64::MAX, async move |conn, before| {
        let entries = page(conn, &filter, Some(before), CSV_PAGE).await?;
        let next = entries.last().filter(|_| i64::try_from(entries.len()) == Ok(CSV_PAGE)).map(|last| last.id);
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
    fn nothing_that_was_sent_makes_a_line_of_its_own() {
        assert_eq!(line("eve\n2026-01-01 admin deleted\u{1b}[2J"), "eve\u{FFFD}2026-01-01 admin deleted\u{FFFD}[2J");
        assert_eq!(line(&"x".repeat(1_000)).len(), MAX_CHARS);
    }
}
