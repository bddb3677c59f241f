use crate::listening::{self, Callers, Listen, TlsListener};
use crate::machine::{Machine, Opening, Place};
use crate::surroundings::Surroundings;
use crate::{Ending, Streams};
use api::AllowedHosts;
use clap::Args;
use scrape::{Origin, Settings};
use series::Secret;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The largest configuration, certificate or token file that is read, in bytes.
const FILE_LIMIT: u64 = 16 << 20;

/// `gpx_headwater serve`: exit status 0 when it was ended, 1 when it had to give up or could not
/// close its store, 2 when it could not start.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gpx_headwater serve --data-dir ./data --scrape http://localhost:8000/metrics
  gpx_headwater serve --data-dir ./data --config prometheus.yml --retention 30d
  gpx_headwater serve --data-dir ./data --listen 0.0.0.0:9099 --bearer-token-file token \\
      --tls-cert cert.pem --tls-key key.pem

Grafana's Prometheus data source, promtool and gpx_headwater query work against it, and Prometheus
can remote-write to /api/v1/write. Ctrl-C or SIGTERM ends it.

Exit status: 0 ended as asked, 1 had to give up on the way, 2 could not start (wrong usage, port \
taken, folder in use or not writable).")]
pub struct Serve {
    /// Where the API listens; port 0 for a free one. What other machines can reach needs a token
    /// and TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9099")]
    listen: Listen,

    /// The folder for samples; made where it is not there
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,

    /// A metrics page to scrape; may be given several times
    #[arg(long, value_name = "URL")]
    scrape: Vec<String>,

