//! Numbered events, kept in the database, and the news of them.
//!
//! An event is a row of `import_events`; its number is given out by the import's owner while it holds the import's row, so
//! numbers become visible in order and without a gap. `pg_notify` only says "look": a web process that missed it, or was
//! not there, finds the same rows. Hence one process or ten, the same code, and a reader that comes back with the last
//! number it saw misses nothing.

mod listen;

use chrono::{DateTime, Utc};
use diesel::{prelude::*, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::ImportEvent;
use tokio::sync::broadcast;

pub use listen::listen;

use crate::schema::import_events;

/// The channel of `LISTEN` and `NOTIFY`; its payload is the id of the import.
const CHANNEL: &str = "loadify_import";

/// Tells the streams of this process that an import has new events.
pub struct Wakeups {
    sender: broadcast::Sender<i64>,
}

impl Default for Wakeups {
    fn default() -> Self {
        // A stream that falls behind by so many is told that it did, and looks.
        Self { sender: broadcast::channel(1024).0 }
    }
}

impl Wakeups {
    /// Hears of everything that is published from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<i64> {
        self.sender.subscribe()
    }

    fn announce(&self, import_id: i64) {
        // Nobody listening is an ordinary state.
        let _ = self.sender.send(import_id);
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
    diesel::sql_query("SELECT pg_notify($1, $2)")
        .bind::<Text, _>(CHANNEL)
        .bind::<Text, _>(import_id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// An event as it stands in the table.
#[derive(Queryable)]
pub struct StoredEvent {
    pub seq: i64,
    pub kind: String,
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
        .select((import_events::seq, import_events::kind, import_events::data))
        .order(import_events::seq)
        .limit(limit)
        .load(conn)
        .await
}

/// The database's clock, the only one that events know.
pub async fn now(conn: &mut AsyncPgConnection) -> QueryResult<DateTime<Utc>> {
    diesel::select(diesel::dsl::sql::<diesel::sql_types::Timestamptz>("clock_timestamp()")).get_result(conn).await
}
