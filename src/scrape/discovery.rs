//! Finds targets again and again: names in the DNS, files that list them.

use crate::keys::{Item, Keys};
use crate::settings::{DnsRecord, DnsSource, FileSource, Source, TargetGroup, yaml};
use crate::{Error, Files, Result};
use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};
use serde_json::Value;
use std::future::Future;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// One record of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameRecord {
    /// Of an A or AAAA record.
    Address(IpAddr),
    /// Of a SRV record.
    Service {
        /// The host, with the final dot that the DNS writes.
        host: String,
        /// The port.
        port: u16,
    },
}

/// The answer of a [`Names`], later.
pub type NameLookup<'a> = Pin<Box<dyn Future<Output = Result<Vec<NameRecord>>> + Send + 'a>>;

/// Where names are looked up.
pub trait Names: Send + Sync {
    /// The records of a name; none where the name does not exist.
    ///
    /// # Errors
    /// [`Error::Lookup`] when nobody could say whether it exists.
    fn lookup<'a>(&'a self, name: &'a str, record: DnsRecord) -> NameLookup<'a>;
}

/// The name servers and search domains that the machine is configured with.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn lookup<'a>(&'a self, name: &'a str, record: DnsRecord) -> NameLookup<'a> {
        Box::pin(async move {
            let failed = |error: NetError| Error::Lookup {
                name: name.to_owned(),
                reason: error.to_string(),
            };
            // Made anew each time, for the configuration changes while we run.
            let mut builder = TokioResolver::builder_tokio().map_err(failed)?;
            builder.options_mut().cache_size = 0;
            let resolver = builder.build().map_err(failed)?;
            ask(&resolver, name, record).await
        })
    }
}

