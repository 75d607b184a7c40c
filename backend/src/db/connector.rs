//! Opens connections to PostgreSQL: encrypted as the `sslmode` of the URL says, and with a timeout for every way in which
//! a server or a network can stay silent.
//!
//! The modes are those of libpq: `disable`, `prefer`, `require` (encrypted, without a check of the certificate, as Heroku's
//! self-signed certificates need it) and `verify-full` (the certificate must be valid for the host of the URL). The default is
//! `prefer`, and `disable` for a server on this machine, where encryption would only cost time.

use std::{fmt, net::IpAddr, path::Path, time::Duration};

use anyhow::Context;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use tokio_postgres::{
    CancelToken,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use crate::{config::DatabaseConfig, db::tls};

/// Time for the TCP and TLS handshakes and the authentication.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Sent data that the server's host does not acknowledge within this time ends the connection. Without it, Linux retransmits
/// for about 16 minutes.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);
/// A quiet connection is probed after this time, so that one that a firewall has dropped is noticed before it is used.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const KEEPALIVE_RETRIES: u32 = 3;
/// Settings of every session. A statement that runs longer is canceled, and a transaction whose process stopped sending
/// (a frozen host, a lost network) is rolled back, so that its locks cannot block the other processes for good.
const SESSION: &str = "SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '30s'; \
     SET tcp_user_timeout = '10s'; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3";
/// For sessions that wait for other processes for as long as these need: migrations.
const SESSION_WITHOUT_LIMITS: &str = "SET tcp_user_timeout = '10s'; SET tcp_keepalives_idle = 10";

/// Opens connections to one database.
#[derive(Clone)]
pub struct Connector {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("host", &self.config.get_hosts()).finish_non_exhaustive()
    }
}

impl Connector {
    /// # Errors
    /// When the URL or the certificates cannot be read.
    pub fn new(config: &DatabaseConfig) -> anyhow::Result<Self> {
        Self::from_url(&config.database_url, config.database_ca_file.as_deref())
    }

    /// `ca_file` holds certificates that are trusted for `verify-full` in addition to those of the system.
    fn from_url(url: &str, ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let (url, mode) = split_ssl_mode(url);
        // The error of the parser may quote a part of the URL, which contains the password.
        let mut config: tokio_postgres::Config = url
            .parse()
            .map_err(|_| anyhow::anyhow!("DATABASE_URL: expected postgres://user:password@host:port/database"))?;
        let verify = mode.as_deref() == Some("verify-full");
        config.ssl_mode(match mode.as_deref() {
            Some("disable") => SslMode::Disable,
            Some("require" | "verify-full") => SslMode::Require,
            None if config.get_hosts().iter().all(is_local) => SslMode::Disable,
            None | Some("allow" | "prefer") => SslMode::Prefer,
            Some(other) => anyhow::bail!(
                "DATABASE_URL: sslmode {other} is not supported; expected disable, prefer, require or verify-full"
            ),
        });
        config
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(TCP_USER_TIMEOUT)
            .keepalives(true)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES);
        Ok(Self { config, tls: MakeRustlsConnect::new(tls::client_config(verify, ca_file)?) })
    }

    /// Opens a connection whose statements and transactions are limited in time.
    ///
    /// # Errors
    /// When the server cannot be reached within a few seconds, or refuses.
    pub async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        self.open(SESSION).await
    }

    /// Opens a connection whose statements may take any time.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_without_limits(&self) -> ConnectionResult<AsyncPgConnection> {
        self.open(SESSION_WITHOUT_LIMITS).await
    }

    async fn open(&self, session: &str) -> ConnectionResult<AsyncPgConnection> {
        let opening = async {
            let (client, connection) =
                self.config.connect(self.tls.clone()).await.map_err(|error| bad_connection(&error))?;
            let mut conn = AsyncPgConnection::try_from_client_and_connection(client, connection).await?;
            conn.batch_execute(session).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
            Ok(conn)
        };
        let timed_out = || format!("no answer within {} s", (2 * CONNECT_TIMEOUT).as_secs());
        // `connect_timeout` covers the TCP handshake only: a server may accept and then say nothing.
        let opened = tokio::time::timeout(2 * CONNECT_TIMEOUT, opening).await;
        opened.unwrap_or_else(|_| Err(ConnectionError::BadConnection(timed_out())))
    }

    /// Asks the server to cancel the statement that runs on the connection of `token`, if one does.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn cancel(&self, token: CancelToken) -> anyhow::Result<()> {
        let canceling = token.cancel_query(self.tls.clone());
        Ok(tokio::time::timeout(CONNECT_TIMEOUT, canceling).await.context("no answer to a cancel request")??)
    }
}

fn bad_connection(error: &tokio_postgres::Error) -> ConnectionError {
    let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
    ConnectionError::BadConnection(format!("{error}{cause}"))
}

/// Returns the URL without `sslmode`, of which the client library does not know all values, and that value.
fn split_ssl_mode(text: &str) -> (String, Option<String>) {
    let Ok(mut url) = Url::parse(text) else { return (text.to_owned(), None) };
    let mode = url.query_pairs().filter(|(name, _)| name == "sslmode").last().map(|(_, mode)| mode.into_owned());
    if mode.is_some() {
        let rest: Vec<_> = url.query_pairs().into_owned().filter(|(name, _)| name != "sslmode").collect();
        url.set_query(None);
        if !rest.is_empty() {
            url.query_pairs_mut().extend_pairs(rest);
        }
    }
    (if mode.is_some() { url.into() } else { text.to_owned() }, mode)
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> SslMode {
        Connector::from_url(url, None).expect("a URL").config.get_ssl_mode()
    }

    #[test]
    fn what_goes_over_a_network_is_encrypted_if_the_server_can() {
        assert_eq!(mode("postgres://u:p@127.0.0.1:5432/d"), SslMode::Disable);
        assert_eq!(mode("postgres://u:p@localhost/d"), SslMode::Disable);
        assert_eq!(mode("postgres://u:p@ec2-1-2-3-4.compute-1.amazonaws.com:5432/d"), SslMode::Prefer);
        assert_eq!(mode("postgres://u:p@127.0.0.1/d?sslmode=require"), SslMode::Require);
        assert_eq!(mode("postgres://u:p@db/d?sslmode=disable&application_name=x"), SslMode::Disable);
    }

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        for url in ["postgres://u:secret@db/d?sslmode=yes", "postgres://u:secret@db:port/d", "mysql://u:secret@db/d"] {
            let error = format!("{:#}", Connector::from_url(url, None).expect_err(url));
            assert!(error.starts_with("DATABASE_URL") && !error.contains("secret"), "{error}");
        }
    }
}
