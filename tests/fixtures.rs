//! Data of earlier builds: this build opens it, drains its backlog, and strands no event.
//!
//! One build wrote each folder of `tests/fixtures`, by `tests/fixtures/make`. Each ends with a crash that leaves a
//! backlog. Fixtures never change: a build with new formats adds a folder.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::common::redis::Redis;
use crate::common::{Conduit, Postgres, Tenant, wait_for};

/// Nothing of the fixture is old enough to be deleted, whenever the test runs.
const KEEP: [(&str, &str); 5] = [
    ("CONDUIT_ADMIN_TOKEN", "fixture-operator-token"),
    ("CONDUIT__RETENTION__PAYLOAD_DAYS", "3650"),
    ("CONDUIT__RETENTION__REJECTED_PAYLOAD_DAYS", "3650"),
    ("CONDUIT__RETENTION__EVENT_DAYS", "0"),
    ("CONDUIT__RETENTION__MIN_FREE_BYTES", "0"),
];

/// Returns the fixtures of every build.
fn builds() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut builds: Vec<_> = fs::read_dir(root)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    builds.sort();
    assert!(!builds.is_empty());
    builds
}

/// One fixture, unpacked.
struct Fixture {
    dir: tempfile::TempDir,
    expected: Value,
    build: String,
}

impl Fixture {
    fn unpack(archive: &Path) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let unpacked = Command::new("tar")
            .arg("-xzf")
            .arg(archive)
            .arg("-C")
            .arg(dir.path())
            .status();
        assert!(unpacked.expect("tar runs").success(), "{}", archive.display());
        let expected = fs::read(dir.path().join("expected.json")).expect("what is expected");
        let expected = serde_json::from_slice(&expected).expect("JSON");
        let build = archive.parent().and_then(Path::file_name).expect("the build's folder");
        Self {
            dir,
            expected,
            build: build.to_string_lossy().into_owned(),
        }
    }

    /// Returns whether a build from before this date wrote it.
    fn is_before(&self, date: &str) -> bool {
        self.build.as_str() < date
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn tenant(&self, name: &str) -> Tenant {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let expected = &self.expected[name];
        Tenant {
            did: text(&expected["did"]),
            webhook_secret: text(&expected["webhookSecret"]),
            token: text(&expected["managementToken"]),
            webhook_auth: text(&expected["webhookAuth"]),
            integration: text(&expected["integration"]["id"]),
            processor: text(&expected["integration"]["dataProcessorId"]),
        }
    }
}

/// Asserts that `now` has all members of `before`. New members are allowed, and a count or a last time may have grown.
fn assert_holds(place: &str, before: &Value, now: &Value) {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            for (name, value) in before {
                if !["activityCount", "lastSeenAt"].contains(&name.as_str()) {
                    let missing = Value::Null;
                    assert_holds(&format!("{place}/{name}"), value, now.get(name).unwrap_or(&missing));
                }
            }
        }
        (Value::Array(before), Value::Array(now)) if place.ends_with("/links") => {
            assert!(
                before.iter().all(|link| now.contains(link)),
                "{place}: {now:?} lacks some of {before:?}"
            );
        }
        (Value::Array(before), Value::Array(now)) => {
            assert_eq!(before.len(), now.len(), "{place}");
            for (index, (before, now)) in before.iter().zip(now).enumerate() {
                assert_holds(&format!("{place}/{index}"), before, now);
            }
        }
        _ => assert_eq!(before, now, "{place}"),
    }
}

