//! The parts of a process that handlers and jobs use.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::Auth,
    config::Config,
    db::{Pool, PooledConnection},
    events::Notifications,
    http::{ApiError, health::Readiness},
    imports::Fetcher,
    jobs::Queue,
    storage::Storage,
    telemetry::Scraper,
    webhooks::Dispatcher,
};

/// One per process.
pub struct App {
    pub config: Config,
    pub pool: Pool,
    pub storage: Storage,
    pub queue: Queue,
    /// Notifications of this and every other process.
    pub notifications: Notifications,
    /// Sends webhook deliveries.
    pub dispatcher: Dispatcher,
    /// Passwords and rate limits.
    pub auth: Auth,
    /// Fetches files by URL.
    pub fetcher: Fetcher,
    /// Renders the metrics of this process.
    pub scraper: Scraper,
    /// Checks whether the process can work.
    pub readiness: Readiness,
    /// Cancelled when the process is asked to stop.
    pub shutdown: CancellationToken,
    /// When it was cancelled.
    stopped: OnceLock<Instant>,
    /// Running tasks, which a process that stops waits for.
    pub running: TaskTracker,
}

impl App {
    /// Opens what the configuration names, without connecting yet.
    ///
    /// # Errors
    /// When a setting is not valid.
    pub fn new(config: Config, queue: Queue) -> anyhow::Result<Arc<Self>> {
        let pool = Pool::new(&config.database, usize::from(config.import_writers) + 2)?;
        let dispatcher = Dispatcher::new(&config)?;
        let fetcher = Fetcher::new(&config)?;
        let storage = Storage::open(&config.storage_url, config.storage_min_free_bytes)?;
        let auth = Auth::new(&config.auth)?;
        Ok(Arc::new(Self {
            config,
            pool,
            storage,
            queue,
            notifications: Notifications::default(),
            dispatcher,
            auth,
            fetcher,
            scraper: Scraper::start()?,
            readiness: Readiness::default(),
            shutdown: CancellationToken::new(),
            stopped: OnceLock::new(),
            running: TaskTracker::new(),
        }))
    }

    /// Asks all parts to stop.
    pub fn stop(&self) {
        let _ = self.stopped.set(Instant::now());
        self.shutdown.cancel();
    }

    /// Returns the end of the time that the process has after it was asked to stop.
    pub fn stops_at(&self, grace: Duration) -> tokio::time::Instant {
        (*self.stopped.get_or_init(Instant::now) + grace).into()
    }

    /// Returns a connection for a request.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] when the database does not answer or all connections stay busy.
    pub async fn db(&self) -> Result<PooledConnection, ApiError> {
        self.pool.get().await.map_err(ApiError::from)
    }

    /// Returns a connection for a request whose read may take long, see [`Pool::get_for_read`].
    ///
    /// # Errors
    /// As [`Self::db`], and when too many other such reads are running.
    pub async fn db_for_read(&self) -> Result<PooledConnection, ApiError> {
        self.pool.get_for_read().await.map_err(ApiError::from)
    }
}
