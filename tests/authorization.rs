//! Access rights: every route, by every kind of caller.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::common::{Conduit, Tenant, tenant};
use crate::openapi;

/// The answers of a call on an object of a tenant: to another tenant, to the tenant itself, and to the operator.
/// Callers without a known token always get 401.
struct Row {
    method: &'static str,
    route: &'static str,
    /// Said in the query, for routes that name nothing of the tenant in their path.
    query: &'static str,
    body: Option<Value>,
    answers: [u16; 3],
}

fn row(method: &'static str, route: &'static str, query: &'static str, answers: [u16; 3]) -> Row {
    Row {
        method,
        route,
        query,
        body: None,
        answers,
    }
}

fn with(body: Value, row: Row) -> Row {
    Row {
        body: Some(body),
        ..row
    }
}

/// Returns the expected answers. An object of another tenant is 404, as if it did not exist. A call for the operator
/// alone is 403, which reveals nothing.
fn table() -> Vec<Row> {
    let (controllers, integrations) = ("/api/v1/controllers", "/api/v1/integrations/custom");
    let (controller, integration) = ("/api/v1/controllers/{did}", "/api/v1/integrations/custom/{id}");
    let limits = "/api/v1/controllers/{did}/limits";
    let (secret, key) = (
        "/api/v1/controllers/{did}/webhook-secret",
        "/api/v1/integrations/custom/{id}/api-key",
    );
    let rotate_secret = "/api/v1/controllers/{did}/webhook-secret/rotate";
    let rotate_key = "/api/v1/integrations/custom/{id}/api-key/rotate";
    let look_up = json!({"category": "user.contact.email", "value": "ada@shop.example"});
    let search = json!({"identifier": look_up.clone()});
    let mut more = tenant::shop();
    more["name"] = json!("Another");
    vec![
        with(json!({"name": "New"}), row("POST", controllers, "", [403, 403, 201])),
        row("GET", controllers, "", [200, 200, 200]),
        row("GET", controller, "", [404, 200, 200]),
        with(json!({"name": "Renamed"}), row("PUT", controller, "", [403, 403, 200])),
        row("DELETE", controller, "", [403, 403, 204]),
        row("GET", limits, "", [404, 200, 200]),
        with(json!({"burst": 5}), row("PUT", limits, "", [403, 403, 200])),
        row("GET", secret, "", [404, 200, 200]),
        with(
            json!({"which": "current"}),
            row(
                "POST",
                "/api/v1/controllers/{did}/webhook-secret/revoke",
                "",
                [404, 200, 200],
            ),
        ),
        with(
            json!({"gracePeriodSeconds": 1}),
            row("POST", rotate_secret, "", [404, 200, 200]),
        ),
        row(
            "POST",
            "/api/v1/controllers/{did}/management-token/rotate",
            "",
            [403, 403, 200],
        ),
        row("GET", key, "", [404, 200, 200]),
        with(
            json!({"which": "current"}),
            row(
                "POST",
                "/api/v1/integrations/custom/{id}/api-key/revoke",
                "",
                [404, 200, 200],
            ),
        ),
        with(more.clone(), row("POST", integrations, "?did={did}", [404, 201, 201])),
        row("GET", integrations, "?did={did}", [404, 200, 200]),
        row("GET", integration, "", [404, 200, 200]),
        with(more, row("PUT", integration, "", [404, 200, 200])),
        row("DELETE", integration, "", [404, 204, 204]),
        with(
            json!({"gracePeriodSeconds": 1}),
            row("POST", rotate_key, "", [404, 200, 200]),
        ),
        with(
            json!({"event": "contact", "triggeredAt": "2026-04-06T10:30:00Z"}),
            row("POST", "/api/v1/integrations/custom/{id}/test", "", [404, 200, 200]),
        ),
        row("GET", "/api/v1/integrations/custom/{id}/snippets", "", [404, 200, 200]),
        with(
            json!({"integration": tenant::shop()}),
            row("POST", "/api/v1/integrations/custom/{id}/trial", "", [404, 200, 200]),
        ),
        row("GET", "/api/v1/events", "?did={did}", [404, 200, 200]),
        with(
            search,
            row("POST", "/api/v1/events/search", "?did={did}", [404, 200, 200]),
        ),
        row("GET", "/api/v1/events/{id}", "", [404, 200, 200]),
        row("POST", "/api/v1/events/replay", "?did={did}", [404, 202, 202]),
        row("POST", "/api/v1/events/{id}/replay", "", [404, 202, 202]),
        row("GET", "/api/v1/replays", "?did={did}", [404, 200, 200]),
        row("GET", "/api/v1/replays/{id}", "", [404, 200, 200]),
        row("POST", "/api/v1/replays/{id}/cancel", "", [404, 200, 200]),
        row("GET", "/api/v1/activities", "?did={did}", [404, 200, 200]),
        row("GET", "/api/v1/subjects", "?did={did}", [404, 200, 200]),
        with(
            look_up,
            row("POST", "/api/v1/subjects/lookup", "?did={did}", [404, 200, 200]),
        ),
        row("GET", "/api/v1/subjects/{did}", "", [404, 200, 200]),
        row("GET", "/api/v1/stats", "?did={did}", [404, 200, 200]),
        row("GET", "/api/v1/supervision", "", [403, 403, 200]),
        row("GET", "/api/v1/taxonomy", "", [200, 200, 200]),
    ]
}

