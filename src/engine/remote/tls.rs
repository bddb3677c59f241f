//! What https needs: whom we trust and who we are.

use super::settings::TlsSettings;
use crate::{Error, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;

fn wrong(key: &'static str, reason: impl Into<String>) -> Error {
    Error::Setting {
        key,
        reason: reason.into(),
    }
}

/// The configuration for rustls, with TLS 1.2 and 1.3.
///
/// The system's authorities are read from disk unless the settings bring their own.
pub(super) fn configuration(settings: &TlsSettings) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(format!("TLS versions: {error}")))?;
    let builder = if settings.skip_verify {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
    } else {
        builder.with_root_certificates(roots(settings)?)
    };
    match (&settings.client_cert, &settings.client_key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (None, Some(_)) => Err(wrong("tlsClientCert", "missing beside tlsClientKey")),
        (Some(_), None) => Err(wrong("tlsClientKey", "missing beside tlsClientCert")),
        (Some(cert), Some(key)) => {
            let chain = certificates("tlsClientCert", cert.reveal())?;
            let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes())
                .map_err(|_| wrong("tlsClientKey", "no private key in PEM form is in it"))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                wrong(
                    "tlsClientKey",
                    format!("does not go with tlsClientCert: {error}"),
                )
            })
        }
    }
}

/// For a client that only speaks http.
pub(super) fn trusting_nobody() -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(format!("TLS versions: {error}")))?;
    Ok(builder
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn roots(settings: &TlsSettings) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match &settings.ca {
        Some(ca) => {
            for certificate in certificates("tlsCACert", ca.reveal())? {
                roots
                    .add(certificate)
                    .map_err(|error| wrong("tlsCACert", format!("cannot be trusted: {error}")))?;
            }
        }
        None => {
            // A machine without authorities can still ask over http; https then says why it
            // trusts nobody.
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    Ok(roots)
}

fn certificates(key: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(key, format!("not PEM: {error}")))?;
    if all.is_empty() {
        return Err(wrong(key, "no certificate in PEM form is in it"));
    }
    Ok(all)
}

/// Takes any certificate whose owner has its key (`tlsSkipVerify`).
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
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
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
