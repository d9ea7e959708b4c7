//! The trial of a draft on what was accepted: it says what would change, and changes nothing.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::common::{Conduit, Tenant, tenant, wait_for};

fn try_draft(conduit: &Conduit, shop: &Tenant, sent: Value, status: u16) -> Value {
    let path = format!("/api/v1/integrations/custom/{}/trial", shop.integration);
    shop.call(conduit, "POST", &path, Some(sent)).expect(status).json()
}

fn trial(conduit: &Conduit, shop: &Tenant, draft: &Value, limit: usize) -> Value {
    try_draft(conduit, shop, json!({"integration": draft, "limit": limit}), 200)
}

/// The shop's mapping, with the fields of an event in place of its own.
fn with_fields(event: &str, fields: Value) -> Value {
    let mut draft = tenant::shop();
    let events = draft["events"].as_array_mut().unwrap();
    events.iter_mut().find(|spec| spec["name"] == event).unwrap()["fields"] = fields;
    draft
}

/// Everything that a trial could have changed.
fn all_there_is(conduit: &Conduit, shop: &Tenant) -> [Value; 4] {
    conduit.settled();
    ["stats", "subjects", "activities", "events"].map(|what| {
        let path = format!("/api/v1/{what}?did={}", shop.did);
        shop.call(conduit, "GET", &path, None).expect(200).json()
    })
}

/// The row of `rows` in which these members are.
fn row<'a>(rows: &'a Value, members: &Value) -> &'a Value {
    let fits = |row: &&Value| {
        members
            .as_object()
            .unwrap()
            .iter()
            .all(|(key, value)| row[key] == *value)
    };
    let mut found = rows.as_array().unwrap().iter().filter(fits);
    let row = found.next().unwrap_or_else(|| panic!("{members} is not in {rows}"));
    assert!(found.next().is_none(), "{members} is there more than once: {rows}");
    row
}

fn pair(row: &Value) -> (u64, u64) {
    (row["live"].as_u64().unwrap(), row["draft"].as_u64().unwrap())
}

