//! Totals: accepted = processed + duplicate + rejected + failed + in flight.

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
    let journal = &services.journal;
    let counts = match controller {
        Some(controller) => {
            let mut counts = services.store.outcome_counts(Some(controller)).await?;
            if counts.checkpoints.is_empty() {
                // Its first events have no checkpoint yet.
                counts.checkpoints.push((controller, Sequence(0)));
            }
            counts
        }
        // Streams that stand still have nothing in flight. Events that are released while the store is read are in flight at
        // that reading, so the mark comes before it.
        None => {
            let mark = journal.mark();
            services.store.totals(&|| journal.moved_since(mark)).await?
        }
    };
    let left = |(id, checkpoint): &(ControllerId, Sequence)| journal.position(*id).last.0.saturating_sub(checkpoint.0);
    let in_flight: u64 = counts.checkpoints.iter().map(left).sum();
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
