use exposition::Format;
use scrape::{PageReport, Refusal};
use std::io::{self, Write};

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
            let place = refusal
                .position()
                .map(|position| format!(":{}:{}", position.line, position.column))
                .unwrap_or_default();
            let advice = match refusal {
                Refusal::ContentType(_) => {
                    "; --content-type text/plain checks the page nevertheless"
                }
                Refusal::Page(_) | Refusal::Fetch(_) => "",
            };
            writeln!(out, "{source}{place}: {}{advice}", refusal.reason())?;
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

/// Writes the report as one JSON document; [`PageReport::to_json`] says which.
///
/// # Errors
/// When `out` takes no more.
pub fn write_json(report: &PageReport, source: &str, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &report.to_json(source))?;
    writeln!(out)
}
