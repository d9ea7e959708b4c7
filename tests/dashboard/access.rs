//! Access to pages: every page, by every kind of visitor.

use std::collections::HashSet;

use serde_json::json;

use super::sessions::Visitor;
use crate::common::{Conduit, Tenant};

/// The answers of a page about an object of a tenant: to another tenant, to the tenant itself, and to the operator.
/// Each page leads visitors without a session to the sign-in page.
struct Row {
    method: &'static str,
    route: &'static str,
    /// The fields of the request: in the address, or as a form.
    fields: &'static [(&'static str, &'static str)],
    answers: [u16; 3],
}

const fn row(
    method: &'static str,
    route: &'static str,
    fields: &'static [(&'static str, &'static str)],
    answers: [u16; 3],
) -> Row {
    Row {
        method,
        route,
        fields,
        answers,
    }
}

/// Open to everybody: they show nothing.
const OPEN: [(&str, &str); 5] = [
    ("GET", "/"),
    ("GET", "/assets/{name}"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("POST", "/theme"),
];

/// Forms that are kept while one signs in: who has not is shown the sign-in page at once.
const KEPT: [(&str, &str); 2] = [("POST", "/integrations/new"), ("POST", "/integrations/{id}/edit")];

const DID: &[(&str, &str)] = &[("did", "{did}")];
const LOOK_UP: &[(&str, &str)] = &[
    ("did", "{did}"),
    ("category", "user.contact.email"),
    ("value", "ada@shop.example"),
];

const PAGES: [Row; 28] = [
    row("GET", "/overview", &[], [200, 200, 200]),
    row("GET", "/events", DID, [404, 200, 200]),
    row("GET", "/events/{id}", &[], [404, 200, 200]),
    // It is processed: there is nothing to be replayed.
    row("POST", "/events/{id}/replay", &[], [404, 409, 409]),
    row("GET", "/integrations", DID, [404, 200, 200]),
    row("GET", "/integrations/new", &[], [200, 200, 200]),
    // The page of a form shows its faults.
    row(
        "POST",
        "/integrations/new",
        &[("do", "save"), ("did", "{did}")],
        [200, 200, 200],
    ),
    row("GET", "/integrations/{id}", &[], [404, 200, 200]),
    row("GET", "/integrations/{id}/edit", &[], [404, 200, 200]),
    row("POST", "/integrations/{id}/edit", &[("do", "check")], [404, 200, 200]),
    row(
        "POST",
        "/integrations/{id}/rotate",
        &[("grace", "60"), ("state", "{state}")],
        [404, 200, 200],
    ),
    row(
        "POST",
        "/integrations/{id}/delete",
        &[("name", "Web shop")],
        [404, 303, 303],
    ),
    row("GET", "/subjects", DID, [404, 200, 200]),
    row("POST", "/subjects", LOOK_UP, [404, 200, 200]),
    row("GET", "/subjects/{did}", &[], [404, 200, 200]),
    row("GET", "/activities", DID, [404, 200, 200]),
    row("GET", "/activities.csv", DID, [404, 200, 200]),
    row("POST", "/activities/verify", DID, [404, 200, 200]),
    row("GET", "/supervision", &[], [403, 403, 200]),
    row("GET", "/controllers", &[], [303, 303, 200]),
    row(
        "POST",
        "/controllers",
        &[("name", "New"), ("spare_did", "did:web:new.example")],
        [403, 403, 200],
    ),
    row("GET", "/controllers/{did}", &[], [404, 200, 200]),
    row(
        "POST",
        "/controllers/{did}/rotate",
        &[("grace", "60"), ("state", "{state}")],
        [404, 200, 200],
    ),
    row(
        "POST",
        "/controllers/{did}/token",
        &[("state", "{state}")],
        [403, 403, 200],
    ),
    row(
        "POST",
        "/controllers/{did}/delete",
        &[("name", "{did}")],
        [403, 403, 303],
    ),
    row("GET", "/sign-in", &[], [303, 303, 303]),
    row("POST", "/sign-out", &[], [303, 303, 303]),
    row("GET", "/live", DID, [404, 200, 200]),
];

/// Returns the state field of a form of rotation, taken from its page.
fn state(visitor: &Visitor<'_>, path: &str) -> String {
    let (page, form) = path.rsplit_once('/').unwrap();
    let page = visitor.get(page).text;
    let found = page
        .split_once(&format!("/{form}\""))
        .and_then(|(_, form)| form.split_once("name=\"state\" value=\""))
        .and_then(|(_, rest)| rest.split_once('"'));
    found.map_or_else(String::new, |(state, _)| state.to_owned())
}

#[test]
fn each_visitor_gets_from_each_page_what_is_theirs() {
    let conduit = Conduit::start();
    let other = Tenant::create(&conduit, "did:web:other.example");
    let admin = conduit.admin_token();
    let mut number = 0;
    // An open stream does not end: it is looked at by the head of its answer, in the browser's tests.
    for row in PAGES.iter().filter(|row| row.route != "/live" || row.answers[0] != 200) {
        let is_kept = KEPT.contains(&(row.method, row.route));
        for (who, expected) in ["nobody", "another", "own", "operator"].into_iter().zip([
            if is_kept { 401 } else { 303 },
            row.answers[0],
            row.answers[1],
            row.answers[2],
        ]) {
            if row.route == "/live" && expected == 200 || row.route == "/sign-in" && who == "nobody" {
                continue;
            }
            number += 1;
            let shop = Tenant::create(&conduit, &format!("did:web:shop{number}.example"));
            let event = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
            let subject = shop.outcome(&conduit, &event)["subject"].as_str().unwrap().to_owned();
            let id = if row.route.starts_with("/events") {
                &event
            } else {
                &shop.integration
            };
            let did = if row.route.starts_with("/subjects/") {
                &subject
            } else {
                &shop.did
            };
            let path = row.route.replace("{id}", id).replace("{did}", did);
            let visitor = match who {
                "nobody" => Visitor::stranger(&conduit),
                "another" => Visitor::signed_in(&conduit, &other.token),
                "own" => Visitor::signed_in(&conduit, &shop.token),
                _ => Visitor::signed_in(&conduit, &admin),
            };
            let filled: Vec<(&str, String)> = row
                .fields
                .iter()
                .map(|(name, value)| match *value {
                    "{did}" => (*name, shop.did.clone()),
                    "{state}" => (*name, state(&visitor, &path)),
                    value => (*name, value.to_owned()),
                })
                .collect();
            let fields: Vec<(&str, &str)> = filled.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = match (row.method, who) {
                ("GET", _) => {
                    let query = url::form_urlencoded::Serializer::new(String::new())
                        .extend_pairs(&fields)
                        .finish();
                    visitor.get(&format!("{path}?{query}"))
                }
                (_, "nobody") => visitor.post(&path, &fields),
                _ => visitor.change(&path, &fields),
            };
            assert_eq!(answer.status, expected, "{who}: {} {path}", row.method);
            if who == "nobody" && is_kept {
                assert!(answer.text.contains("Sign in"), "{path}");
            } else if who == "nobody" {
                assert!(answer.header("location").unwrap().starts_with("/sign-in"), "{path}");
            }
            if who == "nobody" || expected == 404 {
                assert!(
                    !answer.text.contains("Web shop") && !answer.text.contains(&shop.processor),
                    "{path}"
                );
            }
        }
    }
}

#[test]
fn the_table_has_every_page_there_is() {
    let source = include_str!("../../src/dashboard/routes.rs");
    let pages = source.split("page(\"").skip(1).map(|text| {
        let (route, rest) = text.split_once('"').unwrap();
        let (_, methods) = rest.split_once("&[").unwrap();
        (route, methods.split_once(']').unwrap().0)
    });
    let routes: HashSet<_> = pages
        .flat_map(|(route, methods)| {
            let methods = methods.split(", ").map(|method| method.trim_start_matches("Method::"));
            methods.map(move |method| (method, route))
        })
        .filter(|page| !OPEN.contains(page))
        .collect();
    let rows: HashSet<_> = PAGES
        .iter()
        .map(|row| (row.method, row.route))
        .filter(|page| !OPEN.contains(page))
        .collect();
    assert!(routes.len() > 20, "{routes:?}");
    assert_eq!(rows, routes);
}