#[test]
fn it_says_what_changes_stores_nothing_and_the_draft_is_saved_against_its_version() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let (created, ada) = ("account_created", "ada@shop.example");
    let no_email = shop.send(&conduit, created, json!({"phone": "+4930901820"}));
    let no_phone = shop.send(&conduit, created, json!({"email": ada}));
    shop.send(
        &conduit,
        created,
        json!({"email": "bob@shop.example", "phone": "+4930901821"}),
    );
    shop.send(&conduit, "contact", json!({"email": ada, "phone": "not a number"}));
    shop.send(
        &conduit,
        "contact",
        json!({"phone": "+4930901822", "customerId": "c-1"}),
    );
    shop.send(&conduit, "contact", json!({"phone": "+4930901822"}));
    shop.send(
        &conduit,
        "contact",
        json!({"email": "carol@shop.example", "customerId": "c-1"}),
    );
    shop.send(&conduit, "acount_created", json!({"email": ada}));
    let before = all_there_is(&conduit, &shop);

    let phone = json!({"path": "phone", "required": true, "pii": "user.contact.phone_number"});
    let mut draft = with_fields(created, json!([{"path": "email", "pii": "user.contact.email"}, phone]));
    let contact = json!([{"path": "email", "pii": "user.contact.email"}, {"path": "name", "pii": "user.name"}]);
    draft["events"][1]["fields"] = contact;
    let found = trial(&conduit, &shop, &draft, 100);
    assert_eq!(found["comparedWithVersion"], 1);
    assert_eq!((&found["examined"], &found["complete"]), (&json!(8), &json!(true)));
    assert_eq!(
        (&found["endedBy"], &found["scope"]),
        (&json!("retention"), &json!("node"))
    );
    assert_eq!(
        found["live"],
        json!({"processed": 6, "duplicate": 0, "rejected": 2, "failed": 0})
    );
    // Without the phone, two of those by phone have no personal data left, and are keyed by their bodies.
    assert_eq!(
        found["draft"],
        json!({"processed": 6, "duplicate": 0, "rejected": 2, "failed": 0})
    );
    let changes = json!({"nowProcessed": 1, "nowDuplicate": 0, "nowRejected": 1, "nowFailed": 0, "unchanged": 6});
    assert_eq!(found["changes"], changes);
    let missing = |field: &str| {
        let members = json!({"event": created, "field": field, "code": "required_missing"});
        pair(row(&found["reasons"], &members))
    };
    assert_eq!((missing("/email"), missing("/phone")), ((1, 0), (0, 1)));
    let unknown = row(&found["events"], &json!({"event": "acount_created"}));
    assert_eq!(
        (&unknown["liveKnows"], &unknown["draftKnows"]),
        (&json!(false), &json!(false))
    );
    let field = |event: &str, path: &str| pair(row(&found["fields"], &json!({"event": event, "path": path})));
    assert_eq!(field(created, "phone"), (1, 2));
    assert_eq!(field("contact", "customerId"), (2, 0));
    assert_eq!(field("contact", "email"), (2, 2));
    let warned = json!({"field": "/phone", "code": "invalid_phone_number"});
    assert_eq!(
        pair(row(&found["warnings"], &warned)),
        (1, 0),
        "what is not mapped is not checked"
    );
    assert_eq!(
        pair(row(&found["categories"], &json!({"category": "user.unique_id"}))),
        (2, 0)
    );
    // Same: Bob, and Ada by her contact. Carol's address is known from the event itself, whoever it merged with.
    let subjects = json!({"same": 3, "other": 0, "new": 0, "gained": 1, "lost": 3, "wouldMerge": 0, "nobody": 1});
    assert_eq!(found["subjects"], subjects);
    let samples = found["samples"].as_array().unwrap();
    assert_eq!(
        (&samples[0]["eventId"], &samples[1]["eventId"]),
        (&json!(no_phone), &json!(no_email))
    );
    assert_eq!(samples[0]["live"]["status"], "processed");
    assert_eq!(samples[0]["draft"]["status"], "rejected");
    assert_eq!(samples[0]["draft"]["reasons"][0]["field"], "/phone");
    assert_eq!(samples[0]["live"]["subject"]["resolution"], "known");
    assert!(found["from"].as_str().unwrap() <= found["to"].as_str().unwrap());
    assert!(!found.to_string().contains("ada@") && !conduit.logs().contains("ada@"));
    assert_eq!(all_there_is(&conduit, &shop), before, "nothing is stored");

    draft["version"] = found["comparedWithVersion"].clone();
    let path = format!("/api/v1/integrations/custom/{}", shop.integration);
    shop.call(&conduit, "PUT", &path, Some(draft.clone())).expect(200);
    let problem = try_draft(&conduit, &shop, json!({"integration": draft}), 409);
    assert_eq!(
        problem["code"], "version_mismatch",
        "the draft was meant for the version before"
    );
    draft.as_object_mut().unwrap().remove("version");
    let again = try_draft(&conduit, &shop, json!({"integration": draft}), 200);
    assert_eq!(
        (&again["comparedWithVersion"], &again["changes"]["unchanged"]),
        (&json!(2), &json!(8))
    );
    assert_eq!(again["live"], found["draft"]);
}

#[test]
fn subjects_are_those_that_the_pipeline_would_find() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    shop.send(&conduit, "contact", json!({"phone": "+4930901820"}));
    shop.send(&conduit, "contact", json!({"customerId": "c-1"}));
    let both = shop.send(
        &conduit,
        "unwatched",
        json!({"email": "ada@shop.example", "phone": "+4930901820", "id": "c-1"}),
    );
    shop.send(&conduit, "unwatched", json!({"email": "ada@shop.example"}));
    let before = all_there_is(&conduit, &shop);
    let email = json!({"path": "email", "pii": "user.contact.email"});
    let phone = json!({"path": "phone", "pii": "user.contact.phone_number"});
    let id = json!({"path": "id", "pii": "user.unique_id"});
    let subjects = |fields: Value| {
        let found = trial(&conduit, &shop, &with_fields("unwatched", fields), 100);
        (found["subjects"].clone(), found["samples"].clone())
    };
    let (merging, samples) = subjects(json!([email, phone]));
    assert_eq!((&merging["wouldMerge"], &merging["same"]), (&json!(1), &json!(3)));
    assert_eq!(samples[0]["eventId"], json!(both));
    assert_eq!(samples[0]["draft"]["subject"]["resolution"], "merged");
    assert_eq!(samples[0]["fieldsGained"], json!(["phone"]));
    let (other, _) = subjects(json!([id]));
    assert_eq!((&other["other"], &other["lost"]), (&json!(1), &json!(1)));
    let (new, _) = subjects(json!([{"path": "email", "pii": "user.unique_id"}]));
    assert_eq!((&new["new"], &new["same"]), (&json!(2), &json!(2)));
    assert_eq!(all_there_is(&conduit, &shop), before, "nothing is stored");
}

