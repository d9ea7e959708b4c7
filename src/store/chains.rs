//! Chains a batch's activities behind the ends that its transaction has locked, and seals the new ends.
//!
//! A seal is made with the master key. An end is sealed anew only if the seal of the end before it is genuine: a transaction
//! never launders an end that somebody put into the database.

use conduit_actors::audit;
use conduit_actors::event::Activity;
use conduit_actors::ids::ControllerId;

use super::chain_ends::{ChainEnd, Ends};
use super::heads::HeadBook;
use crate::keys::Keyring;

/// Fills in the activities' places in their chains. Returns the new ends of the chains.
///
/// Poll this together with a statement that does not need the places. The hashing then happens while the database
/// executes that statement, and does not extend the locks.
pub(super) async fn append(keyring: &Keyring, book: &HeadBook, ends: &Ends, activities: &mut [Activity]) -> Ends {
    let mut after = ends.clone();
    for run in activities.chunk_by_mut(|one, next| one.controller == next.controller) {
        if let Some(end) = run.first().and_then(|first| after.get_mut(&first.controller)) {
            end.head = audit::append(end.head, run);
        }
    }
    for (controller, end) in &mut after {
        let before = ends.get(controller).filter(|before| before.head != end.head);
        let is_genuine = before.is_some_and(|before| is_genuine(keyring, book, *controller, before));
        if is_genuine {
            end.seal = Some(keyring.seal_end(*controller, end.head));
        }
    }
    after
}

/// Returns whether the seal of an end is genuine. The book has the last seals of this process, which saves the
/// computation.
fn is_genuine(keyring: &Keyring, book: &HeadBook, controller: ControllerId, end: &ChainEnd) -> bool {
    let Some(seal) = end.seal else {
        return false;
    };
    book.has_sealed(controller, end.head, &seal) || keyring.is_end_sealed(controller, end.head, &seal)
}
