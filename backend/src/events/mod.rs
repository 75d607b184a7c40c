//! Numbered events, kept in the database, and the news of them.
//!
//! An event is a row of `import_events`; its number is given out by the import's owner while it holds the import's row, so
//! numbers become visible in order and without a gap. `pg_notify` only says "look": a web process that missed it, or was
//! not there, finds the same rows. Hence one process or ten, the same code, and a reader that comes back with the last
//! number it saw misses nothing.

mod listen;
mod stream;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::{prelude::*, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::{bulk::CatalogueChange, event::ImportEvent};
use tokio::sync::broadcast;

pub use listen::listen;
pub use stream::{answer, news_of};

use crate::{db, schema::import_events};

/// The channel of `LISTEN` and `NOTIFY` for imports; its payload is the id of the import.
const IMPORTS: &str = "loadify_import";
/// For jobs that change many products; its payload is the id of the job.
const JOBS: &str = "loadify_bulk_job";
/// For changes of products by hand; its payload is [`CatalogueChange`].
const CATALOGUE: &str = "loadify_catalogue";
/// For deliveries that were attempted; its payload is their ids, with commas between.
const ATTEMPTED: &str = "loadify_attempted";
/// For deliveries that are to be attempted; its payload is the ids of some of them, with commas between. Every web process
/// that hears of it rings for them.
pub const DUE: &str = "loadify_due";
/// For uploads whose writer is to make an end, or has made one; its payload is the id of the upload.
const UPLOADS: &str = "loadify_upload";

/// Ids in one notification, whose text may have 8,000 bytes.
const IDS_AT_ONCE: usize = 300;

/// Deliveries of webhooks that one notification told of.
pub type DeliveryIds = Arc<[i64]>;

/// Tells the streams of this process what is new, here or in another process.
pub struct Wakeups {
    imports: broadcast::Sender<i64>,
    jobs: broadcast::Sender<i64>,
    catalogue: broadcast::Sender<CatalogueChange>,
    deliveries: broadcast::Sender<DeliveryIds>,
    uploads: broadcast::Sender<Arc<str>>,
}

impl Default for Wakeups {
    fn default() -> Self {
        // A stream that falls behind by so many is told that it did, and looks.
        Self {
            imports: broadcast::channel(1024).0,
            jobs: broadcast::channel(1024).0,
            catalogue: broadcast::channel(1024).0,
            deliveries: broadcast::channel(1024).0,
            uploads: broadcast::channel(1024).0,
        }
    }
}

impl Wakeups {
    /// Hears of every event of an import that is published from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<i64> {
        self.imports.subscribe()
    }

    /// Hears of every job that moves from now on.
    pub fn jobs(&self) -> broadcast::Receiver<i64> {
        self.jobs.subscribe()
    }

    /// Hears of every change of products by hand from now on.
    pub fn catalogue(&self) -> broadcast::Receiver<CatalogueChange> {
        self.catalogue.subscribe()
    }

    /// Hears of deliveries of webhooks that are attempted from now on.
    pub fn deliveries(&self) -> broadcast::Receiver<DeliveryIds> {
        self.deliveries.subscribe()
    }

    /// Hears of every upload whose writer is to make an end, or has made one, from now on.
    pub fn uploads(&self) -> broadcast::Receiver<Arc<str>> {
        self.uploads.subscribe()
    }

    /// Passes a notification on. Nobody listening is an ordinary state.
    fn announce(&self, channel: &str, payload: &str) {
        match channel {
            CATALOGUE => drop(serde_json::from_str(payload).map(|change| self.catalogue.send(change))),
            ATTEMPTED => drop(self.deliveries.send(ids(payload).into())),
            DUE => {}
            UPLOADS => drop(self.uploads.send(payload.into())),
            JOBS => drop(payload.parse().map(|id| self.jobs.send(id))),
            _ => drop(payload.parse().map(|id| self.imports.send(id))),
        }
    }

    /// Notifications may have been missed. The other streams poll; who watches the catalogue must be told.
    fn announce_gap(&self) {
        let _ = self.catalogue.send(CatalogueChange::uncounted(None));
    }
}

/// Writes an event and its notification; both become visible when the caller commits.
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

/// Tells that a job has moved, once the caller commits.
pub async fn job_moved(conn: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
    notify(conn, JOBS, &id.to_string()).await
}

/// Tells of changed products, once the caller commits. `change` must be short: Postgres takes less than 8,000 bytes.
pub async fn catalogue_changed(conn: &mut AsyncPgConnection, change: &CatalogueChange) -> QueryResult<()> {
    let payload =
        serde_json::to_string(change).map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    notify(conn, CATALOGUE, &payload).await
}

/// Tells the streams of deliveries that were attempted, once the caller commits.
pub async fn deliveries_attempted(conn: &mut AsyncPgConnection, attempted: &[i64]) -> QueryResult<()> {
    for some in attempted.chunks(IDS_AT_ONCE) {
        notify(conn, ATTEMPTED, &listed(some)).await?;
    }
    Ok(())
}

/// Tells who writes, or waits to write, an upload to look at it, once the caller commits.
pub async fn upload_contended(conn: &mut AsyncPgConnection, id: &str) -> QueryResult<()> {
    notify(conn, UPLOADS, id).await
}

fn listed(ids: &[i64]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn ids(payload: &str) -> Vec<i64> {
    payload.split(',').filter_map(|id| id.parse().ok()).collect()
}

async fn notify(conn: &mut AsyncPgConnection, channel: &str, payload: &str) -> QueryResult<()> {
    let statement = diesel::sql_query("SELECT pg_notify($1, $2)").bind::<Text, _>(channel).bind::<Text, _>(payload);
    db::prepared(statement).execute(conn).await.map(drop)
}

/// An event as it stands in the table.
#[derive(Queryable)]
pub struct StoredEvent {
    pub seq: i64,
    pub kind: String,
    pub at: DateTime<Utc>,
    /// JSON of [`ImportEvent`].
    pub data: serde_json::Value,
}

/// The events after number `after`, in order, at most `limit`.
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

/// The last event of an import, if it has one.
pub async fn latest(conn: &mut AsyncPgConnection, import_id: i64) -> QueryResult<Option<StoredEvent>> {
    let last = import_events::table
        .filter(import_events::import_id.eq(import_id))
        .select((import_events::seq, import_events::kind, import_events::at, import_events::data))
        .order(import_events::seq.desc())
        .first(conn)
        .await;
    db::optional(last)
}

/// The database's clock, the only one that events know.
pub async fn now(conn: &mut AsyncPgConnection) -> QueryResult<DateTime<Utc>> {
    diesel::select(diesel::dsl::sql::<diesel::sql_types::Timestamptz>("clock_timestamp()")).get_result(conn).await
}