/// Creates a tenant for one call, so that no call meets the remains of another. Returns it with the path of the call on
/// its own object.
fn tenant_for(conduit: &Conduit, number: usize, row: &Row) -> (Tenant, String) {
    let shop = Tenant::create(conduit, &format!("did:web:shop{number}.example"));
    let event = shop.send(conduit, "contact", json!({"email": "ada@shop.example"}));
    let subject = shop.outcome(conduit, &event)["subject"].as_str().unwrap().to_owned();
    let did = if row.route.starts_with("/api/v1/subjects/") && row.query.is_empty() {
        &subject
    } else {
        &shop.did
    };
    let id = match row.route {
        "/api/v1/events/{id}/replay" => {
            let rejected = shop.send(conduit, "account_created", json!({}));
            shop.outcome(conduit, &rejected);
            rejected
        }
        route if route.starts_with("/api/v1/events/") => event,
        route if route.starts_with("/api/v1/replays/") => {
            let replay = shop.call(conduit, "POST", "/api/v1/events/replay", None).expect(202);
            replay.json()["replayId"].as_str().unwrap().to_owned()
        }
        _ => shop.integration.clone(),
    };
    let path = format!("{}{}", row.route, row.query)
        .replace("{did}", did)
        .replace("{id}", &id);
    (shop, path)
}

#[test]
fn each_caller_gets_from_each_route_what_is_theirs() {
    let conduit = Conduit::start();
    let other = Tenant::create(&conduit, "did:web:other.example");
    let operator = conduit.admin_token();
    let mut number = 0;
    for row in table() {
        let [to_other, to_own, to_operator] = row.answers;
        for (caller, expected) in [
            ("nobody", 401),
            ("a stranger", 401),
            ("another tenant", to_other),
            ("the tenant", to_own),
            ("the operator", to_operator),
        ] {
            number += 1;
            let (shop, path) = tenant_for(&conduit, number, &row);
            let token = match caller {
                "nobody" => "",
                "a stranger" => "cdt_mgt_0000000000000000000000000000000000000000000",
                "another tenant" => &other.token,
                "the tenant" => &shop.token,
                _ => &operator,
            };
            let answer = conduit.call(token, row.method, &path, row.body.clone());
            assert_eq!(
                answer.status, expected,
                "{caller}: {} {path}: {}",
                row.method, answer.text
            );
            if expected >= 400 || caller == "another tenant" {
                assert!(!answer.text.contains(&shop.did), "{caller}: {}", answer.text);
            }
        }
    }
}

/// Of the API: the dashboard's are in `tests/dashboard/access.rs`.
#[test]
fn the_table_has_every_route_there_is() {
    // Every operation says who may call it: tokens, both credentials of a sender, or anybody.
    let document = openapi::document();
    let mut routes = HashSet::new();
    for (method, route, operation) in openapi::operations(&document) {
        let callers = operation["security"].to_string();
        if callers.contains("operatorToken") && method != "HEAD" {
            routes.insert((method.clone(), route.to_owned()));
            let row = table()
                .into_iter()
                .find(|row| row.method == method && row.route == route);
            let is_operators = !callers.contains("controllerToken");
            let answers = row.map(|row| row.answers);
            let is_refused = answers.is_some_and(|[_, own, _]| own == 403);
            assert_eq!(is_refused, is_operators, "{method} {route}: {answers:?}");
        }
    }
    let rows: HashSet<_> = table()
        .iter()
        .map(|row| (row.method.to_owned(), row.route.to_owned()))
        .collect();
    assert!(routes.len() > 15, "{routes:?}");
    assert_eq!(rows, routes);
}
