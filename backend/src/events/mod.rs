//! Events of imports, and notifications between processes.
//!
//! An event is a row of `import_events`. Its number is assigned by the owner of the import while it holds a lock on the row of
//! the import, so that numbers become visible in order and without a gap. `pg_notify` only says that there are new rows: a web process that
//! missed a notification finds the same rows. The code is the same for any number of processes, and a client that reconnects with the
//! last number that it received misses nothing.

mod listen;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::{prelude::*, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::{bulk::CatalogueChange, event::ImportEvent};
use tokio::sync::broadcast;

pub use listen::listen;

use crate::{db, schema::import_events};

/// The channel of `LISTEN` and `NOTIFY` for imports; the payload is the id of the import.
const IMPORTS: &str = "loadify_import";
/// For bulk jobs; the payload is the id of the job.
const JOBS: &str = "loadify_bulk_job";
/// For changes of products through the API; the payload is [`CatalogueChange`].
const CATALOGUE: &str = "loadify_catalogue";
/// For deliveries that were attempted; the payload is their ids, separated by commas.
const DELIVERIES_ATTEMPTED: &str = "loadify_attempted";
/// For deliveries that are due; the payload is the ids of some of them, separated by commas. Every web process that receives it
/// enqueues them.
pub const DELIVERIES_DUE: &str = "loadify_due";
/// For uploads whose lock is requested or released; the payload is the id of the upload.
const UPLOADS: &str = "loadify_upload";

/// Maximum ids in one notification: PostgreSQL limits the payload to 8,000 bytes.
const MAX_IDS: usize = 300;

/// The deliveries of one notification.
pub type DeliveryIds = Arc<[i64]>;

/// Maximum notifications that a subscriber may be behind. One that is further behind learns that it missed some, and polls.
const CAPACITY: usize = 1024;

/// Passes notifications of all processes on to the streams of this one.
pub struct Notifications {
    imports: broadcast::Sender<i64>,
    jobs: broadcast::Sender<i64>,
    catalogue: broadcast::Sender<CatalogueChange>,
    deliveries: broadcast::Sender<DeliveryIds>,
    uploads: broadcast::Sender<Arc<str>>,
}

impl Default for Notifications {
    fn default() -> Self {
        Self {
            imports: broadcast::channel(CAPACITY).0,
            jobs: broadcast::channel(CAPACITY).0,
            catalogue: broadcast::channel(CAPACITY).0,
            deliveries: broadcast::channel(CAPACITY).0,
            uploads: broadcast::channel(CAPACITY).0,
        }
    }
}

impl Notifications {
    /// Receives the id of each import that has a new event.
    pub fn imports(&self) -> broadcast::Receiver<i64> {
        self.imports.subscribe()
    }

    /// Receives the id of each bulk job that made progress.
    pub fn jobs(&self) -> broadcast::Receiver<i64> {
        self.jobs.subscribe()
    }

    /// Receives each change of products through the API.
    pub fn catalogue(&self) -> broadcast::Receiver<CatalogueChange> {
        self.catalogue.subscribe()
    }

    /// Receives the deliveries that were attempted.
    pub fn deliveries(&self) -> broadcast::Receiver<DeliveryIds> {
        self.deliveries.subscribe()
    }

    /// Receives the id of each upload whose lock is requested or released.
    pub fn uploads(&self) -> broadcast::Receiver<Arc<str>> {
        self.uploads.subscribe()
    }

    /// Passes a notification on to its subscribers, of which there may be none.
    fn publish(&self, channel: &str, payload: &str) {
        match channel {
            CATALOGUE => drop(serde_json::from_str(payload).map(|change| self.catalogue.send(change))),
            DELIVERIES_ATTEMPTED => drop(self.deliveries.send(parse_ids(payload).into())),
            DELIVERIES_DUE => {}
            UPLOADS => drop(self.uploads.send(payload.into())),
            JOBS => drop(payload.parse().map(|id| self.jobs.send(id))),
            _ => drop(payload.parse().map(|id| self.imports.send(id))),
        }
    }