    /// How often the pages of --scrape are scraped
    #[arg(long, value_name = "DURATION", default_value = "15s",
          value_parser = crate::times::duration_text)]
    scrape_interval: String,

    /// A prometheus.yml, of which the scrape_configs are read as they stand
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// How long samples stay; 15d where nothing is said
    #[arg(long, value_name = "DURATION", value_parser = crate::times::positive_ms)]
    retention: Option<i64>,

    /// How much the samples may take, such as 10GB; the oldest go first
    #[arg(long, value_name = "SIZE", value_parser = crate::times::bytes)]
    retention_size: Option<u64>,

    /// A name by which this server is asked beside those of loopback, such as that of a proxy
    /// before it; may be given several times. Without a token, requests for other names are
    /// refused, and those that a web page from elsewhere sends
    #[arg(long, value_name = "NAME", conflicts_with = "bearer_token_file",
          value_parser = listening::host_name)]
    allow_host: Vec<String>,

    /// A file with the token that every request must carry as Authorization: Bearer …
    #[arg(long, value_name = "FILE")]
    bearer_token_file: Option<PathBuf>,

    /// The server's certificate and its chain, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The certificate's key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl Serve {
    pub(crate) fn run(
        &self,
        surroundings: &dyn Surroundings,
        machine: &dyn Machine,
        streams: &mut Streams<'_>,
    ) -> Ending {
        let guard = match self.guard(surroundings) {
            Ok(guard) => guard,
            Err(reason) => return crate::refuse(streams, &reason),
        };
        let settings = match self.settings(surroundings) {
            Ok(settings) => settings,
            Err(reason) => return crate::refuse(streams, &reason),
        };
        crate::block_on(async { self.serve(guard, settings, machine, streams).await })
            .unwrap_or_else(|reason| crate::refuse(streams, &reason))
    }

    async fn serve(
        &self,
        guard: Guard,
        settings: Settings,
        machine: &dyn Machine,
        streams: &mut Streams<'_>,
    ) -> Result<Ending, String> {
        let stopped = machine.asked_to_stop();
        let stopped = stopped.map_err(|error| format!("Cannot catch signals: {error}."))?;
        // First the port, for it is quick to tell that it is taken.
        let listener = listening::bind(self.listen.address()).await?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let jobs = settings.jobs.len();
        let running = machine
            .open(Opening {
                place: Place::Folder(self.data_dir.clone()),
                scrape: settings,
                retention_ms: self.retention,
                retention_bytes: self.retention_size,
            })
            .map_err(|error| {
                error.advised("--data-dir names the folder for samples, which must be writable.")
            })?;
        for damage in &running.damage {
            // Nobody is left to be told when the stream is closed.
            let _ = writeln!(streams.err, "{damage}");
        }
        let router = listening::router(&running, machine, guard.callers);
        let scheme = if guard.tls.is_some() { "https" } else { "http" };
        let noun = if jobs == 1 { "job" } else { "jobs" };
        let mut said = writeln!(
            streams.out,
            "Headwater listens on {scheme}://{address}, scrapes {jobs} {noun}, and keeps its \
             samples in {}.\nA page with charts is at {scheme}://{address}/.",
            running.dir.display()
        );
        if jobs == 0 && said.is_ok() {
            said = writeln!(
                streams.out,
                "Nothing is scraped: give --scrape or --config, or have Prometheus remote-write \
                 to {scheme}://{address}/api/v1/write."
            );
        }
        // Whoever started it in the background may have closed the stream.
        let _ = said.and_then(|()| streams.out.flush());
        let stop = CancellationToken::new();
        let ending = stop.clone();
        tokio::spawn(async move {
            stopped.await;
            ending.cancel();
        });
        let served = match guard.tls {
            None => listening::serve(listening::without_delay(listener), router, stop).await,
            Some(config) => {
                listening::serve(TlsListener::new(listener, config), router, stop).await
            }
        };
        let closed = (running.close)().await;
        let served = served.map_err(|error| format!("Serving ended: {error}."));
        Ok(match served.and(closed) {
            Ok(()) => Ending::Good,
            Err(reason) => {
                let _ = writeln!(streams.err, "{reason}");
                Ending::Bad
            }
        })
    }

    /// The token and the certificate, and whether they are enough for the address.
    fn guard(&self, surroundings: &dyn Surroundings) -> Result<Guard, String> {
        let token = match &self.bearer_token_file {
            None => None,
            Some(path) => {
                let text = String::from_utf8(read(surroundings, path)?);
                let text = text.map_err(|_| format!("{} is no text.", path.display()))?;
                let token = text.trim();
                if token.is_empty() {
                    return Err(format!("There is no token in {}.", path.display()));
                }
                Some(Secret::new(token.to_owned()))
            }
        };
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => {
                let config =
                    listening::tls_config(&read(surroundings, cert)?, &read(surroundings, key)?);
                let config = config.map_err(|reason| {
                    let (cert, key) = (cert.display(), key.display());
                    format!("Cannot use {cert} with {key}: {reason}.")
                })?;
                Some(config)
            }
            _ => None,
        };
        if !self.listen.is_loopback() && (token.is_none() || tls.is_none()) {
            return Err(format!(
                "{} can be reached from other machines, and anybody there could read and write \
                 samples. Give --bearer-token-file, --tls-cert and --tls-key, or listen on \
                 127.0.0.1:{}.",
                self.listen.address(),
                self.listen.address().port()
            ));
        }
        let hosts = AllowedHosts(self.allow_host.clone());
        let callers = token.map_or(Callers::OnThisMachine(hosts), Callers::WithToken);
        Ok(Guard { callers, tls })
    }

    /// What `--config` and `--scrape` ask for together.
    fn settings(&self, surroundings: &dyn Surroundings) -> Result<Settings, String> {
        let mut settings = match &self.config {
            None => Settings::default(),
            Some(path) => {
                let text = String::from_utf8(read(surroundings, path)?);
                let text = text.map_err(|_| format!("{} is no UTF-8.", path.display()))?;
                let origin = Origin {
                    secrets: &|_| None,
                    plain_secrets: true,
                    directory: path.parent().map(Path::to_owned),
                };
                Settings::from_prometheus_yaml(&text, &origin)
                    .map_err(|error| format!("{}: {error}", path.display()))?
            }
        };
        let given = serde_json::json!({
            "timeInterval": self.scrape_interval,
            "targets": self.scrape,
        });
        let given = Settings::from_json(&given, &Origin::data_source())
            .map_err(|error| format!("--scrape: {error}"))?;
        settings.jobs.extend(given.jobs);
        Ok(settings)
    }
}

/// Who may come in.
struct Guard {
    callers: Callers,
    tls: Option<Arc<listening::ServerConfig>>,
}

fn read(surroundings: &dyn Surroundings, path: &Path) -> Result<Vec<u8>, String> {
    surroundings
        .read_file(path, FILE_LIMIT)
        .map_err(|error| format!("Cannot read {}: {error}.", path.display()))
}

#[cfg(test)]
mod tests;
