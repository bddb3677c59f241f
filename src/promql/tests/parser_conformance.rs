//! Prometheus's own parser inputs and the expressions of real dashboards.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod support;

use promql::{parse, pretty};
use serde_json::Value;

/// Inputs that we judge differently than listed, each with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[(
    "some_metric{a=\"\u{ff}\"}",
    "in Prometheus's table this is a lone byte 0xFF, which JSON cannot carry and a &str cannot \
     hold; as the letter U+00FF it is a valid value, which Prometheus accepts too",
)];

#[test]
fn every_input_of_prometheus_is_accepted_or_refused_as_listed() {
    let Some(path) = support::conformance("parser/inputs.json") else {
        return;
    };
    let inputs: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for case in &inputs {
        let input = case["input"].as_str().unwrap();
        let must_fail = case["fail"].as_bool().unwrap();
        if EXCEPTIONS.iter().any(|(text, _)| *text == input) {
            continue;
        }
        match parse(input) {
            Ok(expr) if must_fail => wrong.push(format!("{input:?} was accepted as {expr}")),
            Err(error) if !must_fail => wrong.push(format!("{input:?} was refused: {error}")),
            Ok(expr) => {
                let printed = expr.to_string();
                match parse(&printed) {
                    Ok(again) if again.to_string() == printed => {}
                    other => wrong.push(format!("{input:?} printed as {printed:?}: {other:?}")),
                }
            }
            Err(_) => {}
        }
    }
    println!("{} inputs, {} exceptions", inputs.len(), EXCEPTIONS.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_expression_of_real_dashboards_parses_and_prints_back() {
    let Some(path) = support::conformance("queries/dashboards.json") else {
        return;
    };
    let expressions: Vec<String> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let mut variables = 0;
    for expression in &expressions {
        // Grafana's variable queries stand among them; they are Grafana's language, not PromQL.
        if expression.starts_with("label_values(") {
            variables += 1;
            continue;
        }
        let query = support::fill_variables(expression);
        match parse(&query) {
            Err(error) => wrong.push(format!("{query}\n  {error}")),
            Ok(expr) => {
                for printed in [expr.to_string(), pretty(&expr)] {
                    match parse(&printed) {
                        Ok(again) if again.to_string() == expr.to_string() => {}
                        other => wrong.push(format!("{query}\nprinted as {printed}\n{other:?}")),
                    }
                }
            }
        }
    }
    println!(
        "{} expressions, of them {variables} variable queries",
        expressions.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
