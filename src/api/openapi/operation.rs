//! The description of an operation: its name, callers, requests and answers.
//!
//! This module adds everything that follows from the description, so that each fact has one place. For example, the
//! callers determine the answers to wrong credentials, and the parameters the answers to wrong parameters.

mod problems;
mod request;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Responder, Route, web};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::parameters::{Flag, IfNoneMatch, Text};
use super::schemas::{self, SchemaOf};
use crate::code::Code;

pub(super) use written::{problem, problem_examples};

/// Describes a list that can be exported.
macro_rules! exported {
    ($about:literal) => {
        concat!(
            $about,
            " With `Accept: text/csv` or `application/x-ndjson`: all that the filter lets through, in a file; `cursor` begins it \
             there, `limit` ends it early. One that could not be finished ends without its last chunk."
        )
    };
}
pub(super) use exported;

/// An example of a cursor.
pub(super) const CURSOR: &str = "AWWMXl1CmX2yAZ1iQjpbfDCfTgwrah2OVw";

/// Operations that belong together.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) operations: Vec<Operation>,
}

/// The callers of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// Anyone, without credentials.
    Anyone,
    /// A sender of events, with both of an integration's credentials.
    Sender,
    /// The operator, or a controller for its own objects.
    Token,
    /// The operator.
    Operator,
}

#[derive(Clone)]
struct Parameter {
    name: &'static str,
    place: &'static str,
    about: &'static str,
    required: bool,
    schema: SchemaOf,
    example: Option<&'static str>,
}

#[derive(Clone)]
struct Body {
    about: &'static str,
    required: bool,
    schema: SchemaOf,
    examples: Vec<(&'static str, Value)>,
}

#[derive(Clone)]
struct Content {
    media: &'static str,
    schema: SchemaOf,
    example: Value,
}

#[derive(Clone)]
struct Answer {
    status: u16,
    about: &'static str,
    contents: Vec<Content>,
    headers: Vec<&'static str>,
    links: Map<String, Value>,
}

/// One method of one address.
#[derive(Clone)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    id: &'static str,
    summary: &'static str,
    about: &'static str,
    caller: Caller,
    parameters: Vec<Parameter>,
    body: Option<Body>,
    answers: Vec<Answer>,
    problems: BTreeMap<u16, BTreeSet<Code>>,
    route: MakeRoute,
}

/// Makes the route to an operation's handler, for one worker.
type MakeRoute = Arc<dyn Fn() -> Route + Send + Sync>;

impl Operation {
    fn new(
        method: &'static str,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        route: MakeRoute,
    ) -> Self {
        Self {
            route,
            method,
            path,
            id,
            summary,
            about: "",
            caller: Caller::Token,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            problems: BTreeMap::new(),
        }
    }

