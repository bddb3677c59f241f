//! Listening on an address and serving Prometheus's API there.

mod tls;

pub(crate) use rustls::ServerConfig;
pub(crate) use tls::{TlsListener, config as tls_config};

use crate::machine::{Machine, Running};
use api::{AllowedHosts, BuildInfo, Host, Page, ServerParts, WriteLimits};
use axum::Router;
use axum::serve::ListenerExt;
use series::Secret;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How long requests that are being answered may take when the end is asked for.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// Where to listen: `127.0.0.1:9099`, `[::1]:9099` or `localhost:9099`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listen(SocketAddr);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self(address));
        }
        let port = text.strip_prefix("localhost:").and_then(|p| p.parse().ok());
        port.map(|port| Self((Ipv4Addr::LOCALHOST, port).into()))
            .ok_or_else(|| "write an address and a port, such as 127.0.0.1:9099".to_owned())
    }
}

impl Listen {
    pub(crate) fn address(self) -> SocketAddr {
        self.0
    }

    pub(crate) fn is_loopback(self) -> bool {
        match self.0.ip() {
            IpAddr::V6(ip) => ip.to_canonical().is_loopback(),
            IpAddr::V4(ip) => ip.is_loopback(),
        }
    }

    /// Refuses what others could reach, with a sentence.
    pub(crate) fn loopback_only(self, command: &str) -> Result<(), String> {
        if self.is_loopback() {
            return Ok(());
        }
        let Self(address) = self;
        Err(format!(
            "{address} can be reached from other machines; {command} listens on loopback only, \
             such as 127.0.0.1:{}.",
            address.port()
        ))
    }
}

/// A name without scheme, port and path.
pub(crate) fn host_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(['/', ':', ' ', '@']) {
        return Err("write a name alone, such as metrics.example".to_owned());
    }
    Ok(text.to_owned())
}

/// Binds the address, or says in a sentence why that cannot be.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "Cannot listen on {address}: another process listens there. Stop it, or choose \
                 another port with --listen; port 0 takes a free one."
            ),
            io::ErrorKind::PermissionDenied => format!(
                "Cannot listen on {address}: permission denied. Ports below 1024 need a \
                 privilege; choose another one with --listen."
            ),
            io::ErrorKind::AddrNotAvailable => {
                format!("Cannot listen on {address}: this machine has no such address.")
            }
            _ => format!("Cannot listen on {address}: {error}."),
        })
}

/// Who may ask.
pub(crate) enum Callers {
    /// Whoever reaches a server on loopback, by its names there or one of these; but no web page
    /// from elsewhere.
    OnThisMachine(AllowedHosts),
    /// Who carries the token.
    WithToken(Secret),
}

/// Prometheus's API over a store, and the page.
pub(crate) fn router(running: &Running, machine: &dyn Machine, callers: Callers) -> Router {
    let (allowed_hosts, bearer_token) = match callers {
        Callers::OnThisMachine(hosts) => (Some(hosts), None),
        Callers::WithToken(token) => (None, Some(token)),
    };
    let parts = ServerParts {
        host: Host {
            clock: Some(machine.clock()),
            build: BuildInfo {
                version: machine.version().to_owned(),
                ..BuildInfo::default()
            },
        },
        targets: Arc::clone(&running.targets),
        appender: Arc::clone(&running.appender),
        write_limits: WriteLimits::default(),
        metrics: Arc::clone(&running.metrics),
        statistics: Arc::clone(&running.statistics),
        // The store is open before the first request is taken.
        ready: Arc::new(|| true),
        page: Some(Page::built_in()),
        bearer_token,
        allowed_hosts,
    };
    api::server(Arc::clone(&running.engine), parts)
}

/// Accepts connections on which the end of an answer does not wait.
///
/// Otherwise the system holds back a last packet that is not full until the one before is
/// acknowledged, which readers put off for up to 40 ms (RFC 896, RFC 1122 §4.2.3.2).
pub(crate) fn without_delay(
    listener: TcpListener,
) -> impl axum::serve::Listener<Io = TcpStream, Addr = SocketAddr> {
    listener.tap_io(|stream| answer_at_once(stream))
}

fn answer_at_once(stream: &TcpStream) {
    // Where that cannot be had, answers are only later.
    let _ = stream.set_nodelay(true);
}

/// Serves until `stop`, and then what is being answered for a moment longer.
pub(crate) async fn serve<L>(listener: L, router: Router, stop: CancellationToken) -> io::Result<()>
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    let ending = stop.clone();
    let serving = axum::serve(listener, router)
        .with_graceful_shutdown(async move { ending.cancelled().await });
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        served = serving.into_future() => served,
        () = too_late => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_end_of_an_answer_is_held_back() {
        let listener = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let _caller = TcpStream::connect(address).await.unwrap();
        let (stream, _) = axum::serve::Listener::accept(&mut without_delay(listener)).await;
        assert!(stream.nodelay().unwrap());
    }

    #[test]
    fn what_others_could_reach_is_told_apart_from_loopback() {
        for (text, loopback) in [
            ("127.0.0.1:0", true),
            ("127.8.0.1:80", true),
            ("localhost:9099", true),
            ("[::1]:9099", true),
            ("[::ffff:127.0.0.1]:9099", true),
            ("0.0.0.0:9099", false),
            ("[::]:9099", false),
            ("192.168.0.7:9099", false),
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!(listen.is_loopback(), loopback, "{text}");
        }
        for text in [
            "9099",
            "localhost",
            "http://127.0.0.1:9099",
            "example.org:9099",
        ] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }
}
