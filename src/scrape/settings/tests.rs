use super::*;
use serde_json::json;

fn read(value: &Value) -> Result<Settings> {
    let secrets = |name: &str| (name == "known").then(|| Secret::new("s3cret".to_owned()));
    Settings::from_json(
        value,
        &Origin {
            secrets: &secrets,
            plain_secrets: false,
            directory: None,
        },
    )
}

#[track_caller]
fn refused(value: &Value, path: &str) {
    match read(value) {
        Err(Error::Setting { path: got, .. }) => assert_eq!(got, path),
        other => panic!("{other:?}"),
    }
}

fn address(job: &Job) -> &str {
    match &job.sources[0] {
        Source::Static(groups) => &groups[0].targets[0][0].1,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_url_is_all_that_a_target_needs() {
    for (url, scheme, addr, path, job) in [
        (
            "http://wiki:8000/metrics",
            "http",
            "wiki:8000",
            "/metrics",
            "wiki",
        ),
        ("http://wiki:8000", "http", "wiki:8000", "/metrics", "wiki"),
        ("https://wiki/", "https", "wiki", "/metrics", "wiki"),
        ("wiki:8000/stats", "http", "wiki:8000", "/stats", "wiki"),
        ("http://[::1]:9100", "http", "[::1]:9100", "/metrics", "::1"),
    ] {
        let settings = read(&json!({"targets": [url]})).unwrap();
        let only = &settings.jobs[0];
        assert_eq!(
            (
                only.scheme.as_str(),
                address(only),
                only.metrics_path.as_str(),
                only.name.as_str()
            ),
            (scheme, addr, path, job),
            "{url}"
        );
        assert_eq!(only.interval, DEFAULT_INTERVAL);
        assert_eq!(only.timeout, DEFAULT_TIMEOUT);
    }
}

#[test]
fn a_query_in_a_url_becomes_parameters() {
    let settings =
        read(&json!({"targets": ["http://node:9100/metrics?collect[]=cpu&collect[]=disk&x=1"]}));
    assert_eq!(
        settings.unwrap().jobs[0].params,
        [
            (
                "collect[]".to_owned(),
                vec!["cpu".to_owned(), "disk".to_owned()]
            ),
            ("x".to_owned(), vec!["1".to_owned()]),
        ]
    );
}

#[test]
fn what_an_entry_says_wins_over_what_holds_for_all() {
    let settings = read(&json!({
        "timeInterval": "5s",
        "sampleLimit": 10,
        "unknown": {"key": 1},
        "targets": [
            "http://a",
            {"urls": ["http://b/x", "http://c"], "interval": "1m", "sampleLimit": 20,
             "labels": {"team": "t"}, "honorLabels": true, "unknown": 1},
        ],
    }))
    .unwrap();
    let [a, b, c] = &settings.jobs[..] else {
        panic!()
    };
    assert_eq!(
        (a.interval, a.timeout),
        (Duration::from_secs(5), Duration::from_secs(5))
    );
    assert_eq!(
        (b.interval, b.timeout),
        (Duration::from_secs(60), Duration::from_secs(10))
    );
    assert_eq!((a.limits.samples, b.limits.samples), (10, 20));
    assert!(b.honor_labels && c.honor_labels && !a.honor_labels);
    assert_eq!(c.name, "c");
    let Source::Static(groups) = &b.sources[0] else {
        panic!()
    };
    assert_eq!(groups[0].labels, [("team".to_owned(), "t".to_owned())]);
    assert_eq!(settings.shortest_interval(), Duration::from_secs(5));
}

#[test]
fn a_wrong_value_is_named_by_its_key_path() {
    for (value, path) in [
        (json!({"timeInterval": "soon"}), "timeInterval"),
        (json!({"timeInterval": "0s"}), "timeInterval"),
        (json!({"targets": {"url": "x"}}), "targets"),
        (
            json!({"targets": [{"url": "http://a", "timeout": "1m"}]}),
            "targets[0].timeout",
        ),
        (json!({"targets": [{"url": "ftp://a"}]}), "targets[0].url"),
        (json!({"targets": ["http://u:p@a"]}), "targets[0]"),
        (json!({"targets": [{}]}), "targets[0]"),
        (
            json!({"targets": [{"dns": {"names": ["a"], "type": "A"}}]}),
            "targets[0].dns.port",
        ),
        (
            json!({"targets": [{"dns": {"names": ["a"], "type": "MX"}}]}),
            "targets[0].dns.type",
        ),
        (
            json!({"targets": [{"file": {"paths": ["/a/b.txt"]}}]}),
            "targets[0].file.paths",
        ),
        (
            json!({"targets": [{"file": {"paths": ["/*/b.yml"]}}]}),
            "targets[0].file.paths",
        ),
        (
            json!({"targets": [{"job": "k", "kubernetes_sd_configs": [{"role": "pod"}]}]}),
            "targets[0].kubernetes_sd_configs",
        ),
        (
            json!({"targets": [{"url": "http://a", "metricRelabel": [{"action": "x"}]}]}),
            "targets[0].metricRelabel[0].action",
        ),
        (
            json!({"targets": [{"url": "http://a", "proxyUrl": "x"}]}),
            "targets[0].proxyUrl",
        ),
        (
            json!({"targets": [{"url": "http://a", "headers": {"Host": "x"}}]}),
            "targets[0].headers",
        ),
        (
            json!({"targets": [{"url": "http://a", "scrapeProtocols": ["Text"]}]}),
            "targets[0].scrapeProtocols[0]",
        ),
    ] {
        refused(&value, path);
    }
}

#[test]
fn secrets_are_named_and_never_written() {
    let entry = json!({"url": "http://a", "basicAuth": {"username": "u", "password": "p"}});
    refused(
        &json!({"targets": [entry]}),
        "targets[0].basicAuth.password",
    );

    let settings = read(&json!({"targets": [
        {"url": "http://a", "basicAuth": {"username": "u", "passwordSecret": "known"}},
        {"url": "http://b", "bearerTokenSecret": "other"},
        {"url": "http://c", "tls": {"ca": "PEM", "certFile": "/c", "keySecret": "third"}},
    ]}))
    .unwrap();
    assert_eq!(settings.missing_secrets(), ["other", "third"]);
    let password = settings.jobs[0]
        .http
        .basic_auth
        .as_ref()
        .unwrap()
        .password
        .as_ref();
    assert!(matches!(password, Some(Credential::Text(s)) if s.reveal() == "s3cret"));
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn a_prometheus_yml_is_read_as_it_stands() {
    let text = r#"
global:
  scrape_interval: 30s
  external_labels: {a: b}
rule_files: [x.yml]
scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ["localhost:9090", localhost:9091]
        labels: {env: test, shard: 1}
  - job_name: node
    scrape_interval: 5s
    scheme: https
    params: {"collect[]": [cpu, disk]}
    basic_auth: {username: u, password_file: secrets/pw}
    tls_config: {ca_file: ca.pem, insecure_skip_verify: true}
    file_sd_configs:
      - files: [targets/*.json]
        refresh_interval: 5m
    dns_sd_configs:
      - names: [_m._tcp.example]
    relabel_configs:
      - source_labels: [__address__]
        regex: '(.*):\d+'
        target_label: instance
    metric_relabel_configs:
      - {action: drop, source_labels: [__name__], regex: 'go_.*'}
"#;
    let origin = Origin {
        secrets: &|_| None,
        plain_secrets: true,
        directory: Some("/etc/prometheus".into()),
    };
    let settings = Settings::from_prometheus_yaml(text, &origin).unwrap();
    let [first, node] = &settings.jobs[..] else {
        panic!()
    };
    assert_eq!(first.interval, Duration::from_secs(30));
    let Source::Static(groups) = &first.sources[0] else {
        panic!()
    };
    assert_eq!(groups[0].targets.len(), 2);
    assert_eq!(groups[0].labels[1], ("shard".to_owned(), "1".to_owned()));
    assert_eq!(
        (node.interval, node.timeout),
        (Duration::from_secs(5), Duration::from_secs(5))
    );
    assert!(node.http.tls.skip_verify);
    let password = node.http.basic_auth.as_ref().unwrap().password.clone();
    assert!(
        matches!(password, Some(Credential::File(p)) if p == std::path::Path::new("/etc/prometheus/secrets/pw"))
    );
    let [Source::Dns(dns), Source::Files(files)] = &node.sources[..] else {
        panic!()
    };
    assert_eq!(dns.record, DnsRecord::Srv);
    assert_eq!(
        files.paths,
        [std::path::Path::new("/etc/prometheus/targets/*.json")]
    );
    assert_eq!((node.relabel.len(), node.metric_relabel.len()), (1, 1));

    for (text, part) in [
        (
            "scrape_configs:\n  - job_name: x\n    consul_sd_configs: [{server: y}]",
            "consul_sd_configs",
        ),
        ("scrape_configs: [", "line"),
        (
            "global: {scrape_intervall: 5s}",
            "global.scrape_intervall: there is no such key; did you mean scrape_interval?",
        ),
        (
            "scrape_configs:\n  - job_name: x\n    metric_path: /m",
            "scrape_configs[0].metric_path: there is no such key; did you mean metrics_path?",
        ),
        (
            "scrape_configs:\n  - job_name: x\n    static_configs: [{target: ['a:1']}]",
            "did you mean targets?",
        ),
        ("scrape_config: []", "did you mean scrape_configs?"),
        (
            "scrape_configs:\n  - job_name: x\n    static_configs: [{targets: ['http://a/b']}]",
            "no host name",
        ),
    ] {
        let error = Settings::from_prometheus_yaml(text, &origin)
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn protocols_are_asked_for_in_their_order() {
    let settings = read(&json!({"targets": [
        {"url": "http://a", "scrapeProtocols": ["PrometheusText0.0.4", "PrometheusProto", "OpenMetricsText1.0.0"]},
        "http://b",
    ]}))
    .unwrap();
    assert_eq!(
        settings.jobs[0].accept,
        "text/plain;version=0.0.4;q=0.6,\
         application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.4"
    );
    assert_eq!(settings.jobs[1].accept, exposition::ACCEPT);
}

#[test]
fn a_url_with_a_slip_in_its_scheme_is_refused() {
    for url in [
        "http//wiki:8000/metrics",
        "http:/wiki/metrics",
        "https//wiki",
    ] {
        let error = read(&json!({"targets": [url]})).unwrap_err().to_string();
        assert!(error.contains("is no URL: one begins with http"), "{error}");
    }
    for url in ["http:8000", "httpd/metrics"] {
        assert!(read(&json!({"targets": [url]})).is_ok(), "{url}");
    }
}
