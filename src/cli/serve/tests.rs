use crate::fake::FakeMachine;
use crate::{Ending, Place};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

const CONFIG: &[u8] = b"
global: {scrape_interval: 30s}
scrape_configs:
  - job_name: wiki
    static_configs: [{targets: ['wiki:8000']}]
";

fn machine() -> FakeMachine {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    FakeMachine {
        files: HashMap::from([
            ("prometheus.yml", CONFIG.to_vec()),
            ("broken.yml", b"scrape_configs: 7".to_vec()),
            ("token", b" t0ken\n".to_vec()),
            ("empty", b"\n".to_vec()),
            ("cert.pem", key.cert.pem().into_bytes()),
            ("key.pem", key.signing_key.serialize_pem().into_bytes()),
        ]),
        ..FakeMachine::default()
    }
}

fn serve(machine: &FakeMachine, arguments: &[&str]) -> (Ending, String) {
    let line = [&["serve", "--data-dir", "data"], arguments].concat();
    let (ending, out, err) = machine.run(&line);
    assert_eq!(out, "", "{arguments:?}");
    (ending, err)
}

#[test]
fn pages_and_a_configuration_are_scraped_together_into_the_folder() {
    let machine = machine();
    let (ending, err) = serve(
        &machine,
        &[
            "--listen",
            "127.0.0.1:0",
            "--scrape",
            "http://shop/metrics",
            "--scrape-interval",
            "5s",
            "--config",
            "prometheus.yml",
            "--retention",
            "30d",
            "--retention-size",
            "1GB",
        ],
    );
    // This machine's folders are all in use.
    assert_eq!(ending, Ending::Usage);
    assert_eq!(err, "The folder is in use by process 7.\n");
    let opened = machine.opened.lock().unwrap();
    let [opening] = &opened[..] else {
        panic!("{opened:?}")
    };
    assert_eq!(opening.place, Place::Folder(PathBuf::from("data")));
    assert_eq!(opening.retention_ms, Some(30 * 86_400_000));
    assert_eq!(opening.retention_bytes, Some(1 << 30));
    let intervals: Vec<Duration> = opening.scrape.jobs.iter().map(|job| job.interval).collect();
    assert_eq!(intervals, [Duration::from_secs(30), Duration::from_secs(5)]);
}

#[test]
fn what_others_can_reach_needs_a_token_and_tls() {
    let machine = machine();
    let open = ["--listen", "0.0.0.0:0"];
    let token = ["--bearer-token-file", "token"];
    let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    for arguments in [
        open.to_vec(),
        [&open[..], &token].concat(),
        [&open[..], &tls].concat(),
    ] {
        let (ending, err) = serve(&machine, &arguments);
        assert_eq!(ending, Ending::Usage);
        assert!(err.contains("--bearer-token-file, --tls-cert"), "{err}");
    }
    assert!(machine.opened.lock().unwrap().is_empty());
    // With both it comes as far as the folder.
    let (_, err) = serve(&machine, &[&open[..], &token, &tls].concat());
    assert_eq!(err, "The folder is in use by process 7.\n");
}

#[test]
fn what_cannot_be_used_is_named_before_anything_is_opened() {
    let machine = machine();
    for (arguments, part) in [
        (&["--config", "gone.yml"][..], "Cannot read gone.yml"),
        (
            &["--config", "broken.yml"],
            "broken.yml: setting scrape_configs",
        ),
        (&["--scrape", "ftp://x"], "--scrape"),
        (&["--scrape-interval", "0s"], "--scrape-interval"),
        (&["--retention", "soon"], "--retention"),
        (&["--retention-size", "big"], "--retention-size"),
        (&["--listen", "9099"], "127.0.0.1:9099"),
        (&["--bearer-token-file", "empty"], "no token in empty"),
        (&["--tls-cert", "cert.pem"], "--tls-key"),
        (
            &["--tls-cert", "token", "--tls-key", "key.pem"],
            "Cannot use token with key.pem",
        ),
        (
            &["--tls-cert", "cert.pem", "--tls-key", "token"],
            "there is no key",
        ),
    ] {
        let (ending, err) = serve(&machine, arguments);
        assert_eq!(ending, Ending::Usage, "{arguments:?}");
        assert!(err.contains(part), "{arguments:?}: {err}");
        assert!(!err.contains("t0ken"), "{err}");
    }
    assert!(machine.opened.lock().unwrap().is_empty());
}

#[test]
fn a_port_that_is_taken_is_told_with_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let machine = machine();
    let (ending, err) = serve(&machine, &["--listen", &address]);
    assert_eq!(ending, Ending::Usage);
    assert!(err.contains("another process listens there"), "{err}");
    assert!(err.contains("--listen"), "{err}");
    assert!(machine.opened.lock().unwrap().is_empty());
}
