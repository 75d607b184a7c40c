//! Rows of `stored_files`: which files are in storage, who owns them, and how much room they take.
//!
//! A row is written before the first byte of its file. While `remove_at` is NULL, an upload or an import owns the file. A
//! writer without an upload owns it until `remove_at`, and renews that while it is alive. An owner releases the file in the
//! transaction in which it ends itself; so no file is left behind when a process dies.

use std::time::Duration;

use diesel::{
    dsl::{now, sql},
    expression::SqlLiteral,
    prelude::*,
    sql_types::{BigInt, Nullable, Timestamptz},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use crate::{config::Config, schema::stored_files};

/// Serializes reservations, so that two of them cannot use the same space. Any number that no other lock has.
const QUOTA_LOCK: i64 = 0x5704_A6E5;

/// Maximum bytes of files in storage: unfinished uploads, and files of imports until they are removed.
#[derive(Debug, Clone, Copy)]
pub struct Quotas {
    pub per_user: u64,
    pub total: u64,
}

impl Quotas {
    pub fn of(config: &Config) -> Self {
        Self { per_user: config.storage_quota_per_user_bytes, total: config.storage_quota_bytes }
    }
}

/// Why no room can be reserved for a file.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    #[error(
        "your files take {used} of the {quota} bytes that each user may store, and {wanted} more do not fit; cancel unfinished uploads, or wait until the files of older imports are removed"
    )]
    UserQuota { used: i64, quota: u64, wanted: i64 },
    #[error(
        "all files together take {used} of the {quota} bytes that may be stored, and {wanted} more do not fit; wait until the files of older imports are removed, or ask the operator to raise STORAGE_QUOTA_BYTES"
    )]
    TotalQuota { used: i64, quota: u64, wanted: i64 },
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
}

/// A file that is about to be written.
#[derive(Debug, Insertable)]
#[diesel(table_name = stored_files)]
pub struct StoredFile<'a> {
    /// Of its manifest, see [`super::new_object_key`].
    pub object_key: &'a str,
    /// `None` in open mode, which counts as one user.
    pub user_id: Option<i64>,
    /// As far as its size is known, in bytes.
    pub bytes: i64,
}

/// Records a file before its first byte. With a `lease`, the file is removed after that time unless it is renewed or
/// claimed; without one, the caller makes an owner in the same transaction.
///
/// # Errors
/// When the file does not fit into the quotas.
pub async fn reserve(
    conn: &mut AsyncPgConnection,
    file: &StoredFile<'_>,
    lease: Option<Duration>,
    quotas: Quotas,
) -> Result<(), ReserveError> {
    conn.transaction(async |conn| {
        check_quotas(conn, file.user_id, file.bytes, quotas).await?;
        diesel::insert_into(stored_files::table)
            .values((file, lease.map(|lease| stored_files::remove_at.eq(after(lease).nullable()))))
            .execute(conn)
            .await?;
        Ok(())
    })
    .await
}

/// Reserves room for a file that turned out to have at least `bytes`.
///
/// # Errors
/// When the file does not fit into the quotas.
pub async fn grow(
    conn: &mut AsyncPgConnection,
    object_key: &str,
    bytes: i64,
    quotas: Quotas,
) -> Result<(), ReserveError> {
    conn.transaction(async |conn| {
        let (user_id, reserved): (Option<i64>, i64) = stored_files::table
            .find(object_key)
            .select((stored_files::user_id, stored_files::bytes))
            .first(conn)
            .await?;
        if bytes > reserved {
            check_quotas(conn, user_id, bytes - reserved, quotas).await?;
            let file = stored_files::table.find(object_key);
            diesel::update(file).set(stored_files::bytes.eq(bytes)).execute(conn).await?;
        }
        Ok(())
    })
    .await
}

#[derive(QueryableByName)]
struct Usage {
    #[diesel(sql_type = BigInt)]
    of_user: i64,
    #[diesel(sql_type = BigInt)]
    total: i64,
}

/// Checks that `wanted` bytes more fit, and keeps other reservations waiting until the caller commits.
async fn check_quotas(
    conn: &mut AsyncPgConnection,
    user_id: Option<i64>,
    wanted: i64,
    quotas: Quotas,
) -> Result<(), ReserveError> {
    diesel::sql_query("SELECT pg_advisory_xact_lock($1)").bind::<BigInt, _>(QUOTA_LOCK).execute(conn).await?;
    let usage: Usage = diesel::sql_query(
        "SELECT coalesce(sum(bytes), 0)::bigint AS total, \
             coalesce(sum(bytes) FILTER (WHERE user_id IS NOT DISTINCT FROM $1), 0)::bigint AS of_user \
         FROM stored_files",
    )
    .bind::<Nullable<BigInt>, _>(user_id)
    .get_result(conn)
    .await?;
    let fits = |used: i64, quota: u64| used.saturating_add(wanted) <= i64::try_from(quota).unwrap_or(i64::MAX);
    if !fits(usage.of_user, quotas.per_user) {
        return Err(ReserveError::UserQuota { used: usage.of_user, quota: quotas.per_user, wanted });
    }
    if !fits(usage.total, quotas.total) {
        return Err(ReserveError::TotalQuota { used: usage.total, quota: quotas.total, wanted });
    }
    Ok(())
}

