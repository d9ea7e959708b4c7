//! Foreign text on a page can neither turn nor hide its surroundings.

use serde_json::{Value, json};

use super::sessions::Visitor;
use crate::common::{Conduit, Tenant};

/// A name that would turn what follows it, with characters that nobody sees. `Zq` finds it again.
const HOSTILE: &str = "Zq\u{202e}gnirrefer\u{2066}\u{200b}";

/// Returns whether a character must not appear on pages. In fields, typed text goes back unchanged.
fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}' | '\u{2067}' | '\u{feff}'
    ) || (character.is_control() && !matches!(character, '\n' | '\t'))
}

/// Returns a page without the values of its fields.
fn without_fields(page: &str) -> String {
    let mut rest = page.to_owned();
    for (start, end) in [(" value=\"", "\""), ("<textarea", "</textarea>")] {
        let mut kept = String::new();
        while let Some((before, after)) = rest.split_once(start) {
            kept.push_str(before);
            rest = after.split_once(end).expect("an end").1.to_owned();
        }
        kept.push_str(&rest);
        rest = kept;
    }
    rest
}

#[track_caller]
fn check(place: &str, page: &str) -> usize {
    let page = without_fields(page);
    if let Some(at) = page.find(is_hidden) {
        let start = (0..at)
            .rev()
            .take(120)
            .rfind(|at| page.is_char_boundary(*at))
            .unwrap_or(0);
        panic!("{place}: a character that hides behind …{}", &page[start..at]);
    }
    let mut found = 0;
    for (at, _) in page.match_indices("Zq") {
        found += 1;
        let before = &page[..at];
        let is_in_tag = before.rfind('<') > before.rfind('>');
        let is_apart = before.rfind("<bdi>") > before.rfind("</bdi>");
        // Where no element can be, it is between the characters that do the same.
        let is_marked = before.rfind('\u{2068}') > before.rfind('\u{2069}');
        let is_address = is_in_tag
            && before
                .rfind("href=\"")
                .is_some_and(|start| !before[start + 6..].contains('"'));
        assert!(
            is_address || if is_in_tag { is_marked } else { is_apart || is_marked },
            "{place}: not set apart: …{}",
            before
                .chars()
                .rev()
                .take(160)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect::<String>()
        );
    }
    found
}

#[test]
fn every_page_sets_names_apart_and_shows_what_hides() {
    let conduit = Conduit::with(&[
        ("FAILPOINTS", "PiiExtractorActor::event=return"),
        ("CONDUIT__PIPELINE__RESTART_BACKOFF_INITIAL_MS", "1"),
    ]);
    let did = "did:web:hostile.example";
    let made = conduit
        .admin(
            "POST",
            "/api/v1/controllers",
            Some(json!({"name": HOSTILE, "did": did})),
        )
        .expect(201)
        .json();
    let text = |value: &Value, key: &str| value[key].as_str().unwrap().to_owned();
    let token = text(&made, "managementToken");
    let integration = json!({"name": HOSTILE, "events": [
        {"name": HOSTILE, "purpose": HOSTILE, "legalBasis": "contract", "fields": [
            {"path": "email", "required": true, "pii": "user.contact.email"}, {"path": HOSTILE, "required": true, "pii": "user.name"}]},
        {"name": "poison", "fields": [{"path": "email"}]}]});
    let shown = conduit
        .call(&token, "POST", "/api/v1/integrations/custom", Some(integration))
        .expect(201)
        .json();
    let tenant = Tenant {
        did: did.to_owned(),
        webhook_secret: text(&made, "webhookSecret"),
        token: token.clone(),
        integration: text(&shown, "id"),
        processor: text(&shown, "dataProcessorId"),
        webhook_auth: text(&shown, "webhookAuth"),
    };
    let rotate = format!("/api/v1/integrations/custom/{}/api-key/rotate", tenant.integration);
    let rotated = tenant
        .call(&conduit, "POST", &rotate, Some(json!({"gracePeriodSeconds": 86_400})))
        .expect(200);
    let tenant = Tenant {
        webhook_auth: text(&rotated.json(), "webhookAuth"),
        ..tenant
    };
    let mut places: Vec<String> = [
        "/overview",
        "/events",
        "/integrations",
        "/subjects",
        "/activities",
        "/controllers",
        "/integrations/new",
    ]
    .map(str::to_owned)
    .into();
    for (event, fields) in [
        (HOSTILE, json!({"email": "ada@shop.example", HOSTILE: "Ada"})),
        (HOSTILE, json!({"email": "nobody", format!("{HOSTILE}2"): 1})),
        (&format!("{HOSTILE}2"), json!({"email": "x"})),
        ("poison", json!({"email": "x"})),
    ] {
        let event = tenant.send(&conduit, event, fields);
        let outcome = tenant.outcome(&conduit, &event);
        places.push(format!("/events/{event}"));
        if let Some(subject) = outcome["subject"].as_str() {
            places.push(format!("/subjects/{subject}"));
        }
    }
    places.push(format!("/events?did={did}&integration={}", tenant.integration));
    places.push(format!("/activities?did={did}&integration={}", tenant.integration));
    places.push(format!("/integrations/{}", tenant.integration));
    places.push(format!("/integrations/{}/edit", tenant.integration));
    places.push(format!("/controllers/{did}"));
    let hostile: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    places.push(format!("/events?status={hostile}"));
    places.push(format!("/{hostile}"));
    conduit.settled();

    let mut found = 0;
    for token in [token, conduit.admin_token()] {
        let visitor = Visitor::signed_in(&conduit, &token);
        for place in &places {
            found += check(place, &visitor.get(place).text);
        }
        if visitor.get("/supervision").status == 200 {
            found += check("/supervision", &visitor.get("/supervision").text);
        }
        let edit = format!("/integrations/{}/edit", tenant.integration);
        let sample = json!({"event": HOSTILE, "email": "x", HOSTILE: "x", format!("{HOSTILE}3"): "x"}).to_string();
        let fields = |what: &'static str| {
            vec![
                ("do", what),
                ("sample", sample.as_str()),
                ("name", HOSTILE),
                ("e0.name", HOSTILE),
                ("e0.purpose", HOSTILE),
                ("e0.f0.path", HOSTILE),
                ("e0.f0.pii", if what == "check" { HOSTILE } else { "user.name" }),
                ("version", if what == "save" { "0" } else { "1" }),
            ]
        };
        for what in ["check", "suggest", "test", "past", "save"] {
            found += check(&format!("{edit} {what}"), &visitor.change(&edit, &fields(what)).text);
        }
        let refused = visitor.change(
            &format!("/integrations/{}/delete", tenant.integration),
            &[("name", "x")],
        );
        found += check("delete", &refused.text);
    }
    assert!(found > 60, "{found}");
}
