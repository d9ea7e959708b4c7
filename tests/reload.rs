//! Settings follow the configuration file at SIGHUP: all of them or none, and what waits for a restart is named.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::common::{Answer, Conduit, Tenant, tenant, wait_for};
use crate::dashboard::sessions::Visitor;

/// A node with a configuration file.
struct Node {
    conduit: Conduit,
    file: PathBuf,
}

impl Node {
    fn start(settings: &[(&str, &str)]) -> Self {
        let mut conduit = Conduit::unstarted(settings);
        let file = conduit.data_dir().with_file_name("conduit.toml");
        fs::write(&file, "").unwrap();
        conduit.set("CONDUIT_CONFIG", file.to_str().unwrap());
        conduit.launch();
        Self { conduit, file }
    }

    fn supervision(&self) -> Value {
        self.conduit
            .admin("GET", "/api/v1/supervision", None)
            .expect(200)
            .json()
    }

    fn configuration(&self) -> Value {
        self.supervision()["configuration"].clone()
    }

    /// Replaces the file and sends SIGHUP. Returns the state of the configuration after that.
    fn reload(&self, text: &str) -> Value {
        let before = self.configuration();
        fs::write(&self.file, text).unwrap();
        self.conduit.signal("HUP");
        wait_for("the configuration to be read again", || {
            Some(self.configuration()).filter(|now| *now != before)
        })
    }

    fn page(&self) -> String {
        let operator = Visitor::signed_in(&self.conduit, &self.conduit.admin_token());
        operator.get("/supervision").expect(200).text
    }
}

fn change(key: &str, before: &str, now: &str) -> Value {
    json!({"key": key, "before": before, "now": now})
}

fn send(node: &Node, shop: &Tenant) -> Answer {
    let event = tenant::body("unwatched", json!({"email": "ada@shop.example"}));
    shop.try_send(&node.conduit, event.as_bytes()).unwrap()
}

/// Sends until an event is refused by the rate.
fn refusal(node: &Node, shop: &Tenant) {
    wait_for("a refusal", || {
        let answer = send(node, shop);
        if answer.status == 200 {
            return None;
        }
        assert_eq!(answer.json()["code"], "rate_limit_exceeded", "{}", answer.text);
        Some(())
    });
}

#[test]
fn a_rate_limit_holds_at_once_and_a_refused_file_changes_nothing() {
    let node = Node::start(&[]);
    let shop = Tenant::create(&node.conduit, "did:web:shop.example");
    let at_start = node.configuration();
    assert_eq!(
        (&at_start["changed"], &at_start["needsRestart"], &at_start["refused"]),
        (&json!([]), &json!([]), &Value::Null)
    );
    for _ in 0..20 {
        send(&node, &shop).expect(200);
    }
    let limited = node.reload("[limits]\nevents_per_second = 1\nburst = 3\n");
    let changes = json!([
        change("limits.burst", "0", "3"),
        change("limits.events_per_second", "0", "1")
    ]);
    assert_eq!(
        (&limited["changed"], &limited["needsRestart"]),
        (&changes, &json!([])),
        "{limited}"
    );
    refusal(&node, &shop);
    let lines = node.conduit.log_lines("SIGHUP: the configuration was read again");
    assert_eq!(
        lines[0]["fields"]["changed"],
        "limits.burst 0 -> 3, limits.events_per_second 0 -> 1"
    );

    // One fault refuses all of the file.
    let refused = node.reload("[limits]\nevents_per_second = 2000000\n[admission]\nbacklog_seconds = 7\n");
    let error = refused["refused"]["error"].as_str().unwrap();
    assert!(error.contains("limits.events_per_second is 2000000"), "{error}");
    assert_eq!(
        (&refused["changed"], &refused["readAt"]),
        (&changes, &limited["readAt"]),
        "{refused}"
    );
    assert_eq!(node.supervision()["admission"]["maxBacklogSeconds"], 40);
    refusal(&node, &shop);
    let page = node.page();
    assert!(page.contains("The configuration was refused at SIGHUP"), "{page}");
    assert!(page.contains("limits.events_per_second is 2000000"), "{page}");
    assert_eq!(
        node.conduit.log_lines("SIGHUP: the configuration cannot be used").len(),
        1
    );

    let without = node.reload("");
    assert_eq!(without["refused"], Value::Null);
    for _ in 0..20 {
        send(&node, &shop).expect(200);
    }
    assert!(!node.page().contains("The configuration was refused"));
}

