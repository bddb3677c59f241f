//! An HTTP server that does what a test tells it to, faults included.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A request as the server got it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The path without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// What the server does about a request.
pub(crate) enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// Holds the connection open until the client closes it.
    HoldOpen,
    /// Closes the connection.
    Close,
}

/// A whole answer; the connection stays open.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<Step> {
    let body = body.as_ref();
    let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    vec![Step::Send(bytes)]
}

/// A whole answer in JSON.
pub(crate) fn json(status: u16, body: &str) -> Vec<Step> {
    answer(status, &[("Content-Type", "application/json")], body)
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) open_requests: usize,
    pub(crate) most_open_requests: usize,
    /// Connections that the client closed while a request was held open.
    pub(crate) abandoned: usize,
}

pub(crate) struct FaultyServer {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    counts: watch::Receiver<Counts>,
    task: JoinHandle<()>,
}

type Behaviour = Arc<dyn Fn(&Seen) -> Vec<Step> + Send + Sync>;

impl FaultyServer {
    pub(crate) async fn start(behave: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::start_with(None, behave).await
    }

    pub(crate) async fn start_with(
        tls: Option<tokio_rustls::TlsAcceptor>,
        behave: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (send, counts) = watch::channel(Counts::default());
        let (behave, send): (Behaviour, _) = (Arc::new(behave), Arc::new(send));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    let (seen, behave, send) =
                        (Arc::clone(&seen), Arc::clone(&behave), Arc::clone(&send));
                    let tls = tls.clone();
                    tokio::spawn(async move {
                        match tls {
                            None => serve(socket, seen, behave, send).await,
                            Some(tls) => {
                                if let Ok(socket) = tls.accept(socket).await {
                                    serve(socket, seen, behave, send).await;
                                }
                            }
                        }
                    });
                }
            }
        });
        Self {
            url,
            seen,
            counts,
            task,
        }
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests but for those by which the engine finds out what the server is.
    pub(crate) fn questions(&self) -> Vec<Seen> {
        let mut seen = self.requests();
        seen.retain(|seen| seen.path() != "/api/v1/status/buildinfo");
        seen
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub(crate) fn most_open_requests(&self) -> usize {
        self.counts.borrow().most_open_requests
    }

    /// Waits until so many requests are held open.
    pub(crate) async fn holding(&self, requests: usize) {
        self.until(|counts| counts.open_requests == requests).await;
    }

    /// Waits until the client has closed so many connections on which a request was held open.
    pub(crate) async fn abandoned(&self, connections: usize) {
        self.until(|counts| counts.abandoned == connections).await;
    }

    async fn until(&self, reached: impl Fn(&Counts) -> bool) {
        let mut counts = self.counts.clone();
        let reached = counts.wait_for(|counts| reached(counts));
        // Only a broken test waits so long.
        tokio::time::timeout(Duration::from_secs(20), reached)
            .await
            .expect("the server never got there")
            .unwrap();
    }
}

impl Drop for FaultyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    seen: Arc<Mutex<Vec<Seen>>>,
    behave: Behaviour,
    counts: Arc<watch::Sender<Counts>>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut socket, &mut buffer).await {
        let steps = behave(&request);
        seen.lock().unwrap().push(request);
        counts.send_modify(|counts| {
            counts.open_requests += 1;
            counts.most_open_requests = counts.most_open_requests.max(counts.open_requests);
        });
        let mut alive = true;
        for step in steps {
            alive = match step {
                Step::Send(bytes) => {
                    socket.write_all(&bytes).await.is_ok() && socket.flush().await.is_ok()
                }
                Step::Wait(time) => {
                    tokio::time::sleep(time).await;
                    true
                }
                Step::HoldOpen => {
                    let mut byte = [0];
                    let closed = matches!(socket.read(&mut byte).await, Ok(0) | Err(_));
                    counts.send_modify(|counts| counts.abandoned += usize::from(closed));
                    false
                }
                Step::Close => false,
            };
            if !alive {
                break;
            }
        }
        counts.send_modify(|counts| counts.open_requests -= 1);
        if !alive {
            let _ = socket.shutdown().await;
            return;
        }
    }
}

async fn read_request(socket: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<Seen> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).ok()?;
            let mut lines = head.lines();
            let mut first = lines.next()?.split(' ');
            let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
            let whole = end + 4 + length;
            if buffer.len() >= whole {
                let body = String::from_utf8(buffer[end + 4..whole].to_vec()).ok()?;
                buffer.drain(..whole);
                return Some(Seen {
                    method,
                    target,
                    headers,
                    body,
                });
            }
        }
        let mut chunk = [0; 4096];
        match socket.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => buffer.extend_from_slice(&chunk[..count]),
        }
    }
}
