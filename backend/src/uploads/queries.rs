//! Rows of uploads.
//!
//! The offset decides. [`advance`] moves it from exactly the value at which the writer began, or not at all; so of two
//! writers that began at the same offset, one succeeds and the other finds nothing to update.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::{now, sql},
    expression::SqlLiteral,
    prelude::*,
    sql_types::{BigInt, Nullable, Timestamptz},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use shared::csv::FileError;

use crate::{db, events, schema::uploads, storage};

const OPEN: &str = "open";

/// A row of `uploads`.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = uploads)]
pub struct UploadRow {
    pub id: String,
    pub object_key: String,
    pub file_name: String,
    pub metadata: Option<String>,
    pub length: Option<i64>,
    pub received: i64,
    pub hash_state: Vec<u8>,
    pub format: Option<serde_json::Value>,
    pub lock_token: i64,
    pub lock_owner: Option<i64>,
    problem: Option<serde_json::Value>,
    pub import_id: Option<i64>,
    pub expires_at: DateTime<Utc>,
}

impl UploadRow {
    /// Why it failed, if it did.
    pub fn problem(&self) -> Option<FileError> {
        let problem = self.problem.as_ref()?;
        Some(FileError {
            code: db::parse_enum(problem["code"].as_str()?),
            detail: problem["detail"].as_str().unwrap_or_default().to_owned(),
        })
    }
}

/// An upload of which nothing has been received.
#[derive(Insertable)]
#[diesel(table_name = uploads)]
pub struct NewUpload<'a> {
    pub id: &'a str,
    pub object_key: &'a str,
    pub file_name: &'a str,
    pub metadata: Option<&'a str>,
    pub length: Option<i64>,
    pub hash_state: &'a [u8],
}

fn in_hours(hours: u32) -> SqlLiteral<Timestamptz> {
    sql(&format!("now() + interval '{hours} hours'"))
}

pub async fn insert(conn: &mut AsyncPgConnection, new: &NewUpload<'_>, hours: u32) -> QueryResult<UploadRow> {
    diesel::insert_into(uploads::table)
        .values((new, uploads::expires_at.eq(in_hours(hours))))
        .returning(UploadRow::as_returning())
        .get_result(conn)
        .await
}

pub async fn get(conn: &mut AsyncPgConnection, id: &str) -> QueryResult<Option<UploadRow>> {
    db::optional(UploadRow::query().filter(uploads::id.eq(id)).first(conn).await)
}

/// The last received bytes, which are too few for a chunk. `None` if the upload is not at `offset` any more.
pub async fn tail(conn: &mut AsyncPgConnection, id: &str, offset: i64) -> QueryResult<Option<Vec<u8>>> {
    let found = uploads::table.filter(uploads::id.eq(id).and(uploads::received.eq(offset)));
    db::optional(found.select(uploads::tail).first(conn).await)
}

/// Returns the upload with a new token, and with the lock if that is free. `None` if the upload does not accept bytes at
/// `offset`.
pub async fn request_lock(conn: &mut AsyncPgConnection, id: &str, offset: i64) -> QueryResult<Option<UploadRow>> {
    let row: Option<UploadRow> = db::optional(
        diesel::update(uploads::table.find(id))
            .filter(uploads::status.eq(OPEN).and(uploads::received.eq(offset)).and(uploads::expires_at.gt(now)))
            .set((
                uploads::lock_token.eq(uploads::lock_token + 1),
                uploads::lock_owner.eq(sql::<Nullable<BigInt>>("coalesce(lock_owner, lock_token + 1)")),
            ))
            .returning(UploadRow::as_returning())
            .get_result(conn)
            .await,
    )?;
    if let Some(row) = &row
        && row.lock_owner != Some(row.lock_token)
    {
        events::upload_contended(conn, id).await?;
    }
    Ok(row)
}

/// Makes the request with the newest token the lock owner in place of any other. `None` if there is a newer token, or the offset has
/// changed.
pub async fn take_over_lock(
    conn: &mut AsyncPgConnection,
    id: &str,
    token: i64,
    offset: i64,
) -> QueryResult<Option<UploadRow>> {
    let unchanged = uploads::lock_token.eq(token).and(uploads::received.eq(offset)).and(uploads::status.eq(OPEN));
    db::optional(
        diesel::update(uploads::table.find(id))
            .filter(unchanged)
            .set(uploads::lock_owner.eq(token))
            .returning(UploadRow::as_returning())
            .get_result(conn)
            .await,
    )
}

/// Asks the lock owner to stop. Returns the owner, if there is one.
pub async fn preempt_lock(conn: &mut AsyncPgConnection, id: &str) -> QueryResult<Option<i64>> {
    let owner: Option<Option<i64>> = db::optional(
        diesel::update(uploads::table.find(id))
            .filter(uploads::lock_owner.is_not_null())
            .set(uploads::lock_token.eq(uploads::lock_token + 1))
            .returning(uploads::lock_owner)
            .get_result(conn)
            .await,
    )?;
    if owner.is_some() {
        events::upload_contended(conn, id).await?;
    }
    Ok(owner.flatten())
}

/// Releases the lock if `owner` has it, and notifies the requests that wait for it.
pub async fn release_lock(conn: &mut AsyncPgConnection, id: &str, owner: i64) -> QueryResult<()> {
    let newest: Option<i64> = db::optional(
        diesel::update(uploads::table.find(id))
            .filter(uploads::lock_owner.eq(owner))
            .set(uploads::lock_owner.eq(None::<i64>))
            .returning(uploads::lock_token)
            .get_result(conn)
            .await,
    )?;
    if newest.is_some_and(|newest| newest != owner) {
        events::upload_contended(conn, id).await?;
    }
    Ok(())
}

