use crate::fake::{FakeEngine, FakeStore};
use crate::{Answer, Server, parts, send};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use series::Appended;
use std::sync::Arc;

const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// A field with a length before it.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
    out.extend_from_slice(bytes);
    out
}

fn label(name: &str, value: &str) -> Vec<u8> {
    let pair = [field(1, name.as_bytes()), field(2, value.as_bytes())].concat();
    field(1, &pair)
}

/// A sample at `time` below 128.
fn sample(time: u8, value: f64) -> Vec<u8> {
    let mut out = vec![1 << 3 | 1];
    out.extend_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&[2 << 3, time]);
    field(2, &out)
}

fn up() -> Vec<u8> {
    let series = [label("__name__", "up"), sample(7, 1.5), sample(8, 2.5)].concat();
    field(1, &series)
}

fn up_v2() -> Vec<u8> {
    let series = [field(1, &[1, 2]), sample(7, 1.5)].concat();
    let symbols = ["", "__name__", "up"].map(|text| field(4, text.as_bytes()));
    [symbols.concat(), field(5, &series)].concat()
}

struct Receiver {
    store: Arc<FakeStore>,
    server: Server,
}

impl Receiver {
    fn new() -> Self {
        let store = Arc::new(FakeStore::default());
        let mut parts = parts(Arc::clone(&store));
        parts.write_limits.compressed_bytes = 1_000;
        parts.write_limits.bytes = 5_000;
        let server = Server::with(FakeEngine::default(), parts);
        Self { store, server }
    }

    async fn send(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = Request::post("/api/v1/write");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(&self.server.router, request.body(Body::from(body)).unwrap()).await
    }

    async fn write(&self, content_type: &str, message: &[u8]) -> Answer {
        let body = snap::raw::Encoder::new().compress_vec(message).unwrap();
        let headers = [
            ("content-type", content_type),
            ("content-encoding", "snappy"),
        ];
        self.send(&headers, body).await
    }

    fn written(&self) -> usize {
        self.store.written.lock().unwrap().len()
    }
}

