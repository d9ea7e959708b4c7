//! Query parameters.

use actix_web::HttpRequest;
use conduit_actors::event::Status;
use conduit_actors::ids::{EventType, Timestamp};

use super::problem::Problem;
use crate::code::Code;

pub(crate) const DEFAULT_LIMIT: usize = 50;
pub(crate) const MAX_LIMIT: usize = 200;

/// The valid values of a list's filter `event`.
pub(crate) const AN_EVENT_TYPE: &str = "an event type's name: 1 to 128 characters, no control characters";

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
                return Err(Problem::bad_request(Code::ParameterUnknown, detail));
            }
            if found.iter().any(|(other, _)| *other == name) {
                return Err(Problem::bad_request(
                    Code::ParameterRepeated,
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

    /// Parses a parameter of a type. Returns `None` if it is missing.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Problem> {
        let invalid = |_| Problem::bad_request(Code::ParameterInvalid, format!("{name} must be {expected}"));
        self.get(name).map(|value| value.parse().map_err(invalid)).transpose()
    }

    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let invalid = || {
            Problem::bad_request(
                Code::ParameterInvalid,
                format!("{name} must be an RFC 3339 date and time"),
            )
        };
        self.get(name)
            .map(|value| Timestamp::parse_rfc3339(value).ok_or_else(invalid))
            .transpose()
    }

    /// Returns `event`, the name of an event type. Returns `None` if it is missing.
    pub(crate) fn event_type(&self) -> Result<Option<String>, Problem> {
        let name = self.parsed::<EventType>("event", AN_EVENT_TYPE)?;
        Ok(name.map(|name| name.to_string()))
    }

    /// Returns a flag, `true` or `false`. Returns false if it is missing.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.parsed(name, "true or false")?.unwrap_or(false))
    }

    /// Returns all parameters.
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

/// Checks that a limit is within its range.
pub(crate) fn checked_limit(limit: usize) -> Result<usize, Problem> {
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::bad_request(
        Code::ParameterInvalid,
        "limit must be a number from 1 to 200",
    ))
}

pub(crate) fn read_status(text: &str) -> Result<Status, Problem> {
    Status::ALL
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| {
            let detail = "status must be received, processed, duplicate, rejected or failed";
            Problem::bad_request(Code::ParameterInvalid, detail)
        })
}
