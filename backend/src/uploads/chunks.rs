//! The objects of an unfinished upload.
//!
//! A chunk is recorded in the database before it is written, counts once it is accepted, and is listed in the manifest when
//! the upload is complete. If a process dies in between, its objects are known and are removed.

use std::time::Duration;

use bytes::Bytes;
use diesel::{
    dsl::sql,
    expression::SqlLiteral,
    prelude::*,
    sql_types::{Bool, Timestamptz},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::{StreamExt, stream};

use crate::{
    app::App,
    http::ApiResult,
    schema::{upload_chunks, uploads},
    storage::{self, Chunk},
    uploads::queries::UploadRow,
};

/// Objects that are removed at the same time.
const REMOVE_CONCURRENCY: usize = 8;

/// Records a chunk of an upload that is open and at `offset`. Returns `false` if it is not.
async fn record(
    conn: &mut AsyncPgConnection,
    upload_id: &str,
    offset: i64,
    start: i64,
    chunk: &Chunk,
) -> QueryResult<bool> {
    let size = i64::try_from(chunk.size).unwrap_or(i64::MAX);
    let open = uploads::table
        .filter(uploads::id.eq(upload_id).and(uploads::status.eq("open")).and(uploads::received.eq(offset)))
        .select((
            chunk.key.as_str().into_sql::<diesel::sql_types::Text>(),
            uploads::id,
            start.into_sql::<diesel::sql_types::BigInt>(),
            size.into_sql::<diesel::sql_types::BigInt>(),
        ))
        // Not deleted before this is committed.
        .for_key_share();
    let inserted = diesel::insert_into(upload_chunks::table)
        .values(open)
        .into_columns((upload_chunks::object_key, upload_chunks::upload_id, upload_chunks::start, upload_chunks::size))
        .execute(conn)
        .await?;
    Ok(inserted == 1)
}

/// Stores a chunk that begins at `start`. `None` if the offset of the upload has changed.
///
/// # Errors
/// When the storage or the database does not respond, or the disk is full.
pub async fn store(app: &App, upload: &UploadRow, start: i64, bytes: Bytes) -> ApiResult<Option<Chunk>> {
    let chunk = Chunk { key: storage::new_chunk_key(&upload.object_key), size: bytes.len() as u64 };
    if !record(&mut *app.db().await?, &upload.id, upload.received, start, &chunk).await? {
        return Ok(None);
    }
    if let Err(error) = app.storage.put(&chunk.key, bytes).await {
        discard(app, std::slice::from_ref(&chunk)).await;
        return Err(error.into());
    }
    Ok(Some(chunk))
}

/// Records that the writer of pending chunks is alive. With a checksum, they stay pending until the body ends.
pub async fn renew(conn: &mut AsyncPgConnection, chunks: &[Chunk]) -> QueryResult<()> {
    let keys = chunks.iter().map(|chunk| &chunk.key);
    let present = upload_chunks::object_key.eq_any(keys).and(upload_chunks::renewed_at.gt(removing()));
    diesel::update(upload_chunks::table.filter(present))
        .set(upload_chunks::renewed_at.eq(diesel::dsl::now))
        .execute(conn)
        .await
        .map(drop)
}

/// Makes chunks count.
///
/// # Errors
/// `RollbackTransaction` if one of them was removed as orphaned, see [`unless_orphaned`].
pub async fn accept(conn: &mut AsyncPgConnection, chunks: &[Chunk]) -> QueryResult<()> {
    let keys = chunks.iter().map(|chunk| &chunk.key);
    let present = upload_chunks::object_key.eq_any(keys).and(upload_chunks::renewed_at.gt(removing()));
    let accepted = diesel::update(upload_chunks::table.filter(present))
        .set(upload_chunks::accepted.eq(true))
        .execute(conn)
        .await?;
    if accepted == chunks.len() { Ok(()) } else { Err(diesel::result::Error::RollbackTransaction) }
}

/// The result of a transaction that calls [`accept`]; `None` if it was rolled back because a chunk was removed.
pub fn unless_orphaned<T>(result: QueryResult<Option<T>>) -> QueryResult<Option<T>> {
    match result {
        Err(diesel::result::Error::RollbackTransaction) => Ok(None),
        other => other,
    }
}

/// The chunks that count, in the order of the file.
pub async fn accepted(conn: &mut AsyncPgConnection, upload_id: &str) -> QueryResult<Vec<Chunk>> {
    let rows: Vec<(String, i64)> = upload_chunks::table
        .filter(upload_chunks::upload_id.eq(upload_id).and(upload_chunks::accepted))
        .order(upload_chunks::start)
        .select((upload_chunks::object_key, upload_chunks::size))
        .load(conn)
        .await?;
    Ok(chunks_of(rows))
}

/// Deletes the rows of all accepted chunks: the import owns their objects.
pub async fn hand_over(conn: &mut AsyncPgConnection, upload_id: &str) -> QueryResult<()> {
    let accepted = upload_chunks::table.filter(upload_chunks::upload_id.eq(upload_id).and(upload_chunks::accepted));
    diesel::delete(accepted).execute(conn).await.map(drop)
}

/// Removes those of `chunks` that do not count, after a failure. If the answer to a commit was lost, the database knows
/// whether they count.
pub async fn discard(app: &App, chunks: &[Chunk]) {
    if chunks.is_empty() {
        return;
    }
    match async { ApiResult::Ok(pending(&mut *app.db().await?, chunks).await?) }.await {
        Ok(orphaned) => remove(app, &orphaned).await,
        Err(error) => tracing::warn!("{} orphaned chunks remain in storage for now: {error}", chunks.len()),
    }
}

async fn pending(conn: &mut AsyncPgConnection, chunks: &[Chunk]) -> QueryResult<Vec<Chunk>> {
    let keys = chunks.iter().map(|chunk| &chunk.key);
    // Waits for a commit whose answer was lost.
    let rows = diesel::update(upload_chunks::table)
        .filter(upload_chunks::object_key.eq_any(keys).and(diesel::dsl::not(upload_chunks::accepted)))
        .set(upload_chunks::renewed_at.eq(removing()))
        .returning((upload_chunks::object_key, upload_chunks::size))
        .get_results(conn)
        .await?;
    Ok(chunks_of(rows))
}

/// The time that marks a chunk whose object is being removed, so that it cannot be accepted any more.
fn removing() -> SqlLiteral<Timestamptz> {
    sql("'-infinity'::timestamptz")
}

fn chunks_of(rows: Vec<(String, i64)>) -> Vec<Chunk> {
    rows.into_iter().map(|(key, size)| Chunk { key, size: size.unsigned_abs() }).collect()
}

/// Removes orphaned chunks: the objects, then their rows. What cannot be removed is tried again.
pub async fn remove(app: &App, orphaned: &[Chunk]) {
    let removed: Vec<&String> = stream::iter(orphaned)
        .map(|chunk| async move {
            match app.storage.remove_object(&chunk.key).await {
                Ok(()) => Some(&chunk.key),
                Err(error) => {
                    tracing::warn!("Orphaned chunk {} remains in storage for now: {error}", chunk.key);
                    None
                }
            }
        })
        .buffer_unordered(REMOVE_CONCURRENCY)
        .filter_map(async |removed| removed)
        .collect()
        .await;
    let forgotten = async {
        let rows = upload_chunks::table.filter(upload_chunks::object_key.eq_any(removed));
        diesel::delete(rows).execute(&mut *app.db().await?).await?;
        ApiResult::Ok(())
    };
    if let Err(error) = forgotten.await {
        tracing::warn!("The rows of removed chunks remain for now: {error}");
    }
}

/// Takes at most `limit` chunks that do not count and never will: their upload is over, or their writer has not been alive
/// for `grace`. From now on they cannot be accepted.
pub async fn take_orphaned(conn: &mut AsyncPgConnection, grace: Duration, limit: i64) -> QueryResult<Vec<Chunk>> {
    conn.transaction(async |conn| {
        let over = uploads::table.filter(uploads::status.ne("open")).select(uploads::id);
        let dead = sql::<Bool>(&format!("renewed_at < now() - interval '{} seconds'", grace.as_secs()));
        let rows: Vec<(String, i64)> = upload_chunks::table
            .filter(diesel::dsl::not(upload_chunks::accepted))
            .filter(dead.or(upload_chunks::upload_id.eq_any(over)))
            .order(upload_chunks::object_key)
            .limit(limit)
            .select((upload_chunks::object_key, upload_chunks::size))
            // Waits for a writer that is accepting them, and then finds that they count.
            .for_update()
            .load(conn)
            .await?;
        let orphaned = chunks_of(rows);
        let keys = orphaned.iter().map(|chunk| &chunk.key);
        diesel::update(upload_chunks::table.filter(upload_chunks::object_key.eq_any(keys)))
            .set(upload_chunks::renewed_at.eq(removing()))
            .execute(conn)
            .await?;
        Ok(orphaned)
    })
    .await
}
