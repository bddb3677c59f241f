use super::http::placed;
use super::{DEFAULT_INTERVAL, DEFAULT_TIMEOUT, HttpSettings, Origin};
use crate::Result;
use crate::keys::{Item, Keys, camel_case, wrong};
use crate::relabel::RelabelRule;
use exposition::Format;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Targets that are found and scraped in one way.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The label `job` of its targets, where relabelling says nothing else.
    pub name: String,
    /// How often.
    pub interval: Duration,
    /// How long a scrape may take; at most `interval`.
    pub timeout: Duration,
    /// `http` or `https`.
    pub scheme: String,
    /// The path of the page.
    pub metrics_path: String,
    /// The query of the URL: names and their values.
    pub params: Vec<(String, Vec<String>)>,
    /// Keeps the page's labels where they have the names of the target's.
    pub honor_labels: bool,
    /// Keeps the times that the page gives.
    pub honor_timestamps: bool,
    /// Writes stale markers for series with times of their own, too.
    pub track_timestamps_staleness: bool,
    /// Whether gzip is asked for.
    pub compression: bool,
    /// The `Accept` header.
    pub accept: String,
    /// The format of a page whose content type names none.
    pub fallback_format: Option<Format>,
    /// Bounds.
    pub limits: Limits,
    /// How the page is asked for.
    pub http: HttpSettings,
    /// Where the targets are found.
    pub sources: Vec<Source>,
    /// Rules for the labels of targets.
    pub relabel: Vec<RelabelRule>,
    /// Rules for the labels of series.
    pub metric_relabel: Vec<RelabelRule>,
}

/// What a target may send. A scrape beyond a bound fails as a whole and leaves no series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a page, inflated. `bodySizeLimit`, default 64 MiB.
    pub body_size: u64,
    /// Samples of a page after metric relabelling. `sampleLimit`, default 500,000.
    pub samples: u64,
    /// Labels of a series, its name included. `labelLimit`, default 256.
    pub labels: u64,
    /// Bytes of a label's name. `labelNameLengthLimit`, default 1,024.
    pub label_name_length: u64,
    /// Bytes of a label's value. `labelValueLengthLimit`, default 65,536.
    pub label_value_length: u64,
    /// Targets of a job after relabelling. `targetLimit`, default 5,000.
    pub targets: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_size: 64 << 20,
            samples: 500_000,
            labels: 256,
            label_name_length: 1_024,
            label_value_length: 65_536,
            targets: 5_000,
        }
    }
}

/// Where targets come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Written in the settings.
    Static(Vec<TargetGroup>),
    /// Looked up in the DNS, again and again.
    Dns(DnsSource),
    /// Written in files, which are watched.
    Files(FileSource),
}

/// Targets that share labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetGroup {
    /// The label sets of the targets, `__address__` among them.
    pub targets: Vec<Vec<(String, String)>>,
    /// Labels of all of them, weaker than their own.
    pub labels: Vec<(String, String)>,
}

/// Which record to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsRecord {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Names with ports.
    Srv,
}

/// Targets that a name server knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsSource {
    /// The names to look up.
    pub names: Vec<String>,
    /// The record.
    pub record: DnsRecord,
    /// The port, for records that name none.
    pub port: u16,
    /// How often the names are looked up. Default 30 s.
    pub refresh: Duration,
}

/// Targets that files list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSource {
    /// JSON or YAML files; the last part of a path may hold `*` for any characters.
    pub paths: Vec<PathBuf>,
    /// How often the files are read again. Default and longest 5 s: a change counts that soon.
    pub refresh: Duration,
}

const DNS_REFRESH: Duration = Duration::from_secs(30);
const FILE_REFRESH: Duration = Duration::from_secs(5);

/// No source is asked more often than this.
const SHORTEST_REFRESH: Duration = Duration::from_millis(100);

/// What holds for all jobs that do not say otherwise.
pub(super) struct Defaults {
    interval: Duration,
    timeout: Option<Duration>,
    limits: Limits,
}

impl Defaults {
    pub(super) fn read(keys: &Keys<'_>, outer: Option<&Self>) -> Result<Self> {
        let limits = outer.map_or(Limits::default(), |outer| outer.limits);
        let interval = duration(keys, &["scrape_interval", "interval", "time_interval"])?;
        let timeout = duration(keys, &["scrape_timeout", "timeout"])?;
        Ok(Self {
            interval: interval
                .or(outer.map(|outer| outer.interval))
                .unwrap_or(DEFAULT_INTERVAL),
            timeout: timeout.or(outer.and_then(|outer| outer.timeout)),
            limits: limits.read(keys)?,
        })
    }

    /// The timeout that was asked for, or the default; never longer than the interval.
    fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(DEFAULT_TIMEOUT).min(self.interval)
    }
}

