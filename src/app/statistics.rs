//! Totals: accepted = processed + duplicate + rejected + failed + in flight.

use std::collections::HashMap;

use conduit_actors::ids::{ControllerId, Sequence, Timestamp};

use super::{Error, Principal, Services};
use crate::store::{HistoryRow, Resolution};

/// Returns the outcomes of one controller's events, or of all, over time.
///
/// # Errors
/// [`Error::NotFound`] if the history reaches further than the principal may see; [`Error::Store`].
pub(crate) async fn history(
    principal: &Principal,
    services: &Services,
    controller: Option<ControllerId>,
    resolution: Resolution,
    from: Timestamp,
) -> Result<Vec<HistoryRow>, Error> {
    principal.check_filter(services, controller)?;
    Ok(services.store.outcome_history(controller, resolution, from).await?)
}

/// The sums of one controller's events, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) accepted: u64,
    pub(crate) processed: u64,
    pub(crate) duplicate: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
    pub(crate) in_flight: u64,
}

/// Returns the sums. They are true at every moment.
///
/// One reading of the store gives the four outcomes and the checkpoints that go with them; the journal, read after it,
/// can only be ahead. The events between the two are in flight, so the sum is true at every moment.
///
/// # Errors
/// [`Error::NotFound`] if the sums reach further than the principal may see; [`Error::Store`].
pub(crate) async fn sums(
    principal: &Principal,
    services: &Services,
    controller: Option<ControllerId>,
) -> Result<Sums, Error> {
    principal.check_filter(services, controller)?;
    // A controller's first events have no checkpoint yet. Events that are released while the store is read are in
    // flight at that reading, so their streams must be known before it.
    let waiting = services.journal.backlog();
    let counts = services.store.outcome_counts(controller).await?;
    let mut checkpoints: HashMap<ControllerId, Sequence> = counts.checkpoints.iter().copied().collect();
    for (id, _) in waiting {
        if controller.is_none_or(|wanted| wanted == id) {
            checkpoints.entry(id).or_default();
        }
    }
    let mut in_flight = 0;
    for (id, position) in services.journal.backlog() {
        if controller.is_none_or(|wanted| wanted == id) {
            let checkpoint = checkpoints.remove(&id).unwrap_or_default();
            in_flight += position.last.0.saturating_sub(checkpoint.0);
        }
    }
    // Streams that were released since the store was read have no backlog, but were in flight at that reading.
    for (id, checkpoint) in checkpoints {
        in_flight += services.journal.position(id).last.0.saturating_sub(checkpoint.0);
    }
    let done = counts.processed + counts.duplicate + counts.rejected + counts.failed;
    Ok(Sums {
        accepted: done + in_flight,
        processed: counts.processed,
        duplicate: counts.duplicate,
        rejected: counts.rejected,
        failed: counts.failed,
        in_flight,
    })
}
