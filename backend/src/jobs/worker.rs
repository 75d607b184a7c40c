//! Runs a task, however it arrived.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tokio::sync::{Semaphore, mpsc};
use tracing::{Instrument, Span};

use crate::{
    app::App,
    imports,
    jobs::{Progress, Task},
    products,
};

/// Runs a task to its end. Never fails and never panics: errors are logged, and the row says what comes next.
pub async fn run(app: &Arc<App>, task: Task) {
    let work = async {
        match task {
            Task::ProcessImport(id) => imports::run_slice(app, id).await,
            // The loop of this process claims all that are due.
            Task::DeliverWebhook(_) => {
                app.dispatcher.wake();
                Ok(Progress::Done)
            }
            Task::RunBulk(id) => products::run_slice(app, id).await,
        }
    };
    let result = app.running.track_future(AssertUnwindSafe(work).catch_unwind().instrument(span(task))).await;
    match result {
        Ok(Ok(Progress::More)) => app.queue.enqueue(task),
        Ok(Ok(Progress::Done)) => {}
        Ok(Err(error)) => tracing::error!(?task, "{task:?} failed; it is retried after its lease: {error:#}"),
        // The panic has logged its own message. The lease of the row expires, and attempts without progress are counted.
        Err(_) => tracing::error!(?task, "{task:?} panicked"),
    }
}

/// Says what a line of the log is about.
fn span(task: Task) -> Span {
    match task {
        Task::ProcessImport(id) => tracing::info_span!("import", import.id = id),
        Task::DeliverWebhook(_) => tracing::info_span!("webhooks"),
        Task::RunBulk(id) => tracing::info_span!("job", job.id = id),
    }
}

/// Runs the tasks of an embedded queue until the process stops.
pub async fn run_embedded(app: Arc<App>, mut tasks: mpsc::UnboundedReceiver<Task>) {
    let slots = Arc::new(Semaphore::new(app.config.import_concurrency.into()));
    loop {
        let task = tokio::select! {
            () = app.shutdown.cancelled() => return,
            task = tasks.recv() => task,
        };
        let Some(task) = task else { return };
        let (app, slots) = (Arc::clone(&app), Arc::clone(&slots));
        tokio::spawn(async move {
            // Deliveries have a limit of their own, and must not wait for imports.
            let wanted = u32::from(!matches!(task, Task::DeliverWebhook(_)));
            tokio::select! {
                () = app.shutdown.cancelled() => {}
                _slot = slots.acquire_many(wanted) => run(&app, task).await,
            }
        });
    }
}
