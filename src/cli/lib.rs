//! What a person starts from a shell: `gpx_headwater demo`, `serve`, `query`, `scrape-check`,
//! `data` and `convert-dashboard`.
//!
//! Enters `api`, `engine`, `exposition`, `scrape` and `series`. Knows nothing of Grafana or of
//! the store.
//! Start at [`run`]; [`Command`] lists what there is.

mod completion;
mod convert_dashboard;
mod data;
mod demo;
#[cfg(test)]
mod fake;
mod listening;
mod machine;
mod query;
mod scrape_check;
mod serve;
mod surroundings;
mod times;

pub use completion::Completion;
pub use convert_dashboard::ConvertDashboard;
pub use data::Data;
pub use demo::Demo;
pub use machine::{CannotOpen, Machine, Opening, Place, Running, Stored, StoredFolder, Task};
pub use query::Query;
pub use scrape_check::{ScrapeCheck, write_json, write_text};
pub use serve::Serve;
pub use surroundings::{FetchFailure, FetchedPage, Surroundings, SystemSurroundings};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::future::Future;
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
    about = "Shows an app's metrics in Grafana, straight from its /metrics",
    after_help = "Examples:
  gpx_headwater demo
  gpx_headwater scrape-check http://localhost:8000/metrics
  gpx_headwater serve --data-dir ./data --scrape http://localhost:8000/metrics
  gpx_headwater query 'rate(http_requests_total[5m])' --url http://localhost:9099 --start -1h

Every command says more with --help. Exit status: 0 done, 1 the answer is no, 2 wrong usage or could \
not start."
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
    /// Scrapes, stores, and answers as Prometheus's HTTP API does.
    Serve(Serve),
    /// Asks a server, or a folder of samples, in PromQL.
    Query(Query),
    /// Says what a scrape of a page would store, and what is wrong with the page.
    ScrapeCheck(ScrapeCheck),
    /// Lists what the plugin stored for each data source, and removes what nobody needs.
    Data(Data),
    /// Makes a dashboard of Grafana's Prometheus data source ask Headwater.
    ConvertDashboard(ConvertDashboard),
    /// Writes what a shell needs to complete this command line.
    Completion(Completion),
}

/// Does what the command line `arguments` asks for; the program's name comes first.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    surroundings: &dyn Surroundings,
    machine: &dyn Machine,
    streams: &mut Streams<'_>,
) -> Ending {
    let line = Line::command().version(machine.version());
    let parsed = line
        .try_get_matches_from(arguments)
        .and_then(|matches| Line::from_arg_matches(&matches));
    let command = match parsed {
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
        Command::Serve(serve) => serve.run(surroundings, machine, streams),
        Command::Query(query) => query.run(surroundings, machine, streams),
        Command::ScrapeCheck(check) => check.run(surroundings, streams),
        Command::Data(data) => data.run(machine, streams),
        Command::ConvertDashboard(convert) => convert.run(surroundings, streams),
        Command::Completion(completion) => completion.run(Line::command(), streams),
    }
}

/// Runs what waits for a network, and ends with it: what still runs then is not waited for. The
/// error says why there are no threads.
fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("Cannot start threads: {error}."))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

/// Says why there is nothing to do.
fn refuse(streams: &mut Streams<'_>, reason: &str) -> Ending {
    // Nobody is left to be told when the stream is closed.
    let _ = writeln!(streams.err, "{reason}");
    Ending::Usage
}
