//! Seals of audit chains under the master key, so that a change of the database alone is noticed.
//!
//! A controller's row carries two seals. One covers its id and DID, and is made with the row. The other covers the end
//! of its chain, and every transaction that moves the end makes it anew. Rows of former versions have none until their
//! chain was verified and sealed, once. Then a seal states that this is done. From then on the database cannot claim
//! that a chain still waits.
//!
//! A deletion is sealed as well. If a chain that a data directory has noted is missing without such a seal, somebody
//! else removed it.

use std::collections::HashSet;

use async_trait::async_trait;
use conduit_actors::ids::ControllerId;
use conduit_actors::ports::{ChainHead, StoreError};

use super::chain_ends::ChainEnd;
use super::heads::HeadBook;
use super::rows::{self, Columns};
use crate::keys::Keyring;

/// The verdict on a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealState {
    /// The master key vouches for the value.
    Genuine,
    /// The chain is an older one, and waits to be verified and sealed.
    Pending,
    /// The seal is missing, or is that of another value.
    Broken,
}

/// The end of a chain and the seals of its controller's row, in one reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedEnd {
    /// Where the chain ends.
    pub head: ChainHead,
    /// The seal of the id and the DID.
    pub name: SealState,
    /// The seal of the end.
    pub end: SealState,
    /// Records of this controller that are in no place of the chain.
    pub outside: u64,
}

impl RecordedEnd {
    /// Reads a row with the columns `did`, `name_seal`, `chain_sequence`, `chain_hash`, `chain_seal` and `outside`. `pending`
    /// is 1 for a chain that waits to be sealed. `all_sealed` is the seal that says that none does.
    pub(super) fn of(
        keyring: &Keyring,
        heads: &HeadBook,
        controller: ControllerId,
        row: &impl Columns,
    ) -> Result<Self, StoreError> {
        let end = ChainEnd::of(row)?;
        let all_sealed = row.optional_blob("all_sealed")?;
        let none_waits = heads.none_waits() || all_sealed.is_some_and(|seal| keyring.is_all_sealed(seal));
        let is_pending = rows::count::<u64>(row, "pending")? == 1 && !none_waits;
        let state = |is_sealed: bool, is_genuine: bool| match (is_sealed, is_genuine) {
            (true, true) => SealState::Genuine,
            (false, _) if is_pending => SealState::Pending,
            _ => SealState::Broken,
        };
        let name = row.optional_blob("name_seal")?;
        let did = rows::str(row, "did")?;
        let is_named = name.is_some_and(|seal| keyring.is_name_sealed(controller, did, seal));
        let is_ended = end
            .seal
            .is_some_and(|seal| keyring.is_end_sealed(controller, end.head, &seal));
        Ok(Self {
            head: end.head,
            name: state(name.is_some(), is_named),
            end: state(end.seal.is_some(), is_ended),
            outside: rows::count(row, "outside")?,
        })
    }
}

/// A store whose audit chains are sealed.
#[async_trait]
pub trait ChainSeals: Send + Sync {
    /// Returns the end of a controller's chain, and the verdicts on its seals. Returns `None` for a missing controller.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn recorded_end(&self, controller: ControllerId) -> Result<Option<RecordedEnd>, StoreError>;

    /// Returns the number of records without a controller, except those of a running deletion.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn stray_records(&self) -> Result<u64, StoreError>;

    /// Returns the controllers of former versions whose chains wait for their seal.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn unsealed_chains(&self) -> Result<Vec<ControllerId>, StoreError>;

    /// Seals a controller's row and its chain, if it still ends at `head`. Returns whether it does.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn seal_chain(&self, controller: ControllerId, head: ChainHead) -> Result<bool, StoreError>;

    /// Writes down, sealed, that no chain waits to be sealed any more.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn mark_all_sealed(&self) -> Result<(), StoreError>;

    /// Returns the deleted controllers of which the master key vouches that Conduit deleted them.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn proven_deletions(&self) -> Result<HashSet<ControllerId>, StoreError>;

    /// Returns the ends that this data directory has committed.
    fn heads(&self) -> &HeadBook;
}

/// Returns the controllers of rows with `id` and `seal` whose seal is genuine.
pub(super) fn proven<'r, R: Columns + 'r>(
    keyring: &Keyring,
    found: impl Iterator<Item = &'r R>,
) -> Result<HashSet<ControllerId>, StoreError> {
    let mut proven = HashSet::new();
    for row in found {
        let controller = ControllerId::from_uuid(rows::uuid(row, "id")?);
        if row
            .optional_blob("seal")?
            .is_some_and(|seal| keyring.is_deletion_sealed(controller, seal))
        {
            proven.insert(controller);
        }
    }
    Ok(proven)
}
