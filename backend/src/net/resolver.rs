//! From the host in a URL to addresses, every one of them checked.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    Resolver as Hickory, TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};
use ipnet::IpNet;
use url::Url;

use crate::net::allowlist::{self, ForbiddenError};

/// Upper limit for the time to live of a DNS answer.
const MAX_TTL: Duration = Duration::from_secs(30);
/// Time for one DNS query, of which there are at most two.
const QUERY_TIMEOUT: Duration = Duration::from_secs(3);
/// Time for the lookup while a user waits for a URL to be saved.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The URL, or an address of its host, must not be called.
    Forbidden,
    /// The host has no address, or the name server did not answer.
    Dns,
    /// No TCP connection, or no TLS on it.
    Connect,
    /// The response is not HTTP, or ended early.
    Http,
}

/// A request that got no response.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    pub kind: ErrorKind,
    /// A sentence for users. Contains neither path nor query of the URL, which may be secret.
    pub message: String,
}

impl RequestError {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl From<ForbiddenError> for RequestError {
    fn from(error: ForbiddenError) -> Self {
        Self::new(ErrorKind::Forbidden, format!("The URL {error}."))
    }
}

/// Looks up hosts and checks their addresses.
#[derive(Debug)]
pub struct Resolver {
    names: TokioResolver,
    /// Networks that may be called although they are not public.
    allowed: Vec<IpNet>,
}

impl Resolver {
    /// Uses `name_server`, or those of the system. Addresses within `allowed` pass the check although they are not public.
    pub fn new(name_server: Option<SocketAddr>, allowed: Vec<IpNet>) -> anyhow::Result<Self> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = match name_server {
            None => Hickory::builder_tokio()
                .unwrap_or_else(|_| Hickory::builder_with_config(ResolverConfig::default(), provider)),
            Some(address) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = address.port();
                    connection
                });
                let server = NameServerConfig::new(address.ip(), true, connections.into());
                Hickory::builder_with_config(ResolverConfig::from_parts(None, Vec::new(), vec![server]), provider)
            }
        };
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = QUERY_TIMEOUT;
        options.positive_max_ttl = Some(MAX_TTL);
        options.negative_max_ttl = Some(MAX_TTL);
        Ok(Self { names: builder.build()?, allowed })
    }

    /// Checks whether a URL may be saved. The same check is made again, on the addresses of that time, before each
    /// request.
    ///
    /// # Errors
    /// The reason, to follow the name of the field.
    pub async fn check(&self, url: &Url) -> Result<(), String> {
        match tokio::time::timeout(CHECK_TIMEOUT, self.lookup(url)).await {
            Ok(Ok(addresses)) => allowlist::check(&addresses, &self.allowed).map_err(|error| error.0),
            Ok(Err(_)) => Err("names a host that cannot be found".into()),
            Err(_) => Err("names a host whose lookup timed out; check the name, or try again".into()),
        }
    }

    /// Returns the addresses of the host of a URL, every one of them checked.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] where any address is not public and not allowed, [`ErrorKind::Dns`] where there is none.
    pub async fn resolve(&self, url: &Url) -> Result<Vec<SocketAddr>, RequestError> {
        let url = allowlist::parse_url(url.as_str())?;
        let addresses = self.lookup(&url).await?;
        allowlist::check(&addresses, &self.allowed)?;
        let port = url.port_or_known_default().unwrap_or(443);
        Ok(addresses.into_iter().map(|address| (address, port).into()).collect())
    }

    async fn lookup(&self, url: &Url) -> Result<Vec<IpAddr>, RequestError> {
        if let Some(address) = allowlist::literal_address(url) {
            return Ok(vec![address]);
        }
        let host = url.host_str().unwrap_or_default();
        let dns = |message: String| RequestError::new(ErrorKind::Dns, message);
        let found = self.names.lookup_ip(host).await.map_err(|error| {
            if error.is_no_records_found() || error.is_nx_domain() {
                return dns(format!("The host {host} does not exist."));
            }
            dns(format!("The DNS lookup of {host} failed: {error}."))
        })?;
        let addresses: Vec<_> = found.iter().collect();
        if addresses.is_empty() { Err(dns(format!("The host {host} has no address."))) } else { Ok(addresses) }
    }
}
