//! Rows of uploads.
//!
//! The offset is the truth about an upload. [`keep`] moves it from exactly the value that the writer began at, or not at
//! all; so of two writers that began at the same offset, one wins and the other finds nothing to update.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::{now, sql},
    expression::SqlLiteral,
    prelude::*,
    sql_types::{BigInt, Integer, Nullable, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::detect::FileProblem;

use crate::{db, events, schema::uploads};

const OPEN: &str = "open";

/// A row of `uploads`.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = uploads)]
pub struct UploadRow {
    pub id: String,
    pub file_name: String,
    pub metadata: Option<String>,
    pub length: Option<i64>,
    pub received: i64,
    pub hash: Vec<u8>,
    pub layout: Option<serde_json::Value>,
    pub writer: i64,
    pub holder: Option<i64>,
    problem: Option<serde_json::Value>,
    pub import_id: Option<i64>,
    pub expires_at: DateTime<Utc>,
}

impl UploadRow {
    /// Why it failed, if it did.
    pub fn problem(&self) -> Option<FileProblem> {
        let problem = self.problem.as_ref()?;
        Some(FileProblem {
            code: db::word(problem["code"].as_str()?),
            detail: problem["detail"].as_str().unwrap_or_default().to_owned(),
        })
    }
}

/// An upload of which nothing has arrived.
#[derive(Insertable)]
#[diesel(table_name = uploads)]
pub struct NewUpload<'a> {
    pub id: &'a str,
    pub file_name: &'a str,
    pub metadata: Option<&'a str>,
    pub length: Option<i64>,
    pub hash: &'a [u8],
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

/// Gives a new writer its number, and the upload if nobody holds it. `None` where the upload does not take bytes at
/// `offset`.
pub async fn apply(conn: &mut AsyncPgConnection, id: &str, offset: i64) -> QueryResult<Option<UploadRow>> {
    let row: Option<UploadRow> = db::optional(
        diesel::update(uploads::table.find(id))
            .filter(uploads::status.eq(OPEN).and(uploads::received.eq(offset)).and(uploads::expires_at.gt(now)))
            .set((
                uploads::writer.eq(uploads::writer + 1),
                uploads::holder.eq(sql::<Nullable<BigInt>>("coalesce(holder, writer + 1)")),
            ))
            .returning(UploadRow::as_returning())
            .get_result(conn)
            .await,
    )?;
    if let Some(row) = &row
        && row.holder != Some(row.writer)
    {
        events::upload_contended(conn, id).await?;
    }
    Ok(row)
}

/// Gives the upload to the newest writer, whoever held it. `None` where there is a newer one, or the offset has moved.
pub async fn take(conn: &mut AsyncPgConnection, id: &str, writer: i64, offset: i64) -> QueryResult<Option<UploadRow>> {
    let still_so = uploads::writer.eq(writer).and(uploads::received.eq(offset)).and(uploads::status.eq(OPEN));
    db::optional(
        diesel::update(uploads::table.find(id))
            .filter(still_so)
            .set(uploads::holder.eq(writer))
            .returning(UploadRow::as_returning())
            .get_result(conn)
            .await,
    )
}

/// Asks whoever holds the upload to make an end. Gives the holder, if there is one.
pub async fn interrupt(conn: &mut AsyncPgConnection, id: &str) -> QueryResult<Option<i64>> {
    let holder: Option<Option<i64>> = db::optional(
        diesel::update(uploads::table.find(id))
            .filter(uploads::holder.is_not_null())
            .set(uploads::writer.eq(uploads::writer + 1))
            .returning(uploads::holder)
            .get_result(conn)
            .await,
    )?;
    if holder.is_some() {
        events::upload_contended(conn, id).await?;
    }
    Ok(holder.flatten())
}

/// Lets go of the upload, and tells who waits for that.
pub async fn release(conn: &mut AsyncPgConnection, id: &str, holder: i64) -> QueryResult<()> {
    let writer: Option<i64> = db::optional(
        diesel::update(uploads::table.find(id))
            .filter(uploads::holder.eq(holder))
            .set(uploads::holder.eq(None::<i64>))
            .returning(uploads::writer)
            .get_result(conn)
            .await,
    )?;
    if writer.is_some_and(|writer| writer != holder) {
        events::upload_contended(conn, id).await?;
    }
    Ok(())
}

/// How far a writer is.
#[derive(Debug, Clone)]
pub struct Progress {
    pub received: i64,
    /// Known since the upload was begun, or since this request said it.
    pub length: Option<i64>,
    pub hash: Vec<u8>,
    pub layout: Option<serde_json::Value>,
}

/// Moves the offset from `from`. `None` if it is not there any more.
pub async fn keep(
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
                uploads::hash.eq(&to.hash),
                uploads::layout.eq(&to.layout),
                uploads::expires_at.eq(in_hours(hours)),
            ))
            .returning(UploadRow::as_returning())
            .get_result(conn)
            .await,
    )
}

/// Keeps others from an upload that is at `from` until the caller commits. False if it is not there any more.
pub async fn lock(conn: &mut AsyncPgConnection, id: &str, from: i64) -> QueryResult<bool> {
    let at = uploads::id.eq(id).and(uploads::status.eq(OPEN)).and(uploads::received.eq(from));
    let locked: Option<String> =
        db::optional(uploads::table.filter(at).select(uploads::id).for_no_key_update().first(conn).await)?;
    Ok(locked.is_some())
}

/// Ends an upload that the caller has locked: it has become an import.
pub async fn complete(conn: &mut AsyncPgConnection, id: &str, to: &Progress, import_id: i64) -> QueryResult<UploadRow> {
    diesel::update(uploads::table.find(id))
        .set((
            uploads::received.eq(to.received),
            uploads::length.eq(to.length),
            uploads::hash.eq(&to.hash),
            uploads::layout.eq(&to.layout),
            uploads::status.eq("completed"),
            uploads::holder.eq(None::<i64>),
            uploads::import_id.eq(import_id),
        ))
        .returning(UploadRow::as_returning())
        .get_result(conn)
        .await
}

/// Ends an upload whose file cannot be imported. False if it is not at `from` any more.
pub async fn fail(conn: &mut AsyncPgConnection, id: &str, from: i64, problem: &FileProblem) -> QueryResult<bool> {
    let problem = serde_json::json!({ "code": problem.code, "detail": problem.detail });
    let updated = diesel::update(uploads::table.find(id))
        .filter(uploads::status.eq(OPEN).and(uploads::received.eq(from)))
        .set((uploads::status.eq("failed"), uploads::problem.eq(problem), uploads::holder.eq(None::<i64>)))
        .execute(conn)
        .await?;
    Ok(updated == 1)
}

/// Forgets an upload; its blocks become litter. False if there is none.
pub async fn delete(conn: &mut AsyncPgConnection, id: &str) -> QueryResult<bool> {
    let deleted = diesel::delete(uploads::table.find(id)).execute(conn).await?;
    events::upload_contended(conn, id).await?;
    Ok(deleted == 1)
}

/// Forgets some uploads that expired `kept_minutes` ago; they are gone, not unknown, until then. Gives how many.
pub async fn forget_expired(conn: &mut AsyncPgConnection, kept_minutes: i32, limit: i64) -> QueryResult<usize> {
    diesel::sql_query(
        "DELETE FROM uploads WHERE id IN ( \
             SELECT id FROM uploads WHERE expires_at < now() - make_interval(mins => $1) ORDER BY expires_at LIMIT $2)",
    )
    .bind::<Integer, _>(kept_minutes)
    .bind::<BigInt, _>(limit)
    .execute(conn)
    .await
}
