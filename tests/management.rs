//! Controllers, integrations and credentials, through HTTP.

use conduit_actors::taxonomy::Taxonomy;
use serde_json::{Value, json};

use crate::common::{Conduit, Tenant, tenant, tenant::body};

fn sends(conduit: &Conduit, tenant: &Tenant) -> u16 {
    let event = body("unwatched", json!({"email": "ada@shop.example"}));
    tenant.try_send(conduit, event.as_bytes()).unwrap().status
}

#[test]
fn an_integration_is_listed_replaced_and_deleted_and_each_change_holds_at_once() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let path = format!("/api/v1/integrations/custom/{}", shop.integration);
    let got = shop.call(&conduit, "GET", &path, None).expect(200).json();
    assert_eq!(
        (got["version"].as_u64(), got["name"].as_str()),
        (Some(1), Some("Web shop"))
    );
    assert_eq!(got["webhookUrl"].as_str(), Some(shop.webhook_url(&conduit).as_str()));
    assert!(!got.to_string().contains("cdt_key_"), "credentials are shown once");
    let listed = shop
        .call(&conduit, "GET", "/api/v1/integrations/custom", None)
        .expect(200)
        .json();
    assert_eq!(listed["items"], json!([got]));

    // The answer of GET can be changed and put back.
    let mut changed = got.clone();
    changed["events"] = json!([{"name": "only", "fields": []}]);
    let replaced = shop
        .call(&conduit, "PUT", &path, Some(changed.clone()))
        .expect(200)
        .json();
    assert_eq!(replaced["version"], 2);
    let stale = shop.call(&conduit, "PUT", &path, Some(changed)).expect(409).json();
    assert_eq!(stale["code"], "version_mismatch");
    let id = shop.send(&conduit, "contact", json!({"email": "a@shop.example"}));
    assert_eq!(
        shop.outcome(&conduit, &id)["status"],
        "rejected",
        "the new mapping holds from the next event on"
    );

    conduit.kill();
    conduit.launch();
    assert_eq!(shop.call(&conduit, "GET", &path, None).expect(200).json()["version"], 2);
    assert_eq!(sends(&conduit, &shop), 200);
    shop.call(&conduit, "DELETE", &path, None).expect(204);
    assert_eq!(sends(&conduit, &shop), 401);
    shop.call(&conduit, "GET", &path, None).expect(404);
}

#[test]
fn a_wrong_mapping_names_every_fault_at_once() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let wrong = json!({"name": "x", "events": [{"name": "a", "fields": [
        {"path": "email", "pii": "user.contact.emial"}, {"path": "a..b"}]}, {"name": "a"}]});
    let problem = shop
        .call(&conduit, "POST", "/api/v1/integrations/custom", Some(wrong))
        .expect(400)
        .json();
    assert_eq!(problem["code"], "mapping_invalid");
    let codes: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["code"].clone())
        .collect();
    assert_eq!(codes, ["category_unknown", "path_invalid", "event_duplicate"]);
    let unknown = json!({"name": "x", "evnets": []});
    let problem = shop
        .call(&conduit, "POST", "/api/v1/integrations/custom", Some(unknown))
        .expect(400)
        .json();
    assert_eq!(problem["code"], "body_invalid");
}

#[test]
fn a_body_that_is_not_what_the_call_takes_is_refused() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let rotate = format!("/api/v1/integrations/custom/{}/api-key/rotate", shop.integration);
    let refused = |body: Value, status: u16, code: &str| {
        let problem = shop.call(&conduit, "POST", &rotate, Some(body)).expect(status).json();
        assert_eq!(problem["code"], code, "{problem}");
    };
    // A derived type would take the values of its fields in an array.
    refused(json!([60]), 400, "body_invalid");
    refused(json!({"gracePeriodSeconds": 60.5}), 400, "body_invalid");
    refused(
        json!({"gracePeriodSeconds": "x".repeat(5 << 20)}),
        413,
        "body_too_large",
    );
    let body = Some(json!({"gracePeriodSeconds": 60.0}));
    shop.call(&conduit, "POST", &rotate, body).expect(200);
}

