//! The front door: wires the rooms together and hands over to Grafana or to a person.
//!
//! Read top-down: settings → engine → grafana → serve. Rules of any room live in that room.

use engine::Engine;
use engine::remote::{RemoteEngine, RemoteSettings};
use grafana::{
    Endpoint, EngineSettings, Faults, GrafanaLog, HostSettings, InstanceSettings, Launch,
    LaunchError, Metrics, OpenEngine, Plugin,
};
use jiff::Timestamp;
use std::collections::HashMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::Level;
use tracing_subscriber::prelude::*;

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
        Err(LaunchError::NoCookie) => for_a_person(),
        Err(error) => fail(&error),
    }
}

/// Runs as Grafana's plugin until Grafana wants no more.
fn serve_grafana(variables: &HashMap<String, String>, launch: &Launch) -> ExitCode {
    let level = variables
        .get("GF_PLUGIN_LOG_LEVEL")
        .and_then(|text| grafana::parse_level(text))
        .unwrap_or(Level::INFO);
    tracing_subscriber::registry()
        .with(GrafanaLog::new(io::stderr(), level, now, OURS))
        .init();
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
        let plugin = Plugin {
            open_engine: Arc::new(Engines),
            host: host_settings(variables),
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
        plugin.serve(endpoint).await?;
        Ok(())
    });
    // What still runs was given its second; waiting longer would only end in SIGKILL.
    runtime.shutdown_background();
    served
}

/// Makes the engine that a data source's settings ask for.
struct Engines;

impl OpenEngine for Engines {
    fn open(&self, settings: &InstanceSettings) -> Result<Arc<dyn Engine>, engine::Error> {
        match &settings.engine {
            EngineSettings::Remote(remote) => {
                Ok(Arc::new(RemoteEngine::new(RemoteSettings::clone(remote))?))
            }
            EngineSettings::Embedded(_) => Err(engine::Error::Setting {
                key: "engine",
                reason: "this version has no embedded engine yet; choose remote and a server"
                    .to_owned(),
            }),
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

/// Started without Grafana: says what this program is.
fn for_a_person() -> ExitCode {
    let text = concat!(
        "gpx_headwater ",
        env!("CARGO_PKG_VERSION"),
        "\n\n",
        "This is the backend of the Headwater data source for Grafana. Grafana starts it by\n",
        "itself once the plugin's folder stands among its plugins.\n",
    );
    // Nobody reads when stderr is closed.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(2)
}

/// Ends a start that cannot work, with a line that Grafana shows in its log.
fn fail(error: &LaunchError) -> ExitCode {
    tracing_subscriber::registry()
        .with(GrafanaLog::new(io::stderr(), Level::INFO, now, OURS))
        .init();
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
