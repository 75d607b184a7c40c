//! What handlers and tasks work with.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::Access,
    config::Config,
    db::{self, Pool, PooledConnection},
    events::Wakeups,
    http::ApiError,
    imports::Fetcher,
    jobs::Queue,
    storage::Storage,
    telemetry::Scraper,
    webhooks::Dispatcher,
};

/// One per process, shared by all of it.
pub struct App {
    pub config: Config,
    pub pool: Pool,
    /// The share of the pool that searches may use at the same time.
    pub search_slots: Semaphore,
    pub storage: Storage,
    pub queue: Queue,
    /// News of events, from this and every other process.
    pub wakeups: Wakeups,
    /// Sends webhook deliveries.
    pub dispatcher: Dispatcher,
    /// Who may come in.
    pub access: Access,
    /// Fetches files that are given by a URL.
    pub fetcher: Fetcher,
    /// Gives out the figures of this process.
    pub scraper: Scraper,
    /// Cancelled when the process is asked to stop.
    pub shutdown: CancellationToken,
    /// When that was.
    stopped: OnceLock<Instant>,
    /// Tasks in hand, waited for when the process stops.
    pub running: TaskTracker,
}

impl App {
    /// Opens what the configuration names. Nothing is connected yet but what must be there at start.
    pub fn new(config: Config, queue: Queue) -> anyhow::Result<Arc<Self>> {
        let pool = db::pool(&config)?;
        let dispatcher = Dispatcher::new(&config)?;
        let fetcher = Fetcher::new(&config)?;
        let storage = Storage::open(&config.storage_url, config.storage_min_free_bytes)?;
        let access = Access::new(&config.access)?;
        Ok(Arc::new(Self {
            search_slots: Semaphore::new((pool.status().max_size / 2).max(1)),
            config,
            pool,
            storage,
            queue,
            wakeups: Wakeups::default(),
            dispatcher,
            access,
            fetcher,
            scraper: Scraper::start()?,
            shutdown: CancellationToken::new(),
            stopped: OnceLock::new(),
            running: TaskTracker::new(),
        }))
    }

    /// Asks everything to come to an end.
    pub fn stop(&self) {
        let _ = self.stopped.set(Instant::now());
        self.shutdown.cancel();
    }

    /// The end of what the process is granted after it was asked to stop.
    pub fn stops_at(&self, grace: Duration) -> tokio::time::Instant {
        (*self.stopped.get_or_init(Instant::now) + grace).into()
    }

    /// A connection for a request.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] when the database does not answer or all connections stay busy.
    pub async fn db(&self) -> Result<PooledConnection, ApiError> {
        self.pool.get().await.map_err(ApiError::from)
    }
}
