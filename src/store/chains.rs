//! Chains a batch's activities behind the heads that its transaction has locked.

use std::collections::HashMap;

use conduit_actors::audit;
use conduit_actors::event::Activity;
use conduit_actors::ids::ControllerId;
use conduit_actors::ports::ChainHead;

/// The ends of the chains of a batch's controllers. Those that are deleted are not in it.
pub(super) type Heads = HashMap<ControllerId, ChainHead>;

/// Fills in the activities' places in their chains; where the chains end then.
///
/// To be polled together with a statement that does not need them: the hashing is done while the database works on that,
/// and the locks are held no longer for it.
pub(super) async fn append(heads: &Heads, activities: &mut [Activity]) -> Heads {
    let mut ends = heads.clone();
    for run in activities.chunk_by_mut(|one, next| one.controller == next.controller) {
        if let Some(end) = run.first().and_then(|first| ends.get_mut(&first.controller)) {
            *end = audit::append(*end, run);
        }
    }
    ends
}
