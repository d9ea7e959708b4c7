//! Event ids in order.

use uuid::Uuid;

use crate::ids::EventId;
use crate::nature;

/// Mints growing event ids, even when the clock steps back. A stream's ids grow with its sequence, and finding an event
/// in the journal relies on that.
#[derive(Debug, Default)]
pub struct EventIds {
    last: u128,
}

impl EventIds {
    /// Continues behind an id that exists already.
    #[must_use]
    pub fn after(last: Option<EventId>) -> Self {
        Self {
            last: last.map_or(0, |id| id.as_uuid().as_u128()),
        }
    }

    /// Returns the next id: a new UUIDv7 or, if that is not greater than the last one, the successor of the last.
    pub fn mint(&mut self) -> EventId {
        let fresh = nature::uuid().as_u128();
        self.last = if fresh > self.last { fresh } else { successor(self.last) };
        EventId::from_uuid(Uuid::from_u128(self.last))
    }
}

/// Returns the next greater UUIDv7. Counts in the 62 random bits behind the variant, which never run out in practice. A
/// carry goes on into the 12 bits behind the version, and from there into the time.
fn successor(id: u128) -> u128 {
    const TAIL: u128 = (1 << 62) - 1;
    const MIDDLE: u128 = 0xfff << 64;
    const FIXED: u128 = (0x7 << 76) | (0b10 << 62);
    if id & TAIL != TAIL {
        return id + 1;
    }
    if id & MIDDLE != MIDDLE {
        return (id & !TAIL) + (1 << 64);
    }
    ((id >> 80) + 1) << 80 | FIXED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Timestamp;

    #[test]
    fn ids_grow_even_when_the_clock_stands_still_or_steps_back() {
        let mut ids = EventIds::default();
        let made: Vec<_> = (0..1000).map(|_| ids.mint()).collect();
        assert!(made.is_sorted_by(|a, b| a < b));

        let future = EventId::first_at(Timestamp::from_millis(Timestamp::now().as_millis() + 3_600_000));
        let mut ids = EventIds::after(Some(future));
        let next = ids.mint();
        assert!(next > future && next < ids.mint());
        assert_eq!(next.received_at(), future.received_at());
    }

    #[test]
    fn the_successor_of_the_last_id_of_a_millisecond_is_in_the_next() {
        let last = Uuid::parse_str("0199aaaa-bbbb-7fff-bfff-ffffffffffff")
            .unwrap()
            .as_u128();
        let next = Uuid::from_u128(successor(last));
        assert_eq!(next.to_string(), "0199aaaa-bbbc-7000-8000-000000000000");
        let middle = Uuid::parse_str("0199aaaa-bbbb-7000-bfff-ffffffffffff")
            .unwrap()
            .as_u128();
        assert_eq!(
            Uuid::from_u128(successor(middle)).to_string(),
            "0199aaaa-bbbb-7001-8000-000000000000"
        );
    }
}
