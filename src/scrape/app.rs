//! An HTTP server of our own that plays the app, well-behaved or not, for tests.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What the app answers.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Status, headers and body.
    Whole(u16, Vec<(String, String)>, Vec<u8>),
    /// The body again and again, without end.
    Endless(Vec<u8>),
    /// So many bytes are promised, and line breaks sent without end.
    Promise(u64),
    /// Nothing at all.
    Silence,
    /// The connection is closed.
    Close,
    /// Half the body that was promised.
    Half(Vec<u8>),
}

/// A page of Prometheus's text.
pub(crate) fn page(text: &str) -> Reply {
    with_type("text/plain; version=0.0.4", text)
}

pub(crate) fn with_type(content_type: &str, text: &str) -> Reply {
    Reply::Whole(
        200,
        vec![("Content-Type".to_owned(), content_type.to_owned())],
        text.as_bytes().to_vec(),
    )
}

pub(crate) fn status(status: u16) -> Reply {
    Reply::Whole(status, Vec::new(), b"no".to_vec())
}

pub(crate) fn redirect(to: &str) -> Reply {
    Reply::Whole(
        302,
        vec![("Location".to_owned(), to.to_owned())],
        Vec::new(),
    )
}

/// A request: the first line and the headers as they came.
#[derive(Debug, Clone)]
pub(crate) struct Asked(pub(crate) String);

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0.lines().skip(1).find_map(|line| {
            let (header, value) = line.split_once(": ")?;
            header.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn path(&self) -> &str {
        self.0.split(' ').nth(1).unwrap_or_default()
    }
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A running app; it stops when this is dropped.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl App {
    pub(crate) async fn start(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(handler, None).await
    }

    pub(crate) async fn start_with(
        handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let handler: Arc<Handler> = Arc::new(handler);
        let (log, count) = (Arc::clone(&asked), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            let mut running = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (handler, log, tls) = (Arc::clone(&handler), Arc::clone(&log), tls.clone());
                running.spawn(async move {
                    match tls {
                        None => serve(stream, &*handler, &log).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &*handler, &log).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            asked,
            connections,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    handler: &Handler,
    log: &Mutex<Vec<Asked>>,
) {
    let mut head = Vec::new();
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                // The first byte of TLS, which a server of plain HTTP does not understand.
                Ok(0x16) if head.is_empty() => {
                    let _ = stream.write_all(b"HTTP/1.1 400 X\r\n\r\n").await;
                    return;
                }
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let asked = Asked(String::from_utf8_lossy(&head).into_owned());
        let reply = handler(&asked);
        log.lock().unwrap().push(asked);
        let written = match &reply {
            Reply::Whole(status, headers, body) => {
                let mut answer =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
                for (name, value) in headers {
                    answer.push_str(&format!("{name}: {value}\r\n"));
                }
                answer.push_str("\r\n");
                let mut bytes = answer.into_bytes();
                bytes.extend_from_slice(body);
                stream.write_all(&bytes).await
            }
            Reply::Half(body) => {
                let head = format!(
                    "HTTP/1.1 200 X\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
                    body.len() * 2
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(body).await;
                let _ = stream.flush().await;
                return;
            }
            Reply::Endless(_) | Reply::Promise(_) => {
                let mut head = "HTTP/1.1 200 X\r\nContent-Type: text/plain\r\n".to_owned();
                let piece = match reply {
                    Reply::Endless(piece) => piece.clone(),
                    Reply::Promise(length) => {
                        head.push_str(&format!("Content-Length: {length}\r\n"));
                        vec![b'\n'; 1 << 16]
                    }
                    _ => Vec::new(),
                };
                head.push_str("\r\n");
                let mut written = stream.write_all(head.as_bytes()).await;
                while written.is_ok() {
                    written = stream.write_all(&piece).await;
                    // Lets the client's clock run when both share one thread.
                    tokio::task::yield_now().await;
                }
                written
            }
            Reply::Silence => std::future::pending().await,
            Reply::Close => return,
        };
        if written.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}
