//! The identifiers that are texts: DIDs, processor ids and names of event types.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::InvalidId;

/// A data controller's DID, in W3C DID syntax (DID Core 1.0, section 3.1), at most 512 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControllerDid(Arc<str>);

impl ControllerDid {
    /// The longest DID taken, in bytes.
    pub const MAX_BYTES: usize = 512;

    /// Returns the DID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ControllerDid {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId {
            expected: "must be a DID: did:<method>:<method-specific-id>, at most 512 bytes",
        };
        if text.len() > Self::MAX_BYTES || !is_did(text) {
            return Err(invalid);
        }
        Ok(Self(text.into()))
    }
}

/// Returns whether a text is a DID (DID Core 1.0, section 3.1): `did:`, a method's name in lower-case letters and digits, `:`,
/// and an id. The id has segments divided by colons, of which the last is not empty. A segment has letters, digits, `.`, `-`,
/// `_` and percent-encoded bytes.
fn is_did(text: &str) -> bool {
    let Some((method, id)) = text.strip_prefix("did:").and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    let method_ok = !method.is_empty() && method.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let mut bytes = id.bytes();
    while let Some(byte) = bytes.next() {
        let ok = match byte {
            b'%' => {
                bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
                    && bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
            }
            b'.' | b'-' | b'_' | b':' => true,
            other => other.is_ascii_alphanumeric(),
        };
        if !ok {
            return false;
        }
    }
    method_ok && !id.is_empty() && !id.ends_with(':')
}

/// A data processor's id (`dpid`): 1–128 of the characters that need no escaping in a URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessorId(Arc<str>);

impl ProcessorId {
    /// Returns an id for rows that are made up and taken back.
    pub(crate) fn rehearsal() -> Self {
        Self("rehearsal".into())
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProcessorId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let fits =
            (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:".contains(&b));
        fits.then(|| Self(text.into())).ok_or(InvalidId {
            expected: "must be 1 to 128 letters, digits, or any of - . _ ~ :",
        })
    }
}

/// An event's type: 1–128 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(Arc<str>);

impl EventType {
    /// The longest name, in characters.
    pub const MAX_CHARS: usize = 128;

    /// Returns a type for rows that are made up and taken back.
    pub(crate) fn rehearsal() -> Self {
        Self("rehearsal".into())
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventType {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId {
            expected: "must have 1 to 128 characters, none of them a control character",
        };
        // Four bytes a character at most: a quick bound before counting.
        if text.is_empty() || text.len() > 4 * Self::MAX_CHARS {
            return Err(invalid);
        }
        let fits = text.chars().count() <= Self::MAX_CHARS && !text.chars().any(char::is_control);
        fits.then(|| Self(text.into())).ok_or(invalid)
    }
}

macro_rules! text_id {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

text_id!(ControllerDid, ProcessorId, EventType);