/// The state that a writer has reached.
#[derive(Debug, Clone)]
pub struct Progress {
    pub received: i64,
    /// Known since the upload was created, or since this request.
    pub length: Option<i64>,
    /// The received bytes that are in no chunk.
    pub tail: Vec<u8>,
    pub hash_state: Vec<u8>,
    pub format: Option<serde_json::Value>,
}

/// Advances the offset from `from`. `None` if it is another by now.
pub async fn advance(
    conn: &mut AsyncPgConnection,
    id: &str,
    from: i64,
    to: &Progress,
    hours: u32,
) -> QueryResult<Option<UploadRow>> {
    db::optional(
        diesel::update(uploads::table.find(id))
            .filter(uploads::status.eq(OPEN).and(uploads::received.eq(from)))
            .set((
                uploads::received.eq(to.received),
                uploads::length.eq(to.length),
                uploads::tail.eq(&to.tail),
                uploads::hash_state.eq(&to.hash_state),
                uploads::format.eq(&to.format),
                uploads::expires_at.eq(in_hours(hours)),
            ))
            .returning(UploadRow::as_returning())
            .get_result(conn)
            .await,
    )
}

/// Locks the row of an upload that is at `from` until the caller commits. Returns `false` if it is at another offset by now.
pub async fn lock_row(conn: &mut AsyncPgConnection, id: &str, from: i64) -> QueryResult<bool> {
    let at = uploads::id.eq(id).and(uploads::status.eq(OPEN)).and(uploads::received.eq(from));
    let locked: Option<String> =
        db::optional(uploads::table.filter(at).select(uploads::id).for_no_key_update().first(conn).await)?;
    Ok(locked.is_some())
}

/// Completes an upload whose row the caller has locked: from now on, the import owns the file.
pub async fn complete(conn: &mut AsyncPgConnection, id: &str, to: &Progress, import_id: i64) -> QueryResult<UploadRow> {
    diesel::update(uploads::table.find(id))
        .set((
            uploads::received.eq(to.received),
            uploads::length.eq(to.length),
            uploads::tail.eq(Vec::<u8>::new()),
            uploads::hash_state.eq(&to.hash_state),
            uploads::format.eq(&to.format),
            uploads::status.eq("completed"),
            uploads::lock_owner.eq(None::<i64>),
            uploads::import_id.eq(import_id),
        ))
        .returning(UploadRow::as_returning())
        .get_result(conn)
        .await
}

/// Ends an upload whose file cannot be imported, and releases the file. Returns `false` if it is not at `from` any more.
pub async fn fail(conn: &mut AsyncPgConnection, id: &str, from: i64, problem: &FileError) -> QueryResult<bool> {
    let problem = serde_json::json!({ "code": problem.code, "detail": problem.detail });
    conn.transaction(async |conn| {
        let failed: Option<String> = db::optional(
            diesel::update(uploads::table.find(id))
                .filter(uploads::status.eq(OPEN).and(uploads::received.eq(from)))
                .set((
                    uploads::status.eq("failed"),
                    uploads::problem.eq(problem),
                    uploads::tail.eq(Vec::<u8>::new()),
                    uploads::lock_owner.eq(None::<i64>),
                ))
                .returning(uploads::object_key)
                .get_result(conn)
                .await,
        )?;
        storage::release(conn, failed.as_slice()).await?;
        Ok(failed.is_some())
    })
    .await
}

/// Lets an upload expire whose stored bytes are lost: its client has to create a new one.
pub async fn expire_now(conn: &mut AsyncPgConnection, id: &str) -> QueryResult<()> {
    let open = uploads::table.find(id).filter(uploads::status.eq(OPEN));
    diesel::update(open).set(uploads::expires_at.eq(now)).execute(conn).await.map(drop)
}

/// Deletes an upload, and its file unless that belongs to an import. Returns `false` if there is no such upload.
pub async fn delete(conn: &mut AsyncPgConnection, id: &str) -> QueryResult<bool> {
    let deleted = conn.transaction(async |conn| delete_all(conn, &[id.to_owned()]).await).await?;
    events::upload_contended(conn, id).await?;
    Ok(deleted == 1)
}

/// Deletes at most `limit` uploads that expired `gone_minutes` ago; until then, they are gone rather than unknown. Returns
/// their number.
pub async fn delete_expired(conn: &mut AsyncPgConnection, gone_minutes: u32, limit: i64) -> QueryResult<usize> {
    conn.transaction(async |conn| {
        let expired = sql::<Timestamptz>(&format!("now() - interval '{gone_minutes} minutes'"));
        let ids: Vec<String> = uploads::table
            .filter(uploads::expires_at.lt(expired))
            .order(uploads::expires_at)
            .limit(limit)
            .select(uploads::id)
            // Another process may be deleting them as well.
            .for_update()
            .skip_locked()
            .load(conn)
            .await?;
        delete_all(conn, &ids).await
    })
    .await
}

async fn delete_all(conn: &mut AsyncPgConnection, ids: &[String]) -> QueryResult<usize> {
    let deleted: Vec<(String, String)> = diesel::delete(uploads::table.filter(uploads::id.eq_any(ids)))
        .returning((uploads::object_key, uploads::status))
        .get_results(conn)
        .await?;
    let owned = deleted.iter().filter(|(_, status)| status == OPEN).map(|(key, _)| key.clone());
    storage::release(conn, &owned.collect::<Vec<_>>()).await?;
    Ok(deleted.len())
}
