//! Cursors of lists: places in them, opaque to clients.
//!
//! A cursor continues after an item, even if items came or went meanwhile. It belongs to its list and filter, and has a
//! digest of both: with another filter it would silently skip items. It grants nothing: each page checks again who may
//! see it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use conduit_actors::ids::{ControllerId, EventId, IntegrationId, ReplayId, Sequence, SubjectId, Timestamp};
use sha3::{Digest as _, Sha3_256};
use uuid::Uuid;

use crate::code::Code;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::store::ActivityCursor;

const VERSION: u8 = 1;

/// Bytes of the digest: two filters of one client do not meet in it.
const DIGEST_BYTES: usize = 8;

/// Query parameters that are no part of the filter.
const NO_FILTER: [&str; 3] = ["limit", "cursor", "excel"];

/// A place in a list's order.
pub(crate) trait Place: Sized {
    fn to_bytes(&self) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// Reads and writes the cursors of one list under one filter.
pub(crate) struct Cursors([u8; DIGEST_BYTES]);

impl Cursors {
    /// Creates a scope for a list, by its name and the parts of its filter.
    pub(crate) fn of<'a>(list: &'a str, filter: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha3_256::new();
        for part in [list.as_bytes()].into_iter().chain(filter) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&hash.finalize()[..DIGEST_BYTES]);
        Self(digest)
    }

    /// Creates a scope for a list that is filtered by its query parameters, in any order.
    pub(crate) fn of_query(list: &str, query: &Query) -> Self {
        let filter = query.pairs().iter().filter(|(name, _)| !NO_FILTER.contains(&&**name));
        let mut filter: Vec<_> = filter.collect();
        filter.sort_unstable();
        let parts = filter.into_iter().flat_map(|(name, value)| [name, value]);
        Self::of(list, parts.map(String::as_bytes))
    }

    /// Returns the cursor after which a list continues.
    pub(crate) fn write(&self, place: &impl Place) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.0);
        bytes.extend(place.to_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Returns the place of a cursor.
    pub(crate) fn read<P: Place>(&self, text: &str) -> Result<P, Problem> {
        let invalid = |detail| Problem::bad_request(Code::CursorInvalid, detail);
        let malformed = || invalid("cursor must be the unchanged nextCursor of the page before");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
        let (version, rest) = bytes.split_first().ok_or_else(malformed)?;
        let (digest, place) = rest.split_first_chunk::<DIGEST_BYTES>().ok_or_else(malformed)?;
        if *version != VERSION {
            return Err(malformed());
        }
        if *digest != self.0 {
            let detail =
                "the cursor is another list's or another filter's: begin without one, or ask as for the page before";
            return Err(invalid(detail));
        }
        P::from_bytes(place).ok_or_else(malformed)
    }

    /// Returns the place of the query's cursor. Returns `None` without a cursor.
    pub(crate) fn read_from<P: Place>(&self, query: &Query) -> Result<Option<P>, Problem> {
        query.get("cursor").map(|text| self.read(text)).transpose()
    }
}

macro_rules! places {
    ($($id:ident),*) => {$(
        impl Place for $id {
            fn to_bytes(&self) -> Vec<u8> {
                self.as_bytes().to_vec()
            }

            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                Uuid::from_slice(bytes).ok().map(Self::from_uuid)
            }
        }
    )*};
}

places!(ControllerId, IntegrationId, EventId, SubjectId, ReplayId);

/// `triggeredAt`, event, sequence: serves both orders.
impl Place for ActivityCursor {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.triggered_at.as_millis().to_be_bytes().to_vec();
        bytes.extend(self.event.as_bytes());
        bytes.extend(self.sequence.0.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (triggered_at, rest) = bytes.split_first_chunk()?;
        let (event, sequence) = rest.split_first_chunk::<16>()?;
        Some(Self {
            triggered_at: Timestamp::from_millis(i64::from_be_bytes(*triggered_at)),
            event: EventId::from_bytes(event)?,
            sequence: Sequence(u64::from_be_bytes(sequence.try_into().ok()?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(filter: &[&str]) -> Cursors {
        Cursors::of("events", filter.iter().map(|part| part.as_bytes()))
    }

    #[test]
    fn a_cursor_reads_back_under_its_own_list_and_filter_only() {
        let id = EventId::generate();
        let cursor = of(&["status", "failed"]).write(&id);
        assert_eq!(of(&["status", "failed"]).read::<EventId>(&cursor).unwrap(), id);
        let other_list = Cursors::of("subjects", ["status".as_bytes(), b"failed"]);
        for other in [of(&[]), of(&["statusfailed"]), of(&["status", "faile"]), other_list] {
            assert_eq!(other.read::<EventId>(&cursor).unwrap_err().code(), Code::CursorInvalid);
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let cursors = of(&[]);
        let good = cursors.write(&EventId::generate());
        let longer = format!("{good}AAAA");
        let other_version = format!("Ag{}", &good[2..]);
        for bad in [
            "",
            "A",
            "=",
            &good[1..],
            &good[..good.len() - 4],
            &longer,
            &other_version,
            "\u{e4}",
        ] {
            let read = cursors.read::<EventId>(bad);
            assert_eq!(read.unwrap_err().code(), Code::CursorInvalid, "{bad}");
        }
    }

    #[test]
    fn a_place_among_activities_reads_back() {
        let place = ActivityCursor {
            triggered_at: Timestamp::from_millis(-5),
            event: EventId::generate(),
            sequence: Sequence(7),
        };
        let read = ActivityCursor::from_bytes(&place.to_bytes()).unwrap();
        assert_eq!(
            (read.triggered_at, read.event, read.sequence),
            (place.triggered_at, place.event, place.sequence)
        );
        assert!(ActivityCursor::from_bytes(&place.to_bytes()[1..]).is_none());
    }
}
