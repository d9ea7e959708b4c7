//! The OpenAPI 3.1 document.
//!
//! Each group of operations has a file in `openapi/`, which describes each operation once: its name, callers, requests,
//! answers and handler. Routes, `Allow` and the document come from this one table. Schemas are those of the types that
//! the handlers read and write. To add a route, write its `operation::Operation` into its group.

mod controllers;
mod credentials;
mod events;
mod integrations;
mod naming;
mod operating;
mod operation;
mod parameters;
mod replays;
mod schemas;
mod sending;
mod subjects;
#[cfg(test)]
mod tests;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use actix_web::Resource;
use actix_web::http::Method;
use actix_web::web::{Data, ServiceConfig};
use serde_json::{Map, Value, json};

use operation::{Group, Operation};
use schemas::Schemas;

use super::docs;
use super::document::Document;
use crate::code::Code;
use crate::http::methods::only;
use crate::http::problem::ProblemView;

const ABOUT: &str = "\
A self-hosted, multi-tenant receiver of privacy events.

Senders use an integration's API key and its controller's webhook secret; everything else takes `Authorization: Bearer` with \
the operator's token, which sees every controller, or with a controller's management token, which sees its own: another's is \
404.

JSON is camelCase; times are RFC 3339 in UTC with milliseconds; lists are `{\"items\": […], \"nextCursor\": …}`. Errors are \
problem details (RFC 9457) with a stable `code`. A wrong method is 405 with `Allow`, an unknown address 404, both as problem \
details. Every answer has `x-request-id`.";

static DOCUMENT: LazyLock<Value> = LazyLock::new(write);
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut text = serde_json::to_string_pretty(&*DOCUMENT).unwrap_or_default();
    text.push('\n');
    text
});

/// Returns the document as it is served.
#[must_use]
pub fn text() -> &'static str {
    &TEXT
}

static PAGE: LazyLock<String> = LazyLock::new(|| docs::page(&DOCUMENT));

/// Adds the routes of all operations, for one worker. Each address answers other methods with those that it has.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.app_data(Data::new(Document { text, page: || &PAGE }));
    let operations = groups().into_iter().flat_map(|group| group.operations);
    // In the order of their bytes, a name comes before the parameter that it could be a value of.
    let mut by_path: BTreeMap<&str, Vec<Operation>> = BTreeMap::new();
    for operation in operations {
        by_path.entry(operation.path).or_default().push(operation);
    }
    for (path, operations) in by_path {
        let methods = operations.iter().map(Operation::http_method);
        let methods: Vec<_> = methods.filter(|method| *method != Method::HEAD).collect();
        let routes = operations.iter().filter_map(Operation::route);
        config.service(routes.fold(only(path, methods), Resource::route));
    }
}

/// Returns the groups in the order of the document.
fn groups() -> [Group; 8] {
    [
        sending::group(),
        controllers::group(),
        integrations::group(),
        credentials::group(),
        events::group(),
        replays::group(),
        subjects::group(),
        operating::group(),
    ]
}

fn write() -> Value {
    let mut schemas = Schemas::new();
    let (mut tags, mut paths) = (Vec::new(), Map::new());
    for group in groups() {
        tags.push(json!({"name": group.name, "description": group.about}));
        for operation in group.operations {
            let (path, method) = (operation.path, operation.method);
            let place = paths.entry(path).or_insert_with(|| json!({}));
            place[method] = operation.written(group.name, &mut schemas);
        }
    }
    // The answers of every address belong to no operation, but their schemas must be there.
    schemas.given(schemas::of::<ProblemView<'_>>);
    let mut document = json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Conduit",
            "summary": "A receiver of privacy events",
            "description": ABOUT,
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "Where this document is."}],
        "tags": tags,
        "paths": paths,
        "components": components(),
    });
    schemas.settle(&mut document);
    document
}

fn components() -> Value {
    let everywhere = |status, code| operation::problem(status, &BTreeSet::from([code]));
    json!({
        "examples": operation::problem_examples(),
        "headers": {
            "Allow": header("The methods that the address takes.", json!({"type": "string"}), "GET, HEAD, POST, OPTIONS", true),
            "Content-Disposition": header(
                "Of an export: the name of its file.", json!({"type": "string"}),
                "attachment; filename=\"events.csv\"", false),
            "ETag": header("The version, for If-Match.", json!({"type": "string"}), "\"1\"", true),
            "Location": header(
                "Where what was made is, or where to ask what became of it.", json!({"type": "string", "format": "uri-reference"}),
                "/api/v1/replays/019d6243-0c11-7e02-a4b9-3f5d8e6c1a20", true),
            "Preference-Applied": header(
                "The preference that was heeded (RFC 7240).", json!({"const": "receipt"}), "receipt", false),
            "Retry-After": header(
                "Seconds to wait before the next try.", json!({"type": "integer", "minimum": 1}), "2", false),
            "Vary": header("What the answer's form depends on.", json!({"const": "accept"}), "accept", true),
            "WWW-Authenticate": header("How to authenticate.", json!({"const": "Bearer"}), "Bearer", true),
            "x-request-id": header(
                "This request's id, as in the log.", json!({"type": "string", "format": "uuid"}),
                "019d6242-3a59-7f21-8c46-1d0a5e93b7f2", true),
        },
        "responses": {
            "HeadTimeout": everywhere(408, Code::HeadTimeout),
            "HeadTooLarge": everywhere(431, Code::HeadTooLarge),
            "HostInvalid": everywhere(400, Code::HostInvalid),
            "MethodNotAllowed": everywhere(405, Code::MethodNotAllowed),
            "NotFound": everywhere(404, Code::NotFound),
            "UriTooLong": everywhere(414, Code::UriTooLong),
            "VersionNotSupported": everywhere(505, Code::HttpVersionUnsupported),
        },
        "securitySchemes": {
            "apiKey": {"type": "http", "scheme": "bearer",
                       "description": "For sending events: what an integration's `webhookAuth` has."},
            "controllerToken": {"type": "http", "scheme": "bearer",
                                "description": "For managing what is the controller's own: its `managementToken`."},
            "operatorToken": {"type": "http", "scheme": "bearer",
                              "description": "For managing everything: in the file `admin.token` of the data directory, unless the operator chose one."},
            "webhookSecret": {"type": "apiKey", "in": "header", "name": "x-webhook-secret",
                              "description": "For sending events: the `webhookSecret` of the integration's controller."},
        },
    })
}

fn header(about: &str, schema: Value, example: &str, required: bool) -> Value {
    let example = example.parse::<u64>().map_or_else(|_| json!(example), Value::from);
    json!({"description": about, "schema": schema, "example": example, "required": required})
}
