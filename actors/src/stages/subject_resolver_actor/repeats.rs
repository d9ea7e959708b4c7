//! Repeats within one batch of a replay.

use crate::ports::{Claim, Verdict};

/// Keeps only the first of several events that repeat each other as first. `claims` are the decided ones, one place for
/// each verdict.
///
/// For events of the past, the dedup window does not guarantee that. Its claims may be removed once no event from the
/// journal can fall into them, even between two claims of one batch.
pub(super) fn settle(claims: impl Iterator<Item = Option<Claim>>, verdicts: &mut [Verdict]) {
    let mut firsts: Vec<Claim> = Vec::new();
    for (claim, verdict) in claims.zip(verdicts) {
        let Some(claim) = claim.filter(|_| *verdict == Verdict::First) else {
            continue;
        };
        let same = |first: &&Claim| first.key == claim.key && first.event != claim.event && first.covers(claim.event);
        match firsts.iter().find(same) {
            Some(first) => *verdict = Verdict::DuplicateOf(first.event),
            None => firsts.push(claim),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::DedupKey;
    use crate::ids::{EventId, Timestamp};

    fn claim(key: u8, seconds: i64) -> Claim {
        Claim {
            key: DedupKey([key; 16]),
            event: EventId::first_at(Timestamp::from_millis(seconds * 1000)),
            window: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_window_is_its_first_event_s_and_is_not_extended() {
        let claims = [claim(1, 0), claim(1, 59), claim(1, 60), claim(2, 61), claim(1, 119)];
        let mut verdicts = [Verdict::First; 5];
        settle(claims.iter().copied().map(Some), &mut verdicts);
        let [first, _, second, _, _] = claims.map(|claim| claim.event);
        assert_eq!(
            verdicts,
            [
                Verdict::First,
                Verdict::DuplicateOf(first),
                Verdict::First,
                Verdict::First,
                Verdict::DuplicateOf(second)
            ]
        );
    }

    #[test]
    fn what_is_a_repeat_already_or_claims_nothing_is_left_as_it_is() {
        let (one, two) = (claim(1, 0), claim(1, 1));
        let known = Verdict::DuplicateOf(claim(1, -1).event);
        let mut verdicts = [known, Verdict::First, Verdict::First];
        settle([Some(one), Some(two), None].into_iter(), &mut verdicts);
        assert_eq!(verdicts, [known, Verdict::First, Verdict::First]);
    }
}
