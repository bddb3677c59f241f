//! The front door: wires the rooms together and hands over to Grafana or to a person.
//!
//! Read top-down: settings → store → scrape → engine → grafana or cli → serve. Rules of any room
//! live in that room.

mod wiring;

use engine::Engine;
use engine::remote::{RemoteEngine, RemoteSettings};
use grafana::{
    Endpoint, EngineSettings, Faults, GrafanaLog, HostSettings, InstanceSettings, Launch,
    LaunchError, Metrics, OpenEngine, Plugin,
};
use jiff::Timestamp;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tracing::Level;
use tracing_subscriber::prelude::*;
use wiring::{DataDir, Embedded, Foundation, PersonsMachine, StoreMetrics};

/// The crates whose log lines may go below `warn`.
const OURS: &[&str] = &[
    "gpx_headwater",
    "api",
    "cli",
    "engine",
    "exposition",
    "grafana",
    "promql",
    "query",
    "scrape",
    "series",
    "store",
];

fn main() -> ExitCode {
    let variables = environment();
    match Launch::from_environment(&variables, std::env::temp_dir()) {
        Ok(launch) => serve_grafana(&variables, &launch),
        Err(LaunchError::NoCookie) => for_a_person(&variables),
        Err(error) => fail(&error),
    }
}

/// Runs as Grafana's plugin until Grafana wants no more.
fn serve_grafana(variables: &HashMap<String, String>, launch: &Launch) -> ExitCode {
    let level = variables
        .get("GF_PLUGIN_LOG_LEVEL")
        .and_then(|text| grafana::parse_level(text))
        .unwrap_or(Level::INFO);
    log_for_grafana(level);
    grafana::log_panics();
    match run_plugin(variables, launch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run_plugin(
    variables: &HashMap<String, String>,
    launch: &Launch,
) -> Result<(), Box<dyn std::error::Error>> {
    let metrics = Metrics::new()?;
    let endpoint = Endpoint::bind(launch)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        let stop = CancellationToken::new();
        stop_on_signals(stop.clone())?;
        let file_dirs = file_dirs(variables);
        let embedded = Arc::new(Embedded::new(Foundation {
            dir: DataDir::find(variables, &programs(), &std::env::current_dir()?),
            file_dirs: file_dirs.clone(),
            clock: Arc::new(SystemClock::default()),
            runtime: tokio::runtime::Handle::current(),
            stop: stop.clone(),
        }));
        let of_stores = StoreMetrics::new(Arc::clone(&embedded))?;
        metrics.registry().register(Box::new(of_stores))?;
        let resuming = Arc::clone(&embedded);
        tokio::task::spawn_blocking(move || resuming.resume());
        let plugin = Plugin {
            open_engine: Arc::new(Engines {
                embedded: Arc::clone(&embedded),
            }),
            host: host_settings(variables),
            api_host: api_host(),
            drafts: api::drafts(
                Arc::new(scrape::DiskFiles::below(file_dirs)),
                Arc::new(scrape::SystemNames),
            ),
            metrics,
            now,
            faults: Faults::new(
                variables
                    .get("GF_PLUGIN_TEST_FAULTS")
                    .is_some_and(|v| v == "1"),
            ),
            stop,
        };
        endpoint.announce(&mut io::stdout())?;
        let served = plugin.serve(endpoint).await;
        embedded.close().await;
        Ok(served?)
    });
    // What still runs was given its second; waiting longer would only end in SIGKILL.
    runtime.shutdown_background();
    served
}

/// Makes the engine that a data source's settings ask for.
struct Engines {
    embedded: Arc<Embedded>,
}

impl OpenEngine for Engines {
    fn open(&self, settings: &InstanceSettings) -> Result<Arc<dyn Engine>, engine::Error> {
        match &settings.engine {
            EngineSettings::Remote(remote) => {
                Ok(Arc::new(RemoteEngine::new(RemoteSettings::clone(remote))?))
            }
            EngineSettings::Embedded(embedded) => self.embedded.open(settings, embedded),
        }
    }
}

/// SIGTERM ends the process; SIGINT is for Grafana, which stops its plugins itself.
#[cfg(unix)]
fn stop_on_signals(stop: CancellationToken) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break stop.cancel(),
                _ = interrupt.recv() => {}
            }
        }
    });
    Ok(())
}

/// Ctrl-C is for Grafana, which stops its plugins itself.
#[cfg(not(unix))]
fn stop_on_signals(_: CancellationToken) -> io::Result<()> {
    tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    Ok(())
}

/// What the API tells of this program, and the time of queries that give none.
fn api_host() -> api::Host {
    api::Host {
        clock: Some(Arc::new(|| now().as_millisecond())),
        build: api::BuildInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        },
    }
}

fn host_settings(variables: &HashMap<String, String>) -> HostSettings {
    let either_case = |name: &str| {
        let lower = name.to_ascii_lowercase();
        variables
            .get(name)
            .or_else(|| variables.get(&lower))
            .cloned()
    };
    HostSettings {
        http_proxy: either_case("HTTP_PROXY"),
        https_proxy: either_case("HTTPS_PROXY"),
        no_proxy: either_case("NO_PROXY").unwrap_or_default(),
    }
}

/// The paths under which this program is known: how it was started, and what that leads to.
fn programs() -> Vec<PathBuf> {
    let started = std::env::args_os().next().map(PathBuf::from);
    started
        .into_iter()
        .chain(std::env::current_exe().ok())
        .collect()
}

/// Below these folders files with credentials and lists of targets may be read:
/// `GF_PLUGIN_FILE_DIRS`, separated as in PATH, else where such files are mounted by habit.
fn file_dirs(variables: &HashMap<String, String>) -> Vec<PathBuf> {
    match variables
        .get("GF_PLUGIN_FILE_DIRS")
        .filter(|dirs| !dirs.is_empty())
    {
        Some(dirs) => std::env::split_paths(dirs).collect(),
        None => ["/run/secrets", "/var/run/secrets", "/etc/headwater"]
            .map(PathBuf::from)
            .into(),
    }
}

/// The machine's clocks.
struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl scrape::Clock for SystemClock {
    fn now(&self) -> i64 {
        now().as_millisecond()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Started by a person: does what the command line asks for.
fn for_a_person(variables: &HashMap<String, String>) -> ExitCode {
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(io::stderr))
        .with(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    // Not locked: what other threads have to say would wait for the end.
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let mut streams = cli::Streams {
        out: &mut out,
        err: &mut err,
    };
    let working_dir = std::env::current_dir().unwrap_or_default();
    let machine = PersonsMachine {
        clock: Arc::new(SystemClock::default()),
        plugin_data: DataDir::find(variables, &programs(), &working_dir),
    };
    let surroundings = &cli::SystemSurroundings;
    cli::run(std::env::args_os(), surroundings, &machine, &mut streams).into()
}

/// Sends log lines to stderr as Grafana reads them, from `level` up.
fn log_for_grafana(level: Level) {
    tracing_subscriber::registry()
        .with(GrafanaLog::new(io::stderr(), level, now, OURS))
        .init();
}

/// Ends a start that cannot work, with a line that Grafana shows in its log.
fn fail(error: &LaunchError) -> ExitCode {
    log_for_grafana(Level::INFO);
    tracing::error!("{error}");
    ExitCode::FAILURE
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
fn environment() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
