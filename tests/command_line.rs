//! What a person starts, through the built binary: `demo`, `serve` and `query`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(unix)]

mod process;

use process::{Started, command};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

/// How long something that happens at once may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The body that a server answers with, as JSON.
fn get(address: &str, path: &str) -> serde_json::Value {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Asks until the expression has a value, and gives it back.
fn value(address: &str, expr: &str) -> String {
    let started = Instant::now();
    loop {
        let answer = get(address, &format!("/api/v1/query?query={expr}"));
        if let Some(value) = answer["data"]["result"][0]["value"][1].as_str() {
            return value.to_owned();
        }
        assert!(started.elapsed() < PATIENCE, "{expr}: {answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The number that stands behind `name` in a table of figures.
fn figure(table: &str, name: &str) -> f64 {
    let line = table.lines().find(|line| line.trim().starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {table}"));
    let number = line.trim().trim_start_matches(name).split_whitespace();
    let number = number.clone().next().unwrap_or_default();
    number.parse().unwrap_or_else(|_| panic!("{line}"))
}

#[test]
fn a_demo_shows_figures_and_leaves_nothing_behind() {
    let ended = run(&["demo", "--for", "6s"]);
    let (out, err) = (text(&ended.stdout), text(&ended.stderr));
    assert_eq!(ended.status.code(), Some(0), "{out}{err}");
    assert_eq!(err, "");
    let last = &out[out.find("in the end").unwrap()..];
    assert!(figure(last, "requests with 200") > 0.0, "{last}");
    assert!(figure(last, "requests with 201") > 0.0, "{last}");
    assert!(figure(last, "posts") > 0.0, "{last}");
    assert!(figure(last, "95 of 100 answers within") > 0.0, "{last}");
    let folder = out.split("the samples").nth(1).unwrap().trim_start();
    let folder = Path::new(&folder[..folder.find(' ').unwrap()]);
    assert!(folder.is_absolute(), "{folder:?}");
    assert!(!folder.exists(), "{folder:?} is left");
}

#[test]
fn a_demo_that_is_interrupted_ends_cleanly() {
    let mut demo = Started::new(&["demo"]);
    let address = demo.address("the API       http://");
    let folder = demo.line("the samples ");
    let folder = Path::new(folder.split(" (").next().unwrap().trim()).to_owned();
    assert!(folder.exists(), "{folder:?} is not there");
    assert!(
        value(&address, "users_created_total")
            .parse::<f64>()
            .is_ok()
    );
    assert_eq!(demo.end("-INT"), Some(0));
    let mut rest = String::new();
    demo.out.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("in the end"), "{rest}");
    assert!(!folder.exists(), "{folder:?} is left");
}

#[test]
fn a_server_scrapes_answers_keeps_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let mut demo = Started::new(&["demo"]);
    let wiki = format!("http://{}/metrics", demo.address("its metrics   http://"));
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        data,
        "--scrape",
        &wiki,
        "--scrape-interval",
        "1s",
    ];
    let mut server = Started::new(&serve);
    let address = server.address("listens on http://");
    assert_eq!(value(&address, "up"), "1");

    let second = run(&serve);
    let err = text(&second.stderr);
    assert_eq!(second.status.code(), Some(2), "{err}");
    let holder = format!("process {}", server.child.id());
    assert!(err.contains(data) && err.contains(&holder), "{err}");
    let taken = run(&["serve", "--listen", &address, "--data-dir", data]);
    let err = text(&taken.stderr);
    assert_eq!(taken.status.code(), Some(2), "{err}");
    assert!(err.contains("another process listens there"), "{err}");

    let url = format!("http://{address}");
    let asked = run(&["query", "count(up)", "--url", &url]);
    assert_eq!(text(&asked.stdout), "value  series\n    1  {}\n");
    assert_eq!(asked.status.code(), Some(0));
    let wrong = run(&["query", "sum(rat(x[5m]))", "--url", &url]);
    let err = text(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(1), "{err}");
    assert!(err.contains("did you mean \"rate\"?"), "{err}");
    assert!(err.ends_with("  sum(rat(x[5m]))\n      ^\n"), "{err}");
    // The folder can be read beside the process that writes there.
    let beside = run(&["query", "count(up)", "--data-dir", data]);
    assert_eq!(text(&beside.stdout), "value  series\n    1  {}\n");

    assert_eq!(server.end("-TERM"), Some(0));
    let kept = run(&["query", "count(up)", "--data-dir", data]);
    assert_eq!(text(&kept.stdout), "value  series\n    1  {}\n");
    let mut again = Started::new(&serve);
    let address = again.address("listens on http://");
    assert_eq!(
        value(&address, "count(count_over_time(up%5B5m%5D)%3E1)"),
        "1"
    );
    assert_eq!(again.end("-INT"), Some(0));
    // Killed, it could not remove its folder.
    assert_eq!(demo.end("-TERM"), Some(0));
}

#[test]
fn stored_data_is_listed_and_removed_unless_it_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let all = dir.path().to_str().unwrap();
    let listed = |words: &[&str]| run(&[&["data"], words, &["--data-dir", all]].concat());
    let folder = dir.path().join("1-wiki");
    std::fs::create_dir_all(dir.path().join("somebody-elses")).unwrap();
    std::fs::write(dir.path().join("somebody-elses/notes"), "").unwrap();
    let mut demo = Started::new(&["demo"]);
    let wiki = format!("http://{}/metrics", demo.address("its metrics   http://"));
    let mut server = Started::new(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        folder.to_str().unwrap(),
        "--scrape",
        &wiki,
    ]);
    let address = server.address("listens on http://");
    assert_eq!(value(&address, "up"), "1");

    let out = text(&listed(&["list"]).stdout);
    let holder = format!("in use by process {}", server.child.id());
    assert!(out.contains("1-wiki") && out.contains(&holder), "{out}");
    assert!(!out.contains("somebody-elses"), "{out}");
    let refused = listed(&["remove", "1-wiki", "--yes"]);
    let err = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{err}");
    assert!(err.contains(&holder) && folder.exists(), "{err}");

    assert_eq!(server.end("-TERM"), Some(0));
    assert_eq!(demo.end("-TERM"), Some(0));
    let out = text(&listed(&["list"]).stdout);
    assert!(
        out.contains("samples from 2") && out.contains("not in use"),
        "{out}"
    );
    assert_eq!(listed(&["remove", "1-wiki"]).status.code(), Some(2));
    assert!(folder.exists());
    for name in ["../1-wiki", "somebody-elses", "1-wiki/../1-wiki"] {
        let refused = listed(&["remove", name, "--yes"]);
        assert_eq!(refused.status.code(), Some(1), "{name}");
    }
    let removed = listed(&["remove", "1-wiki", "--yes"]);
    assert_eq!(removed.status.code(), Some(0), "{}", text(&removed.stderr));
    assert!(!folder.exists() && dir.path().join("somebody-elses/notes").exists());
    assert!(text(&listed(&["list"]).stdout).contains("There are no samples"));
}