fn count(answer: &Answer, what: &str) -> String {
    let name = format!("x-prometheus-remote-write-{what}-written");
    answer.headers[&name].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn both_versions_are_written_and_counted() {
    for (content_type, message, samples) in [
        ("application/x-protobuf", up(), "2"),
        (
            "application/x-protobuf; proto=prometheus.WriteRequest",
            up(),
            "2",
        ),
        (V2, up_v2(), "1"),
    ] {
        let receiver = Receiver::new();
        let answer = receiver.write(content_type, &message).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{content_type}");
        assert!(answer.body.is_empty());
        assert_eq!(count(&answer, "samples"), samples);
        assert_eq!(count(&answer, "histograms"), "0");
        assert_eq!(count(&answer, "exemplars"), "0");
        let written = receiver.store.written.lock().unwrap();
        assert_eq!(written[0].labels.to_string(), "up");
        assert_eq!(
            (written[0].samples[0].time, written[0].samples[0].value),
            (7, 1.5)
        );
    }
}

#[tokio::test]
async fn headers_may_be_left_out_and_mean_the_first_version() {
    let receiver = Receiver::new();
    let body = snap::raw::Encoder::new().compress_vec(&up()).unwrap();
    let answer = receiver.send(&[], body).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(receiver.written(), 1);
}

#[tokio::test]
async fn other_types_and_encodings_are_refused() {
    let receiver = Receiver::new();
    for content_type in [
        "application/json",
        "application/x-protobuf;proto=io.prometheus.write.v3.Request",
    ] {
        let answer = receiver.write(content_type, &up()).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(answer.text().contains(content_type), "{}", answer.text());
    }
    let headers = [("content-encoding", "zstd")];
    let answer = receiver.send(&headers, up()).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(receiver.written(), 0);
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_nothing_written() {
    let receiver = Receiver::new();
    let answer = receiver
        .send(&[], b"\xff\xff\xff\xff\xff\xff".to_vec())
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(
        answer.text().contains("no snappy block"),
        "{}",
        answer.text()
    );
    let mut cut = up();
    cut.truncate(cut.len() - 1);
    let answer = receiver.write("application/x-protobuf", &cut).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text().contains("cut off"), "{}", answer.text());
    assert_eq!(receiver.written(), 0);
}

#[tokio::test]
async fn bodies_beyond_the_bounds_are_refused() {
    let receiver = Receiver::new();
    let answer = receiver.send(&[], vec![0; 1_001]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let answer = receiver.write("application/x-protobuf", &[0; 5_001]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(
        answer.text().contains("write_max_bytes"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn what_can_be_written_is_and_the_rest_is_told() {
    let receiver = Receiver::new();
    let unnamed = field(1, &[label("job", "a"), sample(1, 1.0)].concat());
    let message = [unnamed, up()].concat();
    let answer = receiver.write("application/x-protobuf", &message).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(count(&answer, "samples"), "2");
    assert!(
        answer.text().contains("__name__ is missing"),
        "{}",
        answer.text()
    );
    assert_eq!(receiver.written(), 1);
}

#[tokio::test]
async fn what_the_store_refuses_is_told() {
    let receiver = Receiver::new();
    *receiver.store.says.lock().unwrap() = Some(Ok(Appended {
        stored: 1,
        duplicate: 2,
        conflicting: 3,
        out_of_order: 4,
        out_of_bounds: 5,
        exemplars: 6,
        histograms: 0,
    }));
    let answer = receiver.write("application/x-protobuf", &up()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(count(&answer, "samples"), "3");
    assert_eq!(count(&answer, "exemplars"), "6");
    for text in [
        "12 samples",
        "3 × duplicate",
        "4 × out of order",
        "5 × out of bounds",
    ] {
        assert!(answer.text().contains(text), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_store_that_cannot_write_is_asked_again_later() {
    for (error, status) in [
        (
            series::Error::Unavailable("disk full".to_owned()),
            StatusCode::SERVICE_UNAVAILABLE,
        ),
        (
            series::Error::Limit {
                what: "series".to_owned(),
                bound: "max_series",
                limit: 1,
            },
            StatusCode::TOO_MANY_REQUESTS,
        ),
    ] {
        let receiver = Receiver::new();
        *receiver.store.says.lock().unwrap() = Some(Err(error));
        let answer = receiver.write("application/x-protobuf", &up()).await;
        assert_eq!(answer.status, status);
        assert_eq!(count(&answer, "samples"), "0");
    }
}

#[tokio::test]
async fn an_empty_request_is_fine() {
    let receiver = Receiver::new();
    let answer = receiver.write("application/x-protobuf", &[]).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
}

/// A store that counts the writes that are under way, each of which takes its time.
#[derive(Default)]
struct Slow {
    under_way: std::sync::atomic::AtomicUsize,
    most: std::sync::atomic::AtomicUsize,
}

impl series::Appender for Slow {
    fn target(&self, _: &series::Labels) -> series::Result<Box<dyn series::TargetAppender>> {
        unreachable!("nothing is scraped")
    }

    fn write(&self, series: &[series::WriteSeries]) -> series::Result<series::Appended> {
        use std::sync::atomic::Ordering::SeqCst;
        let now = self.under_way.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(20));
        self.under_way.fetch_sub(1, SeqCst);
        Ok(series::Appended {
            stored: series.len() as u64,
            ..series::Appended::default()
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_than_allowed_are_written_at_a_time() {
    let slow = Arc::new(Slow::default());
    let mut parts = parts(Arc::new(FakeStore::default()));
    parts.appender = Arc::clone(&slow) as Arc<dyn series::Appender>;
    parts.write_limits.at_once = 2;
    let server = Server::with(FakeEngine::default(), parts);
    // WriteRequest { timeseries: [{ labels: [{ __name__, a }], samples: [{ 1.0, 1 }] }] }
    let label = [b"\x0a\x08__name__\x12\x01a".as_slice()].concat();
    let sample = [b"\x09".as_slice(), &1.0_f64.to_le_bytes(), b"\x10\x01"].concat();
    let series = [
        &[0x0a, label.len() as u8][..],
        &label,
        &[0x12, sample.len() as u8],
        &sample,
    ]
    .concat();
    let message = [&[0x0a, series.len() as u8][..], &series].concat();
    let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
    let writes: Vec<_> = (0..12)
        .map(|_| {
            let (router, body) = (server.router.clone(), body.clone());
            let request = Request::post("/api/v1/write")
                .body(Body::from(body))
                .unwrap();
            tokio::spawn(async move { send(&router, request).await.status })
        })
        .collect();
    for write in writes {
        assert_eq!(write.await.unwrap(), StatusCode::NO_CONTENT);
    }
    let most = slow.most.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(most, 2);
}
