//! Query parameters and pages of lists.

use actix_web::HttpRequest;
use conduit_actors::event::Notice;
use conduit_actors::ids::{EventType, Timestamp};
use conduit_actors::json::{self, JsonFault, JsonFaultKind};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::objects;
use super::problem::Problem;

pub(crate) const DEFAULT_LIMIT: usize = 50;
pub(crate) const MAX_LIMIT: usize = 200;

/// What the filter `event` of a list must be.
pub(super) const AN_EVENT_TYPE: &str = "an event type's name: 1 to 128 characters, no control characters";

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "{T}Page")]
pub(crate) struct Items<T> {
    /// In the list's order.
    pub(crate) items: Vec<T>,
    /// Give it back as `cursor` for the next page; none: this is the last one.
    pub(crate) next_cursor: Option<String>,
}

impl<T> Items<T> {
    /// A page out of `limit + 1` that were asked for.
    pub(crate) fn page(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = if more { items.last().map(cursor) } else { None };
        Self { items, next_cursor }
    }

    /// All there is.
    pub(crate) fn all(items: Vec<T>) -> Self {
        Self {
            items,
            next_cursor: None,
        }
    }
}

/// The query parameters of one request: each known, each once.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads them; `known` are those that the call takes.
    pub(crate) fn read(request: &HttpRequest, known: &[&str]) -> Result<Self, Problem> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
            if !known.contains(&&*name) {
                let known = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                let detail = format!("unknown query parameter; this call takes: {known}");
                return Err(Problem::bad_request("parameter_unknown", detail));
            }
            if found.iter().any(|(other, _)| *other == name) {
                return Err(Problem::bad_request(
                    "parameter_repeated",
                    format!("{name} is there more than once"),
                ));
            }
            found.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(found))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// A parameter of a type.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Problem> {
        let invalid = |_| Problem::bad_request("parameter_invalid", format!("{name} must be {expected}"));
        self.get(name).map(|value| value.parse().map_err(invalid)).transpose()
    }

    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let invalid = || Problem::bad_request("parameter_invalid", format!("{name} must be an RFC 3339 date and time"));
        self.get(name)
            .map(|value| Timestamp::parse_rfc3339(value).ok_or_else(invalid))
            .transpose()
    }

    /// `event`: the name of an event's type.
    pub(super) fn event_type(&self) -> Result<Option<String>, Problem> {
        let name = self.parsed::<EventType>("event", AN_EVENT_TYPE)?;
        Ok(name.map(|name| name.to_string()))
    }

    /// `true` or `false`; false if it is not there.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.parsed(name, "true or false")?.unwrap_or(false))
    }

    /// All of them.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        Ok(self.limit_if_given()?.unwrap_or(DEFAULT_LIMIT))
    }

    pub(crate) fn limit_if_given(&self) -> Result<Option<usize>, Problem> {
        let limit = self.parsed("limit", "a number from 1 to 200")?;
        limit.map(checked_limit).transpose()
    }
}

/// A limit within what there may be.
pub(crate) fn checked_limit(limit: usize) -> Result<usize, Problem> {
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::bad_request(
        "parameter_invalid",
        "limit must be a number from 1 to 200",
    ))
}

/// What is wrong with a body that is no JSON, or has a name twice in an object: which of the two values would count is
/// anybody's guess.
pub(crate) fn json_fault(fault: &JsonFault) -> Problem {
    let place = format!("at line {}, column {}", fault.line, fault.column);
    let detail = match &fault.kind {
        JsonFaultKind::Encoding => "the body is not UTF-8".to_owned(),
        JsonFaultKind::Syntax => format!("the body is not valid JSON {place}"),
        JsonFaultKind::Depth => format!("the body is nested too deep {place}"),
        JsonFaultKind::Repeated(pointer) => {
            let detail = "a name occurs twice in the same object (RFC 7493): send it once";
            let error = Notice::of_request(pointer.as_str(), "json_duplicate_key", detail);
            return Problem::bad_request("body_invalid", detail).with_errors(vec![error]);
        }
    };
    Problem::bad_request("body_invalid", detail)
}

/// Reads a JSON body; the fault says where, and never repeats the body. A byte order mark before it is skipped.
pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    json::check(body).map_err(|fault| json_fault(&fault))?;
    objects::read(json::without_mark(body)).map_err(|error| {
        let detail = match error.classify() {
            // These name fields and types of the API; a value of the wrong type may be shown, so it is cut off.
            serde_json::error::Category::Data => {
                let text = error.to_string();
                let shown = if text.starts_with("invalid type") || text.starts_with("invalid value") {
                    let expected = text
                        .split_once(", expected ")
                        .map_or("something else", |(_, expected)| expected);
                    format!("a value is of the wrong type; expected {expected}")
                } else {
                    text
                };
                shown.chars().take(400).collect()
            }
            _ => format!(
                "the body is not valid JSON at line {}, column {}",
                error.line(),
                error.column()
            ),
        };
        Problem::bad_request("body_invalid", detail)
    })
}
