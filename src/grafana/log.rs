//! Log lines as Grafana reads them: one JSON object a line on stderr.
//!
//! Grafana's reader is strict (grafana-contract.md, "Logs"): `@level`, `@message` and
//! `@timestamp` must be strings, the time has exactly six fractional digits, and a line stays
//! under 64 KiB.

use jiff::Timestamp;
use serde_json::{Map, Value};
use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Longest line with its newline, with room below the reader's 64 KiB.
const MAX_LINE_BYTES: usize = 60 * 1024;
/// Longest text of one field in a line that would be too long.
const CUT_FIELD_BYTES: usize = 4 * 1024;

/// Writes events for Grafana.
///
/// Events of libraries are written from `warn` up only: at lower levels some of them print
/// headers, and so tokens.
pub struct GrafanaLog<W> {
    writer: Mutex<W>,
    level: Level,
    now: fn() -> Timestamp,
    ours: &'static [&'static str],
}

impl<W: Write + Send + 'static> GrafanaLog<W> {
    /// `level` is the lowest that is written, `ours` names the crates whose events may go below
    /// `warn`.
    pub fn new(
        writer: W,
        level: Level,
        now: fn() -> Timestamp,
        ours: &'static [&'static str],
    ) -> Self {
        Self {
            writer: Mutex::new(writer),
            level,
            now,
            ours,
        }
    }

    fn is_wanted(&self, metadata: &Metadata<'_>) -> bool {
        let krate = metadata.target().split("::").next().unwrap_or_default();
        let lowest = if self.ours.contains(&krate) {
            self.level
        } else {
            Level::WARN
        };
        *metadata.level() <= lowest.min(self.level)
    }
}

impl<S: Subscriber, W: Write + Send + 'static> Layer<S> for GrafanaLog<W> {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.is_wanted(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = to_line(event, (self.now)());
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to tell when the log itself cannot be written.
        let _ = writer.write_all(line.as_bytes());
        let _ = writer.flush();
    }
}

/// Reads a level's name as settings spell it; `None` for any other text.
#[must_use]
pub fn parse_level(text: &str) -> Option<Level> {
    match text.to_ascii_lowercase().as_str() {
        "trace" => Some(Level::TRACE),
        "debug" => Some(Level::DEBUG),
        "info" => Some(Level::INFO),
        "warn" | "warning" => Some(Level::WARN),
        "error" => Some(Level::ERROR),
        _ => None,
    }
}

fn to_line(event: &Event<'_>, now: Timestamp) -> String {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let mut line = fields.0;
    let message = line.remove("message").unwrap_or_default();
    let message = message
        .as_str()
        .map_or_else(|| message.to_string(), str::to_owned);
    let level = event.metadata().level().as_str().to_ascii_lowercase();
    line.insert("@level".to_owned(), level.into());
    line.insert("@message".to_owned(), message.into());
    line.insert("@timestamp".to_owned(), format!("{now:.6}").into());
    line.insert("@module".to_owned(), event.metadata().target().into());
    let mut text = Value::Object(line).to_string();
    if text.len() >= MAX_LINE_BYTES {
        text = cut(&text);
    }
    text.push('\n');
    text
}

/// The same line with every long text cut.
fn cut(line: &str) -> String {
    let mut fields: Map<String, Value> = serde_json::from_str(line).unwrap_or_default();
    for value in fields.values_mut() {
        if let Value::String(text) = value
            && text.len() > CUT_FIELD_BYTES
        {
            let end = (0..=CUT_FIELD_BYTES)
                .rev()
                .find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or(0));
            text.push('…');
        }
    }
    let text = Value::Object(fields.clone()).to_string();
    if text.len() < MAX_LINE_BYTES {
        return text;
    }
    // Many long fields: the four that Grafana knows are what matters.
    fields.retain(|name, _| name.starts_with('@'));
    Value::Object(fields).to_string()
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        // A field must not pass for one of Grafana's own.
        let name = field.name().trim_start_matches('@').to_owned();
        self.0.insert(name, value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.insert(field, value.to_string().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tracing_subscriber::prelude::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Runs `events` and returns the lines that they wrote at `level`.
    fn lines(level: Level, events: impl FnOnce()) -> Vec<Map<String, Value>> {
        let written = Written::default();
        let now = || Timestamp::from_nanosecond(1_700_000_000_123_456_789).unwrap();
        let log = GrafanaLog::new(written.clone(), level, now, &["ours"]);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(log), events);
        let bytes = written.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| {
                assert!(line.len() < 64 * 1024);
                serde_json::from_str(line).unwrap()
            })
            .collect()
    }

    #[test]
    fn a_line_has_what_grafana_reads_as_strings() {
        let lines = lines(Level::INFO, || {
            tracing::error!(target: "ours::room", series = 7, ok = true, "it broke");
        });
        assert_eq!(
            Value::Object(lines[0].clone()),
            serde_json::json!({
                "@level": "error",
                "@message": "it broke",
                "@timestamp": "2023-11-14T22:13:20.123456Z",
                "@module": "ours::room",
                "series": 7,
                "ok": true,
            })
        );
    }

    #[test]
    fn a_message_is_a_string_whatever_was_logged() {
        let lines = lines(Level::INFO, || {
            tracing::info!(target: "ours", message = 5);
            tracing::info!(target: "ours", count = 1);
        });
        assert_eq!(lines[0]["@message"], "5");
        assert!(lines[1]["@message"].is_string());
    }

    #[test]
    fn libraries_are_heard_from_warn_up_only() {
        let lines = lines(Level::TRACE, || {
            tracing::debug!(target: "h2::codec", "authorization: Bearer s3cret");
            tracing::warn!(target: "h2::codec", "broken");
            tracing::trace!(target: "ours", "seen");
        });
        let messages: Vec<_> = lines.iter().map(|line| &line["@message"]).collect();
        assert_eq!(messages, ["broken", "seen"]);
    }

    #[test]
    fn a_line_that_would_be_too_long_is_cut() {
        let long = "ü".repeat(100_000);
        let lines = lines(Level::INFO, || {
            tracing::warn!(target: "ours", detail = long.as_str(), "{long}");
        });
        let message = lines[0]["@message"].as_str().unwrap();
        assert!(message.starts_with("üü") && message.ends_with('…'));
    }
}