impl Limits {
    fn read(self, keys: &Keys<'_>) -> Result<Self> {
        // As in Prometheus, 0 asks for the bound that holds otherwise.
        let or = |given: Option<u64>, default: u64| given.filter(|n| *n > 0).unwrap_or(default);
        Ok(Self {
            body_size: or(keys.size("body_size_limit")?, self.body_size),
            samples: or(keys.count("sample_limit")?, self.samples),
            labels: or(keys.count("label_limit")?, self.labels),
            label_name_length: or(
                keys.count("label_name_length_limit")?,
                self.label_name_length,
            ),
            label_value_length: or(
                keys.count("label_value_length_limit")?,
                self.label_value_length,
            ),
            targets: or(keys.count("target_limit")?, self.targets),
        })
    }
}

/// The first of `names` that is given; none may be zero.
fn duration(keys: &Keys<'_>, names: &[&str]) -> Result<Option<Duration>> {
    for name in names {
        if let Some(item) = keys.item(name) {
            let duration = item.duration()?;
            if duration < Duration::from_millis(1) {
                return Err(item.wrong("it has to be at least 1ms".to_owned()));
            }
            return Ok(Some(duration));
        }
    }
    Ok(None)
}

impl Job {
    /// Reads one entry, which becomes one job per URL it names, or one job otherwise.
    pub(super) fn read(
        item: &Item<'_>,
        defaults: &Defaults,
        origin: &Origin<'_>,
    ) -> Result<Vec<Self>> {
        if let serde_json::Value::String(url) = item.value {
            let keys_of_nothing = serde_json::json!({});
            let keys = Keys::of(&keys_of_nothing, &item.path)?;
            let job = Self::plain(&keys, defaults, origin)?;
            return Ok(vec![job.with_page(url, &item.path)?]);
        }
        let keys = item.keys()?;
        let job = Self::plain(&keys, defaults, origin)?;
        let mut urls = keys.list("urls")?;
        urls.extend(keys.item("url"));
        if urls.is_empty() {
            return Ok(vec![job.with_sources(&keys, origin)?]);
        }
        urls.iter()
            .map(|url| {
                let mut job = job.clone().with_page(&url.text()?, &url.path)?;
                for source in &mut job.sources {
                    if let Source::Static(groups) = source {
                        for group in groups {
                            group.labels = keys.pairs("labels")?;
                        }
                    }
                }
                Ok(job)
            })
            .collect()
    }

    /// Everything but the targets.
    fn plain(keys: &Keys<'_>, defaults: &Defaults, origin: &Origin<'_>) -> Result<Self> {
        let own = Defaults::read(keys, Some(defaults))?;
        if let Some(timeout) = duration(keys, &["scrape_timeout", "timeout"])?
            && timeout > own.interval
        {
            return Err(wrong(
                &keys.path_of("timeout"),
                format!(
                    "the timeout is longer than the interval of {}",
                    series::format_duration(crate::error::milliseconds(own.interval))
                ),
            ));
        }
        let first_text = |names: [&str; 2]| -> Result<Option<String>> {
            Ok(keys.text(names[0])?.or(keys.text(names[1])?))
        };
        let scheme = keys.text("scheme")?.unwrap_or_else(|| "http".to_owned());
        if scheme != "http" && scheme != "https" {
            return Err(wrong(&keys.path_of("scheme"), "it is http or https"));
        }
        let mut params = Vec::new();
        if let Some(all) = keys.keys("params")? {
            for (name, item) in all.items() {
                let values = match item.value {
                    serde_json::Value::Array(_) => all.texts(name)?,
                    _ => vec![item.text()?],
                };
                params.push((name.to_owned(), values));
            }
        }
        let rules = |names: [&str; 2]| -> Result<Vec<RelabelRule>> {
            let mut rules = Vec::new();
            for name in names {
                for rule in keys.list(name)? {
                    rules.push(RelabelRule::read(&rule)?);
                }
            }
            Ok(rules)
        };
        Ok(Self {
            name: first_text(["job_name", "job"])?.unwrap_or_default(),
            interval: own.interval,
            timeout: own.timeout(),
            scheme,
            metrics_path: keys
                .text("metrics_path")?
                .unwrap_or_else(|| "/metrics".to_owned()),
            params,
            honor_labels: keys.flag("honor_labels")?.unwrap_or(false),
            honor_timestamps: keys.flag("honor_timestamps")?.unwrap_or(true),
            track_timestamps_staleness: keys.flag("track_timestamps_staleness")?.unwrap_or(false),
            compression: keys
                .flag("enable_compression")?
                .or(keys.flag("compression")?)
                .unwrap_or(true),
            accept: accept(keys)?,
            fallback_format: fallback_format(keys)?,
            limits: own.limits,
            http: HttpSettings::read(keys, origin)?,
            sources: Vec::new(),
            relabel: rules(["relabel_configs", "relabel"])?,
            metric_relabel: rules(["metric_relabel_configs", "metric_relabel"])?,
        })
    }

