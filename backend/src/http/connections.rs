//! Connections of clients: how many there may be, and for how long one may occupy its place without a request.
//!
//! Every connection takes a file descriptor and some kilobytes, and anyone may open them. Actix limits the time of the first
//! request head; this module does the rest:
//!
//! - The number of connections stays below the limit on open files, and an address may have half of them. At a limit the
//!   connection that has been without a request for the longest time is closed for the new one: a client that sends its
//!   requests at once is served even if many others send slowly.
//! - A connection whose next request head is incomplete after `REQUEST_HEAD_SECONDS`, or whose refused body does not end
//!   within that time, is closed.
//! - If a client leaves while a GET is handled, the handler is dropped, and with it the statement that it waits for (see
//!   [`db::abort_on_drop`](crate::db::abort_on_drop)). Requests that change something run to their end.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Bytes,
};
use ipnet::IpNet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
    time::timeout,
};

use crate::config::Config;

/// Open files that are left for the database, the broker, storage, webhooks and logs.
const RESERVED_FILES: u64 = 256;
/// Upper limit of connections, whatever the limit on open files: each takes about 20 kB.
const MAX_CONNECTIONS: usize = 10_000;
/// How long after `KEEP_ALIVE_SECONDS` and `REQUEST_HEAD_SECONDS` a connection is closed. Actix, which can send a response
/// first, closes it earlier.
const GRACE_TIME: Duration = Duration::from_secs(1);
/// For how long a client that has closed its side may still wait for the response to a GET.
const HALF_CLOSED_TIMEOUT: Duration = Duration::from_millis(500);

/// Raises the soft limit on open files to the hard one, and returns it.
pub fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!("The limit on open files cannot be raised: {error}");
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// All connections of this process.
pub struct Connections {
    max: usize,
    max_per_address: usize,
    trusted_proxies: Vec<IpNet>,
    head_timeout: Duration,
    keep_alive: Duration,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next_id: u64,
    by_id: HashMap<u64, Arc<Activity>>,
    by_address: HashMap<IpAddr, usize>,
}

impl Connections {
    pub fn new(config: &Config, max_files: u64) -> Arc<Self> {
        let by_files = max_files.saturating_sub(RESERVED_FILES.min(max_files / 2));
        let by_files = usize::try_from(by_files).unwrap_or(usize::MAX).min(MAX_CONNECTIONS);
        let max = if config.max_connections == 0 { by_files } else { config.max_connections.min(by_files) };
        let per_address = config.max_connections_per_address;
        Arc::new(Self {
            max,
            max_per_address: if per_address == 0 { (max / 2).max(1) } else { per_address },
            trusted_proxies: config.auth.trusted_proxies.clone(),
            head_timeout: config.request_head() + GRACE_TIME,
            keep_alive: config.keep_alive() + GRACE_TIME,
            open: Mutex::default(),
        })
    }

    /// Registers a connection. Returns `None` if there are too many and all of them have a request.
    pub fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Admitted> {
        let counted = address.filter(|address| !self.trusted_proxies.iter().any(|network| network.contains(address)));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = counted
            && open.by_address.get(&address).is_some_and(|count| *count >= self.max_per_address)
        {
            open.evict(Some(address))?;
        }
        if open.by_id.len() >= self.max {
            open.evict(None)?;
        }
        let id = open.next_id;
        open.next_id += 1;
        let activity = Arc::new(Activity::new(counted));
        open.by_id.insert(id, Arc::clone(&activity));
        if let Some(address) = counted {
            *open.by_address.entry(address).or_default() += 1;
        }
        Some(Admitted { connections: Arc::clone(self), id, activity })
    }
}

impl Open {
    /// Closes the connection that has been without a request for the longest time, of all or of an address.
    fn evict(&mut self, address: Option<IpAddr>) -> Option<()> {
        let idle = self.by_id.iter().filter(|(_, activity)| {
            activity.requests.load(Relaxed) == 0 && (address.is_none() || activity.address == address)
        });
        let oldest = *idle.min_by_key(|(id, activity)| (activity.idle_since_ms.load(Relaxed), **id))?.0;
        let evicted = self.remove(oldest)?;
        evicted.is_evicted.store(true, Relaxed);
        evicted.changed.notify_one();
        Some(())
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Activity>> {
        let removed = self.by_id.remove(&id)?;
        if let Some(address) = removed.address
            && let Some(count) = self.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        Some(removed)
    }
}

/// A slot among the [`Connections`], released when it is dropped.
pub struct Admitted {
    connections: Arc<Connections>,
    id: u64,
    activity: Arc<Activity>,
}

impl Admitted {
    pub fn wrap(&self, stream: TcpStream) -> Connection {
        Connection { stream, activity: Arc::clone(&self.activity) }
    }

