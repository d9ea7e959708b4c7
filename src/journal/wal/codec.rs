//! The bytes of a commit batch; the layout is in the module's docs.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use conduit_actors::event::{AcceptedEvent, JournaledEvent, ValidEvent};
use conduit_actors::ids::{ControllerId, EventId, IntegrationId, Sequence, Timestamp};
use conduit_actors::personal::Personal;
use uuid::Uuid;

use crate::keys::{Epoch, EpochKey, KeyError};

/// The purpose under which events are sealed.
pub(super) const PURPOSE: &str = "journal";

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 16 + 8 + 4;
const ENTRY_BYTES: usize = 16 + 8 + 16 + 16 + 8 + 4;
const CONTEXT_BYTES: usize = 1 + 16 + 8 + 16 + 16;

/// Writes one commit batch.
pub(super) struct BatchWriter {
    bytes: Vec<u8>,
    events: u32,
}

impl BatchWriter {
    pub(super) fn new(epoch: Epoch, journaled_at: Timestamp) -> Self {
        let mut bytes = Vec::with_capacity(64 * 1024);
        bytes.push(VERSION);
        bytes.extend_from_slice(&epoch.0);
        bytes.extend_from_slice(&journaled_at.as_millis().to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        Self { bytes, events: 0 }
    }

    /// Seals an event into the batch; the bytes that it takes.
    pub(super) fn add(
        &mut self,
        event: &ValidEvent,
        id: EventId,
        sequence: Sequence,
        counter: u64,
        key: &EpochKey,
    ) -> Result<u64, KeyError> {
        let event_type = event.event_type.as_str().as_bytes();
        let body = event.body.expose();
        let mut sealed = Vec::with_capacity(8 + 2 + event_type.len() + body.len() + EpochKey::TAG_BYTES);
        sealed.extend_from_slice(&event.triggered_at.as_millis().to_be_bytes());
        // An event type has at most 512 bytes.
        sealed.extend_from_slice(
            &u16::try_from(event_type.len())
                .map_err(|_| KeyError::Refused)?
                .to_be_bytes(),
        );
        sealed.extend_from_slice(event_type);
        sealed.extend_from_slice(body);
        let context = context(event.controller, sequence, id, event.integration);
        key.seal(counter, &context, &mut sealed)?;

        self.bytes.extend_from_slice(&context[1..]);
        self.bytes.extend_from_slice(&counter.to_be_bytes());
        self.bytes.extend_from_slice(
            &u32::try_from(sealed.len())
                .map_err(|_| KeyError::Refused)?
                .to_be_bytes(),
        );
        self.bytes.extend_from_slice(&sealed);
        self.events += 1;
        Ok((ENTRY_BYTES + sealed.len()) as u64)
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes[HEAD_BYTES - 4..HEAD_BYTES].copy_from_slice(&self.events.to_be_bytes());
        self.bytes
    }
}

/// Returns the data that is authenticated with a sealed event and, except for the version, stored before it.
fn context(
    controller: ControllerId,
    sequence: Sequence,
    event: EventId,
    integration: IntegrationId,
) -> [u8; CONTEXT_BYTES] {
    let mut context = [VERSION; CONTEXT_BYTES];
    context[1..17].copy_from_slice(controller.as_bytes());
    context[17..25].copy_from_slice(&sequence.0.to_be_bytes());
    context[25..41].copy_from_slice(event.as_bytes());
    context[41..57].copy_from_slice(integration.as_bytes());
    context
}

/// A commit batch as it was read, its structure checked.
pub(super) struct Batch<'a> {
    pub(super) epoch: Epoch,
    pub(super) journaled_at: Timestamp,
    events: Vec<Entry<'a>>,
}

/// One event of a batch, still sealed.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) controller: ControllerId,
    pub(super) sequence: Sequence,
    pub(super) event: EventId,
    pub(super) integration: IntegrationId,
    counter: u64,
    sealed: &'a [u8],
}

/// Takes bytes off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("a record ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (taken, rest) = self.0.split_first_chunk().ok_or("a record ends too early")?;
        self.0 = rest;
        Ok(*taken)
    }

    fn uuid(&mut self) -> Result<Uuid, &'static str> {
        self.array().map(Uuid::from_bytes)
    }
}

/// The head of a record.
pub(super) struct RecordHead {
    pub(super) epoch: Epoch,
    pub(super) journaled_at: Timestamp,
    events: u32,
}

impl<'a> Reader<'a> {
    fn head(&mut self) -> Result<RecordHead, &'static str> {
        if self.array::<1>()? != [VERSION] {
            return Err("a record has a version that this program does not know");
        }
        Ok(RecordHead {
            epoch: Epoch(self.array()?),
            journaled_at: Timestamp::from_millis(i64::from_be_bytes(self.array()?)),
            events: u32::from_be_bytes(self.array()?),
        })
    }

    fn entry(&mut self) -> Result<Entry<'a>, &'static str> {
        let controller = ControllerId::from_uuid(self.uuid()?);
        let sequence = Sequence(u64::from_be_bytes(self.array()?));
        let event = EventId::from_uuid(self.uuid()?);
        let integration = IntegrationId::from_uuid(self.uuid()?);
        let counter = u64::from_be_bytes(self.array()?);
        let length = u32::from_be_bytes(self.array()?);
        Ok(Entry {
            controller,
            sequence,
            event,
            integration,
            counter,
            sealed: self.take(length as usize)?,
        })
    }
}

