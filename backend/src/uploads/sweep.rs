//! Clears away uploads that nobody finished, and objects that no upload and no import has.

use crate::{
    app::App,
    uploads::{blocks, queries},
};

/// Minutes for which an upload that has expired is said to be gone, after which nobody knows of it.
const GONE_MINUTES: i32 = 10;
/// Minutes after which an object that was begun and does not count belongs to a process that died: longer than any
/// object takes to be written, retries included. One with a checksum over a long body may wait for hours.
const DOUBTFUL_MINUTES: u32 = 24 * 60;
/// Uploads, and objects, that one round deals with.
const AT_ONCE: i64 = 500;

/// One round. Any number of processes may do this at the same time.
pub async fn tend(app: &App) -> anyhow::Result<()> {
    let litter = {
        let conn = &mut *app.pool.get().await?;
        let expired = queries::forget_expired(conn, GONE_MINUTES, AT_ONCE).await?;
        if expired > 0 {
            tracing::info!(expired, "Threw away {expired} uploads that had expired");
        }
        blocks::litter(conn, DOUBTFUL_MINUTES, AT_ONCE).await?
    };
    if !litter.is_empty() {
        tracing::info!(objects = litter.len(), "Deleting {} objects of uploads that are gone", litter.len());
        blocks::remove(app, &litter).await;
    }
    Ok(())
}