    /// Reports that notifications may have been missed. Streams of the catalogue need that; the others poll.
    fn publish_gap(&self) {
        let _ = self.catalogue.send(CatalogueChange::uncounted(None));
    }
}

/// Waits until `receiver` brings `id`, or has missed some ids.
pub async fn wait_for(id: i64, receiver: &mut broadcast::Receiver<i64>) {
    while matches!(receiver.recv().await, Ok(other) if other != id) {}
}

/// Inserts an event and its notification; both become visible when the caller commits.
pub async fn append(conn: &mut AsyncPgConnection, import_id: i64, event: &ImportEvent) -> QueryResult<()> {
    let data = serde_json::to_value(event).map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    diesel::insert_into(import_events::table)
        .values((
            import_events::import_id.eq(import_id),
            import_events::seq.eq(event.seq),
            import_events::kind.eq(event.kind.as_str()),
            import_events::data.eq(data),
            import_events::at.eq(event.at),
        ))
        .execute(conn)
        .await?;
    notify(conn, IMPORTS, &import_id.to_string()).await
}

/// Notifies of progress of a bulk job when the caller commits.
pub async fn job_moved(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    notify(conn, JOBS, &id.to_string()).await
}

/// Notifies of changed products when the caller commits. `change` must be shorter than 8,000 bytes of JSON.
pub async fn catalogue_changed(conn: &mut AsyncPgConnection, change: &CatalogueChange) -> QueryResult<()> {
    let payload =
        serde_json::to_string(change).map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    notify(conn, CATALOGUE, &payload).await
}

/// Notifies of deliveries that were attempted when the caller commits.
pub async fn deliveries_attempted(conn: &mut AsyncPgConnection, attempted: &[i64]) -> QueryResult<()> {
    for some in attempted.chunks(MAX_IDS) {
        notify(conn, DELIVERIES_ATTEMPTED, &join_ids(some)).await?;
    }
    Ok(())
}

/// Notifies the processes that hold, or wait for, the lock of an upload when the caller commits.
pub async fn upload_contended(conn: &mut AsyncPgConnection, id: &str) -> QueryResult<()> {
    notify(conn, UPLOADS, id).await
}

fn join_ids(ids: &[i64]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn parse_ids(payload: &str) -> Vec<i64> {
    payload.split(',').filter_map(|id| id.parse().ok()).collect()
}

async fn notify(conn: &mut AsyncPgConnection, channel: &str, payload: &str) -> QueryResult<()> {
    let statement = diesel::sql_query("SELECT pg_notify($1, $2)").bind::<Text, _>(channel).bind::<Text, _>(payload);
    db::prepared(statement).execute(conn).await.map(drop)
}

/// A row of `import_events`.
#[derive(Queryable)]
pub struct StoredEvent {
    pub seq: i64,
    pub kind: String,
    pub at: DateTime<Utc>,
    /// JSON of [`ImportEvent`].
    pub data: serde_json::Value,
}

/// Returns the events after number `after`, in order, at most `limit`.
pub async fn after(
    conn: &mut AsyncPgConnection,
    import_id: i64,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<StoredEvent>> {
    import_events::table
        .filter(import_events::import_id.eq(import_id).and(import_events::seq.gt(after)))
        .select((import_events::seq, import_events::kind, import_events::at, import_events::data))
        .order(import_events::seq)
        .limit(limit)
        .load(conn)
        .await
}

/// Returns the last event of an import, if it has one.
pub async fn latest(conn: &mut AsyncPgConnection, import_id: i64) -> QueryResult<Option<StoredEvent>> {
    let last = import_events::table
        .filter(import_events::import_id.eq(import_id))
        .select((import_events::seq, import_events::kind, import_events::at, import_events::data))
        .order(import_events::seq.desc())
        .first(conn)
        .await;
    db::optional(last)
}

/// Returns the time of the database, which events use as their timestamp.
pub async fn now(conn: &mut AsyncPgConnection) -> QueryResult<DateTime<Utc>> {
    diesel::select(diesel::dsl::sql::<diesel::sql_types::Timestamptz>("clock_timestamp()")).get_result(conn).await
}
