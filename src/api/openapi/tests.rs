//! The page of the document.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{DOCUMENT, PAGE};

fn members(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

#[test]
fn every_link_within_the_page_leads_somewhere_and_none_leads_out() {
    let attribute = |name: &str| -> Vec<&str> {
        let mark = format!(" {name}=\"");
        let marked = PAGE.split(mark.as_str()).skip(1);
        marked.map(|rest| rest.split('"').next().unwrap_or_default()).collect()
    };
    let ids = attribute("id");
    let targets: HashSet<&str> = ids.iter().copied().collect();
    assert_eq!(targets.len(), ids.len(), "an id is there twice");
    let links = attribute("href");
    assert!(links.len() > 200, "{}", links.len());
    for link in links {
        match link.strip_prefix('#') {
            Some(target) => assert!(targets.contains(target), "{link}"),
            None => assert!(link.starts_with("/api/"), "{link}"),
        }
    }
    for forbidden in ["<script", " style=", "javascript:", " src="] {
        assert!(!PAGE.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn everything_in_the_document_is_on_the_page() {
    let document = &*DOCUMENT;
    for (path, methods) in members(&document["paths"]) {
        assert!(PAGE.contains(path.as_str()), "{path}");
        for (_, operation) in members(methods) {
            assert!(PAGE.contains(&format!("id=\"{}\"", operation["operationId"].as_str().unwrap())));
        }
    }
    for (name, _) in members(&document["components"]["schemas"]) {
        assert!(PAGE.contains(&format!("id=\"schema-{name}\"")), "{name}");
    }
    for (name, _) in members(&document["components"]["examples"]) {
        assert!(PAGE.contains(&format!("id=\"code-{name}\"")), "{name}");
    }
}
