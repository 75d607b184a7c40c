//! What handlers and tasks work with.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access::Access,
    config::Config,
    db::{self, Pool, PooledConnection},
    error::ApiError,
    events::Wakeups,
    storage::Storage,
    tasks::Queue,
    webhooks::Courier,
};

/// One per process, shared by all of it.
pub struct App {
    pub config: Config,
    pub pool: Pool,
    pub storage: Storage,
    pub queue: Queue,
    /// News of events, from this and every other process.
    pub wakeups: Wakeups,
    /// Sends to webhooks.
    pub courier: Courier,
    /// Who may come in.
    pub access: Access,
    /// Cancelled when the process is asked to stop.
    pub shutdown: CancellationToken,
    /// Tasks in hand, waited for when the process stops.
    pub running: TaskTracker,
}

impl App {
    /// Opens what the configuration names. Nothing is connected yet but what must be there at start.
    pub fn new(config: Config, queue: Queue) -> anyhow::Result<Arc<Self>> {
        let pool = db::pool(&config)?;
        let courier = Courier::new(&config)?;
        let storage = Storage::open(&config.storage_url)?;
        let access = Access::new(&config.access)?;
        Ok(Arc::new(Self {
            config,
            pool,
            storage,
            queue,
            wakeups: Wakeups::default(),
            courier,
            access,
            shutdown: CancellationToken::new(),
            running: TaskTracker::new(),
        }))
    }

    /// A connection for a request.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] when the database does not answer or all connections stay busy.
    pub async fn db(&self) -> Result<PooledConnection, ApiError> {
        self.pool.get().await.map_err(ApiError::from)
    }
}
