//! Which claims repeat events that were processed, however long ago. For every database.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use conduit_actors::event::DedupKey;
use conduit_actors::ids::{EventId, Timestamp};
use conduit_actors::ports::{Claim, StoreError};

use super::super::rows::{self, Columns};

/// A stretch of ids in which there may be events that claims repeat.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) struct Stretch {
    /// From here on.
    pub(in crate::store) from: EventId,
    /// Up to here, not included.
    pub(in crate::store) to: EventId,
    /// The keys to look for, each once.
    pub(in crate::store) keys: Vec<DedupKey>,
}

/// Returns the stretches that the windows of these claims span, on both sides of each. Overlapping stretches become
/// one.
pub(in crate::store) fn stretches(claims: &[Claim]) -> Vec<Stretch> {
    let mut spans: Vec<(i64, i64, DedupKey)> = claims
        .iter()
        .map(|claim| {
            let at = claim.event.received_at().as_millis();
            let window = i64::try_from(claim.window.as_millis()).unwrap_or(i64::MAX / 4);
            (at - window, at + window, claim.key)
        })
        .collect();
    spans.sort_unstable_by_key(|(from, _, _)| *from);
    let mut merged: Vec<(i64, i64, HashSet<DedupKey>)> = Vec::new();
    for (from, to, key) in spans {
        match merged.last_mut() {
            Some((_, end, keys)) if from <= *end => {
                *end = to.max(*end);
                keys.insert(key);
            }
            _ => merged.push((from, to, HashSet::from([key]))),
        }
    }
    let bound = |millis| EventId::first_at(Timestamp::from_millis(millis));
    let stretch = |(from, to, keys): (i64, i64, HashSet<DedupKey>)| Stretch {
        from: bound(from),
        to: bound(to),
        keys: keys.into_iter().collect(),
    };
    merged.into_iter().map(stretch).collect()
}

/// Returns which claims repeat which of the processed events `found`, each with its own claim. If a claim repeats
/// several, returns the first received.
pub(in crate::store) fn repeated(claims: &[Claim], found: &[Claim]) -> HashMap<EventId, EventId> {
    let mut by_key: HashMap<DedupKey, Vec<&Claim>> = HashMap::new();
    for first in found {
        by_key.entry(first.key).or_default().push(first);
    }
    let first = |claim: &Claim| {
        let same = by_key.get(&claim.key)?.iter();
        let covering = same.filter(|first| first.event != claim.event && first.covers(claim.event));
        covering.map(|first| first.event).min()
    };
    claims
        .iter()
        .filter_map(|claim| Some((claim.event, first(claim)?)))
        .collect()
}

/// Reads a processed event's claim from a row with `id`, `dedup_key` and `dedup_window`.
pub(in crate::store) fn processed_claim(row: &impl Columns) -> Result<Claim, StoreError> {
    Ok(Claim {
        key: DedupKey(rows::bytes(row, "dedup_key")?),
        event: EventId::from_uuid(rows::uuid(row, "id")?),
        window: Duration::from_secs(rows::count(row, "dedup_window")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(key: u8, seconds: i64) -> Claim {
        Claim {
            key: DedupKey([key; 16]),
            event: EventId::first_at(Timestamp::from_millis(seconds * 1000)),
            window: Duration::from_secs(60),
        }
    }

    #[test]
    fn stretches_that_overlap_are_one() {
        let found = stretches(&[claim(1, 1000), claim(2, 5000), claim(1, 1100), claim(1, 1300)]);
        let shape: Vec<_> = found
            .iter()
            .map(|stretch| {
                let seconds = |id: EventId| id.received_at().as_millis() / 1000;
                (seconds(stretch.from), seconds(stretch.to), stretch.keys.len())
            })
            .collect();
        assert_eq!(shape, [(940, 1160, 1), (1240, 1360, 1), (4940, 5060, 1)]);
        assert_eq!(stretches(&[]), []);
    }

    #[test]
    fn a_claim_repeats_what_was_processed_within_the_window_before_or_after_but_never_itself() {
        let asked = [claim(1, 100), claim(1, 300), claim(2, 100), claim(3, 100)];
        let processed = [
            claim(1, 41),
            claim(1, 159),
            claim(1, 240),
            claim(2, 159),
            claim(3, 100),
            claim(3, 160),
        ];
        let found = repeated(&asked, &processed);
        let expected = HashMap::from([
            (asked[0].event, processed[0].event),
            (asked[2].event, processed[3].event),
        ]);
        assert_eq!(found, expected);
    }
}
