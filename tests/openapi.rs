//! The OpenAPI document: it says what the server does, all of it, and the server serves it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{Conduit, Tenant};

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

fn document() -> Value {
    serde_json::from_str(&printed()).unwrap()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Returns all operations, as method, path and operation.
fn operations(document: &Value) -> Vec<(String, &str, &Value)> {
    let paths = members(&document["paths"]);
    let all = paths.flat_map(|(path, methods)| {
        members(methods).map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
    });
    all.collect()
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let server = include_str!("../src/http/server.rs");
    let resources = server.split("only(").skip(1).filter_map(|text| {
        let (route, rest) = text.trim_start().split_once(',')?;
        let rest = rest.trim_start();
        let route = if route == "EVENT_PATH" {
            "/api/v1/integrations/custom/event"
        } else {
            route.strip_prefix('"')?.strip_suffix('"')?
        };
        Some((route, rest.strip_prefix("&[")?.split_once(']')?.0))
    });
    let served: BTreeSet<_> = resources
        .flat_map(|(route, methods)| {
            methods
                .split(", ")
                .map(move |method| format!("{} {route}", method.trim_start_matches("Method::")))
        })
        .collect();
    assert!(served.len() > 25, "{served:?}");
    let document = document();
    // HEAD is there wherever GET is.
    let documented: BTreeSet<_> = operations(&document)
        .iter()
        .filter(|(method, ..)| method != "HEAD")
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    let missing: Vec<_> = served.difference(&documented).collect();
    assert!(
        missing.is_empty(),
        "not in the document, write them into a group in src/http/openapi/: {missing:?}"
    );
    let gone: Vec<_> = documented.difference(&served).collect();
    assert!(
        gone.is_empty(),
        "in the document, but not in src/http/server.rs: {gone:?}"
    );
}

fn is_code(text: &str) -> bool {
    text.contains('_') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn rust_files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Finds the codes in the source of the edge: quoted texts that look like a code, and one that is a single word.
fn codes_in_source() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let mut codes = BTreeMap::new();
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        let place = file.strip_prefix(&root).unwrap().display().to_string();
        // The document's own files name codes, they do not give any.
        if !place.starts_with("openapi") {
            // Attributes say how something is written, and give no code.
            let lines = source.lines().filter(|line| !line.trim_start().starts_with("#["));
            let texts = lines.flat_map(|line| line.split('"'));
            let found = texts.filter(|text| is_code(text) || *text == "overloaded");
            codes.extend(found.map(|code| (code.to_owned(), place.clone())));
        }
    }
    codes
}

#[test]
fn every_code_is_documented_and_none_that_there_is_not() {
    let document = document();
    let examples = &document["components"]["examples"];
    let documented: BTreeSet<String> = members(examples)
        .map(|(_, example)| example["value"]["code"].as_str().unwrap().to_owned())
        .collect();
    let given = codes_in_source();
    assert!(given.len() > 40, "{given:?}");
    let missing: Vec<_> = given.iter().filter(|(code, _)| !documented.contains(*code)).collect();
    assert!(missing.is_empty(), "not in src/http/openapi/codes.rs: {missing:?}");
    let gone: Vec<_> = documented.iter().filter(|code| !given.contains_key(*code)).collect();
    assert!(
        gone.is_empty(),
        "in src/http/openapi/codes.rs, but nothing gives them: {gone:?}"
    );
    // Each is an answer of some operation, but for those that any address gives.
    let text = document.to_string();
    for (name, _) in members(examples) {
        let reference = format!("\"#/components/examples/{name}\"");
        assert!(
            text.contains(&reference),
            "no operation answers with {name}: say it with problems()"
        );
    }
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
