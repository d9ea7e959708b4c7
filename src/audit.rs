//! Verifies audit chains as they are stored.

use std::time::{Duration, Instant};

use conduit_actors::audit::{ChainFault, Verifier};
use conduit_actors::ids::{ControllerDid, ControllerId};
use conduit_actors::ports::{ChainHead, StoreError};

use crate::store::Store;

const PAGE: usize = 1_000;

/// What came of one controller's chain.
#[derive(Debug)]
pub struct ChainReport {
    /// Whose chain.
    pub did: ControllerDid,
    /// Behind which record it begins: those up to it were deleted when they were old enough. Zero: all are there.
    pub anchor: ChainHead,
    /// How far it is good: to keep elsewhere.
    pub head: ChainHead,
    /// The first bad record, if there is one.
    pub fault: Option<ChainFault>,
}

/// What came of a part of one controller's chain.
#[derive(Debug)]
pub struct ChainStep {
    /// Behind which record the chain begins.
    pub anchor: ChainHead,
    /// How far it is good.
    pub head: ChainHead,
    /// Its recorded end.
    pub recorded: ChainHead,
    /// The first bad record, if there is one.
    pub fault: Option<ChainFault>,
    /// Whether the end was reached.
    pub is_done: bool,
}

/// Walks the chains of all controllers, or of one.
///
/// # Errors
/// [`StoreError`]; an unknown DID gives no report.
pub async fn verify(store: &dyn Store, did: Option<&ControllerDid>) -> Result<Vec<ChainReport>, StoreError> {
    let mut reports = Vec::new();
    for controller in store.controllers().await? {
        if did.is_some_and(|did| *did != controller.did) {
            continue;
        }
        let step = verify_for(store, controller.id, None, Duration::MAX).await?;
        reports.push(ChainReport {
            did: controller.did,
            anchor: step.anchor,
            head: step.head,
            fault: step.fault,
        });
    }
    Ok(reports)
}

/// Walks one chain, from its beginning or on `from` a record up to which it was found good, for about as long as `time`, but
/// some records at least.
///
/// # Errors
/// [`StoreError`].
pub async fn verify_for(
    store: &dyn Store,
    controller: ControllerId,
    from: Option<ChainHead>,
    time: Duration,
) -> Result<ChainStep, StoreError> {
    let began = Instant::now();
    // The head first: records that come in meanwhile lie behind it.
    let recorded = store.chain_head(controller).await?;
    let mut anchor = store.chain_anchor(controller).await?;
    let mut verifier = Verifier::behind(from.unwrap_or(anchor.head));
    let mut is_done = true;
    let mut fault = (!anchor.is_genuine).then_some(ChainFault::Anchor(anchor.head.sequence));
    while fault.is_none() && verifier.head().sequence < recorded.sequence {
        let left = recorded.sequence.0 - verifier.head().sequence.0;
        let limit = PAGE.min(usize::try_from(left).unwrap_or(PAGE));
        let page = store.chain(controller, verifier.head().sequence, limit).await?;
        if page
            .first()
            .is_none_or(|first| first.sequence > verifier.head().sequence.next())
        {
            // Records that are deleted in the meantime are no gap: the anchor has moved beyond them.
            let now = store.chain_anchor(controller).await?;
            if now.is_genuine && now.head.sequence > verifier.head().sequence {
                anchor = now;
                verifier = Verifier::behind(anchor.head);
                continue;
            }
        }
        if page.is_empty() {
            break;
        }
        fault = page.iter().find_map(|activity| verifier.check(activity).err());
        if fault.is_none() && verifier.head().sequence < recorded.sequence && began.elapsed() >= time {
            is_done = false;
            break;
        }
    }
    if is_done {
        fault = fault.or_else(|| verifier.finish(recorded).err());
    }
    Ok(ChainStep {
        anchor: anchor.head,
        head: verifier.head(),
        recorded,
        fault,
        is_done,
    })
}
