//! Where audit chains end, as a transaction has locked them.

use std::collections::HashMap;

use conduit_actors::ids::ControllerId;
use conduit_actors::ports::{ChainHead, StoreError};

use super::rows::{self, Columns};
use crate::keys::Seal;

/// The end of a controller's chain, as its row has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChainEnd {
    pub(super) head: ChainHead,
    /// `None` for an older chain that is not sealed yet.
    pub(super) seal: Option<Seal>,
}

impl ChainEnd {
    pub(super) fn of(row: &impl Columns) -> Result<Self, StoreError> {
        let seal = row.optional_blob("chain_seal")?;
        Ok(Self {
            head: rows::chain_head(row)?,
            // A seal of another length is not genuine, and must not count as none.
            seal: seal.map(|bytes| bytes.try_into().unwrap_or_default()),
        })
    }
}

/// The ends of the chains of a batch's controllers, without deleted controllers.
pub(super) type Ends = HashMap<ControllerId, ChainEnd>;
