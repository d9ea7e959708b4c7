//! Retention: data that is kept for a limited time, and its deletion.
//!
//! Rows are deleted oldest first, in steps that are a transaction each. After a crash, the rest is still there. The
//! totals of outcomes are stored with the controllers, and stay. An audit chain loses only its verified beginning, so
//! no deletion hides another. The last deleted record is kept as the *anchor*, sealed with the master key. So an
//! attacker with the database alone can neither cut a chain nor move its anchor.

use std::collections::HashMap;

use async_trait::async_trait;
use conduit_actors::audit::{ChainFault, Verifier};
use conduit_actors::event::Activity;
use conduit_actors::ids::{ActivityId, ControllerId, Sequence, SubjectId, Timestamp};
use conduit_actors::ports::{ChainHead, StoreError};
use subtle::ConstantTimeEq as _;

use super::rows::{self, Columns};
use crate::keys::Keyring;

/// The kinds of data that are kept for a limited time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expiring {
    /// Sealed payloads of rejected and failed events, by the time of receipt.
    Payloads,
    /// Events and all that became of them, by the time of receipt.
    Events,
    /// Replays that have ended, by their end.
    Replays,
    /// The beginnings of audit chains, by `loggedAt`.
    Activities,
}

impl Expiring {
    /// All of them, in the order in which they go: a payload before its event, an event before the replay that its history
    /// names.
    pub const ALL: [Self; 4] = [Self::Payloads, Self::Events, Self::Replays, Self::Activities];

    /// Returns its name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payloads => "payloads",
            Self::Events => "events",
            Self::Replays => "replays",
            Self::Activities => "activities",
        }
    }
}

/// The deletions of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Rows that were deleted one by one.
    pub rows: u64,
    /// Partitions that were dropped with all that was in them.
    pub partitions: u64,
    /// Nothing is left that is old enough.
    pub is_done: bool,
}

impl Expired {
    /// Returns the result of a step that could delete up to `limit` rows, and deleted these.
    pub(super) const fn up_to(limit: usize, rows: u64) -> Self {
        Self {
            rows,
            partitions: 0,
            is_done: rows < limit as u64,
        }
    }
}

/// Behind which record a chain begins; zero for one that has all its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainAnchor {
    /// The last record that was deleted.
    pub head: ChainHead,
    /// Whether it equals the anchor that was written when that record was deleted.
    pub is_genuine: bool,
}

impl ChainAnchor {
    /// Of a chain that has all its records.
    pub const NONE: Self = Self {
        head: ChainHead::EMPTY,
        is_genuine: true,
    };
}

/// A store whose rows may go one day.
#[async_trait]
pub trait Retained: Send + Sync {
    /// Begins to delete; none if another node is at it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin_expiry(&self) -> Result<Option<Box<dyn Expiry + '_>>, StoreError>;

    /// Returns the record after which a controller's chain begins.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn chain_anchor(&self, controller: ControllerId) -> Result<ChainAnchor, StoreError>;
}

/// A run of deletions. No other node begins one before it is ended or, a little later, dropped.
#[async_trait]
pub trait Expiry: Send {
    /// Deletes up to `limit` rows that are older than `before`, oldest first, in one short transaction. An event takes its
    /// history along, which is not counted.
    ///
    /// # Errors
    /// [`StoreError`]: nothing was deleted by this step.
    async fn step(&mut self, what: Expiring, before: Timestamp, limit: usize) -> Result<Expired, StoreError>;

    /// Lets others begin.
    async fn end(self: Box<Self>);
}

/// Reads a row of `chain_anchors`.
pub(super) fn anchor_row(
    keyring: &Keyring,
    controller: ControllerId,
    row: &impl Columns,
) -> Result<ChainAnchor, StoreError> {
    let head = ChainHead {
        sequence: Sequence(rows::count(row, "sequence")?),
        hash: rows::hash(row, "hash")?,
    };
    let seal = rows::blob(row, "seal")?;
    let is_genuine = bool::from(keyring.vouch(controller, head)[..].ct_eq(seal));
    Ok(ChainAnchor { head, is_genuine })
}

/// The beginning of a chain that may go.
#[derive(Debug, PartialEq)]
pub(super) struct Prefix {
    pub(super) activities: Vec<ActivityId>,
    /// The chain's anchor, once they are gone.
    pub(super) anchor: ChainHead,
    /// When subjects were seen first, by these: it is remembered beyond them.
    pub(super) first_seen: Vec<(SubjectId, Timestamp)>,
}

