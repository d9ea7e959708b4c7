//! A trial of a draft with several nodes: accepted events of one node, and data that all nodes share.

use serde_json::json;

use super::Nodes;
use crate::common::{Tenant, tenant, wait_for};

#[test]
fn a_trial_covers_what_its_node_accepted_and_knows_everyone() {
    let world = Nodes::start(2);
    let [one, other] = world.nodes.as_slice() else {
        panic!("two nodes");
    };
    let shop = Tenant::create(one, "did:web:shop.example");
    let path = format!("/api/v1/integrations/custom/{}/trial", shop.integration);
    let ada = json!({"email": "ada@shop.example"});
    let event = shop.send(one, "contact", ada.clone());
    let subject = shop.outcome(one, &event)["subject"].clone();
    let sent = json!({"integration": tenant::shop()});
    let elsewhere = wait_for("the other node to know the integration", || {
        let answer = shop.call(other, "POST", &path, Some(sent.clone()));
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!(
        (&elsewhere["examined"], &elsewhere["scope"]),
        (&json!(0), &json!("node"))
    );
    shop.try_send_by(
        &other.client,
        &shop.webhook_url_at(&other.url),
        tenant::body("heartbeat", ada).as_bytes(),
    )
    .unwrap()
    .expect(200);
    let mut draft = tenant::shop();
    draft["events"][3]["fields"] = json!([{"path": "email", "pii": "user.contact.email"}]);
    let found = shop
        .call(other, "POST", &path, Some(json!({"integration": draft})))
        .expect(200)
        .json();
    assert_eq!(
        (&found["examined"], &found["subjects"]["gained"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        found["samples"][0]["draft"]["subject"]["did"], subject,
        "whom the other node found"
    );
    let here = shop
        .call(one, "POST", &path, Some(json!({"integration": draft})))
        .expect(200)
        .json();
    assert_eq!((&here["examined"], &here["subjects"]["same"]), (&json!(1), &json!(1)));
}
