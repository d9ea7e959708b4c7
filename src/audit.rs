//! Verifies audit chains as they are stored.

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
        reports.push(verify_one(store, controller.id, controller.did).await?);
    }
    Ok(reports)
}

async fn verify_one(
    store: &dyn Store,
    controller: ControllerId,
    did: ControllerDid,
) -> Result<ChainReport, StoreError> {
    // The head first: records that come in meanwhile lie behind it.
    let recorded = store.chain_head(controller).await?;
    let mut anchor = store.chain_anchor(controller).await?;
    let mut verifier = Verifier::behind(anchor.head);
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
    }
    Ok(ChainReport {
        did,
        anchor: anchor.head,
        head: verifier.head(),
        fault: fault.or_else(|| verifier.finish(recorded).err()),
    })
}
