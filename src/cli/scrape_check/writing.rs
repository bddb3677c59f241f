use super::report::{PageReport, Refusal};
use exposition::{ContentTypeError, Format, Position};
use series::MetricKind;
use std::io::{self, Write};

/// The place of a refusal in the page, where it is about a place.
fn position(refusal: &Refusal) -> Option<Position> {
    match refusal {
        Refusal::Page(error) => Some(error.position),
        Refusal::ContentType(_) | Refusal::Fetch(_) => None,
    }
}

/// The reason of a refusal without its place, and what can be done.
fn reason(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Page(error) => error.problem.to_string(),
        Refusal::Fetch(what) => what.clone(),
        Refusal::ContentType(error) => {
            let what = match error {
                ContentTypeError::Missing => "the target sends no Content-Type".to_owned(),
                ContentTypeError::Malformed(header) => {
                    format!("the Content-Type {header:?} is malformed")
                }
                ContentTypeError::Unsupported(header) => {
                    format!("the Content-Type {header:?} is no text format of metrics")
                }
                other => other.to_string(),
            };
            format!("{what}; --content-type text/plain checks the page nevertheless")
        }
    }
}

/// Writes the report for people: verdict first, then what would be stored, then what is wrong.
///
/// A refusal stands alone in its line as `source:line:column: reason`, which editors follow;
/// without place where it is not about one.
///
/// # Errors
/// When `out` takes no more.
pub fn write_text(report: &PageReport, source: &str, out: &mut dyn Write) -> io::Result<()> {
    let format = report.format.map_or("unknown format", Format::name);
    let size = report.bytes;
    match &report.refusal {
        None => writeln!(
            out,
            "{source}: Prometheus would ingest this page ({format}, {size} bytes)."
        )?,
        // The sentence names the target itself.
        Some(Refusal::Fetch(what)) => {
            writeln!(out, "{what}\nPrometheus would store nothing but up = 0.")?;
        }
        Some(refusal) => {
            let place = position(refusal)
                .map(|position| format!(":{}:{}", position.line, position.column))
                .unwrap_or_default();
            writeln!(out, "{source}{place}: {}", reason(refusal))?;
            writeln!(
                out,
                "Prometheus would refuse this page ({format}, {size} bytes) and store nothing of it."
            )?;
        }
    }
    if report.samples > 0 {
        writeln!(out)?;
        write_families(report, out)?;
    }
    write_findings(report, out)
}

fn write_families(report: &PageReport, out: &mut dyn Write) -> io::Result<()> {
    let verb = match report.is_ingested() {
        true => "Stored would be",
        false => "Before that place stand",
    };
    write!(
        out,
        "{verb} {} of {} samples, {} series",
        report.samples - report.lost,
        report.samples,
        report.series
    )?;
    if report.exemplars > 0 {
        write!(out, ", {} exemplars", report.exemplars)?;
    }
    writeln!(out, ":")?;
    writeln!(out, "{:>8}  {:<14}  metric", "series", "type")?;
    for family in report.families.iter().filter(|family| family.samples > 0) {
        let kind = family.kind.unwrap_or_default().as_str();
        writeln!(out, "{:>8}  {kind:<14}  {}", family.series, family.name)?;
    }
    Ok(())
}

fn write_findings(report: &PageReport, out: &mut dyn Write) -> io::Result<()> {
    if report.findings.is_empty() {
        return Ok(());
    }
    let count = report.findings.len();
    let noun = if count == 1 { "finding" } else { "findings" };
    writeln!(out, "\n{count} {noun}:")?;
    for finding in &report.findings {
        write!(
            out,
            "line {}: {} [{}] {}: {}",
            finding.line,
            finding.rule.severity(),
            finding.rule.as_str(),
            finding.metric,
            finding.text
        )?;
        match finding.times {
            1 => writeln!(out)?,
            times => writeln!(out, " (and {} more)", times - 1)?,
        }
    }
    Ok(())
}

/// Writes the report as one JSON document:
///
/// `{"source", "format": "prometheus-text" | "openmetrics" | null, "bytes", "ingested",
/// "refusal": {"line", "column", "reason"} | null, "samples", "lost_samples", "series",
/// "exemplars", "metrics": [{"name", "type", "help", "unit", "line", "series", "samples"}],
/// "findings": [{"rule", "severity", "line", "metric", "text", "times"}]}`.
///
/// `type`, `help` and `unit` are `null` where the page has no such line, `line` and `column` of
/// the refusal where it is not about a place in the page.
///
/// # Errors
/// When `out` takes no more.
pub fn write_json(report: &PageReport, source: &str, out: &mut dyn Write) -> io::Result<()> {
    let metrics: Vec<_> = report
        .families
        .iter()
        .map(|family| {
            serde_json::json!({
                "name": family.name,
                "type": family.kind.map(MetricKind::as_str),
                "help": family.help,
                "unit": family.unit,
                "line": family.line,
                "series": family.series,
                "samples": family.samples,
            })
        })
        .collect();
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|finding| {
            serde_json::json!({
                "rule": finding.rule.as_str(),
                "severity": finding.rule.severity().as_str(),
                "line": finding.line,
                "metric": finding.metric,
                "text": finding.text,
                "times": finding.times,
            })
        })
        .collect();
    let refusal = report.refusal.as_ref().map(|refusal| {
        let position = position(refusal);
        serde_json::json!({
            "line": position.map(|position| position.line),
            "column": position.map(|position| position.column),
            "reason": reason(refusal),
        })
    });
    let document = serde_json::json!({
        "source": source,
        "format": report.format.map(|format| match format {
            Format::PrometheusText => "prometheus-text",
            Format::OpenMetrics => "openmetrics",
        }),
        "bytes": report.bytes,
        "ingested": report.is_ingested(),
        "refusal": refusal,
        "samples": report.samples,
        "lost_samples": report.lost,
        "series": report.series,
        "exemplars": report.exemplars,
        "metrics": metrics,
        "findings": findings,
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
