//! Enqueues rows that are due, and runs what has to happen regularly.

use std::time::{Duration, Instant};

use crate::{
    app::App,
    auth, imports,
    jobs::{
        JobError, Task,
        lease::{self, JobTable},
    },
    products, storage, uploads, webhooks,
};

const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Sessions and the audit log are kept for days: what has ended need not be purged within the second.
const AUTH_PURGE_INTERVAL: Duration = Duration::from_mins(10);

/// Runs until the process stops. Any number of processes may do this at the same time.
pub async fn run_scheduler(app: &App) {
    tokio::join!(enqueue_due(app), run_maintenance(app), purge_expired(app));
}

/// Waits for the next tick, or until the process stops.
async fn next_tick(app: &App) {
    tokio::select! {
        () = app.shutdown.cancelled() => {}
        () = tokio::time::sleep(POLL_INTERVAL) => {}
    }
}

/// Enqueues jobs whose message was lost, whose worker died, or whose pause is over.
async fn enqueue_due(app: &App) {
    while !app.shutdown.is_cancelled() {
        if let Err(error) = enqueue_once(app).await {
            tracing::warn!("Scheduler: due jobs were not enqueued, retrying: {error:#}");
        }
        next_tick(app).await;
    }
}

async fn enqueue_once(app: &App) -> Result<(), JobError> {
    lease::with_connection(&app.pool, lease::TRANSACTION_TIMEOUT, async |conn| {
        for id in lease::due(conn, JobTable::Imports).await? {
            tracing::debug!(import.id = id, "Import {id} is due");
            app.queue.enqueue(Task::ProcessImport(id));
        }
        if let Some(id) = webhooks::due(conn).await? {
            app.queue.enqueue(Task::DeliverWebhook(id));
        }
        for id in lease::due(conn, JobTable::BulkJobs).await? {
            tracing::debug!(job.id = id, "Job {id} is due");
            app.queue.enqueue(Task::RunBulk(id));
        }
        products::purge_deleted(conn).await?;
        Ok(())
    })
    .await
}

/// Maintains webhooks, the indexes of the catalogue and the records of imports. This may take long, and must not delay
/// [`enqueue_due`].
async fn run_maintenance(app: &App) {
    let mut index_maintenance = products::Maintenance::default();
    let mut retention = imports::Retention::default();
    while !app.shutdown.is_cancelled() {
        let maintained = async {
            webhooks::run_maintenance(app).await?;
            let busy = imports::is_running(&mut *app.pool.get().await?).await?;
            index_maintenance.run(app, busy).await?;
            products::delete_old_jobs(&mut *app.pool.get().await?, app.config.file_retention_days).await?;
            retention.purge(app).await
        };
        if let Err(error) = maintained.await {
            tracing::warn!("Scheduler: maintenance failed, retrying: {error:#}");
        }
        next_tick(app).await;
    }
}

/// Purges unfinished uploads, files in storage that are due, which may take long, and sessions that ended long ago.
async fn purge_expired(app: &App) {
    let mut auth_purged: Option<Instant> = None;
    let mut storage_maintenance = storage::Maintenance::default();
    while !app.shutdown.is_cancelled() {
        let purged = async {
            uploads::expire(app).await?;
            Box::pin(storage_maintenance.run(app)).await?;
            if auth_purged.is_none_or(|at| at.elapsed() >= AUTH_PURGE_INTERVAL) {
                auth::maintain(app).await?;
                auth_purged = Some(Instant::now());
            }
            anyhow::Ok(())
        };
        if let Err(error) = purged.await {
            tracing::warn!("Scheduler: purging expired uploads, files and sessions failed, retrying: {error:#}");
        }
        next_tick(app).await;
    }
}
