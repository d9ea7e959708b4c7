//! More events arrive than are processed: as many are accepted as are processed, and small tenants notice nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::common::{Answer, Conduit, Postgres, Tenant, client, tenant::body, wait_for};

const SENDERS: usize = 8;

fn admission(conduit: &Conduit) -> Value {
    let report = conduit.admin("GET", "/api/v1/supervision", None).expect(200).json();
    report["admission"].clone()
}

fn event(number: u64) -> String {
    body(
        "unwatched",
        json!({"email": format!("c{number}@shop.example"), "filler": "x".repeat(300)}),
    )
}

/// Senders in closed loops, until they are told to stop.
struct Flood<'a> {
    conduit: &'a Conduit,
    tenant: &'a Tenant,
    stop: AtomicBool,
    accepted: AtomicU64,
    refused: AtomicU64,
}

impl<'a> Flood<'a> {
    const fn new(conduit: &'a Conduit, tenant: &'a Tenant) -> Self {
        Self {
            conduit,
            tenant,
            stop: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    fn send(&self) {
        let (client, url) = (client(), self.tenant.webhook_url(self.conduit));
        for number in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let answer = self
                .tenant
                .try_send_by(&client, &url, event(number).as_bytes())
                .unwrap();
            let count = if answer.status == 200 {
                &self.accepted
            } else {
                &self.refused
            };
            if answer.status != 200 {
                check_refusal(&answer);
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn check_refusal(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (500, Some("above_capacity"))
    );
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=90).contains(&seconds), "{seconds}");
}

/// Starts a slow pipeline, with a small target for its backlog.
fn slow(target: &str, wait_ms: &str) -> Conduit {
    Conduit::with(&[
        ("CONDUIT__PIPELINE__SHARDS", "1"),
        ("CONDUIT__PIPELINE__BATCH_EVENTS", "16"),
        ("CONDUIT__ADMISSION__BACKLOG_SECONDS", "0"),
        ("CONDUIT__ADMISSION__BACKLOG_BYTES", target),
        ("CONDUIT__ADMISSION__MAX_WAIT_MS", wait_ms),
        ("FAILPOINTS", "PiiExtractorActor=sleep(20)"),
    ])
}

#[test]
fn an_overload_slows_its_sender_down_and_nobody_else() {
    let conduit = slow("400KB", "50");
    let flood = Tenant::create(&conduit, "did:web:flood.example");
    let small = Tenant::create(&conduit, "did:web:small.example");
    assert_eq!(admission(&conduit)["state"], "open");
    let senders = Flood::new(&conduit, &flood);
    let mut of_small = 0;
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| senders.send());
        }
        wait_for("refusals", || {
            (senders.refused.load(Ordering::Relaxed) >= 50).then_some(())
        });
        let report = wait_for("the flood to be named", || {
            let report = admission(&conduit);
            (report["overShare"][0]["did"] == "did:web:flood.example").then_some(report)
        });
        assert_eq!(report["state"], "holding");
        assert!(
            report["holdingSince"].is_string() && report["overShare"][0]["since"].is_string(),
            "{report}"
        );
        assert!(
            report["refused"].as_u64() >= Some(50) && report["delayed"].as_u64() >= Some(50),
            "{report}"
        );
        assert_eq!(report["overShare"].as_array().unwrap().len(), 1);
        for number in 0..50 {
            let answer = small.try_send(&conduit, event(number).as_bytes()).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
            of_small += 1;
        }
        // Nobody learns of it without the right credentials.
        let stranger = Tenant {
            webhook_secret: "cdt_whs_wrong".to_owned(),
            ..flood.clone()
        };
        assert_eq!(stranger.try_send(&conduit, event(0).as_bytes()).unwrap().status, 401);
        let metrics = conduit.get("/metrics").expect(200).text;
        assert!(metrics.contains("\nconduit_admission_holding 1"), "{metrics}");
        senders.stop.store(true, Ordering::Relaxed);
    });
    let stats = conduit.settled();
    assert_eq!(stats.accepted, senders.accepted.load(Ordering::Relaxed) + of_small);
    assert_eq!(stats.processed, stats.accepted, "{stats:?}");
    wait_for("the end of it", || {
        (admission(&conduit)["state"] == "open").then_some(())
    });
    assert_eq!(
        conduit
            .log_lines("more events arrive than the pipeline processes")
            .len(),
        1
    );
    assert_eq!(conduit.log_lines("the backlog is short again").len(), 1);
}

#[test]
fn senders_in_a_closed_loop_become_slower_and_are_not_refused() {
    let conduit = slow("100KB", "10000");
    let flood = Tenant::create(&conduit, "did:web:flood.example");
    let senders = Flood::new(&conduit, &flood);
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| senders.send());
        }
        wait_for("senders that wait", || {
            (admission(&conduit)["delayed"].as_u64() >= Some(500)).then_some(())
        });
        senders.stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(senders.refused.load(Ordering::Relaxed), 0);
    let stats = conduit.settled();
    assert_eq!(stats.processed, senders.accepted.load(Ordering::Relaxed), "{stats:?}");
}

#[test]
fn a_database_that_is_away_refuses_nobody() {
    let server = Postgres::start();
    let conduit = Conduit::with(&[
        ("CONDUIT_DATABASE_URL", &server.database()),
        ("CONDUIT__PIPELINE__RETRY_MAX_MS", "200"),
        ("CONDUIT__ADMISSION__BACKLOG_SECONDS", "1"),
        ("CONDUIT__ADMISSION__BURST_SECONDS", "0"),
        ("CONDUIT__ADMISSION__BACKLOG_BYTES", "20KB"),
        ("CONDUIT__ADMISSION__MAX_WAIT_MS", "0"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let mut numbers = 0..;
    let mut send = |count: usize| {
        for number in numbers.by_ref().take(count) {
            let answer = shop.try_send(&conduit, event(number).as_bytes()).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    };
    server.stop("INT");
    send(1);
    wait_for("the outage to be noticed", || {
        (admission(&conduit)["state"] == "outage").then_some(())
    });
    // Ten times the target, and nobody is told to wait.
    send(600);
    let report = admission(&conduit);
    assert_eq!((&report["state"], &report["delayed"]), (&json!("outage"), &json!(0)));
    server.launch();
    // One sender is slower than the pipeline.
    send(600);
    let stats = conduit.settled();
    assert_eq!((stats.accepted, stats.processed), (1_201, 1_201), "{stats:?}");
    assert_eq!(admission(&conduit)["refused"], 0);
}
