//! A client of a server: remote write in, as the specification has it, and questions over HTTP on
//! one connection.

#![allow(dead_code, reason = "each test uses what it needs of this")]

use prost::Message;
use series::{Bucket, Histogram, Labels, ResetHint, Sample};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// `prometheus.WriteRequest`, as far as it is sent here.
#[derive(Clone, PartialEq, prost::Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Point>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<NativeHistogram>,
}

/// `io.prometheus.write.v2.Request`, as far as it is sent here.
#[derive(Clone, PartialEq, prost::Message)]
struct RequestV2 {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    timeseries: Vec<TimeSeriesV2>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TimeSeriesV2 {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Point>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<NativeHistogram>,
}

/// The same in both versions. What is required is so for the sake of negative zeros.
#[derive(Clone, PartialEq, prost::Message)]
struct NativeHistogram {
    #[prost(oneof = "Count", tags = "1, 2")]
    count: Option<Count>,
    #[prost(double, required, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(double, required, tag = "5")]
    zero_threshold: f64,
    #[prost(oneof = "ZeroCount", tags = "6, 7")]
    zero_count: Option<ZeroCount>,
    #[prost(message, repeated, tag = "8")]
    negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "9")]
    negative_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "10")]
    negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    positive_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "13")]
    positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    reset_hint: i32,
    #[prost(int64, tag = "15")]
    timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    custom_values: Vec<f64>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Count {
    #[prost(uint64, tag = "1")]
    Int(u64),
    #[prost(double, tag = "2")]
    Float(f64),
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum ZeroCount {
    #[prost(uint64, tag = "6")]
    Int(u64),
    #[prost(double, tag = "7")]
    Float(f64),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Span {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

impl NativeHistogram {
    /// Counts are written as whole numbers where they are some that fit together, as a scrape
    /// brings them, and as fractions otherwise, as a recording rule does.
    fn new(time: i64, histogram: &Histogram) -> Self {
        let buckets = || histogram.positive.iter().chain(&histogram.negative);
        let is_whole = |count: f64| (0.0..1e15).contains(&count) && count.fract() == 0.0;
        let inside = buckets().map(|b| b.count).sum::<f64>() + histogram.zero_count;
        let whole = is_whole(histogram.zero_count)
            && buckets().all(|bucket| is_whole(bucket.count))
            && inside == histogram.count
            && !histogram.sum.is_nan();
        let counts = |buckets: &[Bucket]| -> (Vec<i64>, Vec<f64>) {
            if !whole {
                return (Vec::new(), buckets.iter().map(|b| b.count).collect());
            }
            let mut before = 0;
            let delta = |bucket: &Bucket| {
                let count = bucket.count as i64;
                count - std::mem::replace(&mut before, count)
            };
            (buckets.iter().map(delta).collect(), Vec::new())
        };
        let (positive_deltas, positive_counts) = counts(&histogram.positive);
        let (negative_deltas, negative_counts) = counts(&histogram.negative);
        Self {
            count: Some(if whole {
                Count::Int(histogram.count as u64)
            } else {
                Count::Float(histogram.count)
            }),
            sum: histogram.sum,
            schema: i32::from(histogram.schema),
            zero_threshold: histogram.zero_threshold,
            zero_count: Some(if whole {
                ZeroCount::Int(histogram.zero_count as u64)
            } else {
                ZeroCount::Float(histogram.zero_count)
            }),
            negative_spans: spans(&histogram.negative),
            negative_deltas,
            negative_counts,
            positive_spans: spans(&histogram.positive),
            positive_deltas,
            positive_counts,
            reset_hint: match histogram.reset_hint {
                ResetHint::Unknown => 0,
                ResetHint::Reset => 1,
                ResetHint::NotReset => 2,
                ResetHint::Gauge => 3,
            },
            timestamp: time,
            custom_values: histogram
                .custom_bounds
                .as_ref()
                .map_or_else(Vec::new, |bounds| bounds.to_vec()),
        }
    }
}

fn spans(buckets: &[Bucket]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut next = 0;
    for bucket in buckets {
        match spans.last_mut() {
            Some(span) if bucket.index == next => span.length += 1,
            _ => spans.push(Span {
                offset: bucket.index - next,
                length: 1,
            }),
        }
        next = bucket.index + 1;
    }
    spans
}

/// What is to be written of one series.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    pub(crate) labels: Labels,
    /// Numbers, each with the time at which the counter started, 0 where unknown.
    pub(crate) samples: Vec<(Sample, i64)>,
    pub(crate) histograms: Vec<(i64, Arc<Histogram>)>,
}

impl Sent {
    fn points(&self) -> Vec<Point> {
        let points = self.samples.iter().map(|(sample, start)| Point {
            value: sample.value,
            timestamp: sample.time,
            start_timestamp: *start,
        });
        points.collect()
    }

    fn natives(&self) -> Vec<NativeHistogram> {
        let histograms = self.histograms.iter();
        let natives = histograms.map(|(time, histogram)| NativeHistogram::new(*time, histogram));
        natives.collect()
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Point {
    // Required, for an optional zero is left out, and a negative one with it.
    #[prost(double, required, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
    // Of the second version only.
    #[prost(int64, tag = "3")]
    start_timestamp: i64,
}

/// One connection to a server, made anew where it was closed.
pub(crate) struct Client {
    address: String,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(crate) fn new(address: String) -> Self {
        Self {
            address,
            connection: None,
        }
    }

    /// Writes samples; gives back the status and what the server says. Start times are known to
    /// the second version alone, which is then spoken.
    pub(crate) fn write(&mut self, series: &[Sent]) -> (u16, String) {
        let started = series.iter().flat_map(|sent| &sent.samples);
        let (message, kind, version) = if started.clone().any(|(_, start)| *start != 0) {
            let kind = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
            (message_v2(series), kind, "2.0.0")
        } else {
            (message_v1(series), "application/x-protobuf", "0.1.0")
        };
        let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
        let head = format!(
            "Content-Type: {kind}\r\nContent-Encoding: snappy\r\n\
             X-Prometheus-Remote-Write-Version: {version}\r\n"
        );
        self.post("/api/v1/write", &head, &body)
    }

    /// Sends a form; gives back the status and the body.
    pub(crate) fn post_form(&mut self, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let head = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.post(path, head, body.as_bytes())
    }

    fn post(&mut self, path: &str, head: &str, body: &[u8]) -> (u16, String) {
        let address = &self.address;
        let connection = self.connection.get_or_insert_with(|| {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            BufReader::new(stream)
        });
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\n{head}Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        connection.get_mut().write_all(&request).unwrap();
        read_answer(connection)
    }
}

fn message_v1(series: &[Sent]) -> Vec<u8> {
    let labels = |sent: &Sent| -> Vec<Label> {
        let labels = sent.labels.iter().map(|(name, value)| Label {
            name: name.to_owned(),
            value: value.to_owned(),
        });
        labels.collect()
    };
    let timeseries = series.iter().map(|sent| TimeSeries {
        labels: labels(sent),
        samples: sent.points(),
        histograms: sent.natives(),
    });
    let timeseries = timeseries.collect();
    WriteRequest { timeseries }.encode_to_vec()
}

fn message_v2(series: &[Sent]) -> Vec<u8> {
    let mut symbols = vec![String::new()];
    let mut symbol = |text: &str| {
        symbols.push(text.to_owned());
        symbols.len() as u32 - 1
    };
    let timeseries = series.iter().map(|sent| TimeSeriesV2 {
        labels_refs: sent
            .labels
            .iter()
            .flat_map(|(name, value)| [symbol(name), symbol(value)])
            .collect(),
        samples: sent.points(),
        histograms: sent.natives(),
    });
    let timeseries = timeseries.collect();
    let request = RequestV2 {
        symbols,
        timeseries,
    };
    request.encode_to_vec()
}

/// Reads one answer and leaves the connection at the next.
fn read_answer(connection: &mut BufReader<TcpStream>) -> (u16, String) {
    let status = read_line(connection);
    let status = status.split(' ').nth(1).unwrap().parse().unwrap();
    let (mut length, mut chunked) = (0, false);
    loop {
        let line = read_line(connection).to_ascii_lowercase();
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        match (name, value.trim()) {
            ("content-length", value) => length = value.parse().unwrap(),
            ("transfer-encoding", "chunked") => chunked = true,
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        loop {
            let size = usize::from_str_radix(&read_line(connection), 16).unwrap();
            read_exact(connection, size, &mut body);
            assert_eq!(read_line(connection), "");
            if size == 0 {
                break;
            }
        }
    } else {
        read_exact(connection, length, &mut body);
    }
    (status, String::from_utf8(body).unwrap())
}

fn read_line(connection: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    connection.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn read_exact(connection: &mut BufReader<TcpStream>, size: usize, body: &mut Vec<u8>) {
    let before = body.len();
    body.resize(before + size, 0);
    connection.read_exact(&mut body[before..]).unwrap();
}
