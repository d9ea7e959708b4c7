//! Verifies audit chains as they are stored.

use conduit_actors::audit::{ChainFault, Verifier};
use conduit_actors::ids::ControllerDid;
use conduit_actors::ports::{ChainHead, StoreError};

use crate::store::Store;

const PAGE: usize = 1_000;

/// What came of one controller's chain.
#[derive(Debug)]
pub struct ChainReport {
    /// Whose chain.
    pub did: ControllerDid,
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
        // The head first: records that come in meanwhile lie behind it.
        let recorded = store.chain_head(controller.id).await?;
        let mut verifier = Verifier::new();
        let mut fault = None;
        'walk: while verifier.head().sequence < recorded.sequence {
            let left = recorded.sequence.0 - verifier.head().sequence.0;
            let limit = PAGE.min(usize::try_from(left).unwrap_or(PAGE));
            let page = store.chain(controller.id, verifier.head().sequence, limit).await?;
            if page.is_empty() {
                break;
            }
            for activity in &page {
                if let Err(found) = verifier.check(activity) {
                    fault = Some(found);
                    break 'walk;
                }
            }
        }
        let fault = fault.or_else(|| verifier.finish(recorded).err());
        reports.push(ChainReport {
            did: controller.did,
            head: verifier.head(),
            fault,
        });
    }
    Ok(reports)
}
