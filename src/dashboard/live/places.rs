//! Places among the live pages: a number in all, and a share for each session and each tenant.
//!
//! The operator's first page always has a place, because an operator needs it most during an overload.

use std::collections::HashMap;
use std::sync::Arc;

use conduit_actors::ids::ControllerDid;
use parking_lot::Mutex;

use crate::app::Principal;

/// How many places there are.
#[derive(Debug, Clone, Copy)]
pub(in crate::dashboard) struct Shares {
    /// In all.
    pub(in crate::dashboard) most: usize,
    /// For one session.
    pub(in crate::dashboard) per_session: usize,
    /// For all sessions of one controller.
    pub(in crate::dashboard) per_controller: usize,
}

/// Which of the limits leaves no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    All,
    BySession,
    ByController,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    sessions: HashMap<u128, usize>,
    controllers: HashMap<ControllerDid, usize>,
}

/// The places of this process.
#[derive(Debug)]
pub(in crate::dashboard) struct Places {
    shares: Shares,
    counts: Mutex<Counts>,
}

impl Places {
    pub(in crate::dashboard) fn new(shares: Shares) -> Self {
        Self {
            shares,
            counts: Mutex::default(),
        }
    }

    /// Takes a place for a page of this session.
    pub(super) fn take(self: &Arc<Self>, session: u128, principal: &Principal) -> Result<Place, Limit> {
        let controller = match principal {
            Principal::Operator => None,
            Principal::Controller(did) => Some(did.clone()),
        };
        let mut counts = self.counts.lock();
        let of_session = counts.sessions.get(&session).copied().unwrap_or(0);
        let of_controller = controller
            .as_ref()
            .and_then(|did| counts.controllers.get(did).copied())
            .unwrap_or(0);
        let is_first_of_operator = controller.is_none() && of_session == 0;
        if of_session >= self.shares.per_session {
            return Err(Limit::BySession);
        }
        if of_controller >= self.shares.per_controller {
            return Err(Limit::ByController);
        }
        if counts.all >= self.shares.most && !is_first_of_operator {
            return Err(Limit::All);
        }
        counts.all += 1;
        counts.sessions.insert(session, of_session + 1);
        if let Some(did) = &controller {
            counts.controllers.insert(did.clone(), of_controller + 1);
        }
        Ok(Place {
            places: Arc::clone(self),
            session,
            controller,
        })
    }
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    session: u128,
    controller: Option<ControllerDid>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.counts.lock();
        counts.all -= 1;
        less(&mut counts.sessions, &self.session);
        if let Some(did) = &self.controller {
            less(&mut counts.controllers, did);
        }
    }
}

/// Counts one less; who has none is forgotten.
fn less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(most: usize, per_session: usize, per_controller: usize) -> Arc<Places> {
        Arc::new(Places::new(Shares {
            most,
            per_session,
            per_controller,
        }))
    }

    fn tenant(name: &str) -> Principal {
        Principal::Controller(format!("did:web:{name}.example").parse().unwrap())
    }

    #[test]
    fn each_session_and_each_controller_has_a_share() {
        let places = places(10, 2, 3);
        let (shop, other) = (tenant("shop"), tenant("other"));
        let mut held = vec![places.take(1, &shop).unwrap(), places.take(1, &shop).unwrap()];
        assert_eq!(places.take(1, &shop).unwrap_err(), Limit::BySession);
        held.push(places.take(2, &shop).unwrap());
        assert_eq!(places.take(3, &shop).unwrap_err(), Limit::ByController);
        held.push(places.take(4, &other).unwrap());
        held.pop();
        held.pop();
        places.take(3, &shop).unwrap();
        drop(held);
        let counts = places.counts.lock();
        assert!(counts.all == 0 && counts.sessions.is_empty() && counts.controllers.is_empty());
    }

    #[test]
    fn the_operator_always_gets_one() {
        let places = places(2, 2, 2);
        let _held = (1..=2)
            .map(|session| places.take(session, &tenant("shop")).unwrap())
            .collect::<Vec<_>>();
        assert_eq!(places.take(3, &tenant("other")).unwrap_err(), Limit::All);
        let first = places.take(4, &Principal::Operator).unwrap();
        assert_eq!(places.take(4, &Principal::Operator).unwrap_err(), Limit::All);
        let _another = places.take(5, &Principal::Operator).unwrap();
        drop(first);
        places.take(4, &Principal::Operator).unwrap();
    }
}
