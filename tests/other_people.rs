//! Events that name several people: each is a data subject of their own, and found by it.

use serde_json::{Value, json};

use crate::common::{Conduit, Tenant};

fn tickets() -> Value {
    json!({"name": "Box office", "events": [{"name": "tickets_sold", "dedup": {"key": "mapped"}, "fields": [
        {"path": "order"},
        {"path": "buyer.email", "pii": "user.contact.email", "required": true},
        {"path": "buyer.phone", "pii": "user.contact.phone_number"},
        {"path": "tickets[].holder.email", "pii": "user.contact.email", "role": "other"},
        {"path": "tickets[].holder.phone", "pii": "user.contact.phone_number", "role": "other"},
        {"path": "tickets[].holder.name", "pii": "user.name", "role": "other"}]}]})
}

struct World {
    conduit: Conduit,
    office: Tenant,
}

impl World {
    fn new() -> Self {
        let conduit = Conduit::start();
        let office = Tenant::with(&conduit, "did:web:office.example", tickets());
        Self { conduit, office }
    }

    fn get(&self, path: &str) -> Value {
        self.office.call(&self.conduit, "GET", path, None).expect(200).json()
    }

    fn sold(&self, order: &str, buyer: &str, holders: &[Value]) -> Value {
        let tickets: Vec<Value> = holders.iter().map(|holder| json!({"holder": holder})).collect();
        // A number of their own: a shared one would make two buyers one person.
        let number: u32 = buyer.bytes().map(u32::from).sum();
        let buyer = json!({"email": format!("{buyer}@shop.example"), "phone": format!("+49 30 901{number}")});
        let fields = json!({"order": order, "buyer": buyer, "tickets": tickets});
        let id = self.office.send(&self.conduit, "tickets_sold", fields);
        let outcome = self.office.outcome(&self.conduit, &id);
        assert_eq!(outcome["status"], "processed", "{outcome}");
        outcome
    }

    fn subject(&self, email: &str) -> Value {
        let body = json!({"category": "user.contact.email", "value": format!("{email}@shop.example")});
        let found = self
            .office
            .call(&self.conduit, "POST", "/api/v1/subjects/lookup", Some(body));
        let found = found.expect(200).json()["items"].clone();
        assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
        found[0].clone()
    }
}

fn holder(email: &str) -> Value {
    json!({"email": format!("{email}@shop.example")})
}

#[test]
fn a_buyer_and_the_holders_are_different_people_of_one_event() {
    let world = World::new();
    let sold = world.sold(
        "1",
        "ada",
        &[holder("ada"), holder("bob"), holder("cy"), json!({"name": "Dan"})],
    );
    let [ada, bob, cy] = ["ada", "bob", "cy"].map(|email| world.subject(email));
    assert_eq!(sold["subject"], ada["did"]);
    let others = sold["otherSubjects"].as_array().unwrap();
    assert_eq!(others.len(), 3, "the buyer is not named again: {sold}");
    assert_eq!((&others[0], &others[1]), (&bob["did"], &cy["did"]));

    // One activity, which is everybody's.
    let activities = world.get("/api/v1/activities");
    assert_eq!(activities["items"].as_array().unwrap().len(), 1);
    assert_eq!(activities["items"][0]["otherSubjects"], sold["otherSubjects"]);
    world.sold("2", "bob", &[holder("ada")]);
    world.sold("3", "cy", &[]);
    for (person, count) in [(&ada, 2), (&bob, 2), (&cy, 2)] {
        let did = person["did"].as_str().unwrap();
        assert_eq!(
            world.get(&format!("/api/v1/subjects/{did}"))["activityCount"],
            count,
            "{did}"
        );
        for list in ["activities", "events"] {
            let found = world.get(&format!("/api/v1/{list}?subject={did}"));
            assert_eq!(found["items"].as_array().unwrap().len(), count, "{list} {did}");
        }
        let page = world.get(&format!("/api/v1/activities?subject={did}&limit=1"));
        let cursor = page["nextCursor"].as_str().unwrap();
        let next = world.get(&format!("/api/v1/activities?subject={did}&limit=1&cursor={cursor}"));
        assert_ne!(page["items"][0]["eventId"], next["items"][0]["eventId"]);
    }
    let search = json!({"identifier": {"category": "user.contact.email", "value": "cy@shop.example"}});
    let found = world
        .office
        .call(&world.conduit, "POST", "/api/v1/events/search", Some(search))
        .expect(200)
        .json();
    assert_eq!(found["items"].as_array().unwrap().len(), 2, "{found}");
    world.conduit.assert_audit_verifies();
}

