//! `conduit bench`: its counts are true. No test here asserts a time.

use std::process::Command;

use serde_json::Value;

use crate::common::{Conduit, Tenant, wait_for};

fn bench(args: &[&str]) -> (Option<i32>, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_conduit"))
        .args(["bench", "--duration", "1", "--connections", "4"])
        .args(args)
        .current_dir(dir.path())
        // Of no effect on a server of its own.
        .env("CONDUIT_DATABASE_URL", "postgresql://nobody@192.0.2.1/nothing")
        .output()
        .unwrap();
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert!(left.is_empty(), "its own server leaves nothing behind: {left:?}");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn report(args: &[&str]) -> Value {
    let (code, out, err) = bench(&[args, &["--json"]].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    serde_json::from_str(&out).unwrap()
}

fn count(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key}: {value}"))
}

/// Asserts that every sent event was accepted or refused, and that every accepted event has its outcome.
fn assert_sums(run: &Value) {
    let refused: u64 = run["refused"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(count(run, "sent"), count(run, "accepted") + refused, "{run}");
    let pipeline = &run["pipeline"];
    let outcomes: u64 = ["processed", "duplicate", "rejected", "failed", "inFlight"]
        .iter()
        .map(|key| count(pipeline, key))
        .sum();
    assert_eq!(count(run, "accepted"), outcomes, "{run}");
    assert!(count(run, "accepted") > 0 && count(pipeline, "inFlight") == 0, "{run}");
    for quantile in ["mean", "p50", "p90", "p99", "p999", "max"] {
        assert!(run["latencyMs"][quantile].as_f64().is_some_and(|ms| ms > 0.0), "{run}");
    }
}

#[test]
fn a_closed_loop_counts_what_its_own_server_did() {
    let report = report(&["--subjects", "50", "--threads", "2"]);
    let run = &report["runs"][0];
    assert_sums(run);
    assert_eq!(
        count(&run["pipeline"], "processed"),
        count(run, "accepted"),
        "all fit, and none repeats another"
    );
    assert!(report["best"].is_null() && report["rate"].is_null(), "{report}");
}

#[test]
fn an_open_loop_sends_what_was_asked_for_and_no_more() {
    let report = report(&["--rate", "200", "--events-size", "1000"]);
    assert_sums(&report["runs"][0]);
    assert_eq!(
        count(&report["runs"][0], "sent"),
        200,
        "200 a second, for a second: {report}"
    );
}

#[test]
fn a_sweep_runs_each_combination_and_marks_the_best() {
    let sweep = [
        "--rate",
        "100",
        "--set",
        "pipeline.shards=1",
        "--sweep",
        "pipeline.batch_events=16,256",
    ];
    let report = report(&sweep);
    let runs = report["runs"].as_array().unwrap();
    let batches: Vec<_> = runs
        .iter()
        .map(|run| run["settings"]["pipeline.batch_events"].as_str().unwrap())
        .collect();
    assert_eq!(batches, ["16", "256"]);
    runs.iter().for_each(assert_sums);
    assert!(report["best"].as_u64().is_some_and(|best| best < 2), "{report}");

    let (code, out, err) = bench(&sweep);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(out.lines().count(), 3, "{out}");
    assert!(out.lines().next().unwrap().contains("pipeline.batch_events"), "{out}");
    assert_eq!(out.matches("best").count(), 1, "{out}");
    assert!(
        err.contains("1 of 2: pipeline.shards=1 pipeline.batch_events=16"),
        "{err}"
    );
}

#[test]
fn a_running_server_is_loaded_with_what_its_integration_takes() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let url = shop.webhook_url(&conduit);
    let to_shop = [
        "--url",
        &url,
        "--secret",
        &shop.webhook_secret,
        "--rate",
        "100",
        "--subjects",
        "5",
    ];
    let key = ["--api-key", shop.webhook_auth.as_str()];
    let report = report(&[&to_shop[..], &key, &["--token", &shop.token]].concat());
    let run = &report["runs"][0];
    assert_sums(run);
    assert!(
        count(&run["pipeline"], "duplicate") > 0,
        "five people, in the same window: {run}"
    );
    let stats = conduit.settled();
    assert_eq!(stats.accepted, 100);

    let (code, out, _) = bench(&[&to_shop[..], &["--api-key", "wrong"]].concat());
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains("accepted   0 (0/s)") && out.contains("100 authentication_failed"),
        "{out}"
    );
    assert!(out.contains("unknown: give --token"), "{out}");
}

#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    // A closed terminal is like Ctrl-C. Signals that mean nothing change nothing, so that the next one is answered.
    for name in ["TERM", "INT", "QUIT", "HUP"] {
        let dir = tempfile::tempdir().unwrap();
        // As in a terminal, also if the tests were started by nohup.
        let mut child = Command::new("env")
            .args(["--default-signal=HUP", env!("CARGO_BIN_EXE_conduit")])
            .args(["bench", "--duration", "3600", "--connections", "1"])
            .current_dir(dir.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let entries = || std::fs::read_dir(dir.path()).unwrap().count();
        wait_for("its own server to log", || (entries() == 1).then_some(()));
        let pid = child.id().to_string();
        let server = wait_for("its own server", || {
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
            Some(children.split_whitespace().next()?.to_owned())
        });
        for signal in ["-USR1", "-USR2", &format!("-{name}")] {
            assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        }
        wait_for("the run to end", || child.try_wait().unwrap());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), entries()), (Some(1), 0), "{name}: {said}");
        assert!(said.contains("interrupted"), "{name}: {said}");
        assert!(
            !std::path::Path::new(&format!("/proc/{server}")).exists(),
            "{name}: its server goes on"
        );
    }
}

#[test]
fn wrong_settings_are_refused_before_anything_is_started() {
    for (args, reason) in [
        (vec!["--sweep", "pipeline.batch_events=16,0"], "pipeline.batch_events"),
        (vec!["--set", "pipeline.batches=1"], "pipeline.batches=1"),
        (vec!["--set", "shards=1"], "as pipeline.shards"),
        (vec!["--url", "http://127.0.0.1:1/"], "--secret"),
    ] {
        let (code, out, err) = bench(&args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {err}");
        assert!(err.contains(reason), "{args:?}: {err}");
    }
}
