//! The dry run shows what would happen, and changes nothing.

use serde_json::{Value, json};

use crate::common::{Conduit, Tenant, tenant, tenant::body};

fn run(conduit: &Conduit, shop: &Tenant, query: &str, body: &str) -> Value {
    let path = format!("/api/v1/integrations/custom/{}/test{query}", shop.integration);
    let body = serde_json::from_str(body).unwrap();
    shop.call(conduit, "POST", &path, Some(body)).expect(200).json()
}

fn field<'a>(run: &'a Value, path: &str) -> &'a Value {
    let fields = run["fields"].as_array().unwrap();
    fields.iter().find(|field| field["path"] == path).unwrap()
}

#[test]
fn it_says_what_then_happens() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let ada = json!({"email": "Ada@Shop.example", "name": "Ada"});
    let before = run(&conduit, &shop, "", &body("contact", ada.clone()));
    assert_eq!(
        (&before["status"], &before["duplicateOf"]),
        (&json!("processed"), &Value::Null)
    );
    assert_eq!(before["subject"]["resolution"], "new");
    assert_eq!(conduit.stats().accepted, 0, "nothing is accepted by a dry run");

    let first = shop.send(&conduit, "contact", ada.clone());
    let outcome = shop.outcome(&conduit, &first);
    assert_eq!(outcome["status"], "processed", "the dry run claimed nothing");
    assert_eq!(outcome["categories"], before["categories"]);

    let again = run(&conduit, &shop, "", &body("contact", ada));
    assert_eq!(
        (&again["status"], &again["duplicateOf"]),
        (&json!("duplicate"), &json!(first))
    );
    assert_eq!(
        again["subject"],
        json!({"resolution": "known", "did": outcome["subject"], "merged": []})
    );

    let by_phone = shop.send(&conduit, "contact", json!({"phone": "+4930901820"}));
    let other = shop.outcome(&conduit, &by_phone)["subject"].clone();
    let both = json!({"email": "ada@shop.example", "phone": "030 901820"});
    let merge = run(&conduit, &shop, "", &body("contact", both.clone()));
    assert_eq!(merge["subject"]["resolution"], "merged");
    let event = shop.send(&conduit, "contact", both);
    assert_eq!(shop.outcome(&conduit, &event)["subject"], merge["subject"]["did"]);
    let pair = [&outcome["subject"], &other];
    assert!(pair.contains(&&merge["subject"]["did"]) && pair.contains(&&merge["subject"]["merged"][0]));
    assert_eq!(conduit.settled().accepted, 3);
}

#[test]
fn each_field_is_traced_and_no_value_is_shown() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let sent =
        json!({"phone": "not a number", "customer": {"name": "Ada Lovelace"}, "items": [{"sku": "a"}, {"sku": 7}]});
    let traced = run(&conduit, &shop, "", &body("account_created", sent));
    assert_eq!(traced["status"], "rejected");
    assert_eq!(traced["reasons"][0]["code"], "required_missing");
    assert_eq!(traced["subject"], Value::Null);
    let email = field(&traced, "email");
    assert_eq!((&email["found"], &email["validated"]), (&json!(false), &json!(false)));
    assert_eq!(email["reasons"][0]["code"], "required_missing");
    let phone = field(&traced, "phone");
    assert_eq!((&phone["found"], &phone["validated"]), (&json!(true), &json!(false)));
    assert_eq!(phone["warnings"][0]["field"], "/phone");
    let name = field(&traced, "customer.name");
    assert_eq!((&name["validated"], &name["links"]), (&json!(true), &json!(true)));
    assert_eq!(name["category"], "user.name");
    let sku = field(&traced, "items[].sku");
    assert_eq!(
        (&sku["found"], &sku["validated"], &sku["category"]),
        (&json!(true), &json!(false), &Value::Null)
    );
    assert!(!traced.to_string().to_lowercase().contains("lovelace"), "{traced}");
    assert!(!conduit.logs().contains("Lovelace"));

    let unknown = run(&conduit, &shop, "", &body("acount_created", json!({})));
    assert_eq!(unknown["reasons"][0]["code"], "event_unknown");
    let path = format!("/api/v1/integrations/custom/{}/test", shop.integration);
    let problem = shop
        .call(&conduit, "POST", &path, Some(json!({"event": "contact"})))
        .expect(400);
    assert_eq!(problem.json()["code"], "triggered_at_missing");
}

#[test]
fn a_draft_is_tried_before_it_is_saved() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let mut draft = tenant::shop();
    draft["events"][0]["fields"][0]["required"] = json!(false);
    let event: Value = serde_json::from_str(&body("account_created", json!({}))).unwrap();
    let sent = json!({"integration": draft, "event": event});
    assert_eq!(
        run(&conduit, &shop, "?draft=true", &sent.to_string())["status"],
        "processed"
    );
    assert_eq!(
        run(&conduit, &shop, "", &event.to_string())["status"],
        "rejected",
        "the saved one holds still"
    );

    let mut wrong = sent;
    wrong["integration"]["events"][0]["fields"][0]["pii"] = json!("user.contact.emial");
    let path = format!("/api/v1/integrations/custom/{}/test?draft=true", shop.integration);
    let problem = shop.call(&conduit, "POST", &path, Some(wrong)).expect(400).json();
    assert_eq!(problem["code"], "mapping_invalid");
}
