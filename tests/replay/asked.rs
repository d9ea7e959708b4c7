//! Requests of replays, and the rights to them.

use serde_json::{Value, json};

use super::{ask, begin, code, ended, event, mend, misfit, replay, replay_event};
use crate::common::{Conduit, Tenant, tenant};

#[test]
fn a_filter_says_which_and_an_estimate_changes_nothing() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    let mut crm = tenant::shop();
    crm["name"] = json!("CRM");
    let made = shop
        .call(&conduit, "POST", "/api/v1/integrations/custom", Some(crm))
        .expect(201)
        .json();
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    let crm = Tenant {
        integration: text("id"),
        processor: text("dataProcessorId"),
        webhook_auth: text("webhookAuth"),
        ..shop.clone()
    };
    let ada = misfit(&conduit, &shop, "ada");
    let unknown = shop.send(&conduit, "unheard_of", json!({}));
    let bob = misfit(&conduit, &crm, "bob");
    let theirs = misfit(&conduit, &other, "eve");
    conduit.settled();
    let at = |id: &str| event(&conduit, &shop, id)["receivedAt"].clone();

    let estimate = |filter: Value| {
        let path = "/api/v1/events/replay?estimate=true";
        shop.call(&conduit, "POST", path, Some(filter)).expect(200).json()
    };
    let all = estimate(json!({}));
    let expected = json!({"matching": 3, "replayable": 3, "oldest": at(&ada), "newest": at(&bob)});
    assert_eq!(all, expected);
    for (filter, matching) in [
        (json!({"status": "rejected"}), 3),
        (json!({"status": "failed"}), 0),
        (json!({"integration": shop.integration}), 2),
        (json!({"integration": crm.integration}), 1),
        (json!({"event": "unheard_of"}), 1),
        (json!({"event": "account_created", "integration": shop.integration}), 1),
        (json!({"from": at(&ada)}), 3),
        (json!({"to": at(&ada)}), 0),
        (json!({"eventIds": [bob, theirs, shop.integration]}), 1),
        (json!({"eventIds": []}), 0),
    ] {
        assert_eq!(estimate(filter.clone())["matching"], matching, "{filter}");
    }
    let none = json!({"matching": 0, "replayable": 0, "oldest": null, "newest": null});
    assert_eq!(estimate(json!({"status": "failed"})), none);
    let list = |path: &str| shop.call(&conduit, "GET", path, None).expect(200).json();
    assert_eq!(list("/api/v1/replays"), json!({"items": [], "nextCursor": null}));

    // A mapping fixed for both event types is replayed for one.
    mend(&conduit, &shop);
    mend(&conduit, &crm);
    let id = begin(
        &conduit,
        &shop,
        json!({"integration": crm.integration, "event": "account_created"}),
    );
    assert_eq!(ended(&conduit, &shop, &id)["processed"], 1);
    let status = |id: &str| event(&conduit, &shop, id)["status"].clone();
    assert_eq!(
        [status(&ada), status(&bob), status(&unknown)],
        ["rejected", "processed", "rejected"]
    );
    let empty = begin(&conduit, &shop, json!({"status": "failed"}));
    let done = replay(&conduit, &shop, &empty);
    assert_eq!((&done["status"], &done["matching"]), (&json!("done"), &json!(0)));
    let id = begin(&conduit, &shop, json!({}));
    let done = ended(&conduit, &shop, &id);
    assert_eq!((&done["processed"], &done["rejected"]), (&json!(1), &json!(1)));
    assert_eq!(status(&ada), "processed");
    let theirs = event(&conduit, &other, &theirs);
    assert_eq!(
        (&theirs["status"], theirs["history"].as_array().unwrap().len()),
        (&json!("rejected"), 1)
    );

    let page = list("/api/v1/replays?limit=2");
    let newest: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["replayId"].clone())
        .collect();
    assert_eq!(newest, [json!(id), json!(empty)]);
    let rest = list(&format!(
        "/api/v1/replays?cursor={}",
        page["nextCursor"].as_str().unwrap()
    ));
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_asked_for_is_refused_and_names_the_fault() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    for (filter, expected) in [
        (json!({"status": "processed"}), "filter_invalid"),
        (
            json!({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}),
            "filter_invalid",
        ),
        (
            json!({"eventIds": vec![shop.integration.clone(); 1001]}),
            "filter_invalid",
        ),
        (json!({"event": "x".repeat(129)}), "filter_invalid"),
        (json!({"eventIds": ["x"]}), "body_invalid"),
        (json!({"status": "lost"}), "body_invalid"),
        (json!({"unheard": 1}), "body_invalid"),
        (json!([]), "body_invalid"),
    ] {
        assert_eq!(code(ask(&conduit, &shop, filter.clone()), 400).0, expected, "{filter}");
    }
    let path = "/api/v1/events/replay?estimate=perhaps";
    assert_eq!(
        code(shop.call(&conduit, "POST", path, None), 400).0,
        "parameter_invalid"
    );
    let operator = |path: &str| conduit.admin("POST", path, Some(json!({})));
    assert_eq!(code(operator("/api/v1/events/replay"), 400).0, "did_missing");

    let done = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    let repeat = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    let id = misfit(&conduit, &shop, "ada");
    conduit.settled();
    for (id, status) in [(&done, "processed"), (&repeat, "duplicate")] {
        let (code, detail) = code(replay_event(&conduit, &shop, id), 409);
        assert!(code == "not_replayable" && detail.contains(status), "{detail}");
    }
    for unknown in ["x", shop.integration.as_str()] {
        assert_eq!(code(replay_event(&conduit, &shop, unknown), 404).0, "not_found");
    }
    // Another's is not there.
    assert_eq!(code(replay_event(&conduit, &other, &id), 404).0, "not_found");
    let replay = begin(&conduit, &shop, json!({}));
    ended(&conduit, &shop, &replay);
    for (method, path) in [
        ("GET", format!("/api/v1/replays/{replay}")),
        ("POST", format!("/api/v1/replays/{replay}/cancel")),
        ("GET", format!("/api/v1/replays?did={}", shop.did)),
        ("POST", format!("/api/v1/events/replay?did={}", shop.did)),
    ] {
        other.call(&conduit, method, &path, None).expect(404);
    }
    let theirs = other.call(&conduit, "GET", "/api/v1/replays", None).expect(200).json();
    assert_eq!(theirs["items"], json!([]));
    let all = conduit.admin("GET", "/api/v1/replays", None).expect(200).json();
    assert_eq!(all["items"][0]["replayId"], json!(replay));
    let path = format!("/api/v1/replays/{replay}");
    assert_eq!(
        conduit.admin("GET", &path, None).expect(200).json()["did"],
        json!(shop.did)
    );
    let elsewhere = format!("/api/v1/events/{id}/replay?did={}", other.did);
    assert_eq!(code(operator(&elsewhere), 404).0, "not_found");
    let by_operator = operator(&format!("/api/v1/events/replay?did={}", shop.did)).expect(202);
    assert_eq!(by_operator.json()["matching"], 1);
}
