//! The envelope: what the event endpoint checks of a body before it is accepted.
//!
//! One pass over the bytes, without building a tree. The body must be one JSON object (RFC 8259) in I-JSON's
//! sense (RFC 7493): UTF-8, no lone surrogates, no name twice in an object, at any depth. `event` and
//! `triggeredAt` must be there and right; every other field is the mapping's matter, later.
//! Faults name everything that the sender can mend, and never repeat the body.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::event::Notice;
use crate::ids::{EventType, Timestamp};

/// Objects and arrays within each other, at most.
pub const MAX_DEPTH: usize = 64;
/// Names in one object up to which a linear search for repeats is quickest.
const FEW_NAMES: usize = 16;
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
        Self(vec![Notice::new(pointer, code, message)])
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

fn read_event_type(field: &Field<'_>, faults: &mut Vec<Notice>) -> Option<EventType> {
    let message = match field {
        Field::Missing => {
            faults.push(Notice::new(
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
    faults.push(Notice::new("/event", "event_invalid", message));
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
    faults.push(Notice::new("/triggeredAt", code, message));
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

/// What the walk found that serde's errors cannot carry.
#[derive(Default)]
struct Findings {
    repeated: Option<String>,
    too_deep: bool,
    not_an_object: bool,
}

fn scan(body: &[u8]) -> Result<Fields<'_>, EnvelopeFault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(EnvelopeFault::one(
            "",
            "body_empty",
            "the body is empty: send the event as a JSON object",
        ));
    }
    let Ok(text) = std::str::from_utf8(body) else {
        return Err(EnvelopeFault::one("", "json_invalid", "the body is not UTF-8"));
    };
    let mut findings = Findings::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let scanned = Root {
        findings: &mut findings,
    }
    .deserialize(&mut reader)
    .and_then(|fields| {
        reader.end()?;
        Ok(fields)
    });
    scanned.map_err(|error| findings.explain(&error, text))
}

impl Findings {
    /// serde's own message may quote the body: only its place is passed on.
    fn explain(self, error: &serde_json::Error, text: &str) -> EnvelopeFault {
        if let Some(pointer) = self.repeated {
            let message = "a name occurs twice in the same object (RFC 7493): send it once";
            return EnvelopeFault::one(&pointer, "json_duplicate_key", message);
        }
        if self.too_deep || error.to_string().starts_with("recursion limit") {
            let message = format!("objects and arrays are nested more than {MAX_DEPTH} deep");
            return EnvelopeFault::one("", "json_too_deep", message);
        }
        if self.not_an_object {
            return EnvelopeFault::one("", "json_not_an_object", "the body must be one JSON object: {…}");
        }
        let hint = if text.starts_with('\u{feff}') {
            "; it starts with a byte order mark: leave that out"
        } else {
            ""
        };
        let place = format!(
            "the body is not valid JSON at line {}, column {}{hint}",
            error.line(),
            error.column()
        );
        EnvelopeFault::one("", "json_invalid", place)
    }
}

/// The outermost object.
struct Root<'f> {
    findings: &'f mut Findings,
}

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = Fields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        let mut names = Names::default();
        while let Some(Text(name)) = map.next_key()? {
            let name = names.add(name, &[], self.findings)?;
            let field = match name {
                "event" => Some(&mut fields.event),
                "triggeredAt" => Some(&mut fields.triggered_at),
                _ => None,
            };
            let path = [Step::Name(name)];
            match field {
                Some(field) => {
                    *field = map.next_value_seed(Value {
                        path: &path,
                        findings: self.findings,
                    })?
                }
                None => drop(map.next_value_seed(Value {
                    path: &path,
                    findings: self.findings,
                })?),
            }
        }
        Ok(fields)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Fields<'de>, A::Error> {
        Err(self.not_an_object())
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Fields<'de>, E> {
        Err(self.not_an_object())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Fields<'de>, E> {
        Err(self.not_an_object())
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Fields<'de>, E> {
        Err(self.not_an_object())
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Fields<'de>, E> {
        Err(self.not_an_object())
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Fields<'de>, E> {
        Err(self.not_an_object())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Fields<'de>, E> {
        Err(self.not_an_object())
    }
}

