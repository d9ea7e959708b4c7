//! Request bodies in memory: one budget for all of them, and a share for each owner.
//!
//! Bytes count as they arrive: a request that only announces a body takes nothing. A body that comes with its head
//! counts in the sum alone, since it is gone in a moment. A body that has to be waited for counts towards its owner
//! too. An owner may hold as much as is free (the dynamic threshold of Choudhury and Hahne): alone half of the budget,
//! beside another a third each. So a part stays free for those who come next. Callers without credentials have an eighth
//! of the budget between them, and the same rule within it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use bytes::{Bytes, BytesMut};
use conduit_actors::ids::ControllerDid;
use conduit_actors::ingest::BodyFault;
use futures_util::{FutureExt as _, StreamExt as _};
use parking_lot::Mutex;

/// The part of the budget that callers without credentials have between them.
const STRANGERS_PART: usize = 8;

/// The owner of a body that has to be waited for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// The operator.
    Operator,
    /// A tenant.
    Controller(ControllerDid),
    /// Somebody without credentials, by network.
    Stranger(IpAddr),
}

/// There is no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

#[derive(Debug, Default)]
struct Shares {
    /// Bytes by owner; owners without any are not in it.
    by_owner: HashMap<Owner, usize>,
    /// Bytes of all strangers.
    strangers: usize,
}

/// The budget of all bodies; see the module's docs.
#[derive(Debug)]
pub(crate) struct Bodies {
    most: usize,
    /// An owner may always hold this much: the longest event.
    least: usize,
    held: AtomicUsize,
    shares: Mutex<Shares>,
}

impl Bodies {
    pub(crate) fn new(most: usize, least: usize) -> Self {
        Self {
            most,
            least,
            held: AtomicUsize::new(0),
            shares: Mutex::default(),
        }
    }

    /// Returns the bytes that are held.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Returns the bytes that may be held.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    fn take(&self, bytes: usize) -> Result<(), NoRoom> {
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes <= self.most {
            return Ok(());
        }
        self.give_back(bytes);
        Err(NoRoom)
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Adds bytes that are held already to an owner's share.
    fn charge(&self, owner: &Owner, bytes: usize) -> Result<(), NoRoom> {
        let mut shares = self.shares.lock();
        let own = shares.by_owner.get(owner).copied().unwrap_or(0) + bytes;
        let is_stranger = matches!(owner, Owner::Stranger(_));
        let fits = if is_stranger {
            let all = shares.strangers + bytes;
            let most = self.most / STRANGERS_PART;
            all <= most && own <= most - all
        } else {
            own <= self.least || own <= self.most.saturating_sub(self.held())
        };
        if !fits {
            return Err(NoRoom);
        }
        if bytes > 0 {
            if is_stranger {
                shares.strangers += bytes;
            }
            shares.by_owner.insert(owner.clone(), own);
        }
        Ok(())
    }

    fn discharge(&self, owner: &Owner, bytes: usize) {
        let mut shares = self.shares.lock();
        if matches!(owner, Owner::Stranger(_)) {
            shares.strangers -= bytes;
        }
        if let Some(own) = shares.by_owner.get_mut(owner) {
            *own -= bytes;
            if *own == 0 {
                shares.by_owner.remove(owner);
            }
        }
    }
}

/// The share of one body in the budget, until this is dropped.
#[derive(Debug)]
pub(crate) struct BudgetShare {
    bodies: Arc<Bodies>,
    /// How often each byte counts.
    weight: usize,
    counted: usize,
    owner: Option<Owner>,
}

impl BudgetShare {
    fn add(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let bytes = bytes * self.weight;
        self.bodies.take(bytes)?;
        if let Some(owner) = &self.owner
            && let Err(full) = self.bodies.charge(owner, bytes)
        {
            self.bodies.give_back(bytes);
            return Err(full);
        }
        self.counted += bytes;
        Ok(())
    }

    fn belong_to(&mut self, owner: Owner) -> Result<(), NoRoom> {
        self.bodies.charge(&owner, self.counted)?;
        self.owner = Some(owner);
        Ok(())
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        self.bodies.give_back(self.counted);
        if let Some(owner) = &self.owner {
            self.bodies.discharge(owner, self.counted);
        }
    }
}

/// Why a body is not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Something is wrong with it.
    Fault(BodyFault),
    /// The budget has no room for it.
    NoRoom,
}

impl From<NoRoom> for Unread {
    fn from(NoRoom: NoRoom) -> Self {
        Self::NoRoom
    }
}

/// A body on its way in.
pub(crate) struct Incoming {
    payload: Payload,
    body: BytesMut,
    limit: usize,
    held: BudgetShare,
}

