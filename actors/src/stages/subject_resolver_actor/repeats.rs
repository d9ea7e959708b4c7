//! Repeats: which events of a batch are repeats, and whether they differ from their first events.

use std::collections::HashMap;

use super::{SubjectResolver, fitting};
use crate::event::MappedDigest;
use crate::ids::{ControllerId, EventId};
use crate::ports::{Claim, Verdict};
use crate::random_keys::{RandomKeyMap, RandomKeySet};
use crate::stages::{ExtractedEvent, StageError};

impl SubjectResolver {
    /// Returns one verdict per event, [`Verdict::First`] for events without a claim. Events of a replay that are known
    /// as `repeats` claim nothing.
    pub(super) async fn claim(
        &self,
        controller: ControllerId,
        events: &[ExtractedEvent],
        repeats: Option<&HashMap<EventId, EventId>>,
    ) -> Result<Vec<Verdict>, StageError> {
        let first = |event: &ExtractedEvent| repeats?.get(&event.journaled.event.id).copied();
        let claim = |event: &ExtractedEvent| fitting(event)?.claim.filter(|_| first(event).is_none());
        let claims: Vec<Claim> = events.iter().filter_map(claim).collect();
        let decided = if claims.is_empty() {
            Vec::new()
        } else {
            self.dedup.claim(controller, &claims).await?
        };
        let mut decided = decided.into_iter();
        let verdict = |event: &ExtractedEvent| match first(event) {
            Some(first) => Verdict::DuplicateOf(first),
            None => claim(event).and_then(|_| decided.next()).unwrap_or(Verdict::First),
        };
        let mut verdicts: Vec<Verdict> = events.iter().map(verdict).collect();
        if repeats.is_some() {
            let claims = events.iter().map(claim);
            settle(claims, &mut verdicts);
        }
        Ok(verdicts)
    }

    /// Returns the repeats whose mapped fields differ from those of their first events, as far as these are known.
    pub(super) async fn differing(
        &self,
        controller: ControllerId,
        events: &[ExtractedEvent],
        verdicts: &[Verdict],
    ) -> Result<RandomKeySet<EventId>, StageError> {
        let digest = |event: &ExtractedEvent| fitting(event).and_then(|fitting| fitting.mapped_digest);
        let repeats: Vec<(EventId, MappedDigest, EventId)> = events
            .iter()
            .zip(verdicts)
            .filter_map(|(event, verdict)| match verdict {
                Verdict::DuplicateOf(first) => Some((event.journaled.event.id, digest(event)?, *first)),
                Verdict::First => None,
            })
            .collect();
        if repeats.is_empty() {
            return Ok(RandomKeySet::default());
        }
        let here = events.iter().map(|event| (event.journaled.event.id, event));
        let here: RandomKeyMap<EventId, &ExtractedEvent> = here.collect();
        let mut elsewhere: Vec<EventId> = repeats.iter().map(|(_, _, first)| *first).collect();
        elsewhere.retain(|first| !here.contains_key(first));
        elsewhere.sort_unstable();
        elsewhere.dedup();
        let mut firsts: RandomKeyMap<EventId, MappedDigest> = RandomKeyMap::default();
        if !elsewhere.is_empty() {
            firsts.extend(self.store.mapped_digests(controller, &elsewhere).await?);
        }
        firsts.extend(here.into_iter().filter_map(|(id, event)| Some((id, digest(event)?))));
        let differs =
            |(_, own, first): &&(EventId, MappedDigest, EventId)| firsts.get(first).is_some_and(|digest| digest != own);
        Ok(repeats.iter().filter(differs).map(|(event, ..)| *event).collect())
    }
}

/// Keeps only the first of several events of a replay that repeat each other as first. `claims` are the decided ones, one place for
/// each verdict.
///
/// For events of the past, the dedup window does not guarantee that. Its claims may be removed once no event from the
/// journal can fall into them, even between two claims of one batch.
fn settle(claims: impl Iterator<Item = Option<Claim>>, verdicts: &mut [Verdict]) {
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
    use crate::ids::Timestamp;

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
