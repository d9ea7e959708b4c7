//! A dedup window that all nodes share. It forgets claims as early as its contract allows.

use async_trait::async_trait;
use conduit_actors::ids::{ControllerId, Timestamp};
use conduit_actors::ports::{Claim, DedupError, DedupWindow, Verdict};

use crate::faults::{InjectedPanic, panic_by};
use crate::tenants::{Kind, Poison};
use crate::world::{Place, State};

/// The claims of one controller.
#[derive(Default)]
pub struct Claims(Vec<Claim>);

impl Claims {
    fn claim(&mut self, claim: &Claim) -> Verdict {
        let same = || self.0.iter().filter(|held| held.key == claim.key);
        if same().any(|held| held.event == claim.event) {
            return Verdict::First;
        }
        let covering = same().filter(|held| held.covers(claim.event));
        match covering.map(|held| held.event).min() {
            Some(first) => Verdict::DuplicateOf(first),
            None => {
                self.0.push(*claim);
                Verdict::First
            }
        }
    }

    fn advance(&mut self, time: Timestamp) {
        let ends = |claim: &Claim| {
            let length = i64::try_from(claim.window.as_millis()).unwrap();
            claim.event.received_at().as_millis() + length
        };
        self.0.retain(|claim| ends(claim) > time.as_millis());
    }
}

/// The fault of one call.
enum Fault {
    Away,
    Panic,
    /// The claims are made, but the answer does not arrive.
    AnswerLost,
}

/// The window as one node sees it.
pub struct SharedWindow(pub Place);

impl SharedWindow {
    fn fault(state: &mut State, claims: &[Claim]) -> Option<Fault> {
        let is_poison = |claim: &Claim| {
            let fact = state.ledger.fact(claim.event);
            fact.is_some_and(|fact| fact.kind == Kind::Poison(Poison::Resolver))
        };
        if !state.is_cured && claims.iter().any(is_poison) {
            return Some(Fault::Panic);
        }
        if state.lasts(state.outages.dedup) {
            return Some(Fault::Away);
        }
        let faults = state.plan.faults;
        if state.strikes(faults.dedup_away) {
            return Some(Fault::Away);
        }
        if state.strikes(faults.answer_lost) {
            return Some(Fault::AnswerLost);
        }
        let events: Vec<_> = claims.iter().map(|claim| claim.event).collect();
        state.may_panic(&events).then_some(Fault::Panic)
    }
}

#[async_trait]
impl DedupWindow for SharedWindow {
    async fn claim(&self, controller: ControllerId, claims: &[Claim]) -> Result<Vec<Verdict>, DedupError> {
        self.0.step("claim", Some(controller), (claims.len() as u64, 0)).await;
        let away = || DedupError("simulated".to_owned());
        let (fault, verdicts) = {
            let mut state = self.0.world.lock();
            match Self::fault(&mut state, claims) {
                Some(Fault::Away) => return Err(away()),
                Some(Fault::Panic) => {
                    drop(state);
                    panic_by(InjectedPanic::Resolver)
                }
                fault => {
                    let window = state.claims.entry(controller).or_default();
                    (fault, claims.iter().map(|claim| window.claim(claim)).collect())
                }
            }
        };
        self.0.step("claimed", Some(controller), (claims.len() as u64, 0)).await;
        match fault {
            Some(_) => Err(away()),
            None => Ok(verdicts),
        }
    }

    fn advance(&self, controller: ControllerId, time: Timestamp) {
        if let Some(mut state) = self.0.act("advance", Some(controller), (0, 0))
            && state.plan.nodes == 1
        {
            // With several nodes, claims stay: one that lost a stream may still claim what others have passed.
            state.claims.entry(controller).or_default().advance(time);
        }
    }

    fn forget(&self, controller: ControllerId) {
        if let Some(mut state) = self.0.act("forget claims", Some(controller), (0, 0)) {
            state.claims.remove(&controller);
        }
    }
}