/// Reads all items of this list.
fn all(conduit: &Conduit, tenant: &Tenant, list: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/{list}?did={}&limit=200{cursor}", tenant.did);
        let mut page = tenant.call(conduit, "GET", &path, None).expect(200).json();
        items.append(page["items"].as_array_mut().expect("items"));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

fn assert_kept(conduit: &Conduit, tenant: &Tenant, before: &Value) {
    for (list, id) in [("events", "eventId"), ("activities", "activityId"), ("subjects", "did")] {
        let now = all(conduit, tenant, list);
        for item in before[list].as_array().expect("a list") {
            let same = now.iter().find(|other| other[id] == item[id]);
            assert_holds(&format!("{list}/{}", item[id]), item, same.unwrap_or(&Value::Null));
        }
    }
    for (person, before) in before["people"].as_object().expect("people") {
        let (category, value) = person.split_once(' ').expect("a category and a value");
        let asked = json!({"category": category, "value": value});
        let path = format!("/api/v1/subjects/lookup?did={}", tenant.did);
        let now = tenant.call(conduit, "POST", &path, Some(asked)).expect(200).json();
        assert_holds(person, before, &now);
    }
}

/// Asserts that the backlog ends as the former build would have ended it.
fn assert_drained(conduit: &Conduit, fixture: &Fixture) {
    let settled = conduit.settled();
    let before = &fixture.expected["stats"];
    let backlog = fixture.expected["backlog"].as_object().expect("a backlog");
    let ended = |status: &str| {
        let added = backlog.values().filter(|value| *value == status).count() as u64;
        before[status].as_u64().expect("a count") + added
    };
    let expected = ["processed", "duplicate", "rejected", "failed"].map(ended);
    let found = [settled.processed, settled.duplicate, settled.rejected, settled.failed];
    assert_eq!(found, expected, "processed, duplicate, rejected, failed");
    for (event, status) in backlog {
        let path = format!("/api/v1/events/{event}");
        let found = conduit.admin("GET", &path, None).expect(200).json();
        assert_eq!(found["status"], *status, "{found}");
    }
}

/// Asserts that sealed payloads open: a rejected event is replayed, and a trial runs a draft on accepted events.
fn assert_payloads_open(conduit: &Conduit, fixture: &Fixture, shop: &Tenant) {
    let rejected = fixture.expected["rejected"].as_str().expect("an event");
    let path = format!("/api/v1/events/{rejected}/replay");
    let answer = shop.call(conduit, "POST", &path, Some(json!({})));
    assert!((200..300).contains(&answer.status), "{}", answer.text);
    wait_for("the replay", || {
        let found = shop
            .call(conduit, "GET", &format!("/api/v1/events/{rejected}"), None)
            .json();
        (found["status"] == "processed").then_some(())
    });
    let path = format!("/api/v1/integrations/custom/{}", shop.integration);
    let draft = shop.call(conduit, "GET", &path, None).expect(200).json();
    let draft = json!({"name": draft["name"], "events": draft["events"], "defaultRegion": draft["defaultRegion"]});
    let asked = json!({"integration": draft, "limit": 1000});
    let tried = shop
        .call(conduit, "POST", &format!("{path}/trial"), Some(asked))
        .expect(200)
        .json();
    // All that the second start accepted for this tenant: its segment is kept behind the checkpoints.
    let accepted = fixture.expected["shop"]["receipts"].as_array().expect("receipts").len();
    assert!(
        tried["examined"].as_u64() >= Some(accepted as u64),
        "{accepted}: {tried}"
    );
}

/// Asserts that a former receipt verifies.
fn assert_receipts_verify(conduit: &Conduit, fixture: &Fixture) {
    let mut seen = HashSet::new();
    for receipt in fixture.expected["shop"]["receipts"].as_array().expect("receipts") {
        let text = receipt["text"].as_str().expect("a receipt");
        assert!(seen.insert(text));
        let mut verify = conduit.command();
        let output = verify
            .args(["receipt", "verify", "--url", &conduit.url, text])
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(!seen.is_empty());
}

fn assert_opens(fixture: &Fixture, settings: &[(&str, &str)]) {
    let settings = [&KEEP[..], settings].concat();
    let mut conduit = Conduit::upon(&settings, &fixture.path("data"));
    let (shop, other) = (fixture.tenant("shop"), fixture.tenant("other"));
    assert_drained(&conduit, fixture);
    for (name, tenant) in [("shop", &shop), ("other", &other)] {
        assert_kept(&conduit, tenant, &fixture.expected[name]);
    }
    conduit.assert_audit_verifies();
    if fixture.is_before("2026-11-30-late") {
        wait_for("the chains to be sealed", || {
            (conduit.log_lines("is sealed from now on").len() == 2).then_some(())
        });
        conduit.assert_audit_verifies();
    }
    assert_receipts_verify(&conduit, fixture);
    // Ada is who she was, by the credentials of then.
    let sent = shop.send(
        &conduit,
        "contact",
        json!({"email": "ada@shop.example", "customerId": "C-1001"}),
    );
    let ada = &fixture.expected["shop"]["people"]["user.contact.email ada@shop.example"];
    let found = shop.outcome(&conduit, &sent);
    let ada = &ada["items"][0]["did"];
    assert!(ada.is_string());
    assert_eq!(
        (&found["status"], &found["subject"]),
        (&json!("processed"), ada),
        "{found}"
    );
    assert_payloads_open(&conduit, fixture, &shop);
    conduit.settled();
    // And all of it is there after a stop.
    assert_eq!(conduit.stop(), Some(0));
    conduit.launch();
    conduit.settled();
    conduit.assert_audit_verifies();
}

#[test]
fn a_data_directory_of_every_earlier_build_opens_and_drains() {
    for build in builds() {
        assert_opens(&Fixture::unpack(&build.join("sqlite.tar.gz")), &[]);
    }
}

#[test]
fn a_postgresql_database_and_redis_claims_of_every_earlier_build_open_and_drain() {
    let server = Postgres::shared();
    for build in builds() {
        let fixture = Fixture::unpack(&build.join("postgres.tar.gz"));
        let (url, redis) = (server.database(), Redis::start());
        server.restore(&url, &fixture.path("database.sql"));
        let claims: Value = serde_json::from_slice(&fs::read(fixture.path("claims.json")).unwrap()).unwrap();
        let claims = claims.as_object().expect("claims");
        assert!(!claims.is_empty());
        let unhex = "local u = function(t) return (t:gsub('..', function(x) return string.char(tonumber(x, 16)) end)) end \
                     return redis.call('SET', u(ARGV[1]), u(ARGV[2]))";
        for (key, value) in claims {
            let value = value.as_str().expect("text");
            assert_eq!(redis.text(&["EVAL", unhex, "0", key, value]).trim(), "OK");
        }
        let settings = [
            ("CONDUIT_DATABASE_URL", url.as_str()),
            ("CONDUIT_REDIS_URL", &redis.url()),
        ];
        assert_opens(&fixture, &settings);
    }
}