    /// Waits until the connection is to be closed.
    pub async fn expired(&self) {
        let Connections { head_timeout, keep_alive, .. } = *self.connections;
        loop {
            let left = match self.activity.deadline(head_timeout, keep_alive) {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => head_timeout,
            };
            if left.is_zero() {
                return;
            }
            // Either the deadline is over, or it is another one by now.
            let _ = timeout(left, self.activity.changed.notified()).await;
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.connections.open.lock().unwrap_or_else(PoisonError::into_inner).remove(self.id);
    }
}

/// What a connection is doing. In the data of the connection, for [`track`].
pub struct Activity {
    address: Option<IpAddr>,
    /// Requests that are handled, or whose response is being sent.
    requests: AtomicU32,
    /// The request is a GET or HEAD.
    is_safe: AtomicBool,
    is_evicted: AtomicBool,
    /// Since when there is no request, in milliseconds since [`START`].
    idle_since_ms: AtomicU64,
    /// When the first byte after the last response arrived; 0 if none did.
    reading_since_ms: AtomicU64,
    /// When the client closed its side; 0 if it did not.
    closed_at_ms: AtomicU64,
    changed: Notify,
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Never 0, which means "not yet".
fn now_ms() -> u64 {
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX) + 1
}

fn instant(ms: u64) -> Instant {
    *START + Duration::from_millis(ms)
}

impl Activity {
    fn new(address: Option<IpAddr>) -> Self {
        Self {
            address,
            requests: AtomicU32::new(0),
            is_safe: AtomicBool::new(false),
            is_evicted: AtomicBool::new(false),
            idle_since_ms: AtomicU64::new(now_ms()),
            reading_since_ms: AtomicU64::new(0),
            closed_at_ms: AtomicU64::new(0),
            changed: Notify::new(),
        }
    }

    /// Returns when the connection is to be closed unless something happens; `None` while a request is handled.
    fn deadline(&self, head_timeout: Duration, keep_alive: Duration) -> Option<Instant> {
        if self.is_evicted.load(Relaxed) {
            return Some(Instant::now());
        }
        if self.requests.load(Relaxed) > 0 {
            let closed_at = self.closed_at_ms.load(Relaxed);
            let is_abandoned = closed_at > 0 && self.is_safe.load(Relaxed);
            return is_abandoned.then(|| instant(closed_at) + HALF_CLOSED_TIMEOUT);
        }
        Some(match self.reading_since_ms.load(Relaxed) {
            0 => instant(self.idle_since_ms.load(Relaxed)) + keep_alive,
            since => instant(since) + head_timeout,
        })
    }

    fn begin(self: &Arc<Self>, is_safe: bool) -> ActiveRequest {
        self.is_safe.store(is_safe, Relaxed);
        self.reading_since_ms.store(0, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        ActiveRequest(Arc::clone(self))
    }

    fn received(&self, bytes: usize) {
        if bytes == 0 {
            self.closed_at_ms.store(now_ms(), Relaxed);
            self.changed.notify_one();
        } else if self.requests.load(Relaxed) == 0
            && self.reading_since_ms.compare_exchange(0, now_ms(), Relaxed, Relaxed).is_ok()
        {
            self.changed.notify_one();
        }
    }
}

/// A request, until its response is sent.
struct ActiveRequest(Arc<Activity>);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.idle_since_ms.store(now_ms(), Relaxed);
        self.0.reading_since_ms.store(0, Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
        self.0.changed.notify_one();
    }
}

/// Records that a request is handled, from its head to the end of its response.
pub async fn track(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let active = request.conn_data::<Arc<Activity>>().map(|activity| activity.begin(request.method().is_safe()));
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| TrackedBody { body: body.boxed(), _active: active }))
}

struct TrackedBody {
    body: BoxBody,
    _active: Option<ActiveRequest>,
}

impl MessageBody for TrackedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// A connection that records what arrives.
pub struct Connection {
    stream: TcpStream,
    pub activity: Arc<Activity>,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.activity.received(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