impl Root<'_> {
    fn not_an_object<E: serde::de::Error>(self) -> E {
        self.findings.not_an_object = true;
        E::custom("not an object")
    }
}

/// A step of the way to a value, for the pointer of a repeated name.
#[derive(Clone, Copy)]
enum Step<'p> {
    Name(&'p str),
    Index(usize),
}

/// Any value below the root: walked, checked, and not kept unless it is a string.
struct Value<'p, 'f> {
    path: &'p [Step<'p>],
    findings: &'f mut Findings,
}

impl<'p> Value<'p, '_> {
    fn below<'q>(&self, step: Step<'q>) -> Vec<Step<'q>>
    where
        'p: 'q,
    {
        let mut path = Vec::with_capacity(self.path.len() + 1);
        path.extend_from_slice(self.path);
        path.push(step);
        path
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.path.len() >= MAX_DEPTH {
            self.findings.too_deep = true;
            return Err(E::custom("too deep"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = Field<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Field<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
        // Only the envelope's own fields are kept: a long text elsewhere is not copied.
        let kept = matches!(self.path, [Step::Name("event" | "triggeredAt")]);
        Ok(if kept {
            Field::Text(Cow::Owned(text.to_owned()))
        } else {
            Field::NotText
        })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field<'de>, E> {
        Ok(Field::NotText)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Field<'de>, E> {
        Ok(Field::NotText)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Field<'de>, E> {
        Ok(Field::NotText)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field<'de>, E> {
        Ok(Field::NotText)
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::NotText)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Field<'de>, A::Error> {
        self.enter()?;
        let mut path = self.below(Step::Index(0));
        let mut index = 0;
        while seq
            .next_element_seed(Value {
                path: &path,
                findings: self.findings,
            })?
            .is_some()
        {
            index += 1;
            if let Some(last) = path.last_mut() {
                *last = Step::Index(index);
            }
        }
        Ok(Field::NotText)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Field<'de>, A::Error> {
        self.enter()?;
        let mut names = Names::default();
        while let Some(Text(name)) = map.next_key()? {
            let name = names.add(name, self.path, self.findings)?;
            let path = self.below(Step::Name(name));
            map.next_value_seed(Value {
                path: &path,
                findings: self.findings,
            })?;
        }
        Ok(Field::NotText)
    }
}

/// A name, borrowed from the body unless it is escaped there.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The names of one object so far: borrowed from the body, unless they are escaped there.
#[derive(Default)]
struct Names<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
    last: Cow<'de, str>,
}

impl<'de> Names<'de> {
    /// Takes a name, and lends it back, unless it was there before.
    fn add<E: serde::de::Error>(
        &mut self,
        name: Cow<'de, str>,
        path: &[Step<'_>],
        findings: &mut Findings,
    ) -> Result<&str, E> {
        if self.few.contains(&name) || self.many.contains(&name) {
            findings.repeated = Some(pointer(path, &name));
            return Err(E::custom("a name twice"));
        }
        if self.few.len() >= FEW_NAMES {
            self.many.insert(name.clone());
        } else {
            self.few.push(name.clone());
        }
        self.last = name;
        Ok(&self.last)
    }
}

/// RFC 6901. Names are structure, but a sender may put anything there: long ones are cut.
fn pointer(path: &[Step<'_>], name: &str) -> String {
    let mut pointer = String::new();
    for step in path.iter().copied().chain([Step::Name(name)]) {
        pointer.push('/');
        match step {
            Step::Name(name) => {
                let shown: String = name.chars().take(64).collect();
                pointer.push_str(&shown.replace('~', "~0").replace('/', "~1"));
            }
            Step::Index(index) => pointer.push_str(&index.to_string()),
        }
    }
    pointer
}

#[cfg(test)]
mod tests;
