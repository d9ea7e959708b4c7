//! Schemas on the page.

use serde_json::Value;

use super::html::{Html, inline, members, prose, text};

/// Words that say more about a value than its type does, and what stands before their values.
const LIMITS: [(&str, &str); 8] = [
    ("minimum", "at least "),
    ("maximum", "at most "),
    ("minLength", "characters at least "),
    ("maxLength", "characters at most "),
    ("minItems", "items at least "),
    ("maxItems", "items at most "),
    ("pattern", "pattern "),
    ("default", "default "),
];

/// Appends all schemas of the document.
pub(super) fn all(page: &mut Html, document: &Value) {
    page.heading(2, "schemas", "Schemas");
    for (name, schema) in members(&document["components"]["schemas"]) {
        page.raw("<article>\n");
        page.heading(3, &format!("schema-{name}"), name);
        prose(page, text(&schema["description"]));
        if schema["properties"].is_object() {
            properties(page, schema);
        } else if schema["oneOf"].is_array() {
            choices(page, schema);
        } else {
            page.raw("<p>");
            shown(page, schema);
            page.raw("</p>\n");
        }
        page.raw("</article>\n");
    }
}

fn properties(page: &mut Html, schema: &Value) {
    let required = |name: &str| {
        let names = schema["required"].as_array().into_iter().flatten();
        names.into_iter().any(|required| required == name)
    };
    page.raw("<table>\n<thead><tr><th>Name</th><th>Type</th><th>Meaning</th></tr></thead>\n<tbody>\n");
    for (name, property) in members(&schema["properties"]) {
        page.raw("<tr><td>");
        page.code(name);
        if required(name) {
            page.raw(" <em>required</em>");
        }
        if property["readOnly"] == true {
            page.raw(" <em>read only</em>");
        }
        page.raw("</td><td>");
        shown(page, property);
        page.raw("</td><td>");
        inline(page, text(&property["description"]));
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table>\n");
    if schema["additionalProperties"] == false {
        page.raw("<p>No others.</p>\n");
    }
}

/// Appends constants, each with its meaning.
fn choices(page: &mut Html, schema: &Value) {
    page.raw("<table>\n<thead><tr><th>Value</th><th>Meaning</th></tr></thead>\n<tbody>\n");
    for choice in schema["oneOf"].as_array().into_iter().flatten() {
        page.raw("<tr><td>");
        shown(page, choice);
        page.raw("</td><td>");
        inline(page, text(&choice["description"]));
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table>\n");
}

/// Appends a schema within a line, without its description.
pub(super) fn shown(page: &mut Html, schema: &Value) {
    let alternatives = ["anyOf", "oneOf", "allOf"]
        .iter()
        .find_map(|word| schema[*word].as_array());
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        page.link(&format!("#schema-{name}"), name);
    } else if let Some(alternatives) = alternatives {
        separated(page, alternatives, " or ", shown);
    } else if schema.get("const").is_some() {
        page.code(&written(&schema["const"]));
    } else if let Some(values) = schema["enum"].as_array() {
        separated(page, values, ", ", |page, value| page.code(&written(value)));
    } else if schema["type"] == "array" {
        page.text("array of ");
        shown(page, &schema["items"]);
    } else {
        plain(page, schema);
    }
    limits(page, schema);
}

fn separated(page: &mut Html, values: &[Value], by: &'static str, write: impl Fn(&mut Html, &Value)) {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            page.raw(by);
        }
        write(page, value);
    }
}

fn plain(page: &mut Html, schema: &Value) {
    match &schema["type"] {
        Value::String(name) => page.text(name),
        Value::Array(names) => separated(page, names, " or ", |page, name| page.text(text(name))),
        _ => page.text("anything"),
    }
    if let Some(format) = schema["format"].as_str().filter(|format| !format.starts_with("uint")) {
        page.text(&format!(" ({format})"));
    }
}

fn limits(page: &mut Html, schema: &Value) {
    for (word, before) in LIMITS {
        if let Some(limit) = schema.get(word) {
            page.raw("; ");
            page.raw(before);
            page.code(&written(limit));
        }
    }
}

fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
