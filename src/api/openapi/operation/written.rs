//! Operations as OpenAPI has them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::schemas::Schemas;
use super::{Answer, Body, Caller, Operation, Parameter};
use crate::code::{Case, Code};

impl Operation {
    fn security(&self) -> Value {
        match self.caller {
            Caller::Anyone => json!([]),
            Caller::Sender => json!([{"apiKey": [], "webhookSecret": []}]),
            Caller::Token => json!([{"operatorToken": []}, {"controllerToken": []}]),
            Caller::Operator => json!([{"operatorToken": []}]),
        }
    }

    /// Returns the operation in the form of OpenAPI.
    pub(in crate::api::openapi) fn written(self, group: &str, schemas: &mut Schemas) -> Value {
        let operation = self.with_common_problems();
        let mut written = json!({
            "operationId": operation.id,
            "tags": [group],
            "summary": operation.summary,
            "description": operation.about,
            "security": operation.security(),
        });
        if !operation.parameters.is_empty() {
            let parameters = operation.parameters.iter().map(|parameter| parameter.written(schemas));
            written["parameters"] = parameters.collect();
        }
        if let Some(body) = &operation.body {
            written["requestBody"] = body.written(schemas);
        }
        let mut responses = Map::new();
        for answer in &operation.answers {
            responses.insert(answer.status.to_string(), answer.written(schemas));
        }
        for (status, codes) in &operation.problems {
            responses.insert(status.to_string(), problem(*status, codes));
        }
        written["responses"] = Value::Object(responses);
        written
    }
}

impl Parameter {
    fn written(&self, schemas: &mut Schemas) -> Value {
        let schema = schemas.taken(self.schema);
        let mut written = json!({
            "name": self.name,
            "in": self.place,
            "required": self.required,
            "description": self.about,
            "schema": schema,
        });
        if let Some(example) = self.example {
            let number = example.parse::<u64>().ok().filter(|_| schema["type"] == "integer");
            written["example"] = number.map_or_else(|| json!(example), Value::from);
        }
        written
    }
}

impl Body {
    fn written(&self, schemas: &mut Schemas) -> Value {
        let examples: Map<String, Value> = self
            .examples
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!({"value": value})))
            .collect();
        json!({
            "description": self.about,
            "required": self.required,
            "content": {"application/json": {"schema": schemas.taken(self.schema), "examples": examples}},
        })
    }
}

impl Answer {
    fn written(&self, schemas: &mut Schemas) -> Value {
        let mut written = json!({"description": self.about, "headers": headers(&self.headers)});
        if !self.contents.is_empty() {
            let contents: Map<String, Value> = self
                .contents
                .iter()
                .map(|content| {
                    let schema = schemas.given(content.schema);
                    (
                        content.media.to_owned(),
                        json!({"schema": schema, "example": content.example}),
                    )
                })
                .collect();
            written["content"] = Value::Object(contents);
        }
        if !self.links.is_empty() {
            written["links"] = Value::Object(self.links.clone());
        }
        written
    }
}

fn headers(more: &[&'static str]) -> Map<String, Value> {
    let written = |name: &&str| {
        let reference = json!({"$ref": format!("#/components/headers/{name}")});
        ((*name).to_owned(), reference)
    };
    ["x-request-id"].iter().chain(more).map(written).collect()
}

/// Returns an answer with problem details, whose code is one of these.
pub(in crate::api::openapi) fn problem(status: u16, codes: &BTreeSet<Code>) -> Value {
    let more: &[&str] = match status {
        401 => &["WWW-Authenticate"],
        405 => &["Allow"],
        429 | 500 | 503 => &["Retry-After"],
        _ => &[],
    };
    let known = codes.iter().filter(|code| code.at(status).is_some());
    let examples: Map<String, Value> = known
        .map(|code| {
            let reference = format!("#/components/examples/{}", example_name(status, *code));
            (code.to_string(), json!({"$ref": reference}))
        })
        .collect();
    let schema = json!({
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "properties": {"status": {"const": status}, "code": {"enum": codes}},
    });
    json!({
        "description": title(status),
        "headers": headers(more),
        "content": {"application/problem+json": {"schema": schema, "examples": examples}},
    })
}

/// Returns the name of a code's example in the document.
fn example_name(status: u16, code: Code) -> String {
    format!("{status}.{code}")
}

/// Returns the document's examples of problems, by status and then by code.
pub(in crate::api::openapi) fn problem_examples() -> Map<String, Value> {
    let mut cases: Vec<(Code, &Case)> = Code::ALL
        .iter()
        .filter(|code| !code.is_of_pages())
        .flat_map(|code| code.cases().iter().map(move |case| (*code, case)))
        .collect();
    cases.sort_by_key(|(code, case)| (case.status, *code));
    let example = |(code, case): (Code, &Case)| {
        let value = json!({
            "type": format!("urn:conduit:problem:{code}"),
            "title": title(case.status),
            "status": case.status,
            "code": code,
            "detail": format!("{} {}", case.means, case.remedy),
            "requestId": "019d6242-3a59-7f21-8c46-1d0a5e93b7f2",
        });
        let example = json!({"summary": case.means, "description": case.remedy, "value": value});
        (example_name(case.status, code), example)
    };
    cases.into_iter().map(example).collect()
}

/// Returns the title of a problem at a status.
const fn title(status: u16) -> &'static str {
    match status {
        400 => "The request is invalid",
        401 => "Authentication failed",
        403 => "Not allowed",
        404 => "Not found",
        405 => "Wrong method",
        408 => "Too slow",
        409 => "Conflict",
        412 => "Precondition failed",
        413 | 414 | 431 => "Too large",
        429 => "Too many failed authentications",
        503 => "Unavailable",
        505 => "Wrong version",
        _ => "Try again",
    }
}
