//! Deletes uploads that were not finished, and chunks that no upload has accepted.

use crate::{
    app::App,
    uploads::{chunks, queries},
};

/// Minutes for which an expired upload is reported as gone (410), before its id is unknown (404).
const GONE_MINUTES: u32 = 10;
/// Uploads, and chunks, that are deleted in one batch.
const BATCH_SIZE: i64 = 500;

/// Deletes one batch. Any number of processes may do this at the same time.
///
/// # Errors
/// When the database does not respond.
pub async fn expire(app: &App) -> anyhow::Result<()> {
    let orphaned = {
        let conn = &mut *app.pool.get().await?;
        let expired = queries::delete_expired(conn, GONE_MINUTES, BATCH_SIZE).await?;
        if expired > 0 {
            tracing::info!(expired, "Deleted {expired} expired uploads");
        }
        chunks::take_orphaned(conn, app.config.storage_grace(), BATCH_SIZE).await?
    };
    if !orphaned.is_empty() {
        tracing::info!(chunks = orphaned.len(), "Removing {} orphaned chunks", orphaned.len());
        chunks::remove(app, &orphaned).await;
    }
    Ok(())
}