#[test]
fn repeats_and_dead_letters_are_told() {
    let conduit = Conduit::with(&[("FAILPOINTS", "PiiExtractorActor::event=return")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    for order in ["1", "2", "2"] {
        shop.send(
            &conduit,
            "contact",
            json!({"email": "ada@shop.example", "order": order}),
        );
    }
    shop.send(&conduit, "poison", json!({"email": "ada@shop.example"}));
    let stats = conduit.settled();
    assert_eq!((stats.processed, stats.duplicate, stats.failed), (1, 2, 1));
    let mut draft = with_fields(
        "contact",
        json!([{"path": "email", "pii": "user.contact.email"}, {"path": "order"}]),
    );
    draft["events"][1]["dedup"] = json!({"key": "mapped"});
    let found = trial(&conduit, &shop, &draft, 100);
    assert_eq!(
        found["live"],
        json!({"processed": 1, "duplicate": 2, "rejected": 0, "failed": 1})
    );
    assert_eq!(
        found["draft"],
        json!({"processed": 2, "duplicate": 1, "rejected": 0, "failed": 1})
    );
    let reason = row(&found["reasons"], &json!({"event": "poison"}));
    assert_eq!((&reason["code"], pair(reason)), (&json!("processing_failed"), (1, 1)));
    // The thread that it happened on serves nobody else.
    assert_eq!(trial(&conduit, &shop, &draft, 100)["examined"], 4);
}

#[test]
fn what_is_wrong_with_a_draft_is_said_where_it_is() {
    let conduit = Conduit::with(&[("CONDUIT__RETENTION__TRIAL_EVENTS", "50")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let misspelt = with_fields("heartbeat", json!([{"path": "host", "pii": "user.naem"}]));
    let problem = try_draft(&conduit, &shop, json!({"integration": misspelt}), 400);
    assert_eq!(problem["code"], "mapping_invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/integration/events/3/fields/0/pii");
    let mut moved = tenant::shop();
    moved["dataProcessorId"] = json!("another");
    let problem = try_draft(&conduit, &shop, json!({"integration": moved}), 400);
    assert_eq!(problem["errors"][0]["pointer"], "/integration/dataProcessorId");
    for limit in [0, 51] {
        let problem = try_draft(
            &conduit,
            &shop,
            json!({"integration": tenant::shop(), "limit": limit}),
            400,
        );
        assert_eq!(
            (&problem["code"], &problem["errors"][0]["pointer"]),
            (&json!("limit_invalid"), &json!("/limit"))
        );
    }
    for sent in [json!({}), json!({"integration": tenant::shop(), "more": 1})] {
        assert_eq!(try_draft(&conduit, &shop, sent, 400)["code"], "body_invalid");
    }
    let found = try_draft(&conduit, &shop, json!({"integration": tenant::shop()}), 200);
    assert_eq!((&found["examined"], &found["complete"]), (&json!(0), &json!(true)));
    assert_eq!((&found["from"], &found["samples"]), (&Value::Null, &json!([])));
}

/// Segments as small as they may be, and a disk that is not short.
const SMALL: [(&str, &str); 2] = [
    ("CONDUIT__JOURNAL__SEGMENT_BYTES", "1048576"),
    ("CONDUIT__RETENTION__MIN_FREE_BYTES", "0"),
];

fn started_with(more: &[(&str, &str)]) -> Conduit {
    Conduit::with(&[&SMALL, more].concat())
}

/// Events of which five fill a segment.
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

/// What supervision says of the journal, once it says this.
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

    // Deleted, and made anew: what the one before sent cannot be read any more.
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
    // Those in the journal's own segment are there all the same.
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
    let lines = conduit.log_lines("what is retained of the journal cannot be read");
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
