//! The OpenAPI 3.1 document.
//!
//! Each group of operations has a file in `openapi/`, in which each operation is written down once: what it is called, who
//! may call it, what it takes and gives. Schemas are those of the types that the handlers read and write. To document a new
//! route, write its `operation::Operation` into the group that it belongs to; a code that no other call gave yet goes into
//! `codes` first. `tests/openapi.rs` names what is missing.

mod codes;
mod controllers;
mod credentials;
mod events;
mod integrations;
mod operating;
mod operation;
mod parameters;
mod replays;
mod schemas;
mod sending;
mod subjects;
mod trial;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use super::problem;
use codes::CODES;
pub(super) use integrations::SentIntegration;
use operation::Group;
use schemas::Schemas;

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

/// The document as it is served.
#[must_use]
pub fn text() -> &'static str {
    &TEXT
}

/// The document.
pub(super) fn document() -> &'static Value {
    &DOCUMENT
}

/// `GET /api/v1/openapi.json`
pub(super) async fn get() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(text())
}

/// In the order in which they are read.
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
    // What every address may answer is in no operation: its schema must be there all the same.
    schemas.given(schemas::of::<problem::Shown<'_>>);
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
    let examples: Map<String, Value> = CODES
        .iter()
        .map(|code| {
            (
                code.example_name(),
                json!({"summary": code.means, "description": code.mend, "value": code.example()}),
            )
        })
        .collect();
    let everywhere = |status, code| operation::problem(status, &BTreeSet::from([code]));
    json!({
        "examples": examples,
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
            "HeadTimeout": everywhere(408, "head_timeout"),
            "HeadTooLarge": everywhere(431, "head_too_large"),
            "HostInvalid": everywhere(400, "host_invalid"),
            "MethodNotAllowed": everywhere(405, "method_not_allowed"),
            "NotFound": everywhere(404, "not_found"),
            "UriTooLong": everywhere(414, "uri_too_long"),
            "VersionNotSupported": everywhere(505, "http_version_unsupported"),
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
