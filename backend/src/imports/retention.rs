//! Files of imports that ended long ago are removed from storage. The import stays, and says so.

use std::time::{Duration, Instant};

use diesel::{dsl::now, prelude::*, sql_types::Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{app::App, db, schema::imports};

/// So that one process at a time does this; any number that no other lock has.
const LOCK: i64 = 0x0F11_E5AF;
/// Files that are removed in one go.
const AT_ONCE: i64 = 100;
/// Pause once all files were looked at; also before those that could not be removed are tried again.
const PAUSE: Duration = Duration::from_secs(10);

/// Removes files; one for each process that works.
#[derive(Default)]
pub struct Remover {
    /// The import whose file was looked at last: what cannot be removed does not stand before the rest.
    after: i64,
    rests_until: Option<Instant>,
}

impl Remover {
    /// Removes some of the files that are due, unless another process is at it.
    pub async fn round(&mut self, app: &App) -> anyhow::Result<()> {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        let ended = db::alone(app, LOCK, self.remove_some(app)).await?;
        if ended.unwrap_or(true) {
            self.after = 0;
            self.rests_until = Some(Instant::now() + PAUSE);
        }
        Ok(())
    }

    /// Gives `true` when there are no more.
    async fn remove_some(&mut self, app: &App) -> anyhow::Result<bool> {
        let conn = &mut *app.pool.get().await?;
        let due = due(conn, app.config.file_retention_days, self.after).await?;
        let more = i64::try_from(due.len())? == AT_ONCE;
        for (id, object_key) in due {
            if app.shutdown.is_cancelled() {
                break;
            }
            self.after = id;
            match app.storage.delete(&object_key).await {
                // Removed by hand, or by a process that died before it could say so.
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {
                    diesel::update(imports::table.find(id)).set(imports::file_removed_at.eq(now)).execute(conn).await?;
                    tracing::info!(import.id = id, "Import {id}: its file is removed, it ended long ago");
                }
                Err(error) => {
                    tracing::warn!(import.id = id, "Import {id}: its file cannot be removed yet: {error}");
                }
            }
        }
        Ok(!more)
    }
}

/// Imports after number `after` whose files are due to be removed, with the keys of these.
async fn due(conn: &mut AsyncPgConnection, days: u16, after: i64) -> QueryResult<Vec<(i64, String)>> {
    let then = diesel::dsl::sql::<Timestamptz>(&format!("now() - interval '{days} days'"));
    imports::table
        .filter(imports::file_removed_at.is_null().and(imports::finished_at.is_not_null()))
        .filter(imports::finished_at.lt(then.nullable()))
        .filter(imports::id.gt(after).and(imports::object_key.ne("")))
        .select((imports::id, imports::object_key))
        .order(imports::id)
        .limit(AT_ONCE)
        .load(conn)
        .await
}