#[test]
fn credentials_rotate_with_a_grace() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let key_path = format!("/api/v1/integrations/custom/{}/api-key/rotate", shop.integration);
    let secret_path = format!("/api/v1/controllers/{}/webhook-secret/rotate", shop.did);

    let rotated = shop
        .call(&conduit, "POST", &key_path, Some(json!({"gracePeriodSeconds": 3600})))
        .expect(200)
        .json();
    let new = Tenant {
        webhook_auth: rotated["webhookAuth"].as_str().unwrap().to_owned(),
        ..shop.clone()
    };
    assert_eq!(
        (sends(&conduit, &shop), sends(&conduit, &new)),
        (200, 200),
        "both serve within the grace"
    );
    conduit.kill();
    conduit.launch();
    assert_eq!(
        (sends(&conduit, &shop), sends(&conduit, &new)),
        (200, 200),
        "a restart keeps both"
    );

    let rotated = shop
        .call(&conduit, "POST", &secret_path, Some(json!({"gracePeriodSeconds": 0})))
        .expect(200)
        .json();
    let newest = Tenant {
        webhook_secret: rotated["webhookSecret"].as_str().unwrap().to_owned(),
        ..new.clone()
    };
    assert_eq!(
        (sends(&conduit, &new), sends(&conduit, &newest)),
        (401, 200),
        "without a grace the old one ends at once"
    );
    shop.call(&conduit, "POST", &key_path, Some(json!({"gracePeriodSeconds": -1})))
        .expect(400);
}

#[test]
fn an_api_key_serves_its_own_integration_only() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let made = shop
        .call(&conduit, "POST", "/api/v1/integrations/custom", Some(tenant::shop()))
        .expect(201)
        .json();
    let second = Tenant {
        processor: made["dataProcessorId"].as_str().unwrap().to_owned(),
        ..shop.clone()
    };
    assert_eq!(sends(&conduit, &second), 401);
}

#[test]
fn tokens_see_what_is_theirs() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let rival = Tenant::create(&conduit, "did:web:rival.example");
    let event = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    shop.outcome(&conduit, &event);
    let shops = format!("/api/v1/integrations/custom/{}", shop.integration);
    for (method, path) in [
        ("GET", shops.clone()),
        ("PUT", shops.clone()),
        ("DELETE", shops.clone()),
        ("POST", format!("{shops}/api-key/rotate")),
        ("GET", format!("/api/v1/events/{event}")),
        ("GET", format!("/api/v1/events?did={}", shop.did)),
        ("GET", format!("/api/v1/controllers/{}", shop.did)),
        (
            "POST",
            format!("/api/v1/controllers/{}/webhook-secret/rotate", shop.did),
        ),
    ] {
        assert_eq!(rival.call(&conduit, method, &path, None).status, 404, "{method} {path}");
        assert_eq!(
            conduit.call("wrong", method, &path, None).status,
            401,
            "{method} {path}"
        );
    }
    for (method, path) in [
        ("POST", "/api/v1/controllers"),
        ("GET", "/api/v1/supervision"),
        ("DELETE", "/api/v1/controllers/did:web:rival.example"),
    ] {
        let body = (method == "POST").then(|| json!({"name": "x"}));
        assert_eq!(rival.call(&conduit, method, path, body).status, 403, "{method} {path}");
    }
    let mine = rival
        .call(&conduit, "GET", "/api/v1/controllers", None)
        .expect(200)
        .json();
    assert_eq!(mine["items"].as_array().unwrap().len(), 1);
    let all = conduit.admin("GET", "/api/v1/events", None).expect(200).json();
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    let taxonomy: Value = rival.call(&conduit, "GET", "/api/v1/taxonomy", None).expect(200).json();
    let bundled = Taxonomy::bundled();
    assert_eq!(taxonomy["items"].as_array().unwrap().len(), bundled.categories().len());
}

#[test]
fn a_deleted_controller_takes_everything_along_and_its_did_can_be_used_again() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let event = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    shop.outcome(&conduit, &event);
    let taken = conduit
        .admin(
            "POST",
            "/api/v1/controllers",
            Some(json!({"name": "x", "did": shop.did})),
        )
        .expect(409)
        .json();
    assert_eq!(taken["code"], "already_exists");
    conduit
        .admin("DELETE", &format!("/api/v1/controllers/{}", shop.did), None)
        .expect(204);
    assert_eq!(sends(&conduit, &shop), 401);
    assert_eq!(shop.call(&conduit, "GET", "/api/v1/stats", None).status, 401);
    conduit
        .admin("GET", &format!("/api/v1/events/{event}"), None)
        .expect(404);
    assert_eq!(conduit.settled().accepted, 0);
    let again = Tenant::create(&conduit, "did:web:shop.example");
    assert_eq!(sends(&conduit, &again), 200);
}
