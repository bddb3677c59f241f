mod dice;
mod figures;
mod visitors;
mod wiki;

use crate::listening::{self, Callers, Listen};
use crate::machine::{Machine, Opening, Place, Running};
use crate::{Ending, Streams};
use api::AllowedHosts;
use clap::Args;
use figures::Figures;
use scrape::{Origin, Settings};
use std::future::{Future, pending};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often the figures are written.
const FIGURES_INTERVAL: Duration = Duration::from_secs(3);
/// The seed of the visitors, so that two demos see the same people.
const SEED: u64 = 20_240_501;

/// `gpx_headwater demo`: exit status 0 when it was ended, 1 when something gave way on the way,
/// 2 when it could not start.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs nothing else on this machine: the wiki, its visitors, the scraping, the store (in a \
temporary folder that goes at the end), Prometheus's HTTP API and a page with charts all run in \
this process, on loopback. Ctrl-C ends it.

Examples:
  gpx_headwater demo
  gpx_headwater demo --listen 127.0.0.1:9099 --for 1m
  gpx_headwater query 'rate(users_created_total[1m]) * 60' --url http://127.0.0.1:9099

Exit status: 0 ended as asked, 1 something gave way on the way, 2 could not start."
)]
pub struct Demo {
    /// Where the API listens, on loopback; port 0 for a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: Listen,

    /// Ends by itself after this time, such as 30s
    #[arg(long = "for", value_name = "DURATION", value_parser = crate::times::positive_duration)]
    run_for: Option<Duration>,
}

impl Demo {
    pub(crate) fn run(&self, machine: &dyn Machine, streams: &mut Streams<'_>) -> Ending {
        crate::block_on(async { self.show(machine, streams).await })
            .unwrap_or_else(|reason| crate::refuse(streams, &reason))
    }

    async fn show(
        &self,
        machine: &dyn Machine,
        streams: &mut Streams<'_>,
    ) -> Result<Ending, String> {
        self.listen.loopback_only("demo")?;
        let stopped = machine.asked_to_stop();
        let stopped = stopped.map_err(|error| format!("Cannot catch signals: {error}."))?;
        let listener = listening::bind(self.listen.address()).await?;
        let app = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
        let app = app.map_err(|error| format!("No free port on loopback: {error}."))?;
        let stage = Stage::build(machine, listener, app)?;
        let shown = self.figures(&stage, stopped, streams).await;
        stage.stop.cancel();
        let served = stage.serving.await;
        let closed = (stage.running.close)().await;
        let shown = match shown {
            // The reader who closed the terminal has seen enough; that is no failure.
            Ok(()) | Err(Failure::Output) => Ok(()),
            Err(Failure::Figures(reason)) => Err(reason),
        };
        let served = served.map_err(|error| format!("Serving ended: {error}."));
        Ok(match shown.and(served).and(closed) {
            Ok(()) => Ending::Good,
            Err(reason) => {
                // Nobody is left to be told when the stream is closed.
                let _ = writeln!(streams.err, "{reason}");
                Ending::Bad
            }
        })
    }

    /// Writes the figures until the end, and once more then.
    async fn figures(
        &self,
        stage: &Stage,
        stopped: impl Future<Output = ()>,
        streams: &mut Streams<'_>,
    ) -> Result<(), Failure> {
        stage.introduce(streams.out)?;
        let started = Instant::now();
        let end = async {
            match self.run_for {
                Some(duration) => tokio::time::sleep(duration).await,
                None => pending().await,
            }
        };
        let end = async {
            tokio::select! {
                () = end => {}
                () = stopped => {}
            }
        };
        tokio::pin!(end);
        let mut ticks = tokio::time::interval(FIGURES_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            let ended = tokio::select! {
                biased;
                () = &mut end => true,
                _ = ticks.tick() => false,
            };
            let elapsed = started.elapsed();
            let figures = Figures::ask(&*stage.running.engine, (stage.clock)(), elapsed).await;
            let figures = figures.map_err(|error| Failure::Figures(error.to_string()))?;
            let status = stage.running.targets.status();
            let title = if ended { "in the end" } else { "so far" };
            figures.write(title, elapsed, status.targets.first(), streams.out)?;
            streams.out.flush()?;
            if ended {
                return Ok(());
            }
        }
    }
}

enum Failure {
    Output,
    Figures(String),
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Output
    }
}

/// Everything that runs.
struct Stage {
    wiki: SocketAddr,
    api: SocketAddr,
    clock: api::Clock,
    running: Running,
    serving: JoinHandle<()>,
    stop: CancellationToken,
}

impl Stage {
    fn build(
        machine: &dyn Machine,
        listener: TcpListener,
        app: TcpListener,
    ) -> Result<Self, String> {
        let wiki = app.local_addr().map_err(|error| error.to_string())?;
        let api = listener.local_addr().map_err(|error| error.to_string())?;
        let settings = serde_json::json!({
            "timeInterval": "1s",
            "targets": [{"job": "wiki", "url": format!("http://{wiki}/metrics")}],
        });
        let scrape = Settings::from_json(&settings, &Origin::data_source())
            .map_err(|error| error.to_string())?;
        let routes = wiki::Wiki::routes(SEED).map_err(|error| error.to_string())?;
        let clock = machine.clock();
        let running = machine
            .open(Opening {
                place: Place::Temporary,
                scrape,
                retention_ms: None,
                retention_bytes: None,
            })
            .map_err(|error| error.to_string())?;
        let stop = CancellationToken::new();
        tokio::spawn(visitors::come(routes.clone(), SEED, stop.clone()));
        let pages = tokio::spawn(listening::serve(app, routes, stop.clone()));
        let callers = Callers::OnThisMachine(AllowedHosts::default());
        let router = listening::router(&running, machine, callers);
        let answers = tokio::spawn(listening::serve(
            listening::without_delay(listener),
            router,
            stop.clone(),
        ));
        let serving = tokio::spawn(async move {
            // A panic in a server is written where it happens.
            let _ = tokio::join!(pages, answers);
        });
        Ok(Self {
            wiki,
            api,
            clock,
            running,
            serving,
            stop,
        })
    }

    fn introduce(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { wiki, api, .. } = self;
        writeln!(
            out,
            "A wiki with visitors, scraped every second and queried with PromQL:\n\n  \
             the page      http://{api}/\n  \
             its metrics   http://{wiki}/metrics\n  \
             the API       http://{api}/api/v1/query?query=users_created_total\n  \
             the samples   {} (removed at the end)\n\n\
             Try: gpx_headwater query 'sum by (status) (rate(http_requests_total[30s]))' \
             --url http://{api}\nCtrl-C ends it.",
            self.running.dir.display()
        )?;
        out.flush()
    }
}
