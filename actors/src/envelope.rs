//! The envelope: the event endpoint's checks of a body before it is accepted.
//!
//! One pass over the bytes checks it, without a tree. The body must be one JSON object (RFC 8259) in I-JSON's sense
//! (RFC 7493): UTF-8, no lone surrogates, and no repeated name in an object, at any depth. `event` and `triggeredAt`
//! must be present and valid. The mapping reads every other field later. The faults list everything that the sender can
//! fix, and never quote the body. A byte order mark before the object is skipped. Numbers may be of any size: only
//! mapped fields limit them.

use std::borrow::Cow;

use crate::event::Notice;
use crate::ids::{EventType, Timestamp};
use crate::json::{JsonFault, JsonFaultKind, Walk, without_mark};

/// Objects and arrays within each other, at most.
pub const MAX_DEPTH: usize = 64;
/// How far `triggeredAt` may lie ahead of the clock.
const MAX_AHEAD_MS: i64 = 24 * 60 * 60 * 1000;

/// The two fields that every event has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// `event`.
    pub event_type: EventType,
    /// `triggeredAt`.
    pub triggered_at: Timestamp,
}

/// Why a body has no envelope. All that is wrong at once; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeFault(pub Vec<Notice>);

impl EnvelopeFault {
    fn one(pointer: &str, code: &str, message: impl Into<String>) -> Self {
        Self(vec![Notice::of_request(pointer, code, message)])
    }

    fn not_an_object() -> Self {
        Self::one("", "json_not_an_object", "the body must be one JSON object: {…}")
    }
}

impl Envelope {
    /// Reads the envelope of a body that was received at `now`.
    ///
    /// # Errors
    /// [`EnvelopeFault`].
    pub fn parse(body: &[u8], now: Timestamp) -> Result<Self, EnvelopeFault> {
        let fields = scan(body)?;
        let mut faults = Vec::new();
        let event_type = read_event_type(&fields.event, &mut faults);
        let triggered_at = read_triggered_at(&fields.triggered_at, now, &mut faults);
        match (event_type, triggered_at) {
            (Some(event_type), Some(triggered_at)) => Ok(Self {
                event_type,
                triggered_at,
            }),
            _ => Err(EnvelopeFault(faults)),
        }
    }
}

/// Returns the type of an event that was accepted, however strict its `triggeredAt` would be taken today.
#[must_use]
pub fn accepted_event_type(body: &[u8]) -> Option<EventType> {
    match scan(body).ok()?.event {
        Field::Text(text) => text.parse().ok(),
        Field::Missing | Field::NotText => None,
    }
}

/// Checks a sample as the endpoint checks a body, except for its envelope.
///
/// # Errors
/// The fault, as the rest of a sentence about the sample, without quoting it.
pub fn scan_sample(sample: &[u8]) -> Result<(), String> {
    let wrong = |fault: EnvelopeFault| {
        let message = fault.0.first().map_or("", |notice| notice.message.as_str());
        message.strip_prefix("the body ").unwrap_or(message).to_owned()
    };
    scan(sample).map(drop).map_err(wrong)
}

/// Returns a sample as a whole event: missing parts of its envelope are put before its members. The rest stays
/// unchanged.
///
/// # Errors
/// [`EnvelopeFault`], where no such addition makes an event of it.
pub fn completed(sample: &[u8], event_type: Option<&str>, triggered_at: Timestamp) -> Result<Vec<u8>, EnvelopeFault> {
    let fields = scan(sample)?;
    let mut missing = Vec::new();
    if let (Field::Missing, Some(event_type)) = (&fields.event, event_type) {
        missing.push(format!("\"event\":{}", serde_json::Value::from(event_type)));
    }
    if fields.triggered_at == Field::Missing {
        missing.push(format!("\"triggeredAt\":\"{triggered_at}\""));
    }
    let body = without_mark(sample);
    let inside = body.iter().position(|byte| *byte == b'{').map_or(0, |start| start + 1);
    let rest = body.get(inside..).unwrap_or_default();
    let is_empty = rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'}');
    let comma = if is_empty || missing.is_empty() { "" } else { "," };
    Ok([b"{", missing.join(",").as_bytes(), comma.as_bytes(), rest].concat())
}