impl<'a> Batch<'a> {
    /// Reads a record's structure, without opening its sealed parts.
    pub(super) fn parse(record: &'a [u8]) -> Result<Self, &'static str> {
        let mut reader = Reader(record);
        let head = reader.head()?;
        let mut events = Vec::with_capacity((head.events as usize).min(record.len() / ENTRY_BYTES));
        for _ in 0..head.events {
            events.push(reader.entry()?);
        }
        if !reader.0.is_empty() {
            return Err("a record has bytes behind its last event");
        }
        Ok(Self {
            epoch: head.epoch,
            journaled_at: head.journaled_at,
            events,
        })
    }

    pub(super) fn events(&self) -> impl Iterator<Item = Entry<'a>> + '_ {
        self.events.iter().copied()
    }
}

/// A record with the places of each controller's events. A record of many controllers is read once for each of them.
pub(super) struct IndexedRecord {
    bytes: Arc<[u8]>,
    head: RecordHead,
    /// Offsets of the entries, in the order of the record.
    places: HashMap<ControllerId, Vec<u32>>,
}

impl IndexedRecord {
    /// Reads a record's structure, without opening its sealed parts.
    pub(super) fn parse(bytes: &Arc<[u8]>) -> Result<Self, &'static str> {
        let mut reader = Reader(bytes);
        let head = reader.head()?;
        let mut places: HashMap<ControllerId, Vec<u32>> = HashMap::new();
        for _ in 0..head.events {
            let at = u32::try_from(bytes.len() - reader.0.len()).map_err(|_| "a record is too long")?;
            places.entry(reader.entry()?.controller).or_default().push(at);
        }
        if !reader.0.is_empty() {
            return Err("a record has bytes behind its last event");
        }
        Ok(Self {
            bytes: Arc::clone(bytes),
            head,
            places,
        })
    }

    pub(super) const fn head(&self) -> &RecordHead {
        &self.head
    }

    /// Returns the events of one controller.
    pub(super) fn events_of(&self, controller: ControllerId) -> impl Iterator<Item = Entry<'_>> {
        let places = self.places.get(&controller).map_or(&[][..], Vec::as_slice);
        places
            .iter()
            .filter_map(|at| Reader(self.bytes.get(*at as usize..)?).entry().ok())
    }
}

impl Entry<'_> {
    /// Returns its bytes in the log.
    pub(super) fn size(&self) -> u64 {
        (ENTRY_BYTES + self.sealed.len()) as u64
    }

    /// Opens it.
    pub(super) fn open(&self, key: &EpochKey, journaled_at: Timestamp) -> Result<JournaledEvent, &'static str> {
        let mut buffer = self.sealed.to_vec();
        let context = context(self.controller, self.sequence, self.event, self.integration);
        key.open(self.counter, &context, &mut buffer)
            .map_err(|_| "an event does not decrypt")?;
        let mut reader = Reader(&buffer);
        let triggered_at = Timestamp::from_millis(i64::from_be_bytes(reader.array()?));
        let length = u16::from_be_bytes(reader.array()?);
        let event_type = std::str::from_utf8(reader.take(usize::from(length))?)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or("an event's type is not one")?;
        let body_at = buffer.len() - reader.0.len();
        Ok(JournaledEvent {
            sequence: self.sequence,
            journaled_at,
            event: AcceptedEvent {
                id: self.event,
                controller: self.controller,
                integration: self.integration,
                event_type,
                triggered_at,
                body: Personal::new(Bytes::from(buffer).slice(body_at..)),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keyring;
    use conduit_actors::links::MasterKey;

    fn event(controller: ControllerId) -> ValidEvent {
        ValidEvent {
            controller,
            integration: IntegrationId::generate(),
            event_type: "account_created".parse().unwrap(),
            triggered_at: Timestamp::from_millis(7),
            body: Personal::new(Bytes::from_static(b"{\"email\":\"canary@shop.example\"}")),
            receipt: None,
        }
    }

    #[test]
    fn a_batch_reads_back_and_shows_nothing() {
        let (keyring, controller) = (Keyring::new(MasterKey::new([1; 32])), ControllerId::generate());
        keyring.create(controller).unwrap();
        let epoch = Epoch::generate();
        let key = keyring.epoch_key(controller, PURPOSE, epoch).unwrap();
        let (one, two) = (event(controller), event(controller));
        let (first, second) = (EventId::generate(), EventId::generate());
        let mut writer = BatchWriter::new(epoch, Timestamp::from_millis(9));
        writer.add(&one, first, Sequence(1), 1, &key).unwrap();
        writer.add(&two, second, Sequence(2), 2, &key).unwrap();
        let record = writer.finish();
        assert!(
            !record
                .windows(6)
                .any(|window| window == b"canary" || window == b"accoun")
        );

        let batch = Batch::parse(&record).unwrap();
        let opened: Vec<_> = batch
            .events()
            .map(|entry| entry.open(&key, batch.journaled_at).unwrap())
            .collect();
        assert_eq!(opened.len(), 2);
        assert_eq!((opened[1].sequence, opened[1].event.id), (Sequence(2), second));
        assert_eq!(opened[0].event.body, one.body);
        assert_eq!(opened[0].event.event_type, one.event_type);
        assert_eq!(opened[0].event.triggered_at, one.triggered_at);

        for cut in 0..record.len() {
            assert!(Batch::parse(&record[..cut]).is_err(), "{cut}");
        }
        for at in HEAD_BYTES..record.len() {
            let mut changed = record.clone();
            changed[at] ^= 1;
            let whole = Batch::parse(&changed)
                .is_ok_and(|batch| batch.events().all(|entry| entry.open(&key, batch.journaled_at).is_ok()));
            assert!(!whole, "a change at {at} goes unnoticed");
        }
    }
}
