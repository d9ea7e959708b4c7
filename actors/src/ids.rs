//! Identifiers. Each is a type of its own, so that one can never stand in for another.

mod names;
mod rfc3339;

use std::fmt;
use std::str::FromStr;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha3::{Digest, Sha3_256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::hex::{self, Hex};
use crate::nature;

pub use names::{ControllerDid, EventType, ProcessorId};

/// Why a text is not the identifier it should be. The message never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{expected}")]
pub struct InvalidId {
    /// A description of valid text.
    pub expected: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Generates a new identifier (UUIDv7, RFC 9562), ordered by time of creation.
            #[must_use]
            pub fn generate() -> Self {
                Self(nature::uuid())
            }

            /// Wraps an existing UUID.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Returns the UUID itself.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }

            /// Returns the 16 bytes of the UUID, most significant first. Their order is the id's order.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text).map(Self).map_err(|_| InvalidId { expected: "must be a UUID" })
            }
        }
    };
}

uuid_id! {
    /// A controller's row, never reused: a controller deleted and made again under the same DID
    /// is another one. Internal; the world knows controllers by [`ControllerDid`].
    ControllerId
}
uuid_id! {
    /// One custom integration.
    IntegrationId
}
uuid_id! {
    /// One accepted event. Its UUIDv7 time *is* the event's receive time, see [`EventId::received_at`].
    EventId
}
uuid_id! {
    /// One processing activity.
    ActivityId
}
uuid_id! {
    /// One data subject, inside; the world knows it as a [`SubjectDid`].
    SubjectId
}
uuid_id! {
    /// One replay of rejected and failed events.
    ReplayId
}

impl EventId {
    /// Returns the receive time in the id, in milliseconds. One source serves both purposes: dedup windows and ordering
    /// need no second clock.
    #[must_use]
    pub fn received_at(&self) -> Timestamp {
        let bytes = self.0.as_bytes();
        let mut wide = [0u8; 8];
        wide[2..].copy_from_slice(&bytes[..6]);
        Timestamp::from_millis(i64::from_be_bytes(wide))
    }

    /// Returns the smallest id of a given receive time: a bound for range scans.
    #[must_use]
    pub fn first_at(time: Timestamp) -> Self {
        Self(Uuid::from_u128((time.as_millis().max(0) as u128) << 80))
    }
}

impl SubjectId {
    /// Returns the subject's public name: `did:conduit:` and the SHA3-256 of its UUID in hexadecimal.
    #[must_use]
    pub fn did(&self) -> SubjectDid {
        let mut hash = Sha3_256::new();
        hash.update(b"conduit/subject-did/v1");
        hash.update(self.0.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        SubjectDid(digest)
    }
}

/// A data subject's DID. One way: the UUID cannot be read back from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubjectDid([u8; 32]);

impl SubjectDid {
    /// Returns the digest, for storage.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Creates a hash from the stored digest.
    #[must_use]
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for SubjectDid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("did:conduit:")?;
        Hex(&self.0).fmt(f)
    }
}

impl FromStr for SubjectDid {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId {
            expected: "must be did:conduit: and 64 hexadecimal digits",
        };
        let digest = text.strip_prefix("did:conduit:").and_then(hex::parse);
        digest.map(Self).ok_or(invalid)
    }
}

impl Serialize for SubjectDid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A position in one controller's journal stream or audit chain: counts from 1 without gaps;
/// 0 stands before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// Returns the position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment in UTC, in milliseconds since 1970-01-01. In JSON: RFC 3339 with milliseconds and `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Returns the present time of the clock.
    #[must_use]
    pub fn now() -> Self {
        let since = nature::wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Creates a time from milliseconds since 1970-01-01.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since 1970-01-01.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 date and time; `None` if it is not one, or lies outside the years 0000–9999. Between date and
    /// time is `T`, `t` or one space.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        rfc3339::millis(text).map(Self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(utc) = OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1000)) else {
            return write!(f, "{}ms", self.0);
        };
        let (date, time) = (utc.date(), utc.time());
        // Written in every answer: by hand, since padded numbers are slow to format.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        digits(&mut text[0..4], date.year().unsigned_abs());
        digits(&mut text[5..7], u8::from(date.month()).into());
        digits(&mut text[8..10], date.day().into());
        digits(&mut text[11..13], time.hour().into());
        digits(&mut text[14..16], time.minute().into());
        digits(&mut text[17..19], time.second().into());
        digits(&mut text[20..23], u32::try_from(self.0.rem_euclid(1000)).unwrap_or(0));
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Fills `place` with the last digits of a number.
fn digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).ok_or_else(|| serde::de::Error::custom("must be an RFC 3339 date and time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dids_follow_the_w3c_syntax() {
        for good in [
            "did:web:shop.example",
            "did:key:z6Mk",
            "did:web:a%3A80:b",
            "did:x1::b",
            "did:a:-",
        ] {
            assert!(good.parse::<ControllerDid>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "did:",
            "did:web:",
            "did:Web:a",
            "did::a",
            "did:web:a:",
            "did:web:a%3",
            "did:web:a/b",
            "did:web:ä",
            "x:web:a",
        ] {
            assert!(bad.parse::<ControllerDid>().is_err(), "{bad}");
        }
        let longest = format!("did:web:{}", "a".repeat(ControllerDid::MAX_BYTES - 8));
        assert!(longest.parse::<ControllerDid>().is_ok());
        assert!(format!("{longest}a").parse::<ControllerDid>().is_err());
    }

    #[test]
    fn times_are_rfc_3339_in_and_out() {
        let time = Timestamp::parse_rfc3339("2026-04-06T12:30:00.1239+02:00").unwrap();
        assert_eq!(time.to_string(), "2026-04-06T10:30:00.123Z");
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
        for bad in [
            "2026-04-06",
            "2026-04-06 10:30",
            "2026-13-06T10:30:00Z",
            "2026-04-06T10:30:00",
            "now",
        ] {
            assert!(Timestamp::parse_rfc3339(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_event_id_carries_its_receive_time() {
        let before = Timestamp::now();
        let id = EventId::generate();
        let after = Timestamp::now();
        assert!((before..=after).contains(&id.received_at()));
        assert!(EventId::first_at(id.received_at()) <= id);
        assert_eq!(EventId::first_at(id.received_at()).received_at(), id.received_at());
    }

    #[test]
    fn event_types_have_1_to_128_characters() {
        assert!("ä".repeat(128).parse::<EventType>().is_ok());
        for bad in [String::new(), "ä".repeat(129), "a\nb".into(), "\u{0}".into()] {
            assert!(bad.parse::<EventType>().is_err());
        }
    }

    #[test]
    fn a_subject_did_reads_back() {
        let did = SubjectId::generate().did();
        assert_eq!(did.to_string().parse::<SubjectDid>().unwrap(), did);
    }
}