    /// Adds the page at `url` as the only target.
    fn with_page(mut self, url: &str, path: &str) -> Result<Self> {
        let written = url.trim();
        let url = if written.contains("://") {
            Url::parse(written)
        } else {
            Url::parse(&format!("http://{written}"))
        };
        let url = url.map_err(|error| wrong(path, format!("{written:?} is no URL: {error}")))?;
        if url.scheme() != "http" && url.scheme() != "https" {
            return Err(wrong(
                path,
                format!("{written:?} begins with neither http:// nor https://"),
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                path,
                "user name and password do not belong into a URL, which is shown: use basicAuth",
            ));
        }
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return Err(wrong(path, format!("{written:?} names no host")));
        };
        if matches!(host, "http" | "https") && url.port().is_none() {
            return Err(wrong(
                path,
                format!("{written:?} is no URL: one begins with {host}://"),
            ));
        }
        let address = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        if self.name.is_empty() {
            self.name = host.trim_matches(['[', ']']).to_owned();
        }
        self.scheme = url.scheme().to_owned();
        if url.path() != "/" {
            self.metrics_path = url.path().to_owned();
        }
        for (name, value) in url.query_pairs() {
            match self.params.iter_mut().find(|(n, _)| *n == name) {
                Some((_, values)) => values.push(value.into_owned()),
                None => self
                    .params
                    .push((name.into_owned(), vec![value.into_owned()])),
            }
        }
        self.sources = vec![Source::Static(vec![TargetGroup {
            targets: vec![vec![("__address__".to_owned(), address)]],
            labels: Vec::new(),
        }])];
        Ok(self)
    }

    /// Adds the targets that `static_configs`, `dns_sd_configs` and `file_sd_configs` name.
    fn with_sources(mut self, keys: &Keys<'_>, origin: &Origin<'_>) -> Result<Self> {
        for (key, item) in keys.items() {
            let known = ["static_configs", "dns_sd_configs", "file_sd_configs"]
                .iter()
                .any(|known| key == *known || key == camel_case(known));
            if !known && (key.ends_with("_sd_configs") || key.ends_with("SdConfigs")) {
                return Err(item.wrong(
                    "this way of finding targets is not supported; there are static_configs, \
                     dns_sd_configs and file_sd_configs"
                        .to_owned(),
                ));
            }
        }
        let mut groups = Vec::new();
        for item in keys.list("static_configs")? {
            let group = TargetGroup::read(&item)?;
            if self.relabel.is_empty()
                && let Some(address) = group.addresses().find(|address| address.contains('/'))
            {
                return Err(item.wrong(format!(
                    "{address:?} is no host name; for URLs there is urls"
                )));
            }
            groups.push(group);
        }
        if !groups.is_empty() {
            self.sources.push(Source::Static(groups));
        }
        let mut dns = keys.list("dns_sd_configs")?;
        dns.extend(keys.item("dns"));
        for item in dns {
            let source = DnsSource::read(&item.keys()?)?;
            if self.name.is_empty() {
                self.name = source.names[0].clone();
            }
            self.sources.push(Source::Dns(source));
        }
        let mut files = keys.list("file_sd_configs")?;
        files.extend(keys.item("file"));
        for item in files {
            self.sources
                .push(Source::Files(FileSource::read(&item.keys()?, origin)?));
        }
        if self.sources.is_empty() {
            return Err(wrong(
                keys.path(),
                "it names no targets: there are url, urls, dns, file and Prometheus's static_configs",
            ));
        }
        if self.name.is_empty() {
            return Err(wrong(&keys.path_of("job"), "these targets need a job name"));
        }
        Ok(self)
    }
}

impl TargetGroup {
    /// Reads `{"targets": ["host:port", …], "labels": {…}}`.
    pub(crate) fn read(item: &Item<'_>) -> Result<Self> {
        let keys = item.keys()?;
        Ok(Self {
            targets: keys
                .texts("targets")?
                .into_iter()
                .map(|address| vec![("__address__".to_owned(), address)])
                .collect(),
            labels: keys.pairs("labels")?,
        })
    }

    fn addresses(&self) -> impl Iterator<Item = &str> {
        self.targets
            .iter()
            .flatten()
            .map(|(_, value)| value.as_str())
    }
}