fn read_event_type(field: &Field<'_>, faults: &mut Vec<Notice>) -> Option<EventType> {
    let message = match field {
        Field::Missing => {
            faults.push(Notice::of_request(
                "/event",
                "event_missing",
                "add \"event\": the name of the event's type",
            ));
            return None;
        }
        Field::NotText => "\"event\" must be a string of 1 to 128 characters".to_owned(),
        Field::Text(text) => match text.parse() {
            Ok(event_type) => return Some(event_type),
            Err(invalid) => format!("\"event\" {invalid}"),
        },
    };
    faults.push(Notice::of_request("/event", "event_invalid", message));
    None
}

fn read_triggered_at(field: &Field<'_>, now: Timestamp, faults: &mut Vec<Notice>) -> Option<Timestamp> {
    let (code, message) = match field {
        Field::Missing => (
            "triggered_at_missing",
            "add \"triggeredAt\": when it happened, as 2026-04-06T10:30:00Z",
        ),
        Field::NotText => (
            "triggered_at_invalid",
            "\"triggeredAt\" must be a string, as 2026-04-06T10:30:00Z",
        ),
        Field::Text(text) => match Timestamp::parse_rfc3339(text) {
            Some(time) if time.as_millis() <= now.as_millis() + MAX_AHEAD_MS => return Some(time),
            Some(_) => (
                "triggered_at_in_future",
                "\"triggeredAt\" is more than 24 hours ahead: check the sender's clock",
            ),
            None => (
                "triggered_at_invalid",
                "\"triggeredAt\" must be an RFC 3339 date and time with its offset, as 2026-04-06T10:30:00Z",
            ),
        },
    };
    faults.push(Notice::of_request("/triggeredAt", code, message));
    None
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Field<'a> {
    #[default]
    Missing,
    NotText,
    Text(Cow<'a, str>),
}

#[derive(Debug, Default)]
struct Fields<'a> {
    event: Field<'a>,
    triggered_at: Field<'a>,
}

fn scan(body: &[u8]) -> Result<Fields<'_>, EnvelopeFault> {
    let body = without_mark(body);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(EnvelopeFault::one(
            "",
            "body_empty",
            "the body is empty: send the event as a JSON object",
        ));
    }
    let Ok(text) = std::str::from_utf8(body) else {
        return Err(EnvelopeFault::one("", "json_invalid", not_utf8(body)));
    };
    let mut walk = Walk::new(text, MAX_DEPTH, true);
    match walk.first() {
        Some(b'{') => {}
        Some(b'[') => return Err(EnvelopeFault::not_an_object()),
        _ => {
            let value = walk.value(None);
            return Err(value.map_or_else(|wrong| walk.fault(wrong).into(), |()| EnvelopeFault::not_an_object()));
        }
    }
    let mut fields = Fields::default();
    let walked = walk.root(
        |name| matches!(name, "event" | "triggeredAt"),
        |member| {
            let field = member.text.map_or(Field::NotText, Field::Text);
            match &*member.name {
                "event" => fields.event = field,
                _ => fields.triggered_at = field,
            }
        },
    );
    walked.map_err(|wrong| walk.fault(wrong))?;
    Ok(fields)
}

/// Returns the message for a body in another encoding.
fn not_utf8(body: &[u8]) -> &'static str {
    match body {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 0, 0xfe, 0xff, ..] => {
            "the body is not UTF-8: its byte order mark says UTF-16 or UTF-32; send it as UTF-8"
        }
        _ => "the body is not UTF-8",
    }
}

impl From<JsonFault> for EnvelopeFault {
    /// Returns the fault and its place, without any text of the body except the names on the way.
    fn from(fault: JsonFault) -> Self {
        match fault.kind {
            JsonFaultKind::Repeated(pointer) => {
                let message = "a name occurs twice in the same object (RFC 7493): send it once";
                Self::one(&pointer, "json_duplicate_key", message)
            }
            JsonFaultKind::Depth => {
                let message = format!("objects and arrays are nested more than {MAX_DEPTH} deep");
                Self::one("", "json_too_deep", message)
            }
            JsonFaultKind::Encoding => Self::one("", "json_invalid", "the body is not UTF-8"),
            JsonFaultKind::Syntax => {
                let place = format!(
                    "the body is not valid JSON at line {}, column {}",
                    fault.line, fault.column
                );
                Self::one("", "json_invalid", place)
            }
        }
    }
}

#[cfg(test)]
mod tests;
