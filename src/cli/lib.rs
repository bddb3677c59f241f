//! What a person starts from a shell: `gpx_headwater serve`, `demo`, `scrape-check`.
//!
//! Enters `api`, `engine`, `exposition`, `scrape` and `series`. Knows nothing of Grafana or of
//! the store.
//! Start at [`run`]; [`Command`] lists what there is.

mod demo;
mod listening;
mod machine;
mod scrape_check;
mod surroundings;
mod times;

pub use demo::Demo;
pub use machine::{CannotOpen, Machine, Opening, Place, Running, Task};
pub use scrape_check::{
    FamilyReport, Finding, PageReport, Refusal, Rule, ScrapeCheck, Severity, check_page,
    write_json, write_text,
};
pub use surroundings::{FetchFailure, FetchedPage, Surroundings, SystemSurroundings};

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::future::Future;
use std::io::Write;
use std::process::ExitCode;

const VERSION: &str = env!("CARGO_PKG_VERSION");

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
    about = "Shows an app's metrics straight from its /metrics"
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// Everything that can be started.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows everything at once: a small wiki with visitors, scraped, stored and queried.
    Demo(Demo),
    /// Says what a scrape of a page would store, and what is wrong with the page.
    ScrapeCheck(ScrapeCheck),
}

/// Does what the command line `arguments` asks for; the program's name comes first.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    surroundings: &dyn Surroundings,
    machine: &dyn Machine,
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
        Command::Demo(demo) => demo.run(machine, streams),
        Command::ScrapeCheck(check) => check.run(surroundings, streams),
    }
}

/// Runs what waits for a network, and ends with it: what still runs then is not waited for.
fn block_on<'s, 'w, F>(
    streams: &'s mut Streams<'w>,
    work: impl FnOnce(&'s mut Streams<'w>) -> F,
) -> Ending
where
    F: Future<Output = Ending>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Err(error) => refuse(streams, &format!("Cannot start threads: {error}.")),
        Ok(runtime) => {
            let ending = runtime.block_on(work(streams));
            runtime.shutdown_background();
            ending
        }
    }
}

/// Says why there is nothing to do.
fn refuse(streams: &mut Streams<'_>, reason: &str) -> Ending {
    // Nobody is left to be told when the stream is closed.
    let _ = writeln!(streams.err, "{reason}");
    Ending::Usage
}