impl DnsSource {
    fn read(keys: &Keys<'_>) -> Result<Self> {
        let mut names = keys.texts("names")?;
        names.extend(keys.text("name")?);
        if names.is_empty() {
            return Err(wrong(&keys.path_of("names"), "there is no name to look up"));
        }
        let written = keys.text("type")?.unwrap_or_else(|| "SRV".to_owned());
        let record = match written.to_ascii_uppercase().as_str() {
            "A" => DnsRecord::A,
            "AAAA" => DnsRecord::Aaaa,
            "SRV" => DnsRecord::Srv,
            _ => {
                return Err(wrong(
                    &keys.path_of("type"),
                    format!(
                        "records of type {written} are not supported; there are A, AAAA and SRV"
                    ),
                ));
            }
        };
        let port = match keys.count("port")? {
            Some(port) => u16::try_from(port)
                .map_err(|_| wrong(&keys.path_of("port"), format!("{port} is no port")))?,
            None if record == DnsRecord::Srv => 0,
            None => {
                return Err(wrong(
                    &keys.path_of("port"),
                    "a port is needed: A and AAAA records name none",
                ));
            }
        };
        Ok(Self {
            names,
            record,
            port,
            refresh: duration(keys, &["refresh_interval"])?
                .unwrap_or(DNS_REFRESH)
                .max(SHORTEST_REFRESH),
        })
    }
}

impl FileSource {
    fn read(keys: &Keys<'_>, origin: &Origin<'_>) -> Result<Self> {
        let mut written = keys.texts("files")?;
        written.extend(keys.texts("paths")?);
        written.extend(keys.text("path")?);
        if written.is_empty() {
            return Err(wrong(&keys.path_of("paths"), "there is no file to read"));
        }
        let known = [".json", ".yml", ".yaml"];
        if let Some(path) = written
            .iter()
            .find(|path| !known.iter().any(|ending| path.ends_with(ending)))
        {
            return Err(wrong(
                &keys.path_of("paths"),
                format!("{path:?} ends in none of .json, .yml and .yaml"),
            ));
        }
        if let Some(path) = written.iter().find(|path| {
            path.rsplit_once('/')
                .is_some_and(|(directory, _)| directory.contains('*'))
        }) {
            return Err(wrong(
                &keys.path_of("paths"),
                format!("{path:?}: only the last part of a path may hold *"),
            ));
        }
        Ok(Self {
            paths: written.iter().map(|path| placed(path, origin)).collect(),
            // Prometheus watches files and refreshes besides; here reading is the watching.
            refresh: duration(keys, &["refresh_interval"])?
                .unwrap_or(FILE_REFRESH)
                .clamp(SHORTEST_REFRESH, FILE_REFRESH),
        })
    }
}

/// Prometheus's names of formats, and what asks for them.
const PROTOCOLS: [(&str, &str); 4] = [
    (
        "OpenMetricsText1.0.0",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
    ),
    (
        "OpenMetricsText0.0.1",
        "application/openmetrics-text;version=0.0.1",
    ),
    (
        "PrometheusText1.0.0",
        "text/plain;version=1.0.0;escaping=allow-utf-8",
    ),
    ("PrometheusText0.0.4", "text/plain;version=0.0.4"),
];

/// The `Accept` header for `scrape_protocols`, most wanted first, weighted as Prometheus does.
fn accept(keys: &Keys<'_>) -> Result<String> {
    let mut wanted = Vec::new();
    for item in keys.list("scrape_protocols")? {
        let name = item.text()?;
        // Protobuf is a matter of negotiation: a target that has it has a text too.
        if name == "PrometheusProto" {
            continue;
        }
        match PROTOCOLS.iter().find(|(known, _)| *known == name) {
            Some((_, header)) => wanted.push(*header),
            None => {
                let known = PROTOCOLS.map(|(known, _)| known).join(", ");
                return Err(item.wrong(format!("there is no protocol {name:?}; there are {known}")));
            }
        }
    }
    if wanted.is_empty() {
        return Ok(exposition::ACCEPT.to_owned());
    }
    let mut header = String::new();
    for (index, value) in wanted.iter().enumerate() {
        let weight = PROTOCOLS.len() + 2 - index;
        header.push_str(&format!("{value};q=0.{weight},"));
    }
    header.push_str(&format!("*/*;q=0.{}", PROTOCOLS.len() + 2 - wanted.len()));
    Ok(header)
}

fn fallback_format(keys: &Keys<'_>) -> Result<Option<Format>> {
    let Some(item) = keys.item("fallback_scrape_protocol") else {
        return Ok(None);
    };
    let name = item.text()?;
    if name.starts_with("OpenMetricsText") {
        Ok(Some(Format::OpenMetrics))
    } else if name.starts_with("PrometheusText") {
        Ok(Some(Format::PrometheusText))
    } else {
        let known = PROTOCOLS.map(|(known, _)| known).join(", ");
        Err(item.wrong(format!("there is no protocol {name:?}; there are {known}")))
    }
}