#[test]
fn a_setting_that_needs_a_restart_is_named_until_it_has_its_former_value_or_the_restart() {
    let mut node = Node::start(&[]);
    let shop = Tenant::create(&node.conduit, "did:web:shop.example");
    let changed = node.reload(
        "[server]\nworkers = 3\nmax_body_bytes = 2048\n[pipeline]\nbatch_events = 16\n[journal]\ngather_micros = 0\n",
    );
    let changes = json!([
        change("journal.gather_micros", "400", "0"),
        change("pipeline.batch_events", "1024", "16")
    ]);
    let waiting = json!(["server.max_body_bytes", "server.workers"]);
    assert_eq!(
        (&changed["changed"], &changed["needsRestart"]),
        (&changes, &waiting),
        "{changed}"
    );
    let lines = node.conduit.log_lines("SIGHUP: the configuration was read again");
    assert_eq!(
        lines[0]["fields"]["needs_restart"],
        "server.max_body_bytes, server.workers"
    );
    let page = node.page();
    for part in [
        "journal.gather_micros",
        "pipeline.batch_events",
        "server.max_body_bytes",
        "server.workers",
        "It takes effect at the next start.",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let sent = shop.send(&node.conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(&node.conduit, &sent)["status"], "processed");

    // They stay so while a file is refused. One that has its former value again waits no more.
    assert_eq!(node.reload("[server]\nworkers = many\n")["needsRestart"], waiting);
    let rest = node.reload("[server]\nworkers = 3\n");
    assert_eq!(rest["needsRestart"], json!(["server.workers"]), "{rest}");
    node.conduit.kill();
    node.conduit.launch();
    let restarted = node.configuration();
    assert_eq!(
        (&restarted["needsRestart"], &restarted["changed"]),
        (&json!([]), &json!([])),
        "{restarted}"
    );
    assert!(!node.page().contains("It takes effect at the next start."));
}

#[test]
fn a_changed_retention_deletes_at_once() {
    let node = Node::start(&[
        ("CONDUIT__JOURNAL__SEGMENT_BYTES", "1048576"),
        ("CONDUIT__RETENTION__MIN_FREE_BYTES", "0"),
    ]);
    let shop = Tenant::create(&node.conduit, "did:web:shop.example");
    // Five of these fill a segment.
    for number in 0..12 {
        let fields = json!({"email": format!("c{number}@shop.example"), "padding": "x".repeat(220_000)});
        shop.send(&node.conduit, "contact", fields);
    }
    node.conduit.settled();
    let retained = || node.supervision()["journal"]["retainedSegments"].as_u64().unwrap();
    wait_for("segments to be retained", || (retained() > 0).then_some(()));
    let looked = wait_for("the first look for old rows", || {
        let report = node.supervision()["retention"].clone();
        (report["isRunning"] == false && report["lastRunAt"].is_string()).then_some(report["lastRunAt"].clone())
    });
    let changed = node.reload("[retention]\npayload_days = 0\nevent_days = 100\n");
    assert_eq!(
        changed["changed"],
        json!([
            change("retention.event_days", "400", "100"),
            change("retention.payload_days", "7", "0")
        ])
    );
    wait_for("the retained segments to go", || (retained() == 0).then_some(()));
    wait_for("another look for old rows", || {
        (node.supervision()["retention"]["lastRunAt"] != looked).then_some(())
    });
    assert_eq!(
        node.conduit.settled().accepted,
        12,
        "what was accepted is not concerned"
    );
}

#[test]
fn changed_sizes_of_batches_hold_from_the_next_batch_on() {
    // A batch takes so long that several events wait for the next one.
    let node = Node::start(&[
        ("FAILPOINTS", "ActivityLoggerActor=sleep(20)"),
        ("CONDUIT__PIPELINE__SHARDS", "1"),
    ]);
    let shop = Tenant::create(&node.conduit, "did:web:shop.example");
    let changed = node.reload("[pipeline]\nbatch_events = 1\n");
    assert_eq!(
        changed["changed"],
        json!([change("pipeline.batch_events", "1024", "1")])
    );
    let counts = || {
        let dispatcher = node.supervision()["shards"][0]["dispatcher"].clone();
        ["batches", "events"].map(|count| dispatcher[count].as_u64().unwrap())
    };
    let before = counts();
    for number in 0..20 {
        let fields = json!({"email": format!("c{number}@shop.example")});
        shop.send(&node.conduit, "contact", fields);
    }
    wait_for("as many batches as events", || {
        let now = counts();
        (now[0] - before[0] == 20 && now[1] - before[1] == 20).then_some(())
    });
}
