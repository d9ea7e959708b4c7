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
    /// How far it is good: to keep elsewhere.
    pub head: ChainHead,
    /// The first bad record, if there is one.
    pub fault: Option<ChainFault>,
}

/// What came of a part of one controller's chain.
#[derive(Debug)]
pub struct ChainStep {
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
        let step = verify_for(store, controller.id, Verifier::new(), Duration::MAX).await?;
        reports.push(ChainReport {
            did: controller.did,
            head: step.head,
            fault: step.fault,
        });
    }
    Ok(reports)
}

/// Walks one chain on from where `verifier` stands, for about as long as `time`, but some records at least.
///
/// # Errors
/// [`StoreError`].
pub async fn verify_for(
    store: &dyn Store,
    controller: ControllerId,
    mut verifier: Verifier,
    time: Duration,
) -> Result<ChainStep, StoreError> {
    let began = Instant::now();
    // The head first: records that come in meanwhile lie behind it.
    let recorded = store.chain_head(controller).await?;
    let mut fault = None;
    let mut is_done = true;
    'walk: while verifier.head().sequence < recorded.sequence {
        let left = recorded.sequence.0 - verifier.head().sequence.0;
        let limit = PAGE.min(usize::try_from(left).unwrap_or(PAGE));
        let page = store.chain(controller, verifier.head().sequence, limit).await?;
        if page.is_empty() {
            break;
        }
        for activity in &page {
            if let Err(found) = verifier.check(activity) {
                fault = Some(found);
                break 'walk;
            }
        }
        if verifier.head().sequence < recorded.sequence && began.elapsed() >= time {
            is_done = false;
            break;
        }
    }
    if is_done {
        fault = fault.or_else(|| verifier.finish(recorded).err());
    }
    Ok(ChainStep {
        head: verifier.head(),
        recorded,
        fault,
        is_done,
    })
}
