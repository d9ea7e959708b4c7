//! The OpenAPI document as a page for people: made from the document itself.
//!
//! It needs no script and asks no other host, so its policy allows nothing but its own style.

mod inline;
mod operations;
mod types;

use askama::Template;
use serde_json::Value;

use inline::{Inline, members, prose, text};
use operations::Group;
use types::Schema;

/// Returns the page of a document.
pub(super) fn page(document: &Value) -> String {
    // Writing to a text does not fail.
    Page::of(document).render().unwrap_or_default()
}

#[derive(Template)]
#[template(path = "api_docs.html")]
struct Page<'d> {
    title: String,
    description: Vec<Inline<'d>>,
    credentials: Vec<Credential<'d>>,
    groups: Vec<Group<'d>>,
    schemas: Vec<Schema<'d>>,
    codes: Vec<ErrorCode<'d>>,
}

struct Credential<'d> {
    name: &'d str,
    /// The header, and what stands before the credential in it.
    place: &'d str,
    description: Inline<'d>,
}

struct ErrorCode<'d> {
    name: &'d str,
    status: &'d Value,
    code: &'d str,
    summary: &'d str,
    advice: &'d str,
}

impl<'d> Page<'d> {
    fn of(document: &'d Value) -> Self {
        let info = &document["info"];
        let tags = document["tags"].as_array().into_iter().flatten();
        Self {
            title: format!("{} {}", text(&info["title"]), text(&info["version"])),
            description: prose(&info["description"]),
            credentials: credentials(document),
            groups: tags.map(|tag| Group::of(document, tag)).collect(),
            schemas: types::all(document),
            codes: codes(document),
        }
    }
}

fn credentials(document: &Value) -> Vec<Credential<'_>> {
    let schemes = members(&document["components"]["securitySchemes"]);
    schemes
        .map(|(name, scheme)| Credential {
            name: operations::credential(name),
            place: match text(&scheme["name"]) {
                "" => "Authorization: Bearer …",
                header => header,
            },
            description: Inline::of(&scheme["description"]),
        })
        .collect()
}

fn codes(document: &Value) -> Vec<ErrorCode<'_>> {
    members(&document["components"]["examples"])
        .map(|(name, example)| ErrorCode {
            name,
            status: &example["value"]["status"],
            code: text(&example["value"]["code"]),
            summary: text(&example["summary"]),
            advice: text(&example["description"]),
        })
        .collect()
}
