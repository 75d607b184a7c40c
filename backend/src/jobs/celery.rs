//! The only file that names celery: its tasks, its producer and its worker.
//!
//! What rusty-celery 0.5.5 does, and what follows here:
//! * it gives tasks no context, hence the one `OnceLock`;
//! * it acknowledges before a task runs unless told otherwise, hence `acks_late`; it never acknowledges a task that
//!   panics, hence `jobs::run`, which does not; it keeps retries in the worker, hence none;
//! * its AMQP broker publishes without confirms, does not come back in a producer, and knows no TLS: hence the broker in
//!   `amqp`. Celery can only be built with a broker of its own, so it is built with its Redis one against a listener that
//!   answers nothing but "OK", and the broker is then replaced: the field is public.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use anyhow::Context;
use celery::{Celery, CeleryBuilder, error::CeleryError, prelude::TaskResult};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

use messages::{deliver_webhook, process_import, run_bulk};

use crate::{
    app::App,
    jobs::{
        Task,
        amqp::{AmqpBroker, Endpoint},
        run,
    },
};

/// How long the broker may take to answer before it is given up and connected to anew.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pauses between attempts to reach the broker: the first, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

static APP: OnceLock<Arc<App>> = OnceLock::new();

/// Messages of this task do not outlive the broker, which then need not sync its disk for each change of a product: the
/// sweep rings again within seconds.
pub const TRANSIENT: &str = <deliver_webhook as celery::task::Task>::NAME;

/// Celery's macro puts an `impl` inside a constant.
#[expect(non_local_definitions, reason = "made by the macro")]
mod messages {
    use super::{APP, Task, TaskResult, run};

    #[celery::task(name = "loadify.process_import", acks_late = true, max_retries = 0)]
    pub async fn process_import(id: i64) -> TaskResult<()> {
        if let Some(app) = APP.get() {
            run(app, Task::ProcessImport(id)).await;
        }
        Ok(())
    }

    #[celery::task(name = "loadify.deliver_webhook", acks_late = true, max_retries = 0)]
    pub async fn deliver_webhook(id: i64) -> TaskResult<()> {
        if let Some(app) = APP.get() {
            run(app, Task::DeliverWebhook(id)).await;
        }
        Ok(())
    }

    #[celery::task(name = "loadify.run_bulk", acks_late = true, max_retries = 0)]
    pub async fn run_bulk(id: i64) -> TaskResult<()> {
        if let Some(app) = APP.get() {
            run(app, Task::RunBulk(id)).await;
        }
        Ok(())
    }
}

/// Deliveries have a queue of their own, so that imports, which take long, do not stand before them.
fn deliveries(queue: &str) -> String {
    format!("{queue}.webhooks")
}

/// Sends tasks to the broker from a task of its own, so that no request waits for it.
pub struct Producer {
    rings: mpsc::Sender<Task>,
    /// Why the last attempt to send failed; `None` when it succeeded.
    trouble: Arc<Mutex<Option<String>>>,
    endpoint: Endpoint,
}

impl Producer {
    /// Must be called within a runtime; sends until the producer is dropped.
    pub fn start(endpoint: Endpoint, queue: String) -> Self {
        // What does not fit is left to the sweep.
        let (rings, waiting) = mpsc::channel(1_000);
        let trouble = Arc::default();
        tokio::spawn(produce(endpoint.clone(), queue, waiting, Arc::clone(&trouble)));
        Self { rings, trouble, endpoint }
    }

    /// Asks whether the broker can be reached.
    ///
    /// # Errors
    /// Why the last message could not be sent, or why no connection can be made.
    pub async fn probe(&self) -> anyhow::Result<()> {
        if let Some(trouble) = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            anyhow::bail!(trouble);
        }
        tokio::net::TcpStream::connect(&*self.endpoint.addresses()?).await.context("BROKER_URL")?;
        Ok(())
    }

    pub fn ring(&self, task: Task) {
        if self.rings.try_send(task).is_err() {
            tracing::warn!(?task, "{task:?} is left to the sweep: the broker is not reached");
        }
    }
}

