//! Rings for rows that are due: their message was lost, their worker died, or their pause is over.

use std::time::Duration;

use crate::{app::App, imports, products, tasks::Task, webhooks};

const PERIOD: Duration = Duration::from_secs(1);

/// Sweeps until the process stops. Any number of processes may sweep.
pub async fn sweep(app: &App) {
    tokio::join!(ring(app), tend(app));
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
    products::forget_deleted(conn).await?;
    Ok(())
}

/// Keeps webhooks, the indexes of the catalogue and the storage in order, which may take a while: hence beside the sweep.
async fn tend(app: &App) {
    let mut tender = products::Tender::default();
    let mut remover = imports::Remover::default();
    while !app.shutdown.is_cancelled() {
        let round = async {
            webhooks::tend(app).await?;
            let busy = imports::is_running(&mut *app.pool.get().await?).await?;
            tender.round(app, busy).await?;
            products::forget_jobs(&mut *app.pool.get().await?, app.config.file_retention_days).await?;
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
