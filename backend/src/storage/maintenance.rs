//! Removes files that are due, and compares storage and database.

use std::time::{Duration, Instant};

use chrono::Utc;
use futures_util::{StreamExt, stream};

use super::{MANIFEST, files};
use crate::{app::App, db};

/// So that one process at a time removes or compares; any number that no other lock has.
const LOCK: i64 = 0x5704_A6E6;
/// Files that are removed in one batch, or looked up in the database.
const BATCH_SIZE: i64 = 100;
/// Files whose objects are removed at the same time.
const REMOVE_CONCURRENCY: usize = 8;
/// Delay before files that could not be removed are tried again.
const RETRY_DELAY: Duration = Duration::from_secs(10);
/// Interval between two comparisons of storage and database.
const CHECK_INTERVAL: Duration = Duration::from_mins(10);

/// Keeps the storage in order; one per process that works.
#[derive(Default)]
pub struct Maintenance {
    /// The last file of the batch before: files that cannot be removed must not block the others.
    after: String,
    failed: usize,
    retry_at: Option<Instant>,
    checked_at: Option<Instant>,
}

impl Maintenance {
    /// Removes a batch of files that are due; from time to time, looks for orphaned ones. Any number of processes may call
    /// it at the same time: one works, the others return.
    ///
    /// # Errors
    /// When the database or the storage does not respond.
    pub async fn run(&mut self, app: &App) -> anyhow::Result<()> {
        if self.retry_at.is_none_or(|at| at <= Instant::now()) {
            self.retry_at = None;
            let last = db::with_advisory_lock(&app.pool, LOCK, self.remove_batch(app)).await?.unwrap_or(false);
            if last {
                self.retry_at = (self.failed > 0).then(|| Instant::now() + RETRY_DELAY);
                (self.failed, self.after) = (0, String::new());
            }
        }
        if self.checked_at.is_none_or(|at| at.elapsed() >= CHECK_INTERVAL) {
            db::with_advisory_lock(&app.pool, LOCK, Box::pin(find_orphans(app))).await?;
            self.checked_at = Some(Instant::now());
        }
        Ok(())
    }

    /// Returns whether that was the last batch.
    async fn remove_batch(&mut self, app: &App) -> anyhow::Result<bool> {
        let due = files::take_due(&mut *app.pool.get().await?, &self.after, BATCH_SIZE).await?;
        let removed = remove(app, &due).await;
        files::delete(&mut *app.pool.get().await?, &removed).await?;
        self.failed += due.len() - removed.len();
        if let Some(last) = due.last() {
            self.after.clone_from(last);
        }
        Ok(i64::try_from(due.len())? < BATCH_SIZE)
    }
}

/// Removes files from storage. Returns those for which that worked.
async fn remove(app: &App, object_keys: &[String]) -> Vec<String> {
    let removing = stream::iter(object_keys.to_vec()).map(|key| async move {
        match app.storage.remove_file(&key).await {
            Ok(()) => {
                tracing::info!("Removed file {key} from storage");
                Some(key)
            }
            Err(error) => {
                tracing::warn!("File {key} cannot be removed from storage yet, retrying: {error}");
                None
            }
        }
    });
    removing.buffer_unordered(REMOVE_CONCURRENCY).filter_map(async |removed| removed).collect().await
}

/// Compares storage and database, and removes what only one of them knows: rows without an owner, and objects without a row.
///
/// Neither can be of a file that is being written: its row is older than its first byte, and has an owner or a lease. The
/// grace period is for what this reasoning does not cover, such as a database that was restored from a backup.
async fn find_orphans(app: &App) -> anyhow::Result<()> {
    let grace = app.config.storage_grace();
    let ownerless = files::release_ownerless(&mut *app.pool.get().await?, grace).await?;
    if ownerless > 0 {
        tracing::warn!(ownerless, "{ownerless} stored files have no upload and no import; removing them");
    }
    let old = Utc::now() - grace;
    let folders = app.storage.list_folders().await?;
    let keys = folders.into_iter().filter(|(_, written_at)| *written_at < old);
    let keys: Vec<String> = keys.map(|(folder, _)| format!("{folder}/{MANIFEST}")).collect();
    for batch in keys.chunks(usize::try_from(BATCH_SIZE)?) {
        let unknown = files::unknown(&mut *app.pool.get().await?, batch.to_vec()).await?;
        if !unknown.is_empty() {
            tracing::warn!("{} files in storage are not in the database; removing them", unknown.len());
            remove(app, &unknown).await;
        }
    }
    Ok(())
}
