//! TLS to PostgreSQL.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use rustls_platform_verifier::{BuilderVerifierExt, Verifier};

/// Returns the settings for TLS. The certificate is checked only if `verify` is set, against the authorities of the system and
/// those in `ca_file`.
///
/// # Errors
/// When `ca_file` has no certificate, or the system's store cannot be read.
pub fn client_config(verify: bool, ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&crypto)).with_safe_default_protocol_versions()?;
    let builder = match (verify, ca_file) {
        (false, _) => builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAnyCertificate(crypto))),
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

/// Accepts any certificate, as libpq does for `require`: protects against eavesdropping, not against an active attacker.
#[derive(Debug)]
struct AcceptAnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyCertificate {
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