#[test]
fn what_two_people_of_an_event_share_does_not_make_them_one() {
    let world = World::new();
    let shared = |email: &str| json!({"email": format!("{email}@shop.example"), "phone": "+49 30 901820"});
    let sold = world.sold("1", "ada", &[shared("bob"), shared("cy")]);
    let dids = ["ada", "bob", "cy"].map(|email| world.subject(email)["did"].clone());
    assert_eq!(
        (&sold["subject"], &sold["otherSubjects"]),
        (&dids[0], &json!([dids[1], dids[2]]))
    );
    let codes: Vec<_> = sold["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| &warning["code"])
        .collect();
    assert!(
        codes.iter().all(|code| *code == "identifier_shared") && !codes.is_empty(),
        "{sold}"
    );
    world.conduit.assert_audit_verifies();
}

#[test]
fn a_dry_run_and_the_exports_name_the_others_and_a_deletion_takes_them_along() {
    let world = World::new();
    let sold = world.sold("1", "ada", &[holder("bob")]);
    let other = sold["otherSubjects"][0].as_str().unwrap();
    let path = format!("/api/v1/integrations/custom/{}/test", world.office.integration);
    let event = json!({"event": "tickets_sold", "triggeredAt": "2026-04-06T10:30:00Z", "order": "2",
        "buyer": {"email": "ada@shop.example"}, "tickets": [{"holder": holder("bob")}, {"holder": holder("eve")}]});
    let run = world
        .office
        .call(&world.conduit, "POST", &path, Some(event))
        .expect(200)
        .json();
    let resolutions: Vec<_> = run["otherSubjects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["resolution"])
        .collect();
    assert_eq!(resolutions, ["known", "new"], "{run}");
    assert_eq!(run["otherSubjects"][0]["did"], other);
    for list in ["activities", "events"] {
        let headers = [
            ("authorization", format!("Bearer {}", world.office.token)),
            ("accept", "text/csv".to_owned()),
        ];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let url = format!("{}/api/v1/{list}", world.conduit.url);
        let csv = crate::common::request(&world.conduit.client, "GET", &url, &headers, b"")
            .unwrap()
            .expect(200);
        let csv = csv.text;
        let mut lines = csv.lines();
        assert!(lines.next().unwrap().ends_with(",otherSubjects"), "{csv}");
        assert!(lines.next().unwrap().ends_with(other), "{csv}");
    }
    let did = "/api/v1/controllers/did:web:office.example";
    world.conduit.admin("DELETE", did, None).expect(204);
}

#[test]
fn a_mapping_that_may_make_several_people_one_is_asked_about() {
    let conduit = Conduit::start();
    let mut unclear = tickets();
    let fields = unclear["events"][0]["fields"].as_array_mut().unwrap();
    for field in fields.iter_mut() {
        field.as_object_mut().unwrap().remove("role");
    }
    let office = Tenant::with(&conduit, "did:web:office.example", unclear);
    let path = format!("/api/v1/integrations/custom/{}", office.integration);
    let mut saved = office.call(&conduit, "GET", &path, None).expect(200).json();
    let codes = |saved: &Value| -> Vec<String> {
        let warnings = saved["warnings"].as_array().unwrap().iter();
        warnings
            .map(|warning| {
                format!(
                    "{} {}",
                    warning["field"].as_str().unwrap(),
                    warning["code"].as_str().unwrap()
                )
            })
            .collect()
    };
    let at = |field: usize| format!("/events/0/fields/{field} role_unclear");
    assert_eq!(codes(&saved), [at(1), at(2), at(3), at(4)]);
    // A mapping with roles gets no question, and the answer of GET can be put back.
    for (field, role) in [(1, "subject"), (2, "subject"), (3, "other"), (4, "other"), (5, "other")] {
        saved["events"][0]["fields"][field]["role"] = role.into();
    }
    let changed = office.call(&conduit, "PUT", &path, Some(saved)).expect(200).json();
    assert_eq!(codes(&changed), [""; 0]);
    let mut wrong = changed.clone();
    wrong["events"][0]["fields"][0]["role"] = "other".into();
    let refused = office.call(&conduit, "PUT", &path, Some(wrong)).expect(400).json();
    assert_eq!(refused["errors"][0]["code"], "role_without_pii", "{refused}");
}

#[test]
fn a_repeat_that_says_something_else_is_marked() {
    let conduit = Conduit::start();
    let integration = json!({"name": "Shop", "events": [{"name": "order", "fields": [
        {"path": "email", "pii": "user.contact.email"}, {"path": "orderId"}]}]});
    let shop = Tenant::with(&conduit, "did:web:shop.example", integration);
    let order = |id: &str| {
        let id = shop.send(&conduit, "order", json!({"email": "ada@shop.example", "orderId": id}));
        shop.outcome(&conduit, &id)
    };
    let first = order("1");
    assert_eq!(
        (&first["status"], &first["warnings"]),
        (&json!("processed"), &json!([]))
    );
    let same = order("1");
    assert_eq!((&same["status"], &same["warnings"]), (&json!("duplicate"), &json!([])));
    let other = order("2");
    assert_eq!(
        (&other["status"], &other["duplicateOf"]),
        (&json!("duplicate"), &first["eventId"])
    );
    assert_eq!(other["warnings"][0]["code"], "duplicate_differs", "{other}");
    let path = format!("/api/v1/integrations/custom/{}/test", shop.integration);
    let event = |id: &str| {
        let body = json!({"event": "order", "triggeredAt": "2026-04-06T10:30:00Z", "email": "ada@shop.example", "orderId": id});
        shop.call(&conduit, "POST", &path, Some(body)).expect(200).json()
    };
    assert_eq!(event("1")["warnings"], json!([]));
    assert_eq!(event("3")["warnings"][0]["code"], "duplicate_differs");
}
