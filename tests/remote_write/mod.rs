//! A client of a server: remote write in, as the specification has it, and questions over HTTP on
//! one connection.

#![allow(dead_code, reason = "each test uses what it needs of this")]

use prost::Message;
use series::{Labels, Sample};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

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

    /// Writes samples; gives back the status and what the server says.
    pub(crate) fn write(&mut self, series: &[(Labels, Vec<Sample>)]) -> (u16, String) {
        let timeseries = series
            .iter()
            .map(|(labels, samples)| TimeSeries {
                labels: labels
                    .iter()
                    .map(|(name, value)| Label {
                        name: name.to_owned(),
                        value: value.to_owned(),
                    })
                    .collect(),
                samples: samples
                    .iter()
                    .map(|sample| Point {
                        value: sample.value,
                        timestamp: sample.time,
                    })
                    .collect(),
            })
            .collect();
        let message = WriteRequest { timeseries }.encode_to_vec();
        let body = snap::raw::Encoder::new().compress_vec(&message).unwrap();
        let head = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
                    X-Prometheus-Remote-Write-Version: 0.1.0\r\n";
        self.post("/api/v1/write", head, &body)
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
