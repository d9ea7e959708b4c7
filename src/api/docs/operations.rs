//! Operations on the page.

use serde_json::Value;

use super::html::{Html, inline, members, prose, text};
use super::types;

/// Returns a group's anchor on the page.
pub(super) fn anchor(group: &str) -> String {
    format!("group-{}", group.to_lowercase().replace(' ', "-"))
}

/// Returns the operations of a group, as method, path and operation.
pub(super) fn of<'d>(document: &'d Value, group: &str) -> Vec<(&'d str, &'d str, &'d Value)> {
    let all = members(&document["paths"]).flat_map(|(path, methods)| {
        members(methods).map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
    });
    all.filter(|(_, _, operation)| text(&operation["tags"][0]) == group)
        .collect()
}

/// Returns the name of a credential.
pub(super) fn credential(name: &str) -> &str {
    match name {
        "apiKey" => "An integration's API key",
        "controllerToken" => "A controller's management token",
        "operatorToken" => "The operator's token",
        "webhookSecret" => "The controller's webhook secret",
        other => other,
    }
}

pub(super) fn group(page: &mut Html, document: &Value, tag: &Value) {
    let name = text(&tag["name"]);
    page.heading(2, &anchor(name), name);
    prose(page, text(&tag["description"]));
    for (method, path, operation) in of(document, name) {
        write(page, document, method, path, operation);
    }
}

fn write(page: &mut Html, document: &Value, method: &str, path: &str, operation: &Value) {
    page.raw("<article>\n");
    page.heading(3, text(&operation["operationId"]), text(&operation["summary"]));
    page.raw("<p class=\"route\"><b>");
    page.text(&method.to_uppercase());
    page.raw("</b> ");
    page.code(path);
    page.raw("</p>\n");
    prose(page, text(&operation["description"]));
    security(page, operation);
    parameters(page, operation);
    body(page, operation);
    responses(page, document, operation);
    page.raw("</article>\n");
}

fn security(page: &mut Html, operation: &Value) {
    let choices: Vec<String> = operation["security"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|choice| {
            let all: Vec<&str> = members(choice).map(|(name, _)| credential(name)).collect();
            all.join(", with ")
        })
        .collect();
    page.raw("<p class=\"with\">");
    if choices.is_empty() {
        page.text("Open: no credentials.");
    } else {
        page.link("#credentials", "With");
        page.text(": ");
        page.text(&choices.join("; or: "));
        page.text(".");
    }
    page.raw("</p>\n");
}

fn parameters(page: &mut Html, operation: &Value) {
    let Some(parameters) = operation["parameters"].as_array() else {
        return;
    };
    page.raw("<h4>Parameters</h4>\n<table>\n<thead><tr><th>Name</th><th>In</th><th>Type</th><th>Meaning</th>");
    page.raw("<th>Example</th></tr></thead>\n<tbody>\n");
    for parameter in parameters {
        page.raw("<tr><td>");
        page.code(text(&parameter["name"]));
        if parameter["required"] == true {
            page.raw(" <em>required</em>");
        }
        page.raw("</td><td>");
        page.text(text(&parameter["in"]));
        page.raw("</td><td>");
        types::shown(page, &parameter["schema"]);
        page.raw("</td><td>");
        inline(page, text(&parameter["description"]));
        page.raw("</td><td>");
        let example = &parameter["example"];
        page.code(&example.as_str().map_or_else(|| example.to_string(), str::to_owned));
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table>\n");
}

fn body(page: &mut Html, operation: &Value) {
    let body = &operation["requestBody"];
    for (media, content) in members(&body["content"]) {
        page.raw("<h4>Body</h4>\n<p>");
        inline(page, text(&body["description"]));
        page.text(" As ");
        page.code(media);
        page.text(": ");
        types::shown(page, &content["schema"]);
        page.raw(if body["required"] == true {
            ", required.</p>\n"
        } else {
            ", may be left out.</p>\n"
        });
        for (name, example) in members(&content["examples"]) {
            page.raw("<details><summary>Example");
            if name != "example" {
                page.text(&format!(": {name}"));
            }
            page.raw("</summary>\n");
            page.json(&example["value"]);
            page.raw("</details>\n");
        }
    }
}

fn responses(page: &mut Html, document: &Value, operation: &Value) {
    page.raw(
        "<h4>Answers</h4>\n<table>\n<thead><tr><th>Status</th><th>Meaning</th><th>Content</th></tr></thead>\n<tbody>\n",
    );
    for (status, response) in members(&operation["responses"]) {
        page.raw("<tr><td>");
        page.text(status);
        page.raw("</td><td>");
        inline(page, text(&response["description"]));
        links(page, response);
        page.raw("</td><td>");
        for (media, content) in members(&response["content"]) {
            if media == "application/problem+json" {
                codes(page, document, status, content);
            } else {
                answer(page, media, content);
            }
        }
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table>\n");
}

fn links(page: &mut Html, response: &Value) {
    let links: Vec<&str> = members(&response["links"]).map(|(id, _)| id.as_str()).collect();
    for (index, id) in links.iter().enumerate() {
        page.raw(if index == 0 { " Next: " } else { ", " });
        page.link(&format!("#{id}"), id);
    }
}

fn answer(page: &mut Html, media: &str, content: &Value) {
    page.raw("<div>");
    page.code(media);
    page.text(": ");
    types::shown(page, &content["schema"]);
    let example = &content["example"];
    page.raw("<details><summary>Example</summary>\n");
    match example.as_str() {
        Some(example) => {
            page.raw("<pre><code>");
            page.text(example);
            page.raw("</code></pre>\n");
        }
        None => page.json(example),
    }
    page.raw("</details></div>\n");
}

fn codes(page: &mut Html, document: &Value, status: &str, content: &Value) {
    for (code, _) in members(&content["examples"]) {
        let name = format!("{status}.{code}");
        debug_assert!(document["components"]["examples"][&name].is_object(), "{name}");
        page.raw("<a class=\"code\" href=\"#code-");
        page.text(&name);
        page.raw("\">");
        page.code(code);
        page.raw("</a> ");
    }
}