impl Prefix {
    /// Takes from the chain's oldest records, which begin behind `anchor`, those that were logged before.
    ///
    /// # Errors
    /// A record does not verify: it must stay, and all behind it.
    pub(super) fn of(anchor: ChainHead, oldest: &[Activity], before: Timestamp) -> Result<Self, ChainFault> {
        let mut verifier = Verifier::behind(anchor);
        let (mut activities, mut first_seen) = (Vec::new(), HashMap::new());
        for activity in oldest.iter().take_while(|activity| activity.logged_at < before) {
            verifier.check(activity)?;
            activities.push(activity.id);
            for subject in activity
                .subject
                .into_iter()
                .chain(activity.other_subjects.iter().copied())
            {
                let seen = first_seen.entry(subject).or_insert(activity.triggered_at);
                *seen = activity.triggered_at.min(*seen);
            }
        }
        let mut first_seen: Vec<_> = first_seen.into_iter().collect();
        first_seen.sort_unstable();
        Ok(Self {
            activities,
            anchor: verifier.head(),
            first_seen,
        })
    }
}

/// The chains that a run goes through, one after the other.
#[derive(Default)]
pub(super) struct Chains(Option<Vec<ControllerId>>);

impl Chains {
    pub(super) const fn are_known(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn set(&mut self, controllers: Vec<ControllerId>) {
        self.0 = Some(controllers);
    }

    pub(super) fn current(&self) -> Option<ControllerId> {
        self.0.as_ref()?.last().copied()
    }

    /// Goes on to the next one, because nothing of the current one is old enough.
    pub(super) fn next(&mut self) {
        if let Some(controllers) = &mut self.0 {
            controllers.pop();
        }
    }
}

/// A store's steps to shorten audit chains.
pub(super) trait ChainSteps: Sync {
    /// Returns the controllers whose chains there are.
    fn chained(&self) -> impl Future<Output = Result<Vec<ControllerId>, StoreError>> + Send;

    /// Returns where a chain begins.
    fn anchor(&self, controller: ControllerId) -> impl Future<Output = Result<ChainAnchor, StoreError>> + Send;

    /// Returns a chain's oldest records behind `after`.
    fn oldest(
        &self,
        controller: ControllerId,
        after: Sequence,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Activity>, StoreError>> + Send;

    /// Removes a chain's beginning, and moves its anchor, in one transaction.
    fn remove(
        &self,
        controller: ControllerId,
        anchor: ChainHead,
        prefix: &Prefix,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Removes old records of the first chain that has any. Chains before it in the list are looked at only.
pub(super) async fn shorten_chain(
    store: &impl ChainSteps,
    chains: &mut Chains,
    before: Timestamp,
    limit: usize,
) -> Result<Expired, StoreError> {
    if !chains.are_known() {
        chains.set(store.chained().await?);
    }
    while let Some(controller) = chains.current() {
        let anchor = store.anchor(controller).await?;
        if !anchor.is_genuine {
            keep_evidence(controller, ChainFault::Anchor(anchor.head.sequence));
            chains.next();
            continue;
        }
        let oldest = store.oldest(controller, anchor.head.sequence, limit).await?;
        let prefix = match Prefix::of(anchor.head, &oldest, before) {
            Ok(prefix) => prefix,
            Err(fault) => {
                keep_evidence(controller, fault);
                chains.next();
                continue;
            }
        };
        if prefix.activities.len() < limit {
            chains.next();
        }
        if !prefix.activities.is_empty() {
            store.remove(controller, anchor.head, &prefix).await?;
            return Ok(Expired {
                rows: prefix.activities.len() as u64,
                partitions: 0,
                is_done: chains.current().is_none(),
            });
        }
    }
    Ok(Expired {
        is_done: true,
        ..Expired::default()
    })
}

/// Logs a chain that does not verify. Its records are evidence and stay.
pub(super) fn keep_evidence(controller: ControllerId, fault: ChainFault) {
    tracing::error!(
        target: "conduit::supervision",
        %controller, %fault,
        "an audit chain does not verify: its records are kept whatever their age; see conduit audit verify"
    );
}
