//! Connections to receivers: from the name of a host to a vetted address to HTTP/1.1 on it, and those that are kept open.
//!
//! Nothing of the environment is asked: no proxy, no other client's settings. Each message asks the resolver anew (whose
//! answers live as long as the name server says, 30 seconds at most), and a connection that is still open is used only if
//! its address is among the vetted ones of this answer.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use rustls::{ClientConfig, pki_types::ServerName};
use rustls_platform_verifier::BuilderVerifierExt;
use shared::webhook::{AttemptError, Timings};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::AbortHandle,
};
use tokio_rustls::TlsConnector;
use url::Url;

use crate::webhooks::target;

/// Longest that an answer of the name server is believed.
const LONGEST_TTL: Duration = Duration::from_secs(30);
/// How long the name server may take before it is asked again, twice at most. The deadline of the attempt goes on.
const DNS_PATIENCE: Duration = Duration::from_secs(3);
/// How long a person who saves a URL waits for the name server.
const CHECK_PATIENCE: Duration = Duration::from_secs(5);
/// How long one of several addresses may take before the next one is tried.
const CONNECT_PATIENCE: Duration = Duration::from_secs(4);
/// How long a connection is kept without a use: less than most servers keep it.
const IDLE: Duration = Duration::from_secs(4);
/// Most bytes of the head of an answer.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Why an attempt got no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub error: AttemptError,
    /// For a person.
    pub message: String,
}

impl Failure {
    pub fn new(error: AttemptError, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }
}

/// HTTP/1.1 to one address. Dropping it ends the connection.
pub struct Connection {
    pub sender: SendRequest<Full<Bytes>>,
    pub address: SocketAddr,
    /// It has carried a message before.
    pub used: bool,
    driver: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Else it would go on reading what nobody wants.
        self.driver.abort();
    }
}

/// Scheme, host and port as in the URL: what the certificate was checked for.
type Origin = (bool, String);

pub struct Connector {
    resolver: TokioResolver,
    tls: TlsConnector,
    allowed: Vec<IpNet>,
    idle: Mutex<HashMap<Origin, Vec<(Instant, Connection)>>>,
}