async fn ask(resolver: &TokioResolver, name: &str, record: DnsRecord) -> Result<Vec<NameRecord>> {
    let record = match record {
        DnsRecord::A => RecordType::A,
        DnsRecord::Aaaa => RecordType::AAAA,
        DnsRecord::Srv => RecordType::SRV,
    };
    match resolver.lookup(name, record).await {
        Ok(lookup) => Ok(lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::A(address) => Some(NameRecord::Address(address.0.into())),
                RData::AAAA(address) => Some(NameRecord::Address(address.0.into())),
                RData::SRV(service) => Some(NameRecord::Service {
                    host: service.target.to_utf8(),
                    port: service.port,
                }),
                // A CNAME on the way to an address, for example.
                _ => None,
            })
            .collect()),
        Err(NetError::Dns(DnsError::NoRecordsFound(none)))
            if matches!(
                none.response_code,
                ResponseCode::NXDomain | ResponseCode::NoError
            ) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(Error::Lookup {
            name: name.to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// The groups of a source as they are now; `None` for targets that the settings list.
pub(crate) async fn discover(
    source: &Source,
    names: &dyn Names,
    files: &Arc<dyn Files>,
) -> Option<Result<Vec<TargetGroup>>> {
    match source {
        Source::Static(_) => None,
        Source::Dns(source) => Some(look_up(source, names).await),
        Source::Files(source) => {
            let (source, files) = (source.clone(), Arc::clone(files));
            let read = tokio::task::spawn_blocking(move || read_files(&source, &*files));
            Some(read.await.unwrap_or(Err(Error::Internal)))
        }
    }
}

/// How long to wait before a source is asked again.
pub(crate) fn refresh(source: &Source) -> Duration {
    match source {
        Source::Static(_) => Duration::MAX,
        Source::Dns(source) => source.refresh,
        Source::Files(source) => source.refresh,
    }
}

/// All names, or an error: half an answer would end targets that may still be there.
async fn look_up(source: &DnsSource, names: &dyn Names) -> Result<Vec<TargetGroup>> {
    let mut groups = Vec::with_capacity(source.names.len());
    for name in &source.names {
        let mut records = names.lookup(name, source.record).await?;
        // Name servers turn the order of their answers.
        records.sort_by_key(|record| match record {
            NameRecord::Address(address) => (address.to_string(), 0),
            NameRecord::Service { host, port } => (host.clone(), *port),
        });
        records.dedup();
        let targets = records.iter().map(|record| {
            let mut labels = vec![("__meta_dns_name".to_owned(), name.clone())];
            let address = match record {
                NameRecord::Address(IpAddr::V6(address)) => format!("[{address}]:{}", source.port),
                NameRecord::Address(address) => format!("{address}:{}", source.port),
                NameRecord::Service { host, port } => {
                    labels.push(("__meta_dns_srv_record_target".to_owned(), host.clone()));
                    labels.push(("__meta_dns_srv_record_port".to_owned(), port.to_string()));
                    format!("{}:{port}", host.trim_end_matches('.'))
                }
            };
            labels.push(("__address__".to_owned(), address));
            labels
        });
        groups.push(TargetGroup {
            targets: targets.collect(),
            labels: Vec::new(),
        });
    }
    Ok(groups)
}

/// All files, or an error: a file that is being written must not end its targets.
fn read_files(source: &FileSource, files: &dyn Files) -> Result<Vec<TargetGroup>> {
    let mut groups = Vec::new();
    for path in &source.paths {
        for path in matching(path, files)? {
            groups.extend(read_file(&path, files)?);
        }
    }
    Ok(groups)
}

/// The files that a path with `*` in its last part means, or the path itself.
fn matching(path: &Path, files: &dyn Files) -> Result<Vec<PathBuf>> {
    let pattern = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if !pattern.contains('*') {
        return Ok(vec![path.to_owned()]);
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    files.list(directory, &|name| {
        // As in a shell, a leading dot hides a file: editors keep half-written ones so.
        !name.starts_with('.') && is_like(name, pattern)
    })
}

/// Whether `name` is `pattern`, whose `*` stand for any characters.
fn is_like(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn read_file(path: &Path, files: &dyn Files) -> Result<Vec<TargetGroup>> {
    let refuse = |reason: String| Error::File {
        path: path.to_owned(),
        reason,
    };
    let text = String::from_utf8(files.read(path)?)
        .map_err(|_| refuse("it is not valid UTF-8".to_owned()))?;
    let is_json = path.extension().is_some_and(|ending| ending == "json");
    let value: Value = if is_json {
        serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?
    } else if text.trim().is_empty() {
        Value::Array(Vec::new())
    } else {
        yaml(&text).map_err(refuse)?
    };
    let read = |value: &Value| -> Result<Vec<TargetGroup>> {
        // An empty YAML document lists nothing.
        if value.is_null() {
            return Ok(Vec::new());
        }
        let item = Item {
            value,
            path: String::new(),
        };
        let groups = item.list()?;
        groups
            .iter()
            .map(|item| {
                // A group without targets is most likely a mistake of indentation.
                if !Keys::of(item.value, &item.path)?.has("targets") {
                    return Err(item.wrong("it has no list of targets".to_owned()));
                }
                TargetGroup::read(item)
            })
            .collect()
    };
    let mut groups = read(&value).map_err(|error| refuse(error.to_string()))?;
    for group in &mut groups {
        for target in &mut group.targets {
            let path = path.to_string_lossy().into_owned();
            target.push(("__meta_filepath".to_owned(), path));
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Texts(Mutex<BTreeMap<PathBuf, String>>);

    impl Files for Texts {
        fn read(&self, path: &Path) -> Result<Vec<u8>> {
            let texts = self.0.lock().unwrap();
            let text = texts.get(path).ok_or_else(|| Error::File {
                path: path.to_owned(),
                reason: "no such file".to_owned(),
            })?;
            Ok(text.clone().into_bytes())
        }

        fn list(&self, directory: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
            let texts = self.0.lock().unwrap();
            let inside = texts.keys().filter(|path| path.parent() == Some(directory));
            let is_wanted = |path: &&PathBuf| wanted(path.file_name().unwrap().to_str().unwrap());
            Ok(inside.filter(is_wanted).cloned().collect())
        }
    }

    fn read(texts: &[(&str, &str)], path: &str) -> Result<Vec<TargetGroup>> {
        let files = Texts::default();
        for (path, text) in texts {
            files
                .0
                .lock()
                .unwrap()
                .insert((*path).into(), (*text).to_owned());
        }
        let source = FileSource {
            paths: vec![path.into()],
            refresh: Duration::from_secs(5),
        };
        read_files(&source, &files)
    }

    #[test]
    fn json_and_yaml_list_targets_with_labels() {
        let json = r#"[{"targets": ["a:1", "b:2"], "labels": {"env": "x"}}]"#;
        let yaml = "- targets: ['a:1', b:2]\n  labels:\n    env: x\n";
        for (path, text) in [("/d/t.json", json), ("/d/t.yml", yaml), ("/d/t.yaml", yaml)] {
            let groups = read(&[(path, text)], path).unwrap();
            assert_eq!(groups[0].labels, [("env".to_owned(), "x".to_owned())]);
            let target = &groups[0].targets[1];
            assert_eq!(target[0], ("__address__".to_owned(), "b:2".to_owned()));
            assert_eq!(target[1], ("__meta_filepath".to_owned(), path.to_owned()));
        }
        for text in ["", "\n", "# nothing yet\n", "[]"] {
            assert_eq!(
                read(&[("/d/t.yml", text)], "/d/t.yml"),
                Ok(Vec::new()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_star_means_files_of_its_directory() {
        let one = "- targets: [a:1]";
        let files = [
            ("/d/a-1.yml", one),
            ("/d/a-2.yml", one),
            ("/d/b.yml", one),
            ("/d/.a-3.yml", one),
        ];
        assert_eq!(read(&files, "/d/a-*.yml").unwrap().len(), 2);
        assert_eq!(read(&files, "/d/*.yml").unwrap().len(), 3);
        assert_eq!(read(&files, "/d/*.json").unwrap().len(), 0);
        for (name, pattern, like) in [
            ("abc", "a*c", true),
            ("ac", "a*c", true),
            ("abcb", "a*c", false),
            ("aXbXc", "a*b*c", true),
            ("ab", "ab*b", false),
        ] {
            assert_eq!(is_like(name, pattern), like, "{name} {pattern}");
        }
    }

    #[test]
    fn a_file_that_is_half_written_is_an_error_that_says_where() {
        for (path, text, part) in [
            ("/d/t.json", "[{\"targets\": [\"a", "line 1"),
            ("/d/t.yml", "- targets: [a:1", "line"),
            ("/d/t.yml", "targets: [a:1]", "expected a list"),
            (
                "/d/t.yml",
                "- labels: {a: b}",
                "[0]: it has no list of targets",
            ),
            ("/d/t.yml", "- targets: a:1", "[0].targets: expected a list"),
        ] {
            let error = read(&[(path, text)], path).unwrap_err().to_string();
            assert!(error.contains(path) && error.contains(part), "{error}");
        }
        assert!(read(&[], "/d/t.yml").is_err());
    }

    struct Fixed(Vec<NameRecord>);

    impl Names for Fixed {
        fn lookup<'a>(&'a self, name: &'a str, _record: DnsRecord) -> NameLookup<'a> {
            Box::pin(async move {
                match name {
                    "down" => Err(Error::Lookup {
                        name: name.to_owned(),
                        reason: "no answer".to_owned(),
                    }),
                    _ => Ok(self.0.clone()),
                }
            })
        }
    }

    fn dns(names: &[&str], record: DnsRecord) -> DnsSource {
        DnsSource {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            record,
            port: 8000,
            refresh: Duration::from_secs(30),
        }
    }

    #[tokio::test]
    async fn names_become_targets() {
        let addresses = Fixed(vec![
            NameRecord::Address("10.0.0.2".parse().unwrap()),
            NameRecord::Address("10.0.0.1".parse().unwrap()),
            NameRecord::Address("fd00::1".parse().unwrap()),
        ]);
        let groups = look_up(&dns(&["tasks.wiki"], DnsRecord::A), &addresses)
            .await
            .unwrap();
        let found: Vec<&str> = groups[0]
            .targets
            .iter()
            .map(|t| t.last().unwrap().1.as_str())
            .collect();
        assert_eq!(found, ["10.0.0.1:8000", "10.0.0.2:8000", "[fd00::1]:8000"]);

        let services = Fixed(vec![NameRecord::Service {
            host: "a.example.".to_owned(),
            port: 9,
        }]);
        let groups = look_up(&dns(&["_m._tcp.example"], DnsRecord::Srv), &services)
            .await
            .unwrap();
        let want = [
            ("__meta_dns_name", "_m._tcp.example"),
            ("__meta_dns_srv_record_target", "a.example."),
            ("__meta_dns_srv_record_port", "9"),
            ("__address__", "a.example:9"),
        ];
        assert_eq!(
            groups[0].targets[0],
            want.map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
    }

    #[tokio::test]
    async fn one_name_without_an_answer_is_no_answer() {
        let names = Fixed(Vec::new());
        assert!(
            look_up(&dns(&["up", "down"], DnsRecord::A), &names)
                .await
                .is_err()
        );
        assert_eq!(
            look_up(&dns(&["up"], DnsRecord::A), &names).await.unwrap()[0]
                .targets
                .len(),
            0
        );
    }

    /// Asks a name server of our own that answers each question with `code` and these records
    /// (type and data), written by hand as RFC 1035 has them.
    async fn ask_server(
        record: DnsRecord,
        code: u8,
        answers: &'static [(u8, &'static [u8])],
    ) -> Result<Vec<NameRecord>> {
        use hickory_resolver::config::{
            ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts,
        };
        use hickory_resolver::net::runtime::TokioRuntimeProvider;
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = socket.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
                // The question: a name that ends with a zero, its type and its class.
                let end = 12 + buffer[12..length].iter().position(|b| *b == 0).unwrap() + 5;
                let mut reply = vec![buffer[0], buffer[1], 0x81, 0x80 | code, 0, 1, 0];
                reply.extend([answers.len() as u8, 0, 0, 0, 0]);
                reply.extend(&buffer[12..end]);
                for (kind, data) in answers {
                    // The name of the question, class IN, a minute to live.
                    reply.extend([0xc0, 12, 0, *kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
                    reply.extend(*data);
                }
                socket.send_to(&reply, client).await.unwrap();
            }
        });
        let mut connection = ConnectionConfig::udp();
        connection.port = server.port();
        let servers = vec![NameServerConfig::new(server.ip(), true, vec![connection])];
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let mut options = ResolverOpts::default();
        options.attempts = 0;
        options.cache_size = 0;
        builder = builder.with_options(options);
        let answer = ask(&builder.build().unwrap(), "app.example.", record).await;
        serving.abort();
        answer
    }

    #[tokio::test]
    async fn answers_of_a_name_server_are_understood() {
        let local = NameRecord::Address("127.0.0.7".parse().unwrap());
        let answer = ask_server(DnsRecord::A, 0, &[(1, &[127, 0, 0, 7])]).await;
        assert_eq!(answer, Ok(vec![local]));

        let six: &[u8] = &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let answer = ask_server(DnsRecord::Aaaa, 0, Box::leak(Box::new([(28, six)]))).await;
        assert_eq!(
            answer,
            Ok(vec![NameRecord::Address("fd00::1".parse().unwrap())])
        );

        // Priority 1, weight 2, port 8000, host "a.example".
        let service = b"\0\x01\0\x02\x1f\x40\x01a\x07example\0";
        let answer = ask_server(DnsRecord::Srv, 0, Box::leak(Box::new([(33, &service[..])]))).await;
        let host = "a.example.".to_owned();
        assert_eq!(answer, Ok(vec![NameRecord::Service { host, port: 8000 }]));
    }

    #[tokio::test]
    async fn no_such_name_is_an_answer_and_a_failing_server_is_none() {
        assert_eq!(ask_server(DnsRecord::A, 3, &[]).await, Ok(Vec::new()));
        assert_eq!(ask_server(DnsRecord::A, 0, &[]).await, Ok(Vec::new()));
        for code in [2, 5] {
            let error = ask_server(DnsRecord::A, code, &[]).await.unwrap_err();
            assert!(matches!(error, Error::Lookup { .. }), "{error}");
        }
    }
}
