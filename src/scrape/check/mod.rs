//! Looks a page over as a scrape would read it: what it holds, and what is wrong with it.
//!
//! The command line prints the report, the data source's editor shows it.

mod naming;
mod report;
mod rules;
mod values;

pub use report::{FamilyReport, PageReport, Refusal, check_page};
pub use rules::{Finding, Rule, Severity};

#[cfg(test)]
mod tests;