/// Keeps a file for `lease` from now on, for a writer that is alive.
pub async fn renew(conn: &mut AsyncPgConnection, object_key: &str, lease: Duration) -> QueryResult<()> {
    let file = stored_files::table.find(object_key).filter(stored_files::remove_at.gt(now));
    diesel::update(file).set(stored_files::remove_at.eq(after(lease).nullable())).execute(conn).await.map(drop)
}

/// Makes the caller's transaction the owner of a file that was written under a lease, and corrects its size. Returns `false`
/// if the lease is over, and the file may already be gone.
pub async fn claim(conn: &mut AsyncPgConnection, object_key: &str, bytes: i64) -> QueryResult<bool> {
    let file = stored_files::table.find(object_key).filter(stored_files::remove_at.gt(now));
    let no_removal = stored_files::remove_at.eq(None::<chrono::DateTime<chrono::Utc>>);
    let claimed = diesel::update(file).set((no_removal, stored_files::bytes.eq(bytes))).execute(conn).await?;
    Ok(claimed == 1)
}

/// Ends the ownership of files: they are removed from storage soon.
pub async fn release(conn: &mut AsyncPgConnection, object_keys: &[String]) -> QueryResult<()> {
    let files = stored_files::table.filter(stored_files::object_key.eq_any(object_keys));
    diesel::update(files).set(stored_files::remove_at.eq(now)).execute(conn).await.map(drop)
}

/// Takes at most `limit` files that are due to be removed, after `after` in the order of their keys. From then on, no writer
/// can claim them.
pub(super) async fn take_due(conn: &mut AsyncPgConnection, after: &str, limit: i64) -> QueryResult<Vec<String>> {
    conn.transaction(async |conn| {
        let keys: Vec<String> = stored_files::table
            .filter(stored_files::remove_at.le(now).and(stored_files::object_key.gt(after)))
            .order(stored_files::object_key)
            .limit(limit)
            .select(stored_files::object_key)
            // Waits for a claim that is being committed, and then finds that the file is not due.
            .for_update()
            .load(conn)
            .await?;
        diesel::update(stored_files::table.filter(stored_files::object_key.eq_any(&keys)))
            .set(stored_files::remove_at.eq(sql::<Nullable<Timestamptz>>("'-infinity'")))
            .execute(conn)
            .await?;
        Ok(keys)
    })
    .await
}

/// Deletes the rows of files whose last object is removed.
pub(super) async fn delete(conn: &mut AsyncPgConnection, object_keys: &[String]) -> QueryResult<()> {
    let files = stored_files::table.filter(stored_files::object_key.eq_any(object_keys));
    diesel::delete(files).execute(conn).await.map(drop)
}

/// Those of `object_keys` that have no row.
pub(super) async fn unknown(conn: &mut AsyncPgConnection, object_keys: Vec<String>) -> QueryResult<Vec<String>> {
    let known: Vec<String> = stored_files::table
        .filter(stored_files::object_key.eq_any(&object_keys))
        .select(stored_files::object_key)
        .load(conn)
        .await?;
    Ok(object_keys.into_iter().filter(|key| !known.contains(key)).collect())
}

/// Releases files older than `grace` that neither an open upload nor an import owns. Returns their
/// number.
pub(super) async fn release_ownerless(conn: &mut AsyncPgConnection, grace: Duration) -> QueryResult<usize> {
    let seconds = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
    diesel::sql_query(
        "UPDATE stored_files SET remove_at = now() \
         WHERE remove_at IS NULL AND created_at < now() - make_interval(secs => $1) \
         AND NOT EXISTS (SELECT FROM uploads WHERE uploads.object_key = stored_files.object_key AND status = 'open') \
         AND NOT EXISTS (SELECT FROM imports WHERE imports.object_key = stored_files.object_key AND file_removed_at IS NULL)",
    )
    .bind::<BigInt, _>(seconds)
    .execute(conn)
    .await
}

fn after(lease: Duration) -> SqlLiteral<Timestamptz> {
    sql(&format!("now() + interval '{} seconds'", lease.as_secs()))
}
