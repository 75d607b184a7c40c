//! Work that only one process of the installation does at a time.

use std::{pin::pin, time::Duration};

use diesel::sql_types::{BigInt, Bool};
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::time::timeout;

use crate::db::Pool;

/// How often the lock's session shows that its process still runs: less than the time after which an idle transaction ends.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);

#[derive(diesel::QueryableByName)]
struct Locked {
    #[diesel(sql_type = Bool)]
    is_locked: bool,
}

/// Awaits `work` while this process holds the advisory lock `lock`. Returns `None`, without starting `work`, if another
/// process holds it.
///
/// The lock belongs to a transaction that only sends heartbeats while `work` runs on connections of its own. If this host
/// freezes or loses its network, PostgreSQL ends that transaction, and another process takes over; if this process then
/// comes back, `work` is dropped at its next heartbeat.
///
/// # Errors
/// Those of `work`, and when the database does not answer.
pub async fn with_advisory_lock<T: Send>(
    pool: &Pool,
    lock: i64,
    work: impl Future<Output = anyhow::Result<T>> + Send,
) -> anyhow::Result<Option<T>> {
    let mut conn = pool.get().await?;
    conn.transaction(async |conn| {
        let query = diesel::sql_query("SELECT pg_try_advisory_xact_lock($1) AS is_locked");
        let Locked { is_locked } = query.bind::<BigInt, _>(lock).get_result(conn).await?;
        if !is_locked {
            return Ok(None);
        }
        let mut work = pin!(work);
        loop {
            match timeout(HEARTBEAT_INTERVAL, &mut work).await {
                Ok(result) => return result.map(Some),
                Err(_) => conn.batch_execute("SELECT 1").await?,
            }
        }
    })
    .await
}
