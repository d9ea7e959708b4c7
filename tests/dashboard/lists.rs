//! Lists: the choices, the targets of their links, and the results of a search.

use serde_json::json;

use super::sessions::Visitor;
use crate::common::{Answer, Conduit, Tenant};

/// Returns the target of the link with this text.
#[track_caller]
fn link(page: &Answer, text: &str) -> String {
    let (before, _) = page.text.split_once(&format!(">{text}")).expect(text);
    let (_, address) = before.rsplit_once("href=\"").unwrap();
    address.split_once('"').unwrap().0.replace("&#38;", "&")
}

#[test]
fn the_newest_of_a_filtered_list_are_its_own() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    for n in 0..60 {
        shop.send(&conduit, "contact", json!({"email": format!("p{n}@shop.example")}));
    }
    conduit.settled();
    let operator = Visitor::signed_in(&conduit, &conduit.admin_token());
    for list in [
        "/activities?event=contact&did=did%3Aweb%3Ashop.example",
        "/subjects?did=did%3Aweb%3Ashop.example",
        "/events?did=did%3Aweb%3Ashop.example&event=contact",
    ] {
        let first = operator.get(list).expect(200);
        let next = operator.get(&link(&first, "Older")).expect(200);
        let newest = link(&next, "Newest");
        assert!(newest.contains("shop.example"), "{newest}");
        let again = operator.get(&newest).expect(200);
        assert_eq!(link(&again, "Older"), link(&first, "Older"));
    }
}

#[test]
fn a_controller_beyond_those_that_are_offered_is_typed_and_stays_chosen() {
    let conduit = Conduit::start();
    let oldest = Tenant::create(&conduit, "did:web:oldest.example");
    for n in 0..200 {
        let body = json!({"name": format!("Shop {n}"), "did": format!("did:web:shop-{n}.example")});
        conduit.admin("POST", "/api/v1/controllers", Some(body)).expect(201);
    }
    let operator = Visitor::signed_in(&conduit, &conduit.admin_token());
    for list in ["/events", "/activities", "/subjects", "/integrations"] {
        let page = operator.get(&format!("{list}?did={}", oldest.did)).expect(200).text;
        let field = format!("<input id=\"did\" name=\"did\" list=\"dids\" value=\"{}\"", oldest.did);
        assert!(page.contains(&field), "{list}: {page}");
        assert!(page.contains("<option value=\"did:web:shop-199.example\">"), "{list}");
    }
}

#[test]
fn a_user_name_is_found_at_any_processor_unless_one_is_named() {
    let conduit = Conduit::start();
    let integration = |name: &str| {
        json!({"name": name, "dataProcessorId": name, "events": [
            {"name": "signed_up", "fields": [{"path": "login", "pii": "user.account.username"}]}]})
    };
    let shop = Tenant::with(&conduit, "did:web:shop.example", integration("web"));
    shop.call(
        &conduit,
        "POST",
        "/api/v1/integrations/custom",
        Some(integration("app")),
    )
    .expect(201);
    let event = shop.send(&conduit, "signed_up", json!({"login": "Ada"}));
    let subject = shop.outcome(&conduit, &event)["subject"].as_str().unwrap().to_owned();

    let visitor = Visitor::signed_in(&conduit, &shop.token);
    for (processor, is_found) in [("", true), ("web", true), ("app", false)] {
        let look_up = match processor {
            "" => json!({"category": "user.account.username", "value": "ada"}),
            named => json!({"category": "user.account.username", "value": "ada", "dataProcessorId": named}),
        };
        let found = shop
            .call(&conduit, "POST", "/api/v1/subjects/lookup", Some(look_up))
            .expect(200)
            .json();
        assert_eq!(
            found["items"][0]["did"] == subject.as_str(),
            is_found,
            "{processor}: {found}"
        );
        let fields = [
            ("category", "user.account.username"),
            ("value", "ada"),
            ("processor", processor),
        ];
        let page = visitor.change("/subjects", &fields).expect(200).text;
        assert_eq!(page.contains(&subject), is_found, "{processor}");
    }
}

#[test]
fn what_is_worth_a_look_is_said_in_the_list_and_what_is_gone_has_no_link() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let event = shop.send(&conduit, "contact", json!({"email": "ada@shop.example", "phone": "12"}));
    assert_eq!(shop.outcome(&conduit, &event)["status"], "processed");
    let rejected = shop.send(&conduit, "unmapped", json!({}));
    assert_eq!(shop.outcome(&conduit, &rejected)["status"], "rejected");
    let visitor = Visitor::signed_in(&conduit, &shop.token);
    let page = visitor.get("/overview").expect(200).text;
    assert!(page.contains("status=rejected&#38;integration="), "{page}");
    let path = format!("/api/v1/integrations/custom/{}", shop.integration);
    shop.call(&conduit, "DELETE", &path, None).expect(204);

    for list in ["/events", "/activities"] {
        let page = visitor.get(list).expect(200).text;
        assert!(page.contains("a deleted integration"), "{list}: {page}");
        assert!(!page.contains(&format!("/integrations/{}", shop.integration)), "{list}");
    }
    let page = visitor.get("/events").text;
    assert!(page.contains("Warning: "), "{page}");

    // There is no mapping to fix or to run it under, so the page does not ask for it.
    let page = visitor.get(&format!("/events/{rejected}")).expect(200).text;
    assert!(
        page.contains("Why it was rejected") && !page.contains("/replay"),
        "{page}"
    );
    let page = visitor.get("/overview").expect(200).text;
    assert!(!page.contains("status=rejected&#38;integration="), "{page}");
}

#[test]
fn what_needs_attention_is_counted_whole_and_says_whose_it_is() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:bookshop.example");
    for number in 0..205 {
        let event = if number % 5 == 0 {
            "unheard_of"
        } else {
            "account_created"
        };
        shop.send(&conduit, event, json!({"number": number}));
    }
    for number in 0..7 {
        other.send(
            &conduit,
            &format!("kind_{}", ["a", "b", "c", "d", "e", "f", "g"][number]),
            json!({}),
        );
    }
    conduit.settled();
    let page = |token: &str| Visitor::signed_in(&conduit, token).get("/overview").expect(200).text;
    let (operator, tenant) = (page(&conduit.admin_token()), page(&shop.token));
    for (overview, whose) in [(&operator, true), (&tenant, false)] {
        assert!(
            overview.contains("164 rejected events: <bdi>account_created</bdi>"),
            "{overview}"
        );
        assert!(
            overview.contains("41 rejected events: <bdi>unheard_of</bdi>"),
            "{overview}"
        );
        assert_eq!(
            overview.contains(" of <bdi>did:web:shop.example</bdi>)"),
            whose,
            "{overview}"
        );
    }
    assert!(operator.contains("4 rejected events of other kinds") && !tenant.contains("other kinds"));
    // The list that an item leads to has as many.
    let visitor = Visitor::signed_in(&conduit, &shop.token);
    let (_, link) = tenant.split_once("41 rejected events").unwrap();
    let link = link.split_once("href=\"").unwrap().1.split('"').next().unwrap();
    assert!(link.contains("event=unheard_of") && link.contains("from="), "{link}");
    let list = visitor
        .get(&link.replace("&#38;", "&").replace("&amp;", "&"))
        .expect(200)
        .text;
    assert_eq!(list.matches("data-state=\"rejected\"").count(), 41);
}
