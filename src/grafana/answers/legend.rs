use crate::panel_query::Legend;
use api::push_text;
use series::{Labels, METRIC_NAME};

/// Names series as the panel's legend asks.
pub(super) struct LegendWriter<'a> {
    kind: LegendKind,
    expr: &'a str,
    text: String,
}

enum LegendKind {
    Auto,
    Verbose,
    Parts(Vec<Part>),
}

/// A piece of a legend's text.
enum Part {
    Text(String),
    Label(String),
}

impl<'a> LegendWriter<'a> {
    pub(super) fn new(legend: &Legend, expr: &'a str) -> Self {
        let kind = match legend {
            Legend::Auto => LegendKind::Auto,
            Legend::Verbose => LegendKind::Verbose,
            Legend::Template(text) => LegendKind::Parts(parse(text)),
        };
        Self {
            kind,
            expr,
            text: String::new(),
        }
    }

    /// Appends the value field's config with the series's name to `out`. Returns false, and
    /// appends nothing, where the frontend is to find the name.
    pub(super) fn write_config(&mut self, labels: &Labels, out: &mut Vec<u8>) -> bool {
        self.text.clear();
        match &self.kind {
            LegendKind::Auto if !labels.is_empty() => {}
            LegendKind::Auto | LegendKind::Verbose => verbose_name(labels, &mut self.text),
            LegendKind::Parts(parts) => {
                for part in parts {
                    match part {
                        Part::Text(text) => self.text.push_str(text),
                        Part::Label(name) => {
                            self.text.push_str(labels.get(name).unwrap_or_default());
                        }
                    }
                }
            }
        }
        // Nothing tells the series apart: the expression says more than empty braces.
        let name = if self.text == "{}" {
            self.expr
        } else {
            &self.text
        };
        if name.is_empty() {
            return false;
        }
        out.extend_from_slice(b"{\"displayNameFromDS\":");
        push_text(out, name);
        out.push(b'}');
        true
    }
}

/// `up{instance="a", job="b"}`, as Grafana's Prometheus data source writes it: the metric's name
/// as it is, without quotes even where it is no plain identifier, and values as Go quotes them.
fn verbose_name(labels: &Labels, out: &mut String) {
    let name = labels.metric_name();
    out.push_str(name.unwrap_or_default());
    let mut others = labels
        .iter()
        .filter(|(name, _)| *name != METRIC_NAME)
        .peekable();
    if others.peek().is_none() {
        if name.is_none() {
            out.push_str("{}");
        }
        return;
    }
    let mut separator = "{";
    for (name, value) in others {
        out.push_str(separator);
        out.push_str(name);
        out.push('=');
        go_quote(value, out);
        separator = ", ";
    }
    out.push('}');
}

/// A text in quotes as Go's `%q` writes it (Go `strconv.Quote`): control characters escaped,
/// printable ones of any script left alone.
fn go_quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Splits `text` at each `{{label}}`; braces that do not close stay text.
fn parse(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        // At least one character stands between the braces.
        let from = start + 2 + rest[start + 2..].chars().next().map_or(0, char::len_utf8);
        let Some(end) = rest[from..].find("}}").map(|end| from + end) else {
            break;
        };
        if start > 0 {
            parts.push(Part::Text(rest[..start].to_owned()));
        }
        parts.push(Part::Label(rest[start + 2..end].trim().to_owned()));
        rest = &rest[end + 2..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    parts
}
