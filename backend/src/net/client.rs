//! One HTTP/1.1 client for all requests to URLs that users enter.
//!
//! Each request resolves its host, and reqwest connects to those checked addresses and to no other: its resolver returns
//! what the request has put into [`ADDRESSES`], and fails where there is nothing. A connection that is still open may be
//! reused; its address was checked, with the same allowlist, when it was opened. Redirects are not followed, and no
//! proxy is used, even if the environment names one.

use std::{
    error::Error,
    future::{Future, ready},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use ipnet::IpNet;
use reqwest::{
    Request, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use tower_layer::Layer;
use tower_service::Service;
use url::{Host, Url};

use crate::net::resolver::{ErrorKind, RequestError, Resolver};

/// The `User-Agent` of all requests.
pub const USER_AGENT: &str = concat!("Loadify/", env!("CARGO_PKG_VERSION"));

/// How long a connection stays open without a request: less than most servers keep theirs.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Open connections that a request may find closed before it fails: more than are open to one server.
const MAX_CLOSED_CONNECTIONS: usize = 16;

tokio::task_local! {
    /// The checked addresses of the request that this task sends.
    static ADDRESSES: Vec<SocketAddr>;
    /// Where the time to connect is recorded.
    static TIMINGS: RequestTimings;
}

/// What a client is created with.
#[derive(Debug)]
pub struct Limits {
    /// Name server; those of the system where it is `None`.
    pub name_server: Option<SocketAddr>,
    /// Networks that may be called although they are not public.
    pub allowed: Vec<IpNet>,
    /// Time for TCP and TLS. The addresses of a host share it, so that one that does not answer leaves time for the next.
    pub connect_timeout: Duration,
}

/// Sends requests to checked addresses.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    resolver: Resolver,
}

impl Client {
    pub fn new(limits: Limits) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .dns_resolver(Arc::new(CheckedAddresses))
            .connector_layer(ConnectTimer)
            .connect_timeout(limits.connect_timeout)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http1_only()
            .user_agent(USER_AGENT)
            .build()?;
        Ok(Self { http, resolver: Resolver::new(limits.name_server, limits.allowed)? })
    }

    /// Starts a request.
    pub fn request(&self, method: reqwest::Method, url: Url) -> reqwest::RequestBuilder {
        self.http.request(method, url)
    }

    /// Checks whether a URL may be saved.
    ///
    /// # Errors
    /// The reason, to follow the name of the field.
    pub async fn check(&self, url: &Url) -> Result<(), String> {
        self.resolver.check(url).await
    }

    /// Sends `request` and returns the head of the response. The caller limits the time, and the bytes of the body that it
    /// reads. What is known of the timings is in `timings` even if this future is dropped.
    ///
    /// A server may close a connection at the moment at which it is used again. The request is then sent again, on the next
    /// connection: receivers must accept a repeated request in any case.
    pub async fn send(&self, request: Request, timings: &RequestTimings) -> Result<Response, RequestError> {
        let start = Instant::now();
        let resolved = self.resolver.resolve(request.url()).await;
        if matches!(request.url().host(), Some(Host::Domain(_))) {
            timings.lock().dns = Some(start.elapsed());
        }
        let addresses = resolved?;
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let mut closed_connections = 0;
        loop {
            let again = request.try_clone();
            let again = again.ok_or_else(|| RequestError::new(ErrorKind::Http, "The request cannot be sent twice."))?;
            timings.lock().connect = None;
            let start = Instant::now();
            let sending = ADDRESSES.scope(addresses.clone(), self.http.execute(again));
            let sent = TIMINGS.scope(timings.clone(), sending).await;
            let connect = timings.lock().connect;
            match sent {
                Ok(response) => {
                    timings.lock().first_byte = Some(start.elapsed().saturating_sub(connect.unwrap_or_default()));
                    return Ok(response);
                }
                // An open connection was used, and the server had closed it.
                Err(error)
                    if !error.is_connect() && connect.is_none() && closed_connections < MAX_CLOSED_CONNECTIONS =>
                {
                    closed_connections += 1;
                }
                Err(error) => return Err(explain(&host, &error)),
            }
        }
    }
}

/// How long the parts of a request took. `None` for what did not happen.
#[derive(Debug, Clone, Default)]
pub struct RequestTimings(Arc<Mutex<Parts>>);

/// Durations of the parts of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parts {
    /// DNS lookup; none where the host is an address.
    pub dns: Option<Duration>,
    /// TCP and TLS; none where an open connection was used.
    pub connect: Option<Duration>,
    /// From the connection to the head of the response.
    pub first_byte: Option<Duration>,
}

impl RequestTimings {
    pub fn get(&self) -> Parts {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reqwest's view of DNS: the addresses that the request was checked for.
#[derive(Debug)]
struct CheckedAddresses;

impl Resolve for CheckedAddresses {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses = ADDRESSES.try_with(|addresses| -> Addrs { Box::new(addresses.clone().into_iter()) });
        Box::pin(ready(addresses.map_err(Into::into)))
    }
}

/// Measures how long a connection takes.
///
/// Hyper uses whichever comes first, a new connection or one that becomes free, and finishes the other one in a task of
/// its own, which has no [`TIMINGS`]. So what is recorded always belongs to the connection that carries the request.
#[derive(Debug, Clone, Copy)]
struct ConnectTimer;

#[derive(Debug, Clone)]
struct TimedConnector<S>(S);

impl<S> Layer<S> for ConnectTimer {
    type Service = TimedConnector<S>;

    fn layer(&self, connector: S) -> TimedConnector<S> {
        TimedConnector(connector)
    }
}

impl<S, R> Service<R> for TimedConnector<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let start = Instant::now();
        let connecting = self.0.call(target);
        Box::pin(async move {
            let connected = connecting.await;
            if connected.is_ok() {
                let _ = TIMINGS.try_with(|timings| timings.lock().connect = Some(start.elapsed()));
            }
            connected
        })
    }
}

/// Reqwest's own text contains the URL; the causes below it do not.
fn explain(host: &str, error: &reqwest::Error) -> RequestError {
    let reason = cause(error);
    if !error.is_connect() {
        return RequestError::new(ErrorKind::Http, format!("{host} did not respond: {reason}."));
    }
    let what = if is_tls_error(error) { "TLS with" } else { "Connection to" };
    RequestError::new(ErrorKind::Connect, format!("{what} {host} failed: {reason}."))
}

/// Explains a body that ended early.
pub fn read_error(error: &reqwest::Error) -> RequestError {
    RequestError::new(ErrorKind::Http, format!("The response ended early: {}.", cause(error)))
}

/// The innermost cause: the outer texts end at "connection error".
fn cause(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
    causes.last().map_or_else(|| "no reason is known".to_owned(), ToString::to_string)
}

/// Whether the connection failed in TLS, which has an error type of its own, wrapped by one of `std::io`, or met the end of
/// the connection in the middle of the handshake.
fn is_tls_error(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    error.is::<rustls::Error>()
        || io.is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof)
        || io.and_then(std::io::Error::get_ref).is_some_and(|inner| is_tls_error(inner))
        || error.source().is_some_and(is_tls_error)
}
