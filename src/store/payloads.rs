//! Payloads of rejected and failed events, sealed under their controller's data key.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use conduit_actors::event::{OutcomeRecord, Status};
use conduit_actors::ids::{ControllerId, EventId};
use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::personal::Personal;
use conduit_actors::ports::StoreError;

use super::rows::{self, Columns};
use crate::keys::{Epoch, EpochKey, KeyError, Keyring};

/// The purpose under which payloads are sealed.
const PURPOSE: &str = "payload";

/// Seals and opens payloads. The counter never repeats within the epoch, which is this process's own.
pub(super) struct Payloads {
    keyring: Arc<Keyring>,
    epoch: Epoch,
    counter: AtomicU64,
}

/// A payload as it is stored.
pub(super) struct Sealed {
    pub(super) event: EventId,
    pub(super) controller: ControllerId,
    pub(super) counter: u64,
    pub(super) bytes: Vec<u8>,
}

impl Payloads {
    pub(super) fn new(keyring: Arc<Keyring>) -> Self {
        Self {
            keyring,
            epoch: Epoch::generate(),
            counter: AtomicU64::new(0),
        }
    }

    /// Returns the epoch that is stored with the result of [`Self::seal`].
    pub(super) const fn epoch(&self) -> &[u8; 16] {
        &self.epoch.0
    }

    /// Seals the bodies of those events that may be replayed, of controllers that are `known`.
    pub(super) fn seal(
        &self,
        outcomes: &[OutcomeRecord],
        known: impl Fn(ControllerId) -> bool,
    ) -> Result<Vec<Sealed>, StoreError> {
        let mut keys: HashMap<ControllerId, EpochKey> = HashMap::new();
        let mut sealed = Vec::new();
        for record in outcomes
            .iter()
            .filter(|r| matches!(r.outcome.status(), Status::Rejected | Status::Failed))
        {
            let controller = record.event.controller;
            if !known(controller) {
                continue;
            }
            let key = match keys.get(&controller) {
                Some(key) => key.clone(),
                None => {
                    // A controller that is being deleted takes its payloads with it.
                    let Ok(key) = self.keyring.epoch_key(controller, PURPOSE, self.epoch) else {
                        continue;
                    };
                    keys.entry(controller).or_insert(key).clone()
                }
            };
            let counter = self.counter.fetch_add(1, Ordering::Relaxed);
            let mut bytes = record.event.body.expose().to_vec();
            key.seal(counter, record.event.id.as_bytes(), &mut bytes)
                .map_err(key_error)?;
            sealed.push(Sealed {
                event: record.event.id,
                controller,
                counter,
                bytes,
            });
        }
        Ok(sealed)
    }

    /// Opens a stored payload, from its row with `controller`, `epoch`, `counter` and `sealed`.
    pub(super) fn open(&self, event: EventId, row: &impl Columns) -> Result<Personal<Vec<u8>>, StoreError> {
        self.unseal(event, row)?.map_err(key_error)
    }

    /// Opens stored payloads from their rows. A payload that does not open is left out and logged.
    pub(super) fn open_all(&self, rows: &[impl Columns]) -> Result<HashMap<EventId, Bytes>, StoreError> {
        let mut opened = HashMap::with_capacity(rows.len());
        for row in rows {
            let event = EventId::from_uuid(rows::uuid(row, "event_id")?);
            match self.unseal(event, row)? {
                Ok(payload) => drop(opened.insert(event, payload.into_exposed().into())),
                // Its controller is being deleted: the rows that were read are out of date.
                Err(KeyError::Unknown) => return Err(StoreError::Conflict),
                Err(error) => {
                    static CLOSED: LogLimit = LogLimit::new(20, MINUTE);
                    if let Some(line) = CLOSED.admit() {
                        let left_out = line.left_out();
                        tracing::warn!(event_id = %event, %error, left_out, "a payload does not open: not replayed");
                    }
                }
            }
        }
        Ok(opened)
    }

    fn unseal(&self, event: EventId, row: &impl Columns) -> Result<Result<Personal<Vec<u8>>, KeyError>, StoreError> {
        let controller = ControllerId::from_uuid(rows::uuid(row, "controller")?);
        let epoch = Epoch(rows::bytes(row, "epoch")?);
        let counter = rows::count(row, "counter")?;
        let mut payload = rows::blob(row, "sealed")?.to_vec();
        let key = self.keyring.epoch_key(controller, PURPOSE, epoch);
        let opened = key.and_then(|key| key.open(counter, event.as_bytes(), &mut payload));
        Ok(opened.map(|()| Personal::new(payload)))
    }
}

#[allow(clippy::needless_pass_by_value)] // As map_err hands it over.
fn key_error(error: KeyError) -> StoreError {
    StoreError::Failed(error.to_string())
}