    pub(super) fn get<F, Args>(path: &'static str, id: &'static str, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args> + Send + Sync,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
        <F::Output as Responder>::Body: MessageBody,
    {
        let route: MakeRoute = Arc::new(move || web::get().to(handler.clone()));
        Self::new("get", path, id, summary, route)
    }

    pub(super) fn post<F, Args>(path: &'static str, id: &'static str, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args> + Send + Sync,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
        <F::Output as Responder>::Body: MessageBody,
    {
        let route: MakeRoute = Arc::new(move || web::post().to(handler.clone()));
        Self::new("post", path, id, summary, route)
    }

    pub(super) fn put<F, Args>(path: &'static str, id: &'static str, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args> + Send + Sync,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
        <F::Output as Responder>::Body: MessageBody,
    {
        let route: MakeRoute = Arc::new(move || web::put().to(handler.clone()));
        Self::new("put", path, id, summary, route)
    }

    pub(super) fn delete<F, Args>(path: &'static str, id: &'static str, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args> + Send + Sync,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
        <F::Output as Responder>::Body: MessageBody,
    {
        let route: MakeRoute = Arc::new(move || web::delete().to(handler.clone()));
        Self::new("delete", path, id, summary, route)
    }

    /// Returns the operation's route, for one worker. HEAD has the route of GET.
    pub(super) fn route(&self) -> Option<Route> {
        (self.method != "head").then(|| (self.route)())
    }

    /// Returns the operation's method, as HTTP has it.
    pub(super) fn http_method(&self) -> Method {
        match self.method {
            "get" => Method::GET,
            "head" => Method::HEAD,
            "post" => Method::POST,
            "put" => Method::PUT,
            _ => Method::DELETE,
        }
    }

    /// Adds the same operation by HEAD: the answers without their contents.
    pub(super) fn also_head(self, id: &'static str) -> [Self; 2] {
        let mut head = Self {
            method: "head",
            id,
            ..self.clone()
        };
        head.answers.iter_mut().for_each(|answer| answer.contents.clear());
        [self, head]
    }

    /// Sets the description, as Markdown.
    pub(super) fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// Allows everybody.
    pub(super) fn open(self) -> Self {
        Self {
            caller: Caller::Anyone,
            ..self
        }
    }

    /// Allows the operator only.
    pub(super) fn operator_only(self) -> Self {
        Self {
            caller: Caller::Operator,
            ..self
        }
    }

    /// Allows senders of events.
    pub(super) fn by_senders(self) -> Self {
        Self {
            caller: Caller::Sender,
            ..self
        }
    }

    /// Adds `If-None-Match` and the answer for an unchanged resource. Call this after the answer with the ETag.
    pub(super) fn or_unchanged(self) -> Self {
        let about = "An ETag of an earlier answer: if it still holds, the answer is 304 without content.";
        self.with_header("ETag")
            .header::<IfNoneMatch>("If-None-Match", about, "\"1\"")
            .gives_nothing(304, "The resource still has this ETag.")
            .with_header("ETag")
            .problems(400, &[Code::IfNoneMatchInvalid])
    }

    /// Adds an export to the last answer: all of the list in a file. `csv` is the beginning of such a file.
    pub(super) fn or_exports(self, csv: &'static str, item: &Value) -> Self {
        let lines = format!("{item}\n");
        let about =
            "For CSV: whether the file begins with a byte order mark. Excel needs it to show all letters correctly.";
        self.query::<Flag>("excel", about, "true")
            .or_gives::<Text>("application/x-ndjson", Value::String(lines))
            .or_gives::<Text>("text/csv", json!(csv))
            .with_header("Content-Disposition")
            .with_header("Vary")
    }

    /// Adds an answer in JSON.
    pub(super) fn gives<T: JsonSchema>(self, status: u16, about: &'static str, example: Value) -> Self {
        self.gives_nothing(status, about)
            .or_gives::<T>("application/json", example)
    }

    /// Adds an answer without content.
    pub(super) fn gives_nothing(mut self, status: u16, about: &'static str) -> Self {
        self.answers.push(Answer {
            status,
            about,
            contents: Vec::new(),
            headers: Vec::new(),
            links: Map::new(),
        });
        self
    }

    /// Adds another form of the last answer.
    pub(super) fn or_gives<T: JsonSchema>(mut self, media: &'static str, example: Value) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.contents.push(Content {
                media,
                schema: schemas::of::<T>,
                example,
            });
        }
        self
    }

    /// Adds a header of the document to the last answer.
    pub(super) fn with_header(mut self, name: &'static str) -> Self {
        self.answers
            .iter_mut()
            .last()
            .into_iter()
            .for_each(|answer| answer.headers.push(name));
        self
    }

    /// Adds a next step to the last answer: another operation, with its parameters from this answer.
    pub(super) fn leads_to(mut self, id: &'static str, parameters: &[(&str, &str)]) -> Self {
        let parameters: Map<String, Value> = parameters
            .iter()
            .map(|(name, from)| ((*name).to_owned(), json!(from)))
            .collect();
        if let Some(answer) = self.answers.last_mut() {
            answer
                .links
                .insert(id.to_owned(), json!({"operationId": id, "parameters": parameters}));
        }
        self
    }

    /// Adds codes beside those that follow from the request and the callers.
    pub(super) fn problems(mut self, status: u16, codes: &[Code]) -> Self {
        self.problems.entry(status).or_default().extend(codes);
        self
    }
}
