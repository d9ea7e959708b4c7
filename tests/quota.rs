//! How many integrations a controller may have, and how large: one tenant's do not keep another's waiting.

use serde_json::{Value, json};

use crate::common::{Answer, Conduit, Tenant, tenant};

const LIST: &str = "/api/v1/integrations/custom";

/// Returns an integration with this number of events and of fields in each.
fn sized(events: usize, fields: usize) -> Value {
    let field = |number: usize| json!({"path": format!("f{number}{}", "x".repeat(200)), "type": "string"});
    let fields: Vec<Value> = (0..fields).map(field).collect();
    let event = |number: usize| json!({"name": format!("event{number}"), "fields": fields});
    json!({"name": "Sized", "events": (0..events).map(event).collect::<Vec<_>>()})
}

#[track_caller]
fn assert_refused(answer: Answer, code: &str) {
    assert_eq!(answer.expect(409).json()["code"], code);
}

#[test]
fn a_controller_has_so_many_integrations_and_so_many_bytes_of_mappings() {
    let mut conduit = Conduit::with(&[
        ("CONDUIT__MAPPINGS__MAX_INTEGRATIONS", "3"),
        ("CONDUIT__MAPPINGS__MAX_BYTES", "20kB"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let make = |conduit: &Conduit, spec: Value| shop.call(conduit, "POST", LIST, Some(spec));
    let one = make(&conduit, sized(1, 20)).expect(201).json();
    assert_refused(make(&conduit, sized(1, 100)), "mappings_too_large");
    make(&conduit, sized(1, 1)).expect(201);
    assert_refused(make(&conduit, sized(1, 1)), "too_many_integrations");
    let path = format!("{LIST}/{}", one["id"].as_str().unwrap());
    let replace = |conduit: &Conduit, spec: Value| shop.call(conduit, "PUT", &path, Some(spec));
    replace(&conduit, sized(1, 30)).expect(200);
    assert_refused(replace(&conduit, sized(1, 100)), "mappings_too_large");
    // Another controller has its own.
    Tenant::create(&conduit, "did:web:other.example");

    // A controller over the limits goes on, and may only shrink.
    assert_eq!(conduit.stop(), Some(0));
    conduit.set("CONDUIT__MAPPINGS__MAX_INTEGRATIONS", "1");
    conduit.set("CONDUIT__MAPPINGS__MAX_BYTES", "100B");
    conduit.launch();
    let event = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &event)["status"], "processed");
    assert_refused(replace(&conduit, sized(1, 31)), "mappings_too_large");
    replace(&conduit, sized(1, 30)).expect(200);
    replace(&conduit, sized(1, 20)).expect(200);
    shop.call(&conduit, "DELETE", &path, None).expect(204);
    assert_refused(make(&conduit, sized(1, 1)), "too_many_integrations");
    let listed = shop.call(&conduit, "GET", LIST, None).expect(200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
}

#[test]
fn a_page_of_integrations_is_bounded_by_its_bytes() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    for _ in 0..3 {
        shop.call(&conduit, "POST", LIST, Some(sized(14, 500))).expect(201);
    }
    let (mut path, mut pages) = (LIST.to_owned(), Vec::new());
    loop {
        let page = shop.call(&conduit, "GET", &path, None).expect(200).json();
        pages.push(page["items"].as_array().unwrap().len());
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("{LIST}?cursor={cursor}");
    }
    assert_eq!(pages, [2, 2]);
    let page = shop
        .call(&conduit, "GET", &format!("{LIST}?limit=1"), None)
        .expect(200)
        .json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    // One more would be over the 8 MiB that a controller has.
    let refused = shop.call(&conduit, "POST", LIST, Some(sized(30, 500)));
    assert_refused(refused, "mappings_too_large");
    shop.call(&conduit, "POST", LIST, Some(tenant::shop())).expect(201);
}
