//! One connection to PostgreSQL, encrypted as `sslmode` in its URL says.
//!
//! The words are those of libpq: `disable`, `prefer`, `require` (encrypted, by whomever, as Heroku's certificates, which
//! nobody vouches for, want it) and `verify-full` (by who is vouched for as the host of the URL). Without a word it is
//! `prefer`, and `disable` for a server on this machine, where encryption would only cost time.

use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc};

use anyhow::Context;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use rustls_platform_verifier::{BuilderVerifierExt, Verifier};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

/// Where the database is, and how to speak to it.
#[derive(Clone)]
pub struct Server {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("host", &self.config.get_hosts()).finish_non_exhaustive()
    }
}

impl Server {
    /// By a URL as in `DATABASE_URL`; `authorities` is a file of certificates that are trusted for `verify-full` beside
    /// those of the system.
    pub fn new(url: &str, authorities: Option<&PathBuf>) -> anyhow::Result<Self> {
        let (url, mode) = split(url);
        // Its own text may repeat a part of the URL, which has the password.
        let mut config: tokio_postgres::Config = url
            .parse()
            .map_err(|_| anyhow::anyhow!("DATABASE_URL: expected postgres://user:password@host:port/database"))?;
        let by_name = mode.as_deref() == Some("verify-full");
        config.ssl_mode(match mode.as_deref() {
            Some("disable") => SslMode::Disable,
            Some("require" | "verify-full") => SslMode::Require,
            None if config.get_hosts().iter().all(is_here) => SslMode::Disable,
            None | Some("allow" | "prefer") => SslMode::Prefer,
            Some(other) => anyhow::bail!(
                "DATABASE_URL: sslmode {other} is not known; expected disable, prefer, require or verify-full"
            ),
        });
        Ok(Self { config, tls: MakeRustlsConnect::new(tls(by_name, authorities)?) })
    }

    pub async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let bad = |error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            ConnectionError::BadConnection(format!("{error}{cause}"))
        };
        let (client, connection) = self.config.connect(self.tls.clone()).await.map_err(bad)?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    }
}

/// The URL without `sslmode`, of which the client library does not know all words, and that.
fn split(text: &str) -> (String, Option<String>) {
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

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

fn tls(by_name: bool, authorities: Option<&PathBuf>) -> anyhow::Result<ClientConfig> {
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&crypto)).with_safe_default_protocol_versions()?;
    let builder = match (by_name, authorities) {
        (false, _) => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(crypto))),
        (true, None) => builder.with_platform_verifier()?,
        (true, Some(file)) => {
            let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let roots = read.map_err(|error| anyhow::anyhow!("{error}"));
            let roots = roots.with_context(|| format!("DATABASE_CA_FILE: {}", file.display()))?;
            anyhow::ensure!(!roots.is_empty(), "DATABASE_CA_FILE: {} has no certificate in PEM", file.display());
            let verifier = Verifier::new_with_extra_roots(roots, crypto)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    Ok(builder.with_no_client_auth())
}

/// Takes any certificate, as libpq does for `require`: who listens in hears nothing, who stands in between is not noticed.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> SslMode {
        Server::new(url, None).expect("a URL").config.get_ssl_mode()
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
            let error = format!("{:#}", Server::new(url, None).expect_err(url));
            assert!(error.starts_with("DATABASE_URL") && !error.contains("secret"), "{error}");
        }
    }
}
