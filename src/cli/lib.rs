//! What a person starts from a shell: `gpx_headwater scrape-check` and its siblings.
//!
//! Enters `exposition`, `scrape` and `series`. Knows nothing of Grafana or of the store.
//! Start at [`run`]; [`Command`] lists what there is.

mod scrape_check;
mod surroundings;

pub use scrape_check::{
    FamilyReport, Finding, PageReport, Refusal, Rule, ScrapeCheck, Severity, check_page,
    write_json, write_text,
};
pub use surroundings::{FetchFailure, FetchedPage, Surroundings, SystemSurroundings};

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// Where a command writes what it has to say.
pub struct Streams<'a> {
    /// The answer.
    pub out: &'a mut dyn Write,
    /// What went wrong.
    pub err: &'a mut dyn Write,
}

/// How a command ended; each command says which endings it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Exit status 0.
    Good,
    /// Exit status 1: the command did its work and the answer is no.
    Bad,
    /// Exit status 2: the command was called wrongly, or could not do its work.
    Usage,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Good => Self::SUCCESS,
            Ending::Bad => Self::from(1),
            Ending::Usage => Self::from(2),
        }
    }
}

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "gpx_headwater",
    version,
    about = "Shows an app's metrics in Grafana, straight from its /metrics"
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// Everything that can be started.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Says what a scrape of a page would store, and what is wrong with the page.
    ScrapeCheck(ScrapeCheck),
}

/// Does what the command line `arguments` asks for; the program's name comes first.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    surroundings: &dyn Surroundings,
    streams: &mut Streams<'_>,
) -> Ending {
    let command = match Line::try_parse_from(arguments) {
        Ok(line) => line.command,
        Err(message) => {
            // Help and version are asked for and go to the output.
            let (stream, ending) = match message.use_stderr() {
                true => (&mut *streams.err, Ending::Usage),
                false => (&mut *streams.out, Ending::Good),
            };
            // Nobody is left to be told when the stream is closed.
            let _ = write!(stream, "{message}");
            return ending;
        }
    };
    match command {
        Command::ScrapeCheck(check) => check.run(surroundings, streams),
    }
}
