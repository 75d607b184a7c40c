//! The objects that an upload consists of.
//!
//! A block is announced in the database before it is written, counts once it is accepted, and belongs to the import when
//! the upload is complete. Whatever dies in between, its objects are known and can be cleared away.

use bytes::Bytes;
use diesel::{dsl::sql, prelude::*, sql_types::Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::{StreamExt, stream};

use crate::{
    app::App,
    http::ApiResult,
    schema::{upload_blocks, uploads},
    storage::Piece,
};

/// Objects that are deleted at the same time.
const DELETE_AT_ONCE: usize = 8;

/// Where a new object goes.
pub fn new_key() -> String {
    format!("blocks/{:032x}", rand::random::<u128>())
}

/// Announces an object of an upload that is open and at `offset`. False if it is not.
pub async fn announce(
    conn: &mut AsyncPgConnection,
    upload_id: &str,
    offset: i64,
    start: i64,
    piece: &Piece,
) -> QueryResult<bool> {
    let size = i64::try_from(piece.size).unwrap_or(i64::MAX);
    let open = uploads::table
        .filter(uploads::id.eq(upload_id).and(uploads::status.eq("open")).and(uploads::received.eq(offset)))
        .select((
            piece.key.as_str().into_sql::<diesel::sql_types::Text>(),
            uploads::id.nullable(),
            start.into_sql::<diesel::sql_types::BigInt>(),
            size.into_sql::<diesel::sql_types::BigInt>(),
        ))
        // Not deleted before this is committed.
        .for_key_share();
    let inserted = diesel::insert_into(upload_blocks::table)
        .values(open)
        .into_columns((upload_blocks::object_key, upload_blocks::upload_id, upload_blocks::start, upload_blocks::size))
        .execute(conn)
        .await?;
    Ok(inserted == 1)
}

/// Stores a block. `None` where the upload is not at `offset` any more.
pub async fn store(app: &App, upload_id: &str, offset: i64, start: i64, bytes: Bytes) -> ApiResult<Option<Piece>> {
    let piece = Piece { key: new_key(), size: bytes.len() as u64 };
    if !announce(&mut *app.db().await?, upload_id, offset, start, &piece).await? {
        return Ok(None);
    }
    if let Err(error) = app.storage.put(&piece.key, bytes).await {
        discard(app, std::slice::from_ref(&piece)).await;
        return Err(error.into());
    }
    Ok(Some(piece))
}

/// Lets blocks count.
pub async fn accept(conn: &mut AsyncPgConnection, pieces: &[Piece]) -> QueryResult<()> {
    let keys = pieces.iter().map(|piece| &piece.key);
    diesel::update(upload_blocks::table.filter(upload_blocks::object_key.eq_any(keys)))
        .set(upload_blocks::accepted.eq(true))
        .execute(conn)
        .await
        .map(drop)
}

/// The blocks that count, in the order of the file.
pub async fn accepted(conn: &mut AsyncPgConnection, upload_id: &str) -> QueryResult<Vec<Piece>> {
    let rows: Vec<(String, i64)> = upload_blocks::table
        .filter(upload_blocks::upload_id.eq(upload_id).and(upload_blocks::accepted))
        .order(upload_blocks::start)
        .select((upload_blocks::object_key, upload_blocks::size))
        .load(conn)
        .await?;
    Ok(pieces_of(rows))
}

/// Gives blocks away: from now on somebody else deletes their objects.
pub async fn hand_over(conn: &mut AsyncPgConnection, pieces: &[Piece]) -> QueryResult<()> {
    forget(conn, pieces).await
}

async fn forget(conn: &mut AsyncPgConnection, pieces: &[Piece]) -> QueryResult<()> {
    let keys = pieces.iter().map(|piece| &piece.key);
    diesel::delete(upload_blocks::table.filter(upload_blocks::object_key.eq_any(keys))).execute(conn).await.map(drop)
}

/// Deletes those of `pieces` that do not count, after something went wrong. Where the answer to a commit was lost, it is
/// the database that knows whether they do.
pub async fn discard(app: &App, pieces: &[Piece]) {
    if pieces.is_empty() {
        return;
    }
    match async { ApiResult::Ok(uncounted(&mut *app.db().await?, pieces).await?) }.await {
        Ok(litter) => remove(app, &litter).await,
        Err(error) => tracing::warn!("{} objects are left in storage for now: {error}", pieces.len()),
    }
}

async fn uncounted(conn: &mut AsyncPgConnection, pieces: &[Piece]) -> QueryResult<Vec<Piece>> {
    let keys = pieces.iter().map(|piece| &piece.key);
    let rows: Vec<(String, i64)> = upload_blocks::table
        .filter(upload_blocks::object_key.eq_any(keys).and(diesel::dsl::not(upload_blocks::accepted)))
        .select((upload_blocks::object_key, upload_blocks::size))
        // Waits for a commit of which nothing has been heard.
        .for_update()
        .load(conn)
        .await?;
    Ok(pieces_of(rows))
}

fn pieces_of(rows: Vec<(String, i64)>) -> Vec<Piece> {
    rows.into_iter().map(|(key, size)| Piece { key, size: size.unsigned_abs() }).collect()
}

/// Deletes objects that belong to nobody. What fails is left to the sweep.
pub async fn remove(app: &App, litter: &[Piece]) {
    let removed: Vec<Piece> = stream::iter(litter)
        .map(|piece| async move {
            // Not what a list names: that may be somebody's.
            match app.storage.delete_object(&piece.key).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Some(piece.clone()),
                Err(error) => {
                    tracing::warn!("Object {} is left in storage for now: {error}", piece.key);
                    None
                }
            }
        })
        .buffer_unordered(DELETE_AT_ONCE)
        .filter_map(async |removed| removed)
        .collect()
        .await;
    let forgotten = async { ApiResult::Ok(forget(&mut *app.db().await?, &removed).await?) }.await;
    if let Err(error) = forgotten {
        tracing::warn!("{} removed objects are looked for again: {error}", removed.len());
    }
}

/// Some objects that belong to nobody: their upload is gone, or they were begun `doubtful_minutes` ago and never counted.
pub async fn litter(conn: &mut AsyncPgConnection, doubtful_minutes: u32, limit: i64) -> QueryResult<Vec<Piece>> {
    let orphaned = upload_blocks::accepted.and(upload_blocks::upload_id.is_null());
    let old = sql::<Bool>(&format!("created_at < now() - interval '{doubtful_minutes} minutes'"));
    let abandoned = diesel::dsl::not(upload_blocks::accepted).and(old);
    let rows: Vec<(String, i64)> = upload_blocks::table
        .filter(orphaned.or(abandoned))
        .order(upload_blocks::object_key)
        .limit(limit)
        .select((upload_blocks::object_key, upload_blocks::size))
        .load(conn)
        .await?;
    Ok(pieces_of(rows))
}

/// Gives up the blocks of an upload that has failed.
pub async fn orphan(conn: &mut AsyncPgConnection, upload_id: &str) -> QueryResult<()> {
    diesel::update(upload_blocks::table.filter(upload_blocks::upload_id.eq(upload_id)))
        .set(upload_blocks::upload_id.eq(None::<String>))
        .execute(conn)
        .await
        .map(drop)
}
