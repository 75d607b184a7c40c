//! Progress of a running import. Its heartbeat sums the partitions a few times per second, publishes the figures, renews
//! the lease as long as there is progress, and checks for a request to cancel. If it falls silent, the page says so, and
//! after the lease another worker claims the import.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use shared::{event::EventKind, import::ImportPhase};
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    imports::{
        claim::Claim,
        fetch,
        file_writer::Stored,
        finish::sum_partitions,
        queries::{self, ImportRow},
    },
    jobs::{JobError, lease},
    schema::imports,
    storage,
};

/// Pause between two ticks; at most four events per second.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(280);
/// An event is published at least this often, even if nothing changed.
const ALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// Time without progress, beyond the limit of one batch, after which a worker abandons the import.
const STALL_MARGIN: Duration = Duration::from_secs(10);

/// Shared by the work on an import and its heartbeat.
#[derive(Default)]
pub struct Signals {
    /// Bytes of the file that the scan has read.
    pub bytes_scanned: AtomicU64,
    /// Grows while the file is verified and loaded: with what is read, and with each batch that is committed.
    pub load_steps: AtomicU64,
    pub fetch: fetch::Progress,
    /// Cancellation was requested.
    pub cancelled: AtomicBool,
}

impl Signals {
    /// Grows whenever anything is done.
    fn activity(&self) -> u64 {
        [&self.bytes_scanned, &self.load_steps, &self.fetch.bytes].map(|count| count.load(Relaxed)).iter().sum()
    }

    fn bytes(&self) -> Bytes {
        let number = |bytes: &AtomicU64| i64::try_from(bytes.load(Relaxed)).unwrap_or(i64::MAX);
        let announced = number(&self.fetch.announced);
        Bytes {
            scanned: number(&self.bytes_scanned),
            fetched: number(&self.fetch.bytes),
            announced: (announced > 0).then_some(announced),
        }
    }
}

/// Bytes of the file, as its worker knows them.
#[derive(Debug, Clone, Copy)]
struct Bytes {
    scanned: i64,
    fetched: i64,
    /// Size of the file that is fetched, if its server announced it.
    announced: Option<i64>,
}

/// Runs until it is dropped. Errors of the database are retried: only the lease ends a claim.
///
/// # Errors
/// [`JobError::Fenced`] when the claim is lost, [`JobError::Stalled`] when nothing has moved for longer than a batch may
/// take. The lease is not renewed after that.
pub async fn beat(
    app: &App,
    claim: &Claim,
    signals: &Signals,
    stop: &CancellationToken,
) -> Result<Infallible, JobError> {
    let stall_timeout = app.config.import_batch_timeout() + STALL_MARGIN;
    let mut published_at = Instant::now();
    let (mut activity, mut active_at) = (signals.activity(), Instant::now());
    loop {
        // Counted from the end of the last tick, however long that took: the next event is never early.
        tokio::time::sleep(HEARTBEAT_INTERVAL).await;
        if signals.activity() != activity {
            (activity, active_at) = (signals.activity(), Instant::now());
        }
        if active_at.elapsed() > stall_timeout {
            return Err(JobError::Stalled(active_at.elapsed()));
        }
        let alive_is_due = published_at.elapsed() >= ALIVE_INTERVAL;
        let bytes = signals.bytes();
        let ticked = lease::with_connection(&app.pool, lease::TRANSACTION_TIMEOUT, async |conn| {
            tick(conn, claim, bytes, alive_is_due).await
        });
        match ticked.await {
            Ok((import, published)) => {
                if published {
                    published_at = Instant::now();
                }
                if import.cancel_requested {
                    signals.cancelled.store(true, Relaxed);
                    stop.cancel();
                }
            }
            Err(JobError::Fenced) => return Err(JobError::Fenced),
            Err(error) => {
                let id = claim.import.id;
                tracing::warn!(import.id = id, "Import {id}: progress was not recorded, retrying: {error}");
            }
        }
    }
}

/// Renews the lease and updates the figures; publishes them if they changed or if `alive_is_due`. Returns the import, and
/// whether an event was published.
async fn tick(
    conn: &mut AsyncPgConnection,
    claim: &Claim,
    bytes: Bytes,
    alive_is_due: bool,
) -> Result<(ImportRow, bool), JobError> {
    let id = claim.import.id;
    conn.transaction(async |conn| {
        lease::limit_transaction(conn, claim.lease.duration).await?;
        claim.lease.lock(conn).await?;
        let before = queries::get(conn, id).await?.ok_or(JobError::Fenced)?;
        sum_partitions(conn, id).await?;
        diesel::update(imports::table.find(id)).set(imports::bytes_scanned.eq(bytes.scanned)).execute(conn).await?;
        if before.phase() == Some(ImportPhase::Fetch) {
            diesel::update(imports::table.find(id))
                .set((imports::bytes_fetched.eq(bytes.fetched), imports::size_bytes.eq(bytes.announced)))
                .execute(conn)
                .await?;
        }
        let after = queries::get(conn, id).await?.ok_or(JobError::Fenced)?;
        let bytes_moved = (after.bytes_scanned, after.bytes_fetched) != (before.bytes_scanned, before.bytes_fetched);
        let rows_moved = after.counts() != before.counts();
        claim.lease.renew(conn, rows_moved).await?;
        if rows_moved || bytes_moved || alive_is_due {
            return Ok((queries::publish(conn, id, EventKind::Progress).await?, true));
        }
        Ok((after, false))
    })
    .await
}

/// Records that the file is fetched; from here on the import is like one that was uploaded.
pub async fn fetched(conn: &mut AsyncPgConnection, claim: &Claim, stored: &Stored) -> Result<ImportRow, JobError> {
    let id = claim.import.id;
    let format = serde_json::to_value(&stored.format)
        .map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    conn.transaction(async |conn| {
        lease::limit_transaction(conn, claim.lease.duration).await?;
        claim.lease.lock(conn).await?;
        if !storage::claim(conn, &stored.object_key, stored.size_bytes).await? {
            // It was written too slowly, and may be removed by now: it is fetched again.
            return Err(diesel::result::Error::NotFound.into());
        }
        let source = claim.import.source_url.as_deref().map(queries::without_query);
        diesel::update(imports::table.find(id))
            .set((
                imports::object_key.eq(&stored.object_key),
                imports::size_bytes.eq(stored.size_bytes),
                imports::bytes_fetched.eq(stored.size_bytes),
                imports::sha256.eq(&stored.sha256),
                imports::format.eq(format),
                imports::source_url.eq(source),
                imports::phase.eq(ImportPhase::Scan.as_str()),
            ))
            .execute(conn)
            .await?;
        claim.lease.renew(conn, true).await?;
        Ok(queries::publish(conn, id, EventKind::Fetched).await?)
    })
    .await
}

/// Records the result of the scan.
pub async fn scanned(conn: &mut AsyncPgConnection, claim: &Claim, rows: i64) -> Result<(), JobError> {
    let id = claim.import.id;
    conn.transaction(async |conn| {
        lease::limit_transaction(conn, claim.lease.duration).await?;
        claim.lease.lock(conn).await?;
        diesel::update(imports::table.find(id))
            .set((
                imports::rows_total.eq(rows),
                imports::bytes_scanned.eq(diesel::dsl::sql("coalesce(size_bytes, 0)")),
                imports::phase.eq(ImportPhase::Load.as_str()),
            ))
            .execute(conn)
            .await?;
        if claim.import.rows_total.is_none() {
            queries::publish(conn, id, EventKind::Scanned).await?;
        }
        Ok(())
    })
    .await
}
