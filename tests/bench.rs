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

/// Asserts that each element of a document ends, and in the right order.
fn assert_well_formed(document: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = document.strip_prefix("<!DOCTYPE html>").unwrap_or(document);
    while let Some(at) = rest.find('<') {
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}>");
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
        rest = &rest[end + 1..];
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn an_overload_has_a_report_with_plots_and_numbers() {
    let out = tempfile::tempdir().unwrap();
    let (page, plots) = (out.path().join("report.html"), out.path().join("plots"));
    let args = [
        "--overload",
        "0.5,2",
        "--probe-seconds",
        "1",
        "--controllers",
        "3",
        "--subjects",
        "60",
        "--zipf",
        "1.1",
        "--preload",
        "always",
        "--report",
        page.to_str().unwrap(),
        "--svg",
        plots.to_str().unwrap(),
        "--json",
    ];
    // A burst of a second is no collapse, whatever its goodput is.
    let (code, text, err) = bench(&args);
    assert_eq!(code, Some(0), "{text}{err}");
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{err}"));
    assert_eq!((count(&report, "controllers"), count(&report, "subjects")), (3, 60));
    let overload = &report["overload"];
    for capacity in ["capacity", "capacityAfter"] {
        let rate = overload[capacity]["perSecond"].as_f64();
        assert!(rate.is_some_and(|rate| rate > 0.0), "{capacity}: {overload}");
    }
    let steps = overload["steps"].as_array().unwrap();
    let multiples: Vec<_> = steps.iter().map(|step| step["multiple"].as_f64().unwrap()).collect();
    assert_eq!(multiples, [0.5, 2.0]);
    for step in steps {
        assert!(
            step["goodputPerSecond"].as_f64().is_some_and(|rate| rate >= 0.0),
            "{step}"
        );
        assert!(step["latencyMs"][2].as_f64().is_some_and(|ms| ms > 0.0), "{step}");
        let memory = step["memoryBytes"].as_f64();
        assert!(
            memory.is_some_and(|bytes| bytes > 1e6) && step["settledSeconds"].is_number(),
            "{step}"
        );
    }
    assert!(!report["timeline"]["server"].as_array().unwrap().is_empty());
    assert!(report["recommendation"].is_array() && report["store"] == "SQLite, dedup windows in process");

    let html = std::fs::read_to_string(&page).unwrap();
    assert_well_formed(&html);
    for part in [
        "Throughput",
        "Latency of accepted events",
        "Backlog age",
        "Processor",
        "Memory",
        "Goodput by offered load",
    ] {
        assert!(html.contains(&format!(">{part}</text>")), "{part}");
    }
    assert!(html.contains("<td>0.5x</td>") && html.contains("<td>2x</td>"), "{html}");
    assert!(html.contains(&format!(">{}<", env!("CARGO_PKG_VERSION"))), "{html}");
    let namespace = "http://www.w3.org/2000/svg";
    assert!(!html.replace(namespace, "").contains("http"), "it needs nothing else");
    for plot in [
        "load-goodput",
        "load-latency",
        "throughput",
        "latency",
        "backlog",
        "cpu",
        "memory",
    ] {
        let svg = std::fs::read_to_string(plots.join(format!("{plot}.svg"))).unwrap();
        assert!(
            svg.contains(namespace) && svg.contains("<path class=\"line k0\" d=\"M"),
            "{svg}"
        );
        assert_well_formed(&svg);
    }
}

#[test]
fn a_curve_measures_each_number_with_a_server_of_its_own() {
    let (code, out, err) = bench(&[
        "--curve",
        "controllers=2,4",
        "--probe-seconds",
        "1",
        "--subjects",
        "20",
        "--reset",
        "echo reset >&2",
        "--json",
    ]);
    assert_eq!(code, Some(0), "{out}{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["curve"]["dimension"], "controllers");
    let points = report["curve"]["points"].as_array().unwrap();
    let values: Vec<_> = points.iter().map(|point| count(point, "value")).collect();
    assert_eq!((values, err.matches("reset").count()), (vec![2, 4], 2));
    for point in points {
        assert!(
            point["capacity"]["perSecond"].as_f64().is_some_and(|rate| rate > 0.0),
            "{point}"
        );
        assert!(
            point["memoryBytes"].as_f64().is_some_and(|bytes| bytes > 1e6),
            "{point}"
        );
    }
}

#[test]
fn a_running_server_gets_controllers_of_its_own_for_the_load() {
    let conduit = Conduit::start();
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, format!("{}\n", conduit.admin_token())).unwrap();
    let target = [
        "--target",
        &conduit.url,
        "--operator-token-file",
        token.to_str().unwrap(),
    ];
    let report = report(&[&target[..], &["--rate", "100", "--controllers", "4", "--zipf", "0.5"]].concat());
    assert_sums(&report["runs"][0]);
    assert_eq!(
        (conduit.settled().accepted, report["isElsewhere"].as_bool()),
        (100, Some(true))
    );
    assert!(
        report["store"].is_null() && report["version"] == env!("CARGO_PKG_VERSION"),
        "{report}"
    );

    let missing = bench(&["--target", &conduit.url]);
    assert_eq!(missing.0, Some(2), "{}", missing.2);
    let unreadable = bench(&["--target", &conduit.url, "--operator-token-file", "/nowhere"]);
    assert_eq!(unreadable.0, Some(2), "{}", unreadable.2);
}
