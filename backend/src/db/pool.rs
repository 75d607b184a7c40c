//! The connections of this process.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use deadpool::Runtime;
use diesel::ConnectionError;
use diesel_async::{
    AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, SetupCallback,
        deadpool::{Object, Pool as ObjectPool, PoolError},
    },
};
use futures_util::FutureExt;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    config::DatabaseConfig,
    db::{
        Connector,
        abort::{self, AbortFlag},
    },
};

/// How long a caller waits for a free connection, or for a new one to be opened.
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection may take to show that it works. Connections that a network has dropped are found by TCP
/// keepalives (see `connector`); this limits the wait of the first caller.
const RECYCLE_TIMEOUT: Duration = Duration::from_secs(1);

/// If an attempt takes longer, the server or the network of its connections is gone; all idle connections are then closed.
const FIRST_TRY_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Why no connection is available.
#[derive(Debug, thiserror::Error)]
pub enum GetConnectionError {
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error("all {0} connections for searches, lists and exports are busy")]
    NoReadSlot(usize),
}

/// Connections to the database, a part of which may be used for expensive reads.
#[derive(Clone)]
pub struct Pool {
    connections: ObjectPool<AsyncPgConnection>,
    connector: Arc<Connector>,
    /// The runtime of the connections. Not that of a thread of the web server, which ends when that thread has no request
    /// left to finish.
    runtime: Handle,
    /// Limits expensive reads, so that a sign-in or an edit finds a free connection under any load of searches.
    read_slots: Arc<Semaphore>,
    max_reads: usize,
}

/// How many connections there are.
pub struct PoolStatus {
    pub idle: usize,
    pub busy: usize,
    pub max: usize,
    pub waiting: usize,
}

impl Pool {
    /// Opens nothing yet. `min_connections` is what the process needs to make progress at all.
    ///
    /// # Errors
    /// When the settings of the database are not valid.
    pub fn new(config: &DatabaseConfig, min_connections: usize) -> anyhow::Result<Self> {
        let connector = Arc::new(Connector::new(config)?);
        let runtime = Handle::current();
        let max = config.database_connections.max(min_connections);
        let max_reads = (max / 2).max(1);
        Ok(Self {
            connections: open(max, Arc::clone(&connector), runtime.clone())?,
            connector,
            runtime,
            read_slots: Arc::new(Semaphore::new(max_reads)),
            max_reads,
        })
    }

    /// Returns a connection. If the request that it is for is dropped, the statement that runs on it is canceled.
    ///
    /// # Errors
    /// When the database does not answer or all connections stay busy.
    pub async fn get(&self) -> Result<PooledConnection, GetConnectionError> {
        let first = timeout(FIRST_TRY_TIMEOUT, self.connections.get()).await;
        let object = if let Ok(object) = first {
            object?
        } else {
            // If one idle connection does not answer, the others do not either: each would cost the caller a timeout.
            self.connections.retain(|_, _| false);
            self.connections.get().await?
        };
        Ok(PooledConnection { object: Some(object), pool: self.clone(), request: abort::current(), read_slot: None })
    }

    /// Returns a connection for a read that may take long: a search, a count, a list, a page of an export. At most half of
    /// the connections are used for these.
    ///
    /// # Errors
    /// As [`Self::get`], and when too many other such reads are running.
    pub async fn get_for_read(&self) -> Result<PooledConnection, GetConnectionError> {
        let waited = timeout(WAIT_TIMEOUT, Arc::clone(&self.read_slots).acquire_owned()).await;
        let slot = waited.ok().and_then(Result::ok).ok_or(GetConnectionError::NoReadSlot(self.max_reads))?;
        let mut connection = self.get().await?;
        connection.read_slot = Some(slot);
        Ok(connection)
    }

    pub fn status(&self) -> PoolStatus {
        let status = self.connections.status();
        PoolStatus {
            idle: status.available,
            busy: status.size.saturating_sub(status.available),
            max: status.max_size,
            waiting: status.waiting,
        }
    }
}

fn open(max: usize, connector: Arc<Connector>, runtime: Handle) -> anyhow::Result<ObjectPool<AsyncPgConnection>> {
    let setup: SetupCallback<AsyncPgConnection> = Box::new(move |_| {
        let connector = Arc::clone(&connector);
        let connecting = runtime.spawn(async move { connector.connect().await });
        async move { connecting.await.map_err(|error| ConnectionError::BadConnection(error.to_string()))? }.boxed()
    });
    let mut manager = ManagerConfig::default();
    manager.custom_setup = setup;
    // The connector knows the URL.
    let manager = AsyncDieselConnectionManager::new_with_config("", manager);
    ObjectPool::builder(manager)
        .max_size(max)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(WAIT_TIMEOUT))
        .create_timeout(Some(WAIT_TIMEOUT))
        .recycle_timeout(Some(RECYCLE_TIMEOUT))
        .build()
        .context("DATABASE_URL")
}

/// A connection that returns to the pool when it is dropped.
pub struct PooledConnection {
    object: Option<Object<AsyncPgConnection>>,
    pool: Pool,
    /// The request that the connection is for.
    request: Option<Arc<AbortFlag>>,
    read_slot: Option<OwnedSemaphorePermit>,
}

impl PooledConnection {
    /// Closes a connection that does not answer, and all that are idle: what made it silent, such as a firewall or a dead
    /// router, has usually affected them as well.
    pub fn close(mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
        self.pool.connections.retain(|_, _| false);
    }
}

impl Deref for PooledConnection {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        self.object.as_ref().expect("it is there until the drop")
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        self.object.as_mut().expect("it is there until the drop")
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if self.request.as_ref().is_none_or(|request| !request.is_aborted()) {
            return;
        }
        // The statement of a dropped future runs on in PostgreSQL, and the next user of the connection would wait for it.
        let Some(object) = self.object.take() else { return };
        let (connector, read_slot) = (Arc::clone(&self.pool.connector), self.read_slot.take());
        self.pool.runtime.spawn(async move {
            cancel_statement(&connector, object).await;
            drop(read_slot);
        });
    }
}

/// Returns the connection to the pool once nothing runs on it, or closes it.
async fn cancel_statement(connector: &Connector, mut object: Object<AsyncPgConnection>) {
    let canceled = connector.cancel(object.cancel_token()).await;
    // The server may act on the request after it has confirmed it: then this statement is the one that is canceled.
    let is_free =
        canceled.is_ok() && matches!(timeout(RECYCLE_TIMEOUT, object.batch_execute("SELECT 1")).await, Ok(Ok(())));
    if !is_free {
        drop(Object::take(object));
    }
}
