//! Rings for rows that are due: their message was lost, their worker died, or their pause is over.

use std::time::{Duration, Instant};

use crate::{app::App, auth, imports, jobs::Task, products, uploads, webhooks};

const PERIOD: Duration = Duration::from_secs(1);
/// Sessions and the audit log are kept for days: what has ended need not go within the second.
const ACCESS_PERIOD: Duration = Duration::from_mins(10);

/// Sweeps until the process stops. Any number of processes may sweep.
pub async fn sweep(app: &App) {
    tokio::join!(ring(app), tend(app), clear(app));
}

/// Clears away unfinished uploads, whose objects take their time to be deleted, and sessions that have ended long ago.
async fn clear(app: &App) {
    let mut swept: Option<Instant> = None;
    while !app.shutdown.is_cancelled() {
        let round = async {
            uploads::tend(app).await?;
            if swept.is_none_or(|at| at.elapsed() >= ACCESS_PERIOD) {
                auth::tend(app).await?;
                swept = Some(Instant::now());
            }
            anyhow::Ok(())
        };
        if let Err(error) = round.await {
            tracing::warn!("What is old could not be cleared away, and is later: {error:#}");
        }
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

async fn ring(app: &App) {
    while !app.shutdown.is_cancelled() {
        if let Err(error) = round(app).await {
            tracing::warn!("The sweep failed, and is tried again: {error:#}");
        }
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

async fn round(app: &App) -> anyhow::Result<()> {
    let conn = &mut *app.pool.get().await?;
    for id in imports::due(conn).await? {
        tracing::debug!(import.id = id, "Import {id} is due");
        app.queue.ring(Task::ProcessImport(id));
    }
    if let Some(id) = webhooks::due(conn).await? {
        app.queue.ring(Task::DeliverWebhook(id));
    }
    for id in products::due(conn).await? {
        tracing::debug!(job.id = id, "Job {id} is due");
        app.queue.ring(Task::RunBulk(id));
    }
    products::purge_deleted(conn).await?;
    Ok(())
}

/// Keeps webhooks, the indexes of the catalogue and the storage in order, which may take a while: hence beside the sweep.
async fn tend(app: &App) {
    let mut index_maintenance = products::Maintenance::default();
    let mut remover = imports::Remover::default();
    while !app.shutdown.is_cancelled() {
        let round = async {
            webhooks::tend(app).await?;
            let busy = imports::is_running(&mut *app.pool.get().await?).await?;
            index_maintenance.run(app, busy).await?;
            products::delete_old_jobs(&mut *app.pool.get().await?, app.config.file_retention_days).await?;
            remover.round(app).await
        };
        if let Err(error) = round.await {
            tracing::warn!("The house could not be kept in order, and is later: {error:#}");
        }
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}