#[test]
fn a_shell_can_complete_the_command_line() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completion", shell]);
        assert_eq!(script.status.code(), Some(0), "{shell}");
        let script = text(&script.stdout);
        assert!(script.contains("scrape-check"), "{shell}: {script}");
    }
    assert_eq!(run(&["completion", "dos"]).status.code(), Some(2));
}

#[test]
fn a_dashboard_of_prometheus_is_converted_through_the_binary() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.json");
    let dashboard = r#"{"panels": [{"datasource": {"type": "prometheus", "uid": "p"}}]}"#;
    std::fs::write(&file, dashboard).unwrap();
    let file = file.to_str().unwrap();
    let done = run(&["convert-dashboard", file, "--uid", "headwater"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let out = text(&done.stdout);
    assert!(
        out.contains(r#""type": "headwater-metrics-datasource""#),
        "{out}"
    );
    assert!(
        out.contains(r#""uid": "headwater""#) && !out.contains("prometheus"),
        "{out}"
    );

    std::fs::write(file, "{}").unwrap();
    assert_eq!(run(&["convert-dashboard", file]).status.code(), Some(1));
    std::fs::write(file, "[").unwrap();
    assert_eq!(run(&["convert-dashboard", file]).status.code(), Some(2));
}

#[test]
fn a_new_user_is_told_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(
        &file,
        "scrape_configs:\n- job_name: a\n  static_configs: [\n",
    )
    .unwrap();
    let (file, data) = (file.to_str().unwrap(), dir.path().join("data"));
    let data = data.to_str().unwrap();
    for (arguments, status, told) in [
        (vec!["serv"], 2, "'serve'"),
        (
            vec!["serve", "--data-dir", file],
            2,
            "--data-dir names the folder",
        ),
        (
            vec!["serve", "--data-dir", data, "--config", file],
            2,
            "no YAML at line 3 column 19",
        ),
        (
            vec!["serve", "--data-dir", data, "--scrape", "ftp://x"],
            2,
            "http://",
        ),
        (
            vec!["serve", "--data-dir", data, "--allow-host", "http://x"],
            2,
            "a name alone",
        ),
        (
            vec!["query", "up", "--data-dir", data],
            2,
            "--data-dir names a folder",
        ),
        (vec!["query", "up", "--url", "nonsense"], 2, "--url: "),
        (
            vec!["query", "up", "--url", "http://127.0.0.1:1"],
            1,
            "connection refused",
        ),
        (vec!["query", "sum(", "--url", "http://127.0.0.1:1"], 1, ""),
    ] {
        let ended = run(&arguments);
        let err = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(status), "{arguments:?}: {err}");
        assert!(err.contains(told), "{arguments:?}: {err}");
        assert!(!err.contains(".."), "{arguments:?}: {err}");
    }
    let help = run(&["--help"]);
    assert!(text(&help.stdout).contains("gpx_headwater serve --data-dir"));
}

#[test]
fn an_answer_is_json_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let mut server = Started::new(&["serve", "--listen", "127.0.0.1:0", "--data-dir", data]);
    let url = format!("http://{}", server.address("listens on http://"));
    let asked = run(&["query", "vector(7)", "--url", &url, "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(answer["data"]["result"][0]["value"][1], "7");
    assert_eq!(server.end("-TERM"), Some(0));
}