async fn produce(
    endpoint: Endpoint,
    queue: String,
    mut waiting: mpsc::Receiver<Task>,
    trouble: Arc<Mutex<Option<String>>>,
) {
    let note = |text: Option<String>| *trouble.lock().unwrap_or_else(PoisonError::into_inner) = text;
    let mut celery: Option<Celery> = None;
    while let Some(task) = waiting.recv().await {
        let mut pause = BACK_OFF.0;
        loop {
            let sent = tokio::time::timeout(PATIENCE, send(&mut celery, &endpoint, &queue, task)).await;
            let Err(error) = sent.unwrap_or_else(|_| Err(anyhow::anyhow!("the broker does not answer"))) else {
                note(None);
                break;
            };
            tracing::warn!(?task, "{task:?} is not sent yet: {error:#}");
            note(Some(format!("{error:#}")));
            celery = None;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }
}

async fn send(celery: &mut Option<Celery>, endpoint: &Endpoint, queue: &str, task: Task) -> anyhow::Result<()> {
    let app = match celery {
        Some(app) => app,
        None => celery.insert(build(endpoint, queue, 1).await?),
    };
    let sent = match task {
        Task::ProcessImport(id) => app.send_task(process_import::new(id)).await,
        Task::DeliverWebhook(id) => app.send_task(deliver_webhook::new(id).with_queue(&deliveries(queue))).await,
        Task::RunBulk(id) => app.send_task(run_bulk::new(id)).await,
    };
    sent.map(drop).map_err(explain)
}

/// Celery's own texts end at "broker error"; the cause is what helps.
fn explain(error: CeleryError) -> anyhow::Error {
    match error {
        CeleryError::BrokerError(cause) => anyhow::Error::from(cause).context("broker"),
        other => other.into(),
    }
}

/// Works on tasks from the broker until the process stops; connects anew, for ever, whenever the broker is lost.
///
/// Not `Send`: to be awaited on a `LocalSet`. The tasks themselves run on the runtime's threads.
pub async fn consume(app: Arc<App>, endpoint: Endpoint) {
    APP.get_or_init(|| Arc::clone(&app));
    let mut pause = BACK_OFF.0;
    while !app.shutdown.is_cancelled() {
        let consumed = async {
            let connecting = build(&endpoint, &app.config.broker_queue, app.config.import_concurrency);
            // A peer that takes the connection and says nothing is no broker.
            let celery = tokio::time::timeout(PATIENCE, connecting).await.context("the broker does not answer")??;
            celery.register_task::<process_import>().await?;
            celery.register_task::<deliver_webhook>().await?;
            celery.register_task::<run_bulk>().await?;
            tracing::info!("Waiting for tasks on queue {}", celery.default_queue);
            pause = BACK_OFF.0;
            let queue = app.config.broker_queue.as_str();
            Arc::new(celery).consume_from(&[queue, &deliveries(queue)]).await.map_err(explain)
        };
        let result = tokio::select! {
            // Celery stops by itself on SIGTERM, too; it then waits for the tasks in hand, as `main` does.
            () = app.shutdown.cancelled() => return,
            result = consumed => result,
        };
        if let Err(error) = result {
            tracing::warn!("The broker is lost, connecting again: {error:#}");
        }
        // Not a sleep: a stop must not wait for it.
        let _ = tokio::time::timeout(pause, app.shutdown.cancelled()).await;
        pause = (pause * 2).min(BACK_OFF.1);
    }
}

/// Tasks of deliveries at the same time: one delivers, and while it does, another has to be able to tell it that there is more.
const RINGS: u16 = 2;

async fn build(endpoint: &Endpoint, queue: &str, prefetch: u16) -> anyhow::Result<Celery> {
    let queues = [(queue, prefetch), (&deliveries(queue), prefetch.max(RINGS))];
    let broker = AmqpBroker::connect(endpoint, &queues).await.context("cannot reach BROKER_URL")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let stand_in = format!("redis://{}", listener.local_addr()?);
    let answering = tokio::spawn(answer_ok(listener));
    let built = CeleryBuilder::new("loadify", &stand_in).default_queue(queue).build().await;
    answering.abort();
    let mut celery = built?;
    celery.broker = Box::new(broker);
    Ok(celery)
}

/// As much of Redis as it takes to be connected to.
async fn answer_ok(listener: TcpListener) {
    while let Ok((mut peer, _)) = listener.accept().await {
        let mut request = [0; 1024];
        while matches!(peer.read(&mut request).await, Ok(read) if read > 0) {
            if peer.write_all(b"+OK\r\n").await.is_err() {
                break;
            }
        }
    }
}