impl Connector {
    /// `name_server` instead of those of the system; `allowed` blocks although they are inside.
    pub fn new(name_server: Option<SocketAddr>, allowed: Vec<IpNet>) -> anyhow::Result<Self> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = match name_server {
            None => Resolver::builder_tokio()
                .unwrap_or_else(|_| Resolver::builder_with_config(ResolverConfig::default(), provider)),
            Some(address) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = address.port();
                    connection
                });
                let server = NameServerConfig::new(address.ip(), true, connections.into());
                Resolver::builder_with_config(ResolverConfig::from_parts(None, Vec::new(), vec![server]), provider)
            }
        };
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = DNS_PATIENCE;
        options.positive_max_ttl = Some(LONGEST_TTL);
        options.negative_max_ttl = Some(LONGEST_TTL);
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        Ok(Self { resolver: builder.build()?, tls: Arc::new(config).into(), allowed, idle: Mutex::default() })
    }

    /// Whether a URL may be kept, as far as can be told now; else why not, to end a sentence that begins with its name.
    pub async fn check(&self, url: &Url) -> Result<(), String> {
        let mut timings = Timings::default();
        match tokio::time::timeout(CHECK_PATIENCE, self.locate(url, &mut timings)).await {
            Ok(Ok(addresses)) => target::vet(&addresses, &self.allowed).map_err(|refused| refused.0),
            Ok(Err(_)) => Err("names a host that cannot be found".into()),
            Err(_) => Err("names a host that no name server tells of in time".into()),
        }
    }

    /// The addresses of the host of a URL, every one of them vetted.
    pub async fn addresses(&self, url: &Url, timings: &mut Timings) -> Result<Vec<SocketAddr>, Failure> {
        let forbidden = |refused: target::Refused| Failure::new(AttemptError::Forbidden, format!("The URL {refused}."));
        let url = target::parse(url.as_str()).map_err(forbidden)?;
        let addresses = self.locate(&url, timings).await?;
        target::vet(&addresses, &self.allowed).map_err(forbidden)?;
        let port = url.port_or_known_default().unwrap_or(443);
        Ok(addresses.into_iter().map(|address| (address, port).into()).collect())
    }

    async fn locate(&self, url: &Url, timings: &mut Timings) -> Result<Vec<IpAddr>, Failure> {
        if let Some(address) = target::literal(url) {
            return Ok(vec![address]);
        }
        let start = Instant::now();
        let found = self.resolve(url.host_str().unwrap_or_default()).await;
        timings.dns_us = Some(micros(start));
        found
    }

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let dns = |message: String| Failure::new(AttemptError::Dns, message);
        let found = self.resolver.lookup_ip(host).await.map_err(|error| {
            if error.is_no_records_found() || error.is_nx_domain() {
                return dns(format!("There is no host {host}."));
            }
            dns(format!("The name server does not tell the address of {host}: {error}."))
        })?;
        let addresses: Vec<_> = found.iter().collect();
        if addresses.is_empty() { Err(dns(format!("The host {host} has no address."))) } else { Ok(addresses) }
    }

    /// A connection that is still open to one of the vetted `addresses`.
    pub fn reuse(&self, url: &Url, addresses: &[SocketAddr]) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(&origin(url))?;
        kept.retain(|(since, connection)| since.elapsed() < IDLE && connection.sender.is_ready());
        let place = kept.iter().rposition(|(_, connection)| addresses.contains(&connection.address))?;
        Some(kept.swap_remove(place).1)
    }

    /// Keeps a connection whose last answer was read to its end.
    pub async fn keep(&self, url: &Url, mut connection: Connection) {
        if connection.sender.ready().await.is_err() {
            return;
        }
        connection.used = true;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, kept| {
            kept.retain(|(since, connection)| since.elapsed() < IDLE && !connection.sender.is_closed());
            !kept.is_empty()
        });
        idle.entry(origin(url)).or_default().push((Instant::now(), connection));
    }

    /// A new connection to the first of the vetted `addresses` that takes one.
    pub async fn connect(
        &self,
        url: &Url,
        addresses: &[SocketAddr],
        timings: &mut Timings,
    ) -> Result<Connection, Failure> {
        let start = Instant::now();
        let mut result = Err(Failure::new(AttemptError::Connect, "There is no address to connect to."));
        for address in addresses {
            let opening = self.open(url, *address);
            result = if addresses.len() == 1 {
                opening.await
            } else {
                tokio::time::timeout(CONNECT_PATIENCE, opening).await.unwrap_or_else(|_| {
                    Err(Failure::new(AttemptError::Connect, format!("{address} does not answer a connection.")))
                })
            };
            if result.is_ok() {
                break;
            }
        }
        timings.connect_us = Some(micros(start));
        result
    }

    async fn open(&self, url: &Url, address: SocketAddr) -> Result<Connection, Failure> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Failure::new(AttemptError::Connect, format!("{what} {address}: {error}."))
        };
        let tcp = TcpStream::connect(address).await.map_err(|error| failed("No connection to", &error))?;
        tcp.set_nodelay(true).map_err(|error| failed("No connection to", &error))?;
        if url.scheme() == "http" {
            return speak(tcp, address).await;
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|error| failed("No TLS with", &error))?;
        let tls = self.tls.connect(name, tcp).await.map_err(|error| failed("No TLS with", &error))?;
        speak(tls, address).await
    }
}

async fn speak<S>(stream: S, address: SocketAddr) -> Result<Connection, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let handshake = http1::Builder::new().max_buf_size(MAX_HEAD_BYTES).handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(|error| Failure::new(AttemptError::Http, error.to_string()))?;
    // Its errors come out at the sender.
    let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
    Ok(Connection { sender, address, used: false, driver })
}

fn origin(url: &Url) -> Origin {
    let port = url.port_or_known_default().unwrap_or_default();
    (url.scheme() == "https", format!("{}:{port}", url.host_str().unwrap_or_default()))
}

pub fn micros(start: Instant) -> i64 {
    i64::try_from(start.elapsed().as_micros()).unwrap_or(i64::MAX)
}
