//! https: whom we trust, and who we are.

use super::faulty_server::{FaultyServer, json};
use super::*;
use engine::TransportFailure;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

struct Issued {
    cert: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    fn issue(&self, name: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Issued { cert, key }
    }

    fn pem(&self) -> Secret {
        secret(&self.issuer.pem())
    }
}

/// A server with a certificate for `name`; with `clients`, only for those that it certified.
async fn server(authority: &Authority, name: &str, clients: bool) -> FaultyServer {
    let issued = authority.issue(name);
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if clients {
        let mut roots = RootCertStore::empty();
        roots.add(authority.issuer.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::try_from(issued.key.serialize_der()).unwrap();
    let config = builder
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    FaultyServer::start_with(Some(acceptor), |_| json(200, UP)).await
}

fn assert_untrusted(asked: Result<Answer, Error>) {
    let failure = |error: &Error| match error {
        Error::Transport { failure, .. } => Some(*failure),
        _ => None,
    };
    match asked {
        Err(error) => assert_eq!(failure(&error), Some(TransportFailure::Tls), "{error}"),
        Ok(_) => panic!("the server was trusted"),
    }
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_or_not_at_all() {
    let authority = Authority::new();
    let server = server(&authority, "127.0.0.1", false).await;
    assert_untrusted(ask(&remote(&server.url), "up").await);
    let other = Authority::new();
    let wrong = remote_with(&server.url, |s| s.tls.ca = Some(other.pem()));
    assert_untrusted(ask(&wrong, "up").await);
    let right = remote_with(&server.url, |s| s.tls.ca = Some(authority.pem()));
    ask(&right, "up").await.unwrap();
    let careless = remote_with(&server.url, |s| s.tls.skip_verify = true);
    ask(&careless, "up").await.unwrap();
}

#[tokio::test]
async fn a_server_under_another_name_is_trusted_with_that_name() {
    let authority = Authority::new();
    let server = server(&authority, "prometheus.example", false).await;
    let trusting = |s: &mut RemoteSettings| s.tls.ca = Some(authority.pem());
    assert_untrusted(ask(&remote_with(&server.url, trusting), "up").await);
    let named = remote_with(&server.url, |s| {
        trusting(s);
        s.tls.server_name = Some("prometheus.example".to_owned());
    });
    ask(&named, "up").await.unwrap();
    let seen = server.requests().pop().unwrap();
    assert_eq!(
        seen.header("host"),
        Some(format!("127.0.0.1:{}", server.port()).as_str())
    );
}

#[tokio::test]
async fn a_server_that_wants_certificates_gets_ours() {
    let authority = Authority::new();
    let server = server(&authority, "127.0.0.1", true).await;
    let us = authority.issue("headwater");
    let without = remote_with(&server.url, |s| s.tls.ca = Some(authority.pem()));
    assert_untrusted(ask(&without, "up").await);
    let with = remote_with(&server.url, |s| {
        s.tls.ca = Some(authority.pem());
        s.tls.client_cert = Some(secret(&us.cert.pem()));
        s.tls.client_key = Some(secret(&us.key.serialize_pem()));
    });
    ask(&with, "up").await.unwrap();
}
