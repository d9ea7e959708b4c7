//! The trial of a draft on accepted events shows what would change, and changes nothing.

mod retained;

use serde_json::{Value, json};

use crate::common::{Conduit, Tenant, tenant};

fn try_draft(conduit: &Conduit, shop: &Tenant, sent: Value, status: u16) -> Value {
    let path = format!("/api/v1/integrations/custom/{}/trial", shop.integration);
    shop.call(conduit, "POST", &path, Some(sent)).expect(status).json()
}

fn trial(conduit: &Conduit, shop: &Tenant, draft: &Value, limit: usize) -> Value {
    try_draft(conduit, shop, json!({"integration": draft, "limit": limit}), 200)
}

/// Returns the shop's mapping, with these fields for an event.
fn with_fields(event: &str, fields: Value) -> Value {
    let mut draft = tenant::shop();
    let events = draft["events"].as_array_mut().unwrap();
    events.iter_mut().find(|spec| spec["name"] == event).unwrap()["fields"] = fields;
    draft
}

/// Reads everything that a trial could have changed.
fn all_there_is(conduit: &Conduit, shop: &Tenant) -> [Value; 4] {
    conduit.settled();
    ["stats", "subjects", "activities", "events"].map(|what| {
        let path = format!("/api/v1/{what}?did={}", shop.did);
        shop.call(conduit, "GET", &path, None).expect(200).json()
    })
}

/// Returns the row of `rows` with these members.
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
    // The same: Bob, and Ada by her contact. Carol's address is known from the event itself, after any merge.
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
    // Its thread serves no other trial.
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
