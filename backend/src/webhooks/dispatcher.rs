//! Sends deliveries: claims what is due, makes the requests, and records their results.
//!
//! One loop per worker process. In each turn one transaction records the attempts that have ended and claims as many
//! deliveries as there are free slots; so ten thousand deliveries take some hundreds of statements. The requests run as
//! tasks of their own, and no transaction is open during a request. Turns follow one another as long as
//! attempts end; then the loop sleeps until it is woken by a message from the broker, which the commit of a delivery or the
//! scheduler has sent.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use tokio::{
    sync::Notify,
    task::{Id, JoinError, JoinSet},
};
use tracing::Instrument;

use crate::{
    app::App,
    config::Config,
    net::{Client, Limits},
    telemetry::metrics,
    webhooks::{
        queue::{self, Attempted, Capacity, Claim, InFlight},
        request::{self, Outcome, WebhookRequest},
        test_delivery::TestLimiter,
    },
};

/// How long requests in flight may take once the process is asked to stop. Deliveries of longer ones are attempted again
/// when their lease ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Delay after an error of the database, or a panic.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Time for TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Part of a lease beyond the deadline of the request, in which its result must be recorded.
const RECORD_TIMEOUT: Duration = Duration::from_secs(15);

/// One per process.
#[derive(Debug)]
pub struct Dispatcher {
    pub client: Client,
    pub tests: TestLimiter,
    wake: Notify,
}

impl Dispatcher {
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let limits = Limits {
            name_server: config.outbound_dns,
            allowed: config.webhook_allow_cidrs.clone(),
            connect_timeout: CONNECT_TIMEOUT,
        };
        Ok(Self { client: Client::new(limits)?, tests: TestLimiter::default(), wake: Notify::new() })
    }

    /// Makes the loop of this process look for deliveries that are due. Safe to call at any time.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}

/// Returns how long a claim is valid.
pub fn lease(config: &Config) -> Duration {
    config.webhook_deadline() + RECORD_TIMEOUT
}

/// Sends deliveries until the process stops.
pub async fn run_dispatcher(app: Arc<App>) {
    while !app.shutdown.is_cancelled() {
        // A panic has written its own message. What was claimed is attempted again when its lease ends.
        if AssertUnwindSafe(dispatch(&app)).catch_unwind().await.is_err() {
            tracing::error!("The webhook dispatcher panicked; restarting in {} s", RETRY_DELAY.as_secs());
            pause(&app).await;
        }
    }
}

async fn pause(app: &App) {
    let _ = tokio::time::timeout(RETRY_DELAY, app.shutdown.cancelled()).await;
}

async fn dispatch(app: &Arc<App>) {
    let mut state = State::default();
    // Deliveries that became due while no worker was running.
    let mut look = true;
    loop {
        if look || !state.completed.is_empty() {
            match state.turn(app).await {
                Ok(()) => look = false,
                Err(error) => {
                    tracing::warn!("Webhook deliveries: the database failed, retrying in 1 s: {error:#}");
                    look = true;
                    pause(app).await;
                }
            }
        }
        tokio::select! {
            Some(ended) = state.requests.join_next_with_id() => {
                state.complete(ended);
                state.complete_ready();
            }
            () = app.dispatcher.wake.notified() => look = true,
            () = app.shutdown.cancelled() => return state.drain(app).await,
            // After an error there may be nothing else to wait for.
            () = std::future::ready(()), if look => {}
        }
    }
}

/// What is claimed and not recorded yet.
#[derive(Default)]
struct State {
    requests: JoinSet<Attempted>,
    /// Webhook of each request in flight, and whether it belongs to a mass change.
    in_flight: HashMap<Id, (i64, bool)>,
    /// Attempts that have ended and are not recorded yet.
    completed: Vec<Attempted>,
}

impl State {
    fn complete(&mut self, ended: Result<(Id, Attempted), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        self.in_flight.remove(&id);
        // A request that panicked leaves its lease to end.
        self.completed.extend(ended.map(|(_, attempted)| attempted));
    }

    /// Takes the other requests that have ended, without waiting.
    fn complete_ready(&mut self) {
        while let Some(ended) = self.requests.try_join_next_with_id() {
            self.complete(ended);
        }
    }

    fn capacity(&self, config: &Config) -> Capacity {
        let mut in_flight: HashMap<i64, InFlight> = HashMap::new();
        for (webhook_id, bulk) in self.in_flight.values() {
            let count = in_flight.entry(*webhook_id).or_default();
            *if *bulk { &mut count.bulk } else { &mut count.single } += 1;
        }
        Capacity {
            total: usize::from(config.webhook_concurrency).saturating_sub(self.in_flight.len()),
            per_webhook: config.webhook_endpoint_concurrency,
            in_flight: in_flight.into_iter().collect(),
        }
    }

    /// Records what has ended, claims what is due, and starts its requests.
    async fn turn(&mut self, app: &Arc<App>) -> anyhow::Result<()> {
        let capacity = self.capacity(&app.config);
        for claim in self.commit(app, Some(&capacity)).await? {
            let slot = (claim.webhook_id, claim.bulk);
            let span = tracing::info_span!("delivery", delivery.id = claim.id, webhook.id = claim.webhook_id);
            let handle = self.requests.spawn(attempt(Arc::clone(app), claim).instrument(span));
            self.in_flight.insert(handle.id(), slot);
        }
        Ok(())
    }

    /// Records what has ended, and claims deliveries where there is capacity, in one transaction.
    async fn commit(&mut self, app: &App, capacity: Option<&Capacity>) -> anyhow::Result<Vec<Claim>> {
        let completed = &self.completed;
        let mut conn = app.pool.get().await?;
        let claims = conn
            .transaction(async |conn| {
                // What a crash of the database server loses is sent again, which receivers must accept in any case. JIT
                // compilation takes a hundred times as long as the claim.
                conn.batch_execute("SET LOCAL synchronous_commit = off; SET LOCAL jit = off").await?;
                queue::record(conn, completed).await?;
                match capacity.filter(|capacity| capacity.total > 0) {
                    Some(capacity) => queue::claim(conn, capacity, lease(&app.config)).await,
                    None => Ok(Vec::new()),
                }
            })
            .await?;
        for Attempted { claim, outcome } in self.completed.drain(..) {
            metrics::delivery_attempted(outcome.code, outcome.error, outcome.duration);
            tracing::debug!(delivery.id = claim.id, ?outcome.code, ?outcome.error, "Delivery {}: attempted", claim.id);
        }
        Ok(claims)
    }

    /// Waits for the requests in flight, for a while, and records their results.
    async fn drain(mut self, app: &App) {
        let finishing = async {
            while let Some(ended) = self.requests.join_next_with_id().await {
                self.complete(ended);
            }
        };
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, finishing).await;
        if let Err(error) = self.commit(app, None).await {
            tracing::warn!("The last webhook deliveries were not recorded and are sent again: {error:#}");
        }
    }
}

async fn attempt(app: Arc<App>, claim: Claim) -> Attempted {
    let outcome = send(&app, &claim).await;
    Attempted { claim, outcome }
}

/// Sends the message of a claim, once.
pub async fn send(app: &App, claim: &Claim) -> Outcome {
    let request = WebhookRequest {
        url: &claim.url,
        event_id: &claim.event_id,
        secrets: [Some(claim.secret.as_str()), claim.old_secret.as_deref()].into_iter().flatten().collect(),
        body: &claim.payload,
    };
    request::send(&app.dispatcher.client, &request, app.config.webhook_deadline()).await
}
