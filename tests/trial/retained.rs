//! The events that a trial can reach: after restarts, within limits, and with damage.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{trial, with_fields};
use crate::common::{Conduit, Tenant, tenant, wait_for};

/// Segments as small as they may be, and a disk that is not short.
const SMALL: [(&str, &str); 2] = [
    ("CONDUIT__JOURNAL__SEGMENT_BYTES", "1048576"),
    ("CONDUIT__RETENTION__MIN_FREE_BYTES", "0"),
];

fn started_with(more: &[(&str, &str)]) -> Conduit {
    Conduit::with(&[&SMALL, more].concat())
}

/// Sends events of which five fill a segment.
fn send_large(conduit: &Conduit, shop: &Tenant, events: std::ops::Range<u32>) {
    for number in events {
        let fields = json!({"email": format!("canary{number}@shop.example"), "padding": "x".repeat(220_000)});
        shop.send(conduit, "contact", fields);
    }
    conduit.settled();
}

fn retained_files(conduit: &Conduit) -> Vec<PathBuf> {
    let dir = conduit.data_dir().join("journal/retained");
    let mut found: Vec<_> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

/// Waits until supervision reports this state of the journal. Returns the report.
fn journal_once(conduit: &Conduit, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || {
        let report = conduit.admin("GET", "/api/v1/supervision", None).expect(200).json();
        is(&report["journal"]).then(|| report["journal"].clone())
    })
}

#[test]
fn what_is_retained_is_found_again_after_stops_and_kills_and_is_sealed() {
    let mut conduit = started_with(&[]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    send_large(&conduit, &shop, 0..22);
    let report = journal_once(&conduit, "segments to be retained", |journal| {
        journal["retainedSegments"].as_u64() >= Some(4)
    });
    assert!(report["retainedBytes"].as_u64().unwrap() >= 4 << 20, "{report}");
    assert!(
        report["retainedSince"].is_string() && report["inFlightBytes"] == 0,
        "{report}"
    );
    let draft = with_fields("contact", json!([{"path": "email", "pii": "user.unique_id"}]));
    let check = |conduit: &Conduit| {
        let found = trial(conduit, &shop, &draft, 100);
        assert_eq!(
            (&found["examined"], &found["complete"]),
            (&json!(22), &json!(true)),
            "{found}"
        );
        assert_eq!(found["subjects"]["new"], 22);
        assert_eq!(trial(conduit, &other, &draft, 100)["examined"], 0, "it is another's");
    };
    check(&conduit);
    assert_eq!(conduit.stop(), Some(0));
    conduit.launch();
    check(&conduit);
    conduit.kill();
    conduit.launch();
    check(&conduit);
    send_large(&conduit, &shop, 22..23);
    let newest = trial(&conduit, &shop, &draft, 3);
    assert_eq!((&newest["examined"], &newest["endedBy"]), (&json!(3), &json!("limit")));

    // Deleted and created again: the events of the former controller cannot be read any more.
    conduit
        .admin("DELETE", &format!("/api/v1/controllers/{}", shop.did), None)
        .expect(204);
    let anew = Tenant::create(&conduit, &shop.did);
    assert_eq!(trial(&conduit, &anew, &draft, 100)["examined"], 0);
    let path = format!("/api/v1/integrations/custom/{}/trial", shop.integration);
    conduit
        .admin("POST", &path, Some(json!({"integration": draft})))
        .expect(404);
    conduit.kill();
    let files = retained_files(&conduit);
    assert!(files.len() >= 4);
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let is_clear = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(
            !is_clear(b"canary") && !is_clear(b"contact") && !is_clear(b"xxxx"),
            "{}",
            file.display()
        );
    }
}

