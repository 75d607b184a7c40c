//! Running a task, whatever brought it.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tokio::sync::{Semaphore, mpsc};
use tracing::{Instrument, Span};

use crate::{app::App, imports, jobs::Task, products, webhooks};

/// Runs a task to its end. Never fails and never panics: what goes wrong is logged, and the row says what comes next.
pub async fn run(app: &Arc<App>, task: Task) {
    let work = async {
        match task {
            Task::ProcessImport(id) => imports::run_slice(app, id).await,
            Task::DeliverWebhook(id) => webhooks::deliver(app, id).await,
            Task::RunBulk(id) => products::run_slice(app, id).await,
        }
    };
    let result = app.running.track_future(AssertUnwindSafe(work).catch_unwind().instrument(span(task))).await;
    match result {
        Ok(Ok(true)) => app.queue.ring(task),
        Ok(Ok(false)) => {}
        Ok(Err(error)) => tracing::error!(?task, "{task:?} failed, and is tried again: {error:#}"),
        // The panic has written its own message. The lease of the row ends, and attempts without progress are counted.
        Err(_) => tracing::error!(?task, "{task:?} panicked"),
    }
}

/// Names what a line of the log is about.
fn span(task: Task) -> Span {
    match task {
        Task::ProcessImport(id) => tracing::info_span!("import", import.id = id),
        // It makes attempts for others, too; each has a span of its own.
        Task::DeliverWebhook(_) => tracing::info_span!("courier"),
        Task::RunBulk(id) => tracing::info_span!("job", job.id = id),
    }
}

/// Runs the tasks of an embedded queue until the process stops.
pub async fn run_embedded(app: Arc<App>, mut tasks: mpsc::UnboundedReceiver<Task>) {
    let places = Arc::new(Semaphore::new(app.config.import_concurrency.into()));
    loop {
        let task = tokio::select! {
            () = app.shutdown.cancelled() => return,
            task = tasks.recv() => task,
        };
        let Some(task) = task else { return };
        let (app, places) = (Arc::clone(&app), Arc::clone(&places));
        tokio::spawn(async move {
            // Deliveries have a limit of their own, and must not wait for imports.
            let wanted = u32::from(!matches!(task, Task::DeliverWebhook(_)));
            tokio::select! {
                () = app.shutdown.cancelled() => {}
                _place = places.acquire_many(wanted) => run(&app, task).await,
            }
        });
    }
}
