//! Verifies audit chains as they are stored.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use conduit_actors::audit::{ChainFault, Verifier};
use conduit_actors::event::Activity;
use conduit_actors::ids::{ControllerDid, ControllerId};
use conduit_actors::ports::{ChainHead, StoreError};

use crate::store::{RecordedEnd, SealState, Store};

const PAGE: usize = 1_000;

/// The result for one controller's chain.
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

/// The result for a part of one controller's chain.
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

impl ChainStep {
    /// The controller was deleted meanwhile.
    const GONE: Self = Self {
        anchor: ChainHead::EMPTY,
        head: ChainHead::EMPTY,
        recorded: ChainHead::EMPTY,
        fault: None,
        is_done: true,
    };
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
/// some records at least. At its end, checks the seals, and that the chain reaches what this data directory has committed.
///
/// # Errors
/// [`StoreError`].
pub async fn verify_for(
    store: &dyn Store,
    controller: ControllerId,
    from: Option<ChainHead>,
    time: Duration,
) -> Result<ChainStep, StoreError> {
    // First of all: later commits lie behind it.
    let committed = store.heads().committed(controller);
    let Some(end) = store.recorded_end(controller).await? else {
        return Ok(ChainStep::GONE);
    };
    let mut step = walk(store, controller, &end, Walk { from, time, committed }).await?;
    if step.is_done && step.fault.is_none() {
        step.fault = seal_fault(&end, committed).or_else(|| rewound(committed, end.head));
    }
    Ok(step)
}

/// Seals the older chains that verify, and leaves the others unchanged: they are evidence.
///
/// # Errors
/// [`StoreError`]: the remaining chains wait for another call.
pub async fn seal_pending(store: &dyn Store) -> Result<(), StoreError> {
    for controller in store.unsealed_chains().await? {
        let Some(end) = store.recorded_end(controller).await? else {
            continue;
        };
        if store.heads().committed(controller).is_some() {
            tracing::error!(target: "conduit::supervision", %controller, "an audit chain was sealed, and the database says that it was not: see conduit audit verify");
            continue;
        }
        if ![end.name, end.end].contains(&SealState::Pending) {
            tracing::error!(target: "conduit::supervision", %controller, "an audit chain has no seal: it did not verify when chains were sealed, or the database was changed: see conduit audit verify");
            continue;
        }
        match seal(store, controller).await? {
            None => {
                tracing::info!(target: "conduit::supervision", %controller, "an older audit chain verifies, and is sealed from now on")
            }
            Some(fault) => tracing::error!(
                target: "conduit::supervision", %controller, %fault, "an older audit chain does not verify and is not sealed: see conduit audit verify"
            ),
        }
    }
    // Chains that do not verify are at fault from now on.
    store.mark_all_sealed().await
}

/// Forgets what this data directory has noted of controllers that Conduit has deleted.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_deleted(store: &dyn Store) -> Result<(), StoreError> {
    let deleted = store.proven_deletions().await?;
    deleted
        .into_iter()
        .for_each(|controller| store.heads().forget(controller));
    Ok(())
}

/// Returns the controllers that are gone without having been deleted by Conduit, with the ends that this data directory has
/// committed.
///
/// # Errors
/// [`StoreError`].
pub async fn lost_controllers(store: &dyn Store) -> Result<Vec<(ControllerId, ChainHead)>, StoreError> {
    // Chains that are created or deleted meanwhile are no loss: first the notes are read, then the chains.
    let noted = store.heads().noted();
    let there: HashSet<ControllerId> = store.controllers().await?.into_iter().map(|row| row.id).collect();
    let proven = store.proven_deletions().await?;
    let is_lost =
        |(controller, _): &(ControllerId, ChainHead)| !there.contains(controller) && !proven.contains(controller);
    Ok(noted.into_iter().filter(is_lost).collect())
}

/// Seals a chain as it stands, if its records verify. Returns the fault if they do not.
///
/// # Errors
/// [`StoreError`].
pub async fn seal(store: &dyn Store, controller: ControllerId) -> Result<Option<ChainFault>, StoreError> {
    let mut from = None;
    // The pipeline may move the end while it is walked to; then only the rest is left to walk.
    while let Some(end) = store.recorded_end(controller).await? {
        let whole = Walk {
            from,
            time: Duration::MAX,
            committed: None,
        };
        let step = walk(store, controller, &end, whole).await?;
        if step.fault.is_some() {
            return Ok(step.fault);
        }
        if store.seal_chain(controller, step.head).await? {
            break;
        }
        from = Some(step.head);
    }
    Ok(None)
}

/// How a chain is walked.
struct Walk {
    /// The record up to which it was found good.
    from: Option<ChainHead>,
    /// How long it may take, about.
    time: Duration,
    /// The highest end that this data directory has committed.
    committed: Option<ChainHead>,
}

/// Checks the records of a chain, and that none is outside of it.
async fn walk(
    store: &dyn Store,
    controller: ControllerId,
    end: &RecordedEnd,
    walk: Walk,
) -> Result<ChainStep, StoreError> {
    let began = Instant::now();
    let recorded = end.head;
    let mut anchor = store.chain_anchor(controller).await?;
    let mut verifier = Verifier::behind(walk.from.unwrap_or(anchor.head));
    let mut is_done = true;
    let mut fault = (!anchor.is_genuine).then_some(ChainFault::Anchor(anchor.head.sequence));
    while fault.is_none() && verifier.head().sequence < recorded.sequence {
        let left = recorded.sequence.0 - verifier.head().sequence.0;
        let limit = PAGE.min(usize::try_from(left).unwrap_or(PAGE));
        // One more: a second record at the place of the last.
        let page = store.chain(controller, verifier.head().sequence, limit + 1).await?;
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
        fault = page.iter().take(limit).find_map(|activity| {
            let checked = verifier.check(activity).err();
            checked.or_else(|| other_history(walk.committed, activity))
        });
        let twin = page.get(limit).filter(|next| next.sequence == verifier.head().sequence);
        fault = fault.or_else(|| verifier.check(twin?).err());
        if fault.is_none() && verifier.head().sequence < recorded.sequence && began.elapsed() >= walk.time {
            is_done = false;
            break;
        }
    }
    if is_done {
        fault = fault.or_else(|| verifier.finish(recorded).err());
        fault = fault.or((end.outside > 0).then_some(ChainFault::Outside(end.outside)));
    }
    Ok(ChainStep {
        anchor: anchor.head,
        head: verifier.head(),
        recorded,
        fault,
        is_done,
    })
}

/// Returns a fault if this data directory has committed another record in this place.
fn other_history(committed: Option<ChainHead>, activity: &Activity) -> Option<ChainFault> {
    let committed = committed.filter(|head| head.sequence == activity.sequence && head.hash != activity.hash)?;
    Some(ChainFault::Rewound {
        committed: committed.sequence,
    })
}

/// Returns a fault if this data directory has committed the chain and the database says that it waits for its seal.
fn seal_fault(end: &RecordedEnd, committed: Option<ChainHead>) -> Option<ChainFault> {
    let is_broken = |state| state == SealState::Broken || (state == SealState::Pending && committed.is_some());
    match (is_broken(end.name), is_broken(end.end)) {
        (true, _) => Some(ChainFault::Name),
        (_, true) => Some(ChainFault::Seal(end.head.sequence)),
        _ => None,
    }
}

/// Returns a fault if a chain ends before the end that this data directory has committed.
fn rewound(committed: Option<ChainHead>, recorded: ChainHead) -> Option<ChainFault> {
    let committed = committed?.sequence;
    (committed > recorded.sequence).then_some(ChainFault::Rewound { committed })
}
