//! The content of a segment, without reading it.

use conduit_actors::ids::{ControllerId, Timestamp};

/// Of one segment.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    /// The receive times of its first and last event. `None` for a segment without events.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    /// Whose events it has.
    pub(super) controllers: Controllers,
}

impl Contents {
    /// Takes in an event's receive time.
    pub(super) fn note(&mut self, received_at: Timestamp) {
        let (first, last) = self.span.unwrap_or((received_at, received_at));
        self.span = Some((first.min(received_at), last.max(received_at)));
    }
}

const WORDS: usize = 256;

/// A set of controllers, as a Bloom filter of 2 KiB. It may contain one that was never added, but it always contains
/// the added ones. With a thousand controllers it is wrong once in seventy times.
///
/// The filter is our own code: ids are random, so it needs no hash, and all of it is two functions.
#[derive(Debug, Clone)]
pub(super) struct Controllers(Box<[u64; WORDS]>);

impl Default for Controllers {
    fn default() -> Self {
        Self(Box::new([0; WORDS]))
    }
}

impl Controllers {
    pub(super) fn insert(&mut self, controller: ControllerId) {
        for bit in bits(controller) {
            self.0[bit / 64] |= 1 << (bit % 64);
        }
    }

    pub(super) fn may_have(&self, controller: ControllerId) -> bool {
        bits(controller)
            .into_iter()
            .all(|bit| self.0[bit / 64] & (1 << (bit % 64)) != 0)
    }
}

/// Returns the bits of a controller. The last bytes of an id are random, so they need no hash.
fn bits(controller: ControllerId) -> [usize; 2] {
    let [.., a, b, c, d] = *controller.as_bytes();
    [[a, b], [c, d]].map(|pair| usize::from(u16::from_be_bytes(pair)) % (WORDS * 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_put_in_is_found_and_few_others() {
        let mut controllers = Controllers::default();
        let present: Vec<_> = (0..1000).map(|_| ControllerId::generate()).collect();
        present.iter().for_each(|id| controllers.insert(*id));
        assert!(present.iter().all(|id| controllers.may_have(*id)));
        let wrong = (0..10_000).filter(|_| controllers.may_have(ControllerId::generate()));
        assert!(wrong.count() < 500);
    }

    #[test]
    fn the_span_grows_both_ways() {
        let mut contents = Contents::default();
        for at in [5, 3, 9] {
            contents.note(Timestamp::from_millis(at));
        }
        let span = (Timestamp::from_millis(3), Timestamp::from_millis(9));
        assert_eq!(contents.span, Some(span));
    }
}