impl Incoming {
    /// Creates a body of up to `limit` bytes. Each byte counts `weight` times, because its parsed content takes memory
    /// as well.
    pub(crate) fn new(bodies: &Arc<Bodies>, payload: Payload, limit: usize, weight: usize) -> Self {
        Self {
            payload,
            body: BytesMut::new(),
            limit,
            held: BudgetShare {
                bodies: Arc::clone(bodies),
                weight,
                counted: 0,
                owner: None,
            },
        }
    }

    /// Reads the available bytes. Returns `None` if the rest has to be waited for.
    pub(crate) fn read_at_once(&mut self) -> Option<Result<(), Unread>> {
        self.read().now_or_never()
    }

    /// Waits for the rest, which counts towards the owner's share.
    pub(crate) async fn read_on(&mut self, owner: Owner, patience: Duration) -> Result<(), Unread> {
        self.held.belong_to(owner)?;
        tokio::time::timeout(patience, self.read())
            .await
            .unwrap_or(Err(Unread::Fault(BodyFault::TimedOut)))
    }

    async fn read(&mut self) -> Result<(), Unread> {
        while let Some(chunk) = self.payload.next().await {
            let chunk = chunk.map_err(|error| {
                Unread::Fault(match error {
                    PayloadError::EncodingCorrupted => BodyFault::Malformed,
                    _ => BodyFault::Incomplete,
                })
            })?;
            if self.body.len() + chunk.len() > self.limit {
                return Err(Unread::Fault(BodyFault::TooLarge));
            }
            self.held.add(chunk.len())?;
            self.body.extend_from_slice(&chunk);
        }
        Ok(())
    }

    /// Returns the bytes that have been read, and their share in the budget.
    pub(crate) fn into_parts(self) -> (Bytes, BudgetShare) {
        (self.body.freeze(), self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(bodies: &Arc<Bodies>, weight: usize) -> BudgetShare {
        BudgetShare {
            bodies: Arc::clone(bodies),
            weight,
            counted: 0,
            owner: None,
        }
    }

    fn owned(bodies: &Arc<Bodies>, owner: &Owner) -> BudgetShare {
        let mut held = held(bodies, 1);
        held.belong_to(owner.clone()).unwrap();
        held
    }

    fn controller(name: &str) -> Owner {
        Owner::Controller(format!("did:web:{name}.example").parse().unwrap())
    }

    fn stranger(last: u8) -> Owner {
        Owner::Stranger(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn one_owner_has_half_two_have_a_third_each_and_all_is_given_back() {
        let bodies = Arc::new(Bodies::new(1200, 10));
        let (one, two) = (controller("one"), controller("two"));
        let mut first = owned(&bodies, &one);
        let mut taken = 0;
        while first.add(100).is_ok() {
            taken += 100;
        }
        assert_eq!(taken, 600);
        // Half of the rest.
        let mut second = owned(&bodies, &two);
        second.add(300).unwrap();
        assert_eq!(second.add(100), Err(NoRoom));
        // The share belongs to the owner, for all bodies. The owner exceeds it now, and learns so before the next part.
        let mut third = held(&bodies, 1);
        assert_eq!(third.belong_to(one), Err(NoRoom));
        // A small body always has room, while there is any.
        owned(&bodies, &controller("three")).add(10).unwrap();
        drop((first, second, third));
        assert_eq!(bodies.held(), 0);
        assert!(bodies.shares.lock().by_owner.is_empty());
    }

    #[test]
    fn strangers_have_an_eighth_between_them_and_leave_the_rest_alone() {
        let bodies = Arc::new(Bodies::new(8000, 10));
        let mut all = Vec::new();
        for last in 0..200 {
            let mut held = owned(&bodies, &stranger(last));
            while held.add(10).is_ok() {}
            all.push(held);
        }
        assert!((900..=1000).contains(&bodies.held()), "{}", bodies.held());
        let mut tenant = owned(&bodies, &controller("shop"));
        tenant.add(3000).unwrap();
        // A body that comes with its head needs no share.
        held(&bodies, 1).add(3000).unwrap();
        drop(all);
        assert_eq!(bodies.shares.lock().strangers, 0);
        assert_eq!(bodies.held(), 3000);
    }

    #[test]
    fn a_body_that_is_taken_apart_counts_more_than_once_and_the_sum_is_never_exceeded() {
        let bodies = Arc::new(Bodies::new(1000, 10));
        let mut one = held(&bodies, 4);
        one.add(200).unwrap();
        assert_eq!(bodies.held(), 800);
        assert_eq!(one.add(51), Err(NoRoom));
        assert_eq!(bodies.held(), 800, "what is refused takes nothing");
        // Too much for any share: it stays unchanged.
        assert_eq!(one.belong_to(controller("shop")), Err(NoRoom));
        drop(one);
        assert_eq!(bodies.held(), 0);
    }
}
