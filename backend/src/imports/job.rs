//! An import as a job: who holds it, how far it is, how it ends. Each function is one transaction.
//!
//! The row is the truth. Whoever holds an import has the highest `epoch`; every write of a holder names its epoch, so a
//! worker that was thought dead and wakes up again cannot write any more. The lease (`wake_at`) only says when others
//! may try.

use std::time::Duration;

use diesel::{
    dsl::{now, sql},
    expression::SqlLiteral,
    prelude::*,
    sql_types::{BigInt, Timestamptz},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::{
    event::EventKind,
    import::{Import, ImportPhase, ImportStatus},
    webhook::WebhookEvent,
};

use crate::{
    db,
    imports::{
        intake::Stored,
        queries::{self, ImportRow},
    },
    schema::{import_lanes, imports},
    telemetry::metrics,
    webhooks,
};

/// Times that an import is taken without making progress before it is given up: its file kills workers.
pub const MAX_ATTEMPTS: i32 = 5;

/// How long the sweep waits before it rings again for the same import, in seconds.
const RING_AGAIN_SECONDS: u32 = 10;

/// The right to work on an import until the lease ends or somebody takes it over.
#[derive(Debug, Clone)]
pub struct Claim {
    pub import: ImportRow,
    /// Checkpoint of each lane: every row of the lane up to this row number is dealt with.
    pub rows_done: Vec<i64>,
    lease: Duration,
}

impl Claim {
    /// The same claim, with what its row is now.
    pub fn with(&self, import: ImportRow) -> Self {
        Self { import, ..self.clone() }
    }

    /// Called first in each transaction of a claim. A worker that freezes in the middle of one would keep its locks for
    /// as long as its connection lasts, and who wants to take over would wait for them: the database ends its session
    /// when the lease is over.
    pub async fn bound(&self, conn: &mut AsyncPgConnection) -> QueryResult<()> {
        bound(conn, self.lease).await
    }
}

async fn bound(conn: &mut AsyncPgConnection, lease: Duration) -> QueryResult<()> {
    conn.batch_execute(&format!("SET LOCAL idle_in_transaction_session_timeout = {}", lease.as_millis())).await
}

/// Where the work on a claim went wrong for a reason that is not its own.
#[derive(Debug, thiserror::Error)]
#[error("another worker has taken over")]
pub struct Fenced;

fn after_now(delay: Duration) -> SqlLiteral<Timestamptz> {
    sql(&format!("now() + interval '{} milliseconds'", delay.as_millis()))
}

/// Takes the import. `None` where there is nothing to do: it has ended, is held by another worker, or was cancelled or
/// given up just now.
pub async fn claim(conn: &mut AsyncPgConnection, id: i64, lanes: u16, lease: Duration) -> QueryResult<Option<Claim>> {
    let mut ended = None;
    let result: QueryResult<_> = conn.transaction(async |conn| {
        bound(conn, lease).await?;
        let due = imports::status
            .eq_any([ImportStatus::Queued.as_str(), ImportStatus::Running.as_str()])
            .and(imports::wake_at.le(now));
        let found = ImportRow::query().filter(imports::id.eq(id)).filter(due).for_no_key_update().first(conn).await;
        let Some(row) = db::optional(found)? else {
            return Ok(None);
        };
        if row.cancel_requested {
            ended = Some(end(conn, id, EventKind::Cancelled, None).await?);
            return Ok(None);
        }
        if row.attempts >= MAX_ATTEMPTS {
            let reason = format!(
                "The worker died {MAX_ATTEMPTS} times without getting past row {}. Look at the rows after it, or import the file in parts.",
                row.counts().read
            );
            ended = Some(end(conn, id, EventKind::Failed, Some(&reason)).await?);
            return Ok(None);
        }
        // The survey is made again, quickly; it is shown only where its result is not known yet.
        let phase = match row.rows_total {
            _ if !row.is_fetched() => ImportPhase::Fetch,
            None => ImportPhase::Survey,
            Some(_) => ImportPhase::Load,
        };
        let epoch: i64 = diesel::update(imports::table.find(id))
            .set((
                imports::status.eq(ImportStatus::Running.as_str()),
                imports::phase.eq(phase.as_str()),
                imports::epoch.eq(imports::epoch + 1),
                imports::attempts.eq(imports::attempts + 1),
                imports::wake_at.eq(after_now(lease)),
                imports::started_at.eq(sql("coalesce(started_at, now())")),
                imports::error.eq(None::<String>),
            ))
            .returning(imports::epoch)
            .get_result(conn)
            .await?;
        let kind = if row.started_at.is_none() { EventKind::Started } else { EventKind::Resumed };
        let rows_done = take_lanes(conn, id, epoch, lanes).await?;
        let import = queries::publish(conn, id, kind).await?;
        Ok(Some(Claim { import, rows_done, lease }))
    })
    .await;
    count(ended.filter(|_| result.is_ok()));
    result
}

/// Puts the new epoch on the lanes, which waits for a batch that is being committed and shuts out all later ones.
async fn take_lanes(conn: &mut AsyncPgConnection, id: i64, epoch: i64, lanes: u16) -> QueryResult<Vec<i64>> {
    let mut held: Vec<(i32, i64)> = diesel::update(import_lanes::table.filter(import_lanes::import_id.eq(id)))
        .set(import_lanes::epoch.eq(epoch))
        .returning((import_lanes::lane, import_lanes::rows_done))
        .get_results(conn)
        .await?;
    if held.is_empty() {
        let new: Vec<_> = (0..i32::from(lanes))
            .map(|lane| (import_lanes::import_id.eq(id), import_lanes::lane.eq(lane), import_lanes::epoch.eq(epoch)))
            .collect();
        held = diesel::insert_into(import_lanes::table)
            .values(new)
            .returning((import_lanes::lane, import_lanes::rows_done))
            .get_results(conn)
            .await?;
    }
    held.sort_unstable();
    Ok(held.into_iter().map(|(_, rows_done)| rows_done).collect())
}

/// Copies the sums over the lanes to the import.
async fn sum_lanes(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    diesel::sql_query(
        "UPDATE imports SET created = lanes.created, updated = lanes.updated, unchanged = lanes.unchanged, \
             repeated = lanes.repeated, rejected = lanes.rejected, \
             rows_read = lanes.created + lanes.updated + lanes.unchanged + lanes.repeated + lanes.rejected \
         FROM (SELECT coalesce(sum(created), 0)::bigint AS created, coalesce(sum(updated), 0)::bigint AS updated, \
             coalesce(sum(unchanged), 0)::bigint AS unchanged, coalesce(sum(repeated), 0)::bigint AS repeated, \
             coalesce(sum(rejected), 0)::bigint AS rejected FROM import_lanes WHERE import_id = $1) AS lanes \
         WHERE id = $1",
    )
    .bind::<BigInt, _>(id)
    .execute(conn)
    .await
    .map(drop)
}

/// Locks the import for its holder.
async fn hold(conn: &mut AsyncPgConnection, claim: &Claim) -> QueryResult<Option<ImportRow>> {
    claim.bound(conn).await?;
    let held = imports::id
        .eq(claim.import.id)
        .and(imports::epoch.eq(claim.import.epoch))
        .and(imports::status.eq(ImportStatus::Running.as_str()));
    db::optional(ImportRow::query().filter(held).for_no_key_update().first(conn).await)
}

/// Bytes of the file, as its holder knows them.
#[derive(Debug, Clone, Copy)]
pub struct Bytes {
    pub surveyed: i64,
    pub fetched: i64,
    /// What its server says that there are; 0 if it does not.
    pub announced: i64,
}

/// Renews the lease and brings the figures up to date; publishes them if they moved or if `sign_of_life` is asked for.
/// `None` when the claim is lost.
pub async fn tick(
    conn: &mut AsyncPgConnection,
    claim: &Claim,
    bytes: Bytes,
    sign_of_life: bool,
    lease: Duration,
) -> QueryResult<Option<(ImportRow, bool)>> {
    let id = claim.import.id;
    conn.transaction(async |conn| {
        let Some(before) = hold(conn, claim).await? else {
            return Ok(None);
        };
        sum_lanes(conn, id).await?;
        let after: ImportRow = diesel::update(imports::table.find(id))
            .set((imports::wake_at.eq(after_now(lease)), imports::bytes_surveyed.eq(bytes.surveyed)))
            .returning(ImportRow::as_returning())
            .get_result(conn)
            .await?;
        let mut after = after;
        if before.phase() == Some(ImportPhase::Fetch) {
            after = diesel::update(imports::table.find(id))
                .set((imports::bytes_fetched.eq(bytes.fetched), imports::size_bytes.eq(bytes.announced)))
                .returning(ImportRow::as_returning())
                .get_result(conn)
                .await?;
        }
        let flows = (after.bytes_surveyed, after.bytes_fetched) != (before.bytes_surveyed, before.bytes_fetched);
        let moved = after.counts() != before.counts();
        if moved {
            diesel::update(imports::table.find(id)).set(imports::attempts.eq(0)).execute(conn).await?;
        }
        if moved || flows || sign_of_life {
            return Ok(Some((queries::publish(conn, id, EventKind::Progress).await?, true)));
        }
        Ok(Some((after, false)))
    })
    .await
}

/// The file is fetched; the import goes on as one that was uploaded.
pub async fn fetched(
    conn: &mut AsyncPgConnection,
    claim: &Claim,
    stored: &Stored,
) -> QueryResult<Result<ImportRow, Fenced>> {
    let id = claim.import.id;
    let layout = serde_json::to_value(&stored.layout)
        .map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    conn.transaction(async |conn| {
        let Some(row) = hold(conn, claim).await? else {
            return Ok(Err(Fenced));
        };
        let source = row.source_url.as_deref().map(queries::without_query);
        diesel::update(imports::table.find(id))
            .set((
                imports::object_key.eq(&stored.object_key),
                imports::size_bytes.eq(stored.size_bytes),
                imports::bytes_fetched.eq(stored.size_bytes),
                imports::sha256.eq(&stored.sha256),
                imports::layout.eq(layout),
                imports::source_url.eq(source),
                imports::phase.eq(ImportPhase::Survey.as_str()),
                // That was progress.
                imports::attempts.eq(1),
            ))
            .execute(conn)
            .await?;
        queries::publish(conn, id, EventKind::Fetched).await.map(Ok)
    })
    .await
}

/// The survey is through.
pub async fn surveyed(conn: &mut AsyncPgConnection, claim: &Claim, rows: i64) -> QueryResult<Result<(), Fenced>> {
    conn.transaction(async |conn| {
        let Some(row) = hold(conn, claim).await? else {
            return Ok(Err(Fenced));
        };
        let news = row.rows_total.is_none();
        diesel::update(imports::table.find(row.id))
            .set((
                imports::rows_total.eq(rows),
                imports::bytes_surveyed.eq(imports::size_bytes),
                imports::phase.eq(ImportPhase::Load.as_str()),
            ))
            .execute(conn)
            .await?;
        if news {
            queries::publish(conn, row.id, EventKind::Surveyed).await?;
        }
        Ok(Ok(()))
    })
    .await
}

/// Every row is dealt with: completes the import, if the balance sheet adds up.
pub async fn complete(conn: &mut AsyncPgConnection, claim: &Claim) -> QueryResult<Result<ImportRow, Fenced>> {
    let id = claim.import.id;
    let mut ended = None;
    let result: QueryResult<_> = conn.transaction(async |conn| {
        if hold(conn, claim).await?.is_none() {
            return Ok(Err(Fenced));
        }
        sum_lanes(conn, id).await?;
        let row = ImportRow::query().filter(imports::id.eq(id)).first(conn).await?;
        if Some(row.counts().read) == row.rows_total && row.counts().adds_up() {
            let row = end(conn, id, EventKind::Completed, None).await?;
            ended = Some(row.clone());
            return Ok(Ok(row));
        }
        let reason = format!(
            "The balance does not add up: the file has {} rows, {} are accounted for. This is a fault of the importer; please report it.",
            row.rows_total.unwrap_or_default(),
            row.counts().read
        );
        let row = end(conn, id, EventKind::Failed, Some(&reason)).await?;
        ended = Some(row.clone());
        Ok(Ok(row))
    })
    .await;
    count(ended.filter(|_| result.is_ok()));
    result
}

/// Ends a claim for good, with a final `kind`.
pub async fn finish(
    conn: &mut AsyncPgConnection,
    claim: &Claim,
    kind: EventKind,
    reason: Option<&str>,
) -> QueryResult<Result<(), Fenced>> {
    let mut ended = None;
    let result: QueryResult<_> = conn
        .transaction(async |conn| {
            if hold(conn, claim).await?.is_none() {
                return Ok(Err(Fenced));
            }
            sum_lanes(conn, claim.import.id).await?;
            ended = Some(end(conn, claim.import.id, kind, reason).await?);
            Ok(Ok(()))
        })
        .await;
    count(ended.filter(|_| result.is_ok()));
    result
}

/// Why a worker lets go of an import that is not at its end.
pub enum Pause<'reason> {
    /// Others have their turn.
    SliceOver,
    /// The worker stops.
    Shutdown,
    /// Something failed; `counts` tells whether it may be the file's fault.
    Failed { reason: &'reason str, counts: bool },
}

/// Gives the import back to the queue.
pub async fn release(
    conn: &mut AsyncPgConnection,
    claim: &Claim,
    pause: &Pause<'_>,
) -> QueryResult<Result<(), Fenced>> {
    let id = claim.import.id;
    let mut ended = None;
    let result: QueryResult<_> = conn
        .transaction(async |conn| {
            let Some(row) = hold(conn, claim).await? else {
                return Ok(Err(Fenced));
            };
            sum_lanes(conn, id).await?;
            let (delay, reason, attempts) = match pause {
                Pause::SliceOver => (Duration::ZERO, None, row.attempts),
                Pause::Shutdown => (Duration::ZERO, Some("The worker was stopped."), row.attempts - 1),
                Pause::Failed { reason, counts: true } if row.attempts >= MAX_ATTEMPTS => {
                    ended = Some(end(conn, id, EventKind::Failed, Some(reason)).await?);
                    return Ok(Ok(()));
                }
                Pause::Failed { reason, counts: true } => (back_off(row.attempts), Some(*reason), row.attempts),
                Pause::Failed { reason, counts: false } => (back_off(1), Some(*reason), row.attempts - 1),
            };
            diesel::update(imports::table.find(id))
                .set((
                    imports::wake_at.eq(after_now(delay)),
                    imports::error.eq(reason),
                    imports::attempts.eq(attempts.max(0)),
                ))
                .execute(conn)
                .await?;
            if reason.is_some() {
                queries::publish(conn, id, EventKind::Interrupted).await?;
            }
            Ok(Ok(()))
        })
        .await;
    count(ended.filter(|_| result.is_ok()));
    result
}

/// Pause before attempt `attempts + 1`: 2, 4, 8, 16 seconds.
fn back_off(attempts: i32) -> Duration {
    Duration::from_secs(1 << attempts.clamp(1, 6))
}

/// Cancels at once what no worker has, else asks the worker to. An import that has ended stays as it is.
pub async fn cancel(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<ImportRow>> {
    let mut ended = None;
    let result: QueryResult<_> = conn
        .transaction(async |conn| {
            let found = ImportRow::query().filter(imports::id.eq(id)).for_no_key_update().first(conn).await;
            let Some(row) = db::optional(found)? else {
                return Ok(None);
            };
            match row.status() {
                ImportStatus::Queued => {
                    let row = end(conn, id, EventKind::Cancelled, None).await?;
                    ended = Some(row.clone());
                    Ok(Some(row))
                }
                ImportStatus::Running if !row.cancel_requested => {
                    diesel::update(imports::table.find(id))
                        .set(imports::cancel_requested.eq(true))
                        .execute(conn)
                        .await?;
                    queries::publish(conn, id, EventKind::Cancelling).await.map(Some)
                }
                _ => Ok(Some(row)),
            }
        })
        .await;
    count(ended.filter(|_| result.is_ok()));
    result
}

/// Counts an import whose end is committed.
fn count(ended: Option<ImportRow>) {
    if let Some(row) = ended {
        metrics::import_ended(row.status());
    }
}

async fn end(conn: &mut AsyncPgConnection, id: i64, kind: EventKind, reason: Option<&str>) -> QueryResult<ImportRow> {
    let status = match kind {
        EventKind::Completed => ImportStatus::Completed,
        EventKind::Cancelled => ImportStatus::Cancelled,
        _ => ImportStatus::Failed,
    };
    diesel::update(imports::table.find(id))
        .set((
            imports::status.eq(status.as_str()),
            imports::phase.eq(None::<String>),
            imports::error.eq(reason),
            imports::finished_at.eq(now),
            // The query may hold secrets, and is not needed any more.
            imports::source_url.eq(sql("split_part(source_url, '?', 1)")),
        ))
        .execute(conn)
        .await?;
    let row = queries::publish(conn, id, kind).await?;
    let news = match kind {
        EventKind::Completed => WebhookEvent::ImportCompleted,
        EventKind::Failed => WebhookEvent::ImportFailed,
        _ => return Ok(row),
    };
    let import: Import = row.clone().into();
    let at = import.finished_at.unwrap_or_default();
    // Not rung for: nobody waits for these by the second, and the sweep sees them in the next one.
    webhooks::fan_out(conn, news, at, &[webhooks::message::import(&import)]).await?;
    Ok(row)
}

/// Imports that somebody should take: their message was lost, or their worker was. Each is named again only after
/// [`RING_AGAIN_SECONDS`].
pub async fn due(conn: &mut AsyncPgConnection) -> QueryResult<Vec<i64>> {
    let again = sql::<Timestamptz>(&format!("now() - interval '{RING_AGAIN_SECONDS} seconds'"));
    diesel::update(imports::table)
        .filter(imports::status.eq_any([ImportStatus::Queued.as_str(), ImportStatus::Running.as_str()]))
        .filter(imports::wake_at.le(now))
        .filter(imports::rung_at.is_null().or(imports::rung_at.lt(again.nullable())))
        .set(imports::rung_at.eq(now))
        .returning(imports::id)
        .get_results(conn)
        .await
}
