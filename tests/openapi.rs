//! The OpenAPI document: it says what the server does, all of it, and the server serves it.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Value, json};

use crate::common::{Conduit, Tenant, request};

/// Returns the output of `conduit openapi`.
fn printed() -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_conduit"))
        .arg("openapi")
        .env("CONDUIT_CONFIG", "/nowhere: it needs no configuration")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the document that `conduit openapi` prints.
pub fn document() -> Value {
    serde_json::from_str(&printed()).unwrap()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Returns all operations, as method, path and operation.
pub fn operations(document: &Value) -> Vec<(String, &str, &Value)> {
    let paths = members(&document["paths"]);
    let all = paths.flat_map(|(path, methods)| {
        members(methods).map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
    });
    all.collect()
}

#[test]
fn every_code_is_an_answer_of_some_operation() {
    let document = document();
    let examples = &document["components"]["examples"];
    let text = document.to_string();
    let mut count = 0;
    for (name, example) in members(examples) {
        let value = &example["value"];
        assert_eq!(
            *name,
            format!("{}.{}", value["status"], value["code"].as_str().unwrap())
        );
        let reference = format!("\"#/components/examples/{name}\"");
        assert!(
            text.contains(&reference),
            "no operation answers with {name}: say it with problems()"
        );
        count += 1;
    }
    assert!(count > 70, "{count}");
}

/// The routes come from the same table as the document: each address answers OPTIONS with the methods that it documents.
#[test]
fn every_address_allows_what_the_document_says() {
    let conduit = Conduit::start();
    let document = document();
    let mut count = 0;
    for (path, methods) in members(&document["paths"]) {
        let mut documented: BTreeSet<String> = members(methods).map(|(method, _)| method.to_uppercase()).collect();
        if documented.contains("GET") {
            documented.insert("HEAD".to_owned());
        }
        documented.insert("OPTIONS".to_owned());
        let path = path.replace("{id}", "x").replace("{did}", "x");
        let answer = request(&conduit.client, "OPTIONS", &format!("{}{path}", conduit.url), &[], b"");
        let answer = answer.unwrap().expect(204);
        let allowed = answer.header("allow").unwrap().split(", ").map(str::to_owned);
        assert_eq!(allowed.collect::<BTreeSet<_>>(), documented, "{path}");
        count += 1;
    }
    assert!(count > 25, "{count}");
}

#[test]
fn every_operation_is_whole() {
    let document = document();
    let operations = operations(&document);
    let mut ids = HashSet::new();
    for (method, path, operation) in &operations {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id} is there twice");
        assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 4), "{id}");
        assert!(operation["security"].is_array(), "{id}");
        let parameters: Vec<_> = operation["parameters"].as_array().into_iter().flatten().collect();
        for parameter in &parameters {
            assert!(
                !parameter["description"].as_str().unwrap().is_empty(),
                "{id}: {parameter}"
            );
            assert!(!parameter["example"].is_null(), "{id}: {parameter}");
        }
        let in_path: BTreeSet<_> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        let named: BTreeSet<_> = path
            .split('/')
            .filter(|part| part.starts_with('{'))
            .map(str::to_owned)
            .collect();
        assert_eq!(in_path, named, "{method} {path}");
        let body = &operation["requestBody"];
        assert!(
            body.is_null() || body["content"]["application/json"]["examples"].is_object(),
            "{id}"
        );
        for (status, response) in members(&operation["responses"]) {
            let unclear = response["description"].as_str().is_none_or(str::is_empty);
            assert!(!unclear, "{id} {status}");
            for (_, content) in members(&response["content"]) {
                assert!(
                    content["example"].is_null() != content["examples"].is_null(),
                    "{id} {status}"
                );
            }
        }
    }
    for (_, _, operation) in &operations {
        for link in members(&operation["responses"]).flat_map(|(_, response)| members(&response["links"])) {
            let target = link.1["operationId"].as_str().unwrap();
            let (_, path, _) = operations
                .iter()
                .find(|(_, _, operation)| operation["operationId"] == target)
                .unwrap_or_else(|| panic!("a link leads to {target}, which is no operation"));
            for (name, _) in members(&link.1["parameters"]) {
                assert!(path.contains(&format!("{{{name}}}")), "{target} has no {name}");
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Object(members) => {
                for (name, member) in members {
                    match member {
                        Value::String(reference) if name == "$ref" => drop(found.insert(reference.clone())),
                        other => references(other, found),
                    }
                }
            }
            _ => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 60, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

/// A call names its query parameters when it is given one that it does not know: these are the documented ones.
#[test]
fn every_query_parameter_is_documented() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let event = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    let document = document();
    let mut checked = 0;
    for (method, path, operation) in operations(&document) {
        let codes = &operation["responses"]["400"]["content"]["application/problem+json"]["examples"];
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let documented: BTreeSet<&str> = parameters
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        if codes["parameter_unknown"].is_null() {
            let sends = path == "/api/v1/integrations/custom/event";
            assert!(documented.is_empty() || sends, "{method} {path}: {documented:?}");
            continue;
        }
        let id = if path.starts_with("/api/v1/events") {
            &event
        } else {
            &shop.integration
        };
        let path = path.replace("{id}", id).replace("{did}", &shop.did);
        let problem = conduit
            .admin(&method, &format!("{path}?no-such=1"), None)
            .expect(400)
            .json();
        assert_eq!(problem["code"], "parameter_unknown", "{method} {path}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        let (_, taken) = detail.split_once("this call takes: ").unwrap();
        let taken = taken.split(", ").filter(|name| *name != "none").collect();
        assert_eq!(documented, taken, "{method} {path}");
        checked += 1;
    }
    assert!(checked >= 15, "{checked}");
}

#[test]
fn the_document_and_its_page_are_served_to_anyone_and_need_nobody_else() {
    let conduit = Conduit::start();
    let served = conduit.get("/api/v1/openapi.json").expect(200);
    assert_eq!(served.header("content-type"), Some("application/json"));
    assert_eq!(served.text, printed());
    let page = conduit.get("/api/docs").expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"),
        "{policy}"
    );
    let style = conduit.get("/api/docs/style.css").expect(200);
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    for text in [&page.text, &style.text] {
        assert!(!text.contains("://") || !text.contains("url("), "{text}");
    }
    for mark in ["src=\"http", "href=\"http", "<script", "@import", "url("] {
        assert!(!page.text.contains(mark) && !style.text.contains(mark), "{mark}");
    }
}
