//! Bodies in JSON.

mod objects;

use conduit_actors::event::Notice;
use conduit_actors::json::{self, JsonFault, JsonFaultKind};
use serde::de::DeserializeOwned;

use crate::code::Code;
use crate::http::problem::Problem;

/// Returns the problem of a body that is no JSON, or has a repeated name in an object. It would be unclear which of the
/// two values counts.
pub(crate) fn fault_of(fault: &JsonFault) -> Problem {
    let place = format!("at line {}, column {}", fault.line, fault.column);
    let detail = match &fault.kind {
        JsonFaultKind::Encoding => "the body is not UTF-8".to_owned(),
        JsonFaultKind::Syntax => format!("the body is not valid JSON {place}"),
        JsonFaultKind::Depth => format!("the body is nested too deep {place}"),
        JsonFaultKind::Repeated(pointer) => {
            let detail = "a name occurs twice in the same object (RFC 7493): send it once";
            let error = Notice::of_request(pointer.as_str(), Code::JsonDuplicateKey, detail);
            return Problem::bad_request(Code::BodyInvalid, detail).with_errors(vec![error]);
        }
    };
    Problem::bad_request(Code::BodyInvalid, detail)
}

/// Reads a JSON body; the fault says where, and never repeats the body. A byte order mark before it is skipped.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    json::check(body).map_err(|fault| fault_of(&fault))?;
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
        Problem::bad_request(Code::BodyInvalid, detail)
    })
}
