//! Removes old files and records of imports. Each has its setting:
//!
//! * `FILE_RETENTION_DAYS`: the file in storage (released here, removed by `storage`),
//! * `IMPORT_DETAILS_RETENTION_DAYS`: partitions, rejected rows, and all events but the last one,
//! * `IMPORT_RETENTION_DAYS`: the import itself.
//!
//! Days count from the end of the import.

use std::time::{Duration, Instant};

use diesel::{
    dsl::now,
    prelude::*,
    sql_types::{BigInt, Timestamptz},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use crate::{
    app::App,
    db,
    schema::{import_errors, import_events, import_partitions, imports},
    storage,
};

/// Advisory lock, so that one process at a time purges; any number that no other lock has.
const LOCK: i64 = 0x0F11_E5AF;
/// Imports per batch.
const BATCH_SIZE: i64 = 100;
/// Rejected rows that one statement deletes.
const DELETE_BATCH_SIZE: i64 = 10_000;
/// Pause after all imports were checked.
const PURGE_INTERVAL: Duration = Duration::from_secs(10);

/// Purges old imports; one per process.
#[derive(Default)]
pub struct Retention {
    next_at: Option<Instant>,
}

impl Retention {
    /// Purges one batch of what is due, unless another process does.
    pub async fn purge(&mut self, app: &App) -> anyhow::Result<()> {
        if self.next_at.is_some_and(|next_at| Instant::now() < next_at) {
            return Ok(());
        }
        let finished = db::with_advisory_lock(&app.pool, LOCK, purge_batch(app)).await?;
        if finished.unwrap_or(true) {
            self.next_at = Some(Instant::now() + PURGE_INTERVAL);
        }
        Ok(())
    }
}

/// Returns whether nothing is left.
async fn purge_batch(app: &App) -> anyhow::Result<bool> {
    let conn = &mut *app.pool.get().await?;
    let files = release_files(conn, app.config.file_retention_days).await?;
    let details = remove_details(conn, app.config.import_details_retention_days).await?;
    let imports = remove_imports(conn, app.config.import_retention_days).await?;
    Ok(files && details && imports)
}

/// SQL of the time `days` days ago.
fn days_ago(days: u16) -> diesel::expression::SqlLiteral<Timestamptz> {
    diesel::dsl::sql(&format!("now() - interval '{days} days'"))
}

/// Removes the queries of URLs whose fetch failed and was not retried.
async fn remove_queries(conn: &mut AsyncPgConnection, days: u16) -> QueryResult<()> {
    diesel::update(imports::table)
        .filter(imports::finished_at.lt(days_ago(days).nullable()).and(imports::file_removed_at.is_null()))
        .filter(imports::object_key.is_null())
        .set((
            imports::source_url.eq(diesel::dsl::sql("split_part(source_url, '?', 1)")),
            imports::file_removed_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// Releases the files of a batch of imports; storage removes them.
async fn release_files(conn: &mut AsyncPgConnection, days: u16) -> QueryResult<bool> {
    remove_queries(conn, days).await?;
    let released: Vec<(i64, Option<String>)> = conn
        .transaction(async |conn| {
            let due: Vec<i64> = imports::table
                .filter(imports::file_removed_at.is_null().and(imports::finished_at.lt(days_ago(days).nullable())))
                .filter(imports::object_key.is_not_null())
                .select(imports::id)
                .order(imports::id)
                .limit(BATCH_SIZE)
                // A retry may be under way.
                .for_no_key_update()
                .load(conn)
                .await?;
            let released: Vec<(i64, Option<String>)> = diesel::update(imports::table.filter(imports::id.eq_any(due)))
                .set(imports::file_removed_at.eq(now))
                .returning((imports::id, imports::object_key))
                .get_results(conn)
                .await?;
            let keys: Vec<String> = released.iter().filter_map(|(_, key)| key.clone()).collect();
            storage::release(conn, &keys).await?;
            QueryResult::Ok(released)
        })
        .await?;
    for (id, _) in &released {
        tracing::info!(import.id = id, "Import {id}: its file was released, {days} days after its end");
    }
    Ok(i64::try_from(released.len()).unwrap_or(i64::MAX) < BATCH_SIZE)
}

/// Removes partitions, rejected rows and events of a batch of imports. The last event stays: it ends the stream of a client
/// that connects late.
async fn remove_details(conn: &mut AsyncPgConnection, days: u16) -> QueryResult<bool> {
    let due: Vec<i64> = imports::table
        .filter(imports::finished_at.lt(days_ago(days).nullable()).and(imports::details_removed_at.is_null()))
        .select(imports::id)
        .order(imports::finished_at)
        .limit(BATCH_SIZE)
        .load(conn)
        .await?;
    for id in &due {
        while i64::try_from(delete_rejected(conn, *id).await?) == Ok(DELETE_BATCH_SIZE) {}
        conn.transaction(async |conn| {
            let import = imports::table.find(*id).filter(imports::finished_at.is_not_null());
            // A retry may have been faster.
            let ended = import.select(imports::last_seq).for_no_key_update().first::<i64>(conn).await.optional()?;
            let Some(last_seq) = ended else { return QueryResult::Ok(()) };
            diesel::delete(import_partitions::table.filter(import_partitions::import_id.eq(*id))).execute(conn).await?;
            let earlier = import_events::import_id.eq(*id).and(import_events::seq.lt(last_seq));
            diesel::delete(import_events::table.filter(earlier)).execute(conn).await?;
            diesel::update(imports::table.find(*id)).set(imports::details_removed_at.eq(now)).execute(conn).await?;
            Ok(())
        })
        .await?;
        tracing::info!(
            import.id = id,
            "Import {id}: its events and rejected rows were removed, {days} days after its end"
        );
    }
    Ok(i64::try_from(due.len()).unwrap_or(i64::MAX) < BATCH_SIZE)
}

async fn delete_rejected(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<usize> {
    let rows = import_errors::table.filter(import_errors::import_id.eq(id)).select(import_errors::row_no);
    let last: Option<i64> =
        rows.order(import_errors::row_no).offset(DELETE_BATCH_SIZE - 1).first(conn).await.optional()?;
    let some = import_errors::table.filter(import_errors::import_id.eq(id));
    match last {
        Some(last) => diesel::delete(some.filter(import_errors::row_no.le(last))).execute(conn).await,
        None => diesel::delete(some).execute(conn).await,
    }
}

/// Removes a batch of imports, once their files are removed.
async fn remove_imports(conn: &mut AsyncPgConnection, days: u16) -> QueryResult<bool> {
    let removed = diesel::sql_query(format!(
        "DELETE FROM imports WHERE id IN (SELECT id FROM imports WHERE finished_at < now() - interval '{days} days' \
             AND file_removed_at IS NOT NULL AND details_removed_at IS NOT NULL ORDER BY id LIMIT $1)"
    ))
    .bind::<BigInt, _>(BATCH_SIZE)
    .execute(conn)
    .await?;
    if removed > 0 {
        tracing::info!("{removed} imports were removed, {days} days after their end");
    }
    Ok(i64::try_from(removed).unwrap_or(i64::MAX) < BATCH_SIZE)
}
