//! Operations on the page.

use std::borrow::Cow;

use serde_json::Value;

use super::inline::{Inline, members, prose, text, written};
use super::types;

/// The operations of one tag.
pub(super) struct Group<'d> {
    pub(super) anchor: String,
    pub(super) name: &'d str,
    pub(super) description: Vec<Inline<'d>>,
    pub(super) operations: Vec<Operation<'d>>,
}

pub(super) struct Operation<'d> {
    pub(super) id: &'d str,
    pub(super) summary: &'d str,
    pub(super) method: String,
    pub(super) path: &'d str,
    pub(super) description: Vec<Inline<'d>>,
    /// Empty: it is open to anyone.
    pub(super) credentials: String,
    pub(super) parameters: Vec<Parameter<'d>>,
    pub(super) bodies: Vec<Body<'d>>,
    pub(super) answers: Vec<Answer<'d>>,
}

pub(super) struct Parameter<'d> {
    pub(super) name: &'d str,
    pub(super) is_required: bool,
    pub(super) place: &'d str,
    pub(super) kind: Inline<'d>,
    pub(super) description: Inline<'d>,
    pub(super) example: Cow<'d, str>,
}

pub(super) struct Body<'d> {
    pub(super) description: Inline<'d>,
    pub(super) media: &'d str,
    pub(super) kind: Inline<'d>,
    pub(super) is_required: bool,
    pub(super) examples: Vec<Example<'d>>,
}

pub(super) struct Example<'d> {
    /// Empty, if there is only one.
    pub(super) name: &'d str,
    pub(super) json: String,
}

pub(super) struct Answer<'d> {
    pub(super) status: &'d str,
    pub(super) description: Inline<'d>,
    /// Operations that go on from it.
    pub(super) next: Vec<&'d str>,
    pub(super) contents: Vec<Content<'d>>,
}

pub(super) enum Content<'d> {
    /// Error codes.
    Codes(Vec<&'d str>),
    Example {
        media: &'d str,
        kind: Inline<'d>,
        example: Cow<'d, str>,
    },
}

impl<'d> Group<'d> {
    pub(super) fn of(document: &'d Value, tag: &'d Value) -> Self {
        let name = text(&tag["name"]);
        let all = members(&document["paths"])
            .flat_map(|(path, methods)| members(methods).map(move |(method, operation)| (method, path, operation)));
        let own = all.filter(|(_, _, operation)| text(&operation["tags"][0]) == name);
        Self {
            anchor: format!("group-{}", name.to_lowercase().replace(' ', "-")),
            name,
            description: prose(&tag["description"]),
            operations: own
                .map(|(method, path, operation)| Operation::of(method, path, operation))
                .collect(),
        }
    }

    /// Returns the operations that the contents list.
    pub(super) fn listed(&self) -> impl Iterator<Item = &Operation<'d>> {
        self.operations.iter().filter(|operation| operation.method != "HEAD")
    }
}

impl<'d> Operation<'d> {
    fn of(method: &str, path: &'d str, operation: &'d Value) -> Self {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let body = &operation["requestBody"];
        Self {
            id: text(&operation["operationId"]),
            summary: text(&operation["summary"]),
            method: method.to_uppercase(),
            path,
            description: prose(&operation["description"]),
            credentials: credentials(operation),
            parameters: parameters.map(Parameter::of).collect(),
            bodies: members(&body["content"])
                .map(|(media, content)| Body::of(body, media, content))
                .collect(),
            answers: members(&operation["responses"])
                .map(|(status, response)| Answer::of(status, response))
                .collect(),
        }
    }
}

impl<'d> Parameter<'d> {
    fn of(parameter: &'d Value) -> Self {
        Self {
            name: text(&parameter["name"]),
            is_required: parameter["required"] == true,
            place: text(&parameter["in"]),
            kind: types::shown(&parameter["schema"]),
            description: Inline::of(&parameter["description"]),
            example: written(&parameter["example"]),
        }
    }
}

impl<'d> Body<'d> {
    fn of(body: &'d Value, media: &'d str, content: &'d Value) -> Self {
        let example = |(name, example): (&'d str, &'d Value)| Example {
            name: if name == "example" { "" } else { name },
            json: pretty(&example["value"]),
        };
        Self {
            description: Inline::of(&body["description"]),
            media,
            kind: types::shown(&content["schema"]),
            is_required: body["required"] == true,
            examples: members(&content["examples"]).map(example).collect(),
        }
    }
}

impl<'d> Answer<'d> {
    fn of(status: &'d str, response: &'d Value) -> Self {
        let content = |(media, content): (&'d str, &'d Value)| {
            if media == "application/problem+json" {
                return Content::Codes(members(&content["examples"]).map(|(code, _)| code).collect());
            }
            let example = &content["example"];
            Content::Example {
                media,
                kind: types::shown(&content["schema"]),
                example: example.as_str().map_or_else(|| pretty(example).into(), Cow::Borrowed),
            }
        };
        Self {
            status,
            description: Inline::of(&response["description"]),
            next: members(&response["links"]).map(|(id, _)| id).collect(),
            contents: members(&response["content"]).map(content).collect(),
        }
    }
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

fn credentials(operation: &Value) -> String {
    let choices = operation["security"].as_array().into_iter().flatten();
    let choices: Vec<String> = choices
        .map(|choice| {
            let all: Vec<&str> = members(choice).map(|(name, _)| credential(name)).collect();
            all.join(", with ")
        })
        .collect();
    choices.join("; or: ")
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