#[test]
fn retention_can_be_off_and_ends_at_its_cap_and_on_a_short_disk() {
    let nothing = |setting: (&str, &str)| {
        let conduit = started_with(&[setting]);
        let shop = Tenant::create(&conduit, "did:web:shop.example");
        send_large(&conduit, &shop, 0..12);
        journal_once(&conduit, "the journal to have the newest segment alone", |journal| {
            journal["segments"] == 1
        });
        assert!(retained_files(&conduit).is_empty(), "{setting:?}");
        trial(&conduit, &shop, &tenant::shop(), 100)
    };
    let off = nothing(("CONDUIT__RETENTION__PAYLOAD_DAYS", "0"));
    assert_eq!((&off["examined"], &off["retentionDays"]), (&json!(0), &json!(0)));
    assert_eq!(off["endedBy"], "retention");
    // Events in the journal's own segment are still there.
    let short = nothing(("CONDUIT__RETENTION__MIN_FREE_BYTES", "1152921504606846976"));
    assert!((1..8).contains(&short["examined"].as_u64().unwrap()), "{short}");

    let conduit = started_with(&[("CONDUIT__RETENTION__PAYLOAD_BYTES", "2500000")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    send_large(&conduit, &shop, 0..30);
    let report = journal_once(&conduit, "segments to be given up", |journal| {
        journal["segments"] == 1 && journal["givenUpSegments"].as_u64() > Some(0)
    });
    assert!(report["retainedBytes"].as_u64().unwrap() <= 2_500_000, "{report}");
    let found = trial(&conduit, &shop, &tenant::shop(), 100);
    let examined = found["examined"].as_u64().unwrap();
    assert!((6..20).contains(&examined), "{examined}");
    let newest = trial(&conduit, &shop, &tenant::shop(), 1);
    assert_eq!(newest["to"], found["to"], "the newest are kept");
    let metrics = conduit.get("/metrics").text;
    for name in ["retained_bytes ", "retained_segments ", "given_up_segments_total "] {
        assert!(
            metrics
                .lines()
                .any(|line| line.starts_with(&format!("conduit_journal_{name}"))),
            "{name}"
        );
    }
}

#[test]
fn a_trial_ends_at_its_limits_and_says_at_which() {
    let conduit = Conduit::with(&[
        ("CONDUIT__RETENTION__TRIAL_SECONDS", "3"),
        ("FAILPOINTS", "trial::examine=sleep(3100)"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    for number in 0..65 {
        shop.send(&conduit, "contact", json!({"email": format!("c{number}@shop.example")}));
    }
    let found = trial(&conduit, &shop, &tenant::shop(), 100);
    assert_eq!((&found["endedBy"], &found["complete"]), (&json!("time"), &json!(false)));
    // One part, which takes longer than it may; or none, on a machine that was busy for seconds.
    assert!(found["examined"].as_u64().unwrap() <= 64, "{found}");
    // Meanwhile a second of the same controller is refused: whichever comes first, one of two at a time is.
    wait_for("two trials to meet", || {
        let calls = [(); 2].map(|()| {
            let path = format!("{}/api/v1/integrations/custom/{}/trial", conduit.url, shop.integration);
            let authorization = format!("Bearer {}", shop.token);
            let sent = json!({"integration": tenant::shop(), "limit": 1}).to_string();
            std::thread::spawn(move || {
                let headers = [("authorization", authorization.as_str())];
                crate::common::request(&crate::common::client(), "POST", &path, &headers, sent.as_bytes()).unwrap()
            })
        });
        let mut answers = calls.map(|call| call.join().unwrap());
        answers.sort_by_key(|answer| answer.status);
        assert_eq!(answers[0].status, 200);
        (answers[1].status != 200).then(|| assert_eq!(answers[1].json()["code"], "trial_running"))
    });

    let conduit = started_with(&[("CONDUIT__RETENTION__TRIAL_BYTES", "1048576")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    send_large(&conduit, &shop, 0..6);
    let found = trial(&conduit, &shop, &tenant::shop(), 100);
    assert_eq!(
        (&found["endedBy"], &found["complete"]),
        (&json!("bytes"), &json!(false))
    );
    assert_eq!(found["examined"], 5, "a mebibyte of bodies");
}

#[test]
fn damage_is_reported_where_it_is_read_and_stops_nothing_else() {
    let mut conduit = started_with(&[]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    send_large(&conduit, &shop, 0..20);
    journal_once(&conduit, "segments to be retained", |journal| {
        journal["retainedSegments"].as_u64() >= Some(3)
    });
    conduit.kill();
    let damaged = retained_files(&conduit).swap_remove(1);
    let mut bytes = fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    conduit.launch();
    let found = trial(&conduit, &shop, &tenant::shop(), 100);
    assert_eq!(
        (&found["endedBy"], &found["complete"]),
        (&json!("unreadable"), &json!(false))
    );
    assert!((1..15).contains(&found["examined"].as_u64().unwrap()), "{found}");
    let lines = conduit.log_lines("the retained journal cannot be read");
    let name = damaged.file_name().unwrap().to_str().unwrap();
    assert!(lines.len() == 1 && lines[0].to_string().contains(name), "{lines:?}");
    assert!(
        conduit
            .get("/metrics")
            .text
            .contains("\nconduit_journal_unreadable_total 1\n")
    );
    shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(conduit.settled().processed, 21);
    conduit.assert_audit_verifies();
}
