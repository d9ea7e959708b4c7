//! The audit chain makes the activity log tamper-evident.
//!
//! Each activity's hash is SHA3-256 over a tag, the hash before it, and all of its fields in the order of
//! [`hash_activity`], each prefixed by its length (8 bytes, big-endian). Times are milliseconds, ids their 16 bytes. A
//! missing subject, purpose or legal basis is marked as such. So changing, removing, inserting or moving an activity
//! breaks the chain at that place. Cutting off the last ones does not reach the recorded head, which is stored apart.
//! The hash has no key, so a writer to the database could make another chain. Therefore the head is sealed with the
//! master key, outside of this module.
//!
//! An activity of an event that names other people has another tag, and hashes these people behind all other fields.
//! The hashes of all other activities never changed.
//!
//! Activities have the pseudonymous subjects only, so erasing a subject's links breaks no chain.

use sha3::{Digest, Sha3_256};

use crate::event::{Activity, AuditHash};
use crate::ids::Sequence;
use crate::ports::ChainHead;

struct Parts(Sha3_256);

impl Parts {
    fn add(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn add_optional(&mut self, bytes: Option<&[u8]>) {
        self.add(&[u8::from(bytes.is_some())]);
        self.add(bytes.unwrap_or_default());
    }
}

/// Returns the hash of an activity behind `previous`.
#[must_use]
pub fn hash_activity(previous: AuditHash, activity: &Activity) -> AuditHash {
    let mut parts = Parts(Sha3_256::new());
    parts.add(if activity.other_subjects.is_empty() {
        b"conduit/activity/v1"
    } else {
        b"conduit/activity/v2"
    });
    parts.add(&previous.0);
    parts.add(&activity.sequence.0.to_be_bytes());
    parts.add(activity.id.as_bytes());
    parts.add(activity.controller.as_bytes());
    parts.add(activity.event.as_bytes());
    parts.add_optional(activity.subject.as_ref().map(|subject| &subject.as_bytes()[..]));
    parts.add(activity.integration.as_bytes());
    parts.add(activity.processor.as_str().as_bytes());
    parts.add(activity.event_type.as_str().as_bytes());
    parts.add_optional(activity.purpose.as_ref().map(|purpose| purpose.as_bytes()));
    parts.add_optional(activity.legal_basis.map(|basis| basis.as_str().as_bytes()));
    parts.add(&(activity.categories.len() as u64).to_be_bytes());
    activity
        .categories
        .iter()
        .for_each(|category| parts.add(category.as_bytes()));
    parts.add(&activity.triggered_at.as_millis().to_be_bytes());
    parts.add(&activity.logged_at.as_millis().to_be_bytes());
    if !activity.other_subjects.is_empty() {
        parts.add(&(activity.other_subjects.len() as u64).to_be_bytes());
        for subject in &activity.other_subjects {
            parts.add(subject.as_bytes());
        }
    }
    AuditHash(parts.0.finalize().into())
}

/// Chains activities behind `head`: fills in their sequences and hashes; the new head.
#[must_use]
pub fn append(head: ChainHead, activities: &mut [Activity]) -> ChainHead {
    activities.iter_mut().fold(head, |head, activity| {
        activity.sequence = head.sequence.next();
        activity.previous_hash = head.hash;
        activity.hash = hash_activity(head.hash, activity);
        ChainHead {
            sequence: activity.sequence,
            hash: activity.hash,
        }
    })
}

/// The fault of a chain, at its first bad record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// A record is gone, or is there twice, or out of place.
    #[error("record {expected} is missing: the next one found is {found}")]
    Gap {
        /// The expected position.
        expected: Sequence,
        /// The position of the record.
        found: Sequence,
    },
    /// A record does not follow on the one before it.
    #[error("record {0} does not follow on the one before it: one of the two was replaced")]
    Unlinked(Sequence),
    /// A record differs from the logged one.
    #[error("record {0} was changed: its content does not match its hash")]
    Changed(Sequence),
    /// The anchor, which says behind which record the chain begins, differs from the one that was written when older
    /// records were deleted.
    #[error("the anchor at record {0}, up to which older records were deleted, was changed")]
    Anchor(Sequence),
    /// The end of the chain is not what the master key vouches for.
    #[error(
        "the end at record {0} is not sealed with the master key: it was changed in the database, or written by a build \
         of before"
    )]
    Seal(Sequence),
    /// The id and the DID of the controller are not what the master key vouches for.
    #[error("the controller's DID is not the one that it was made with: it was changed in the database")]
    Name,
    /// Records are in no place of the chain.
    #[error("records of this controller are outside of the chain: {0}; they were put into the database")]
    Outside(u64),
    /// The database has an older or another chain than this data directory has committed.
    #[error(
        "this data directory has committed the chain up to record {committed}, and the database has another: it was set \
         back, or restored"
    )]
    Rewound {
        /// The highest record that this data directory has committed.
        committed: Sequence,
    },
    /// Records are missing at the end, or were added behind it.
    #[error("the chain ends at record {found}, but {recorded} was recorded as its end")]
    Head {
        /// Where the recorded head stands.
        recorded: Sequence,
        /// Where the chain ends.
        found: Sequence,
    },
}

/// Walks a chain from its start, or from behind its anchor.
#[derive(Debug, Clone, Copy)]
pub struct Verifier {
    head: ChainHead,
}

impl Verifier {
    /// Starts before the first record.
    #[must_use]
    pub const fn new() -> Self {
        Self::behind(ChainHead::EMPTY)
    }

    /// Starts before the first kept record of a chain whose oldest records, up to this one, were deleted.
    #[must_use]
    pub const fn behind(anchor: ChainHead) -> Self {
        Self { head: anchor }
    }

    /// Returns the head of the verified part of the chain.
    #[must_use]
    pub const fn head(&self) -> ChainHead {
        self.head
    }

    /// Checks the next record.
    ///
    /// # Errors
    /// The fault of the record.
    pub fn check(&mut self, activity: &Activity) -> Result<(), ChainFault> {
        let expected = self.head.sequence.next();
        if activity.sequence != expected {
            return Err(ChainFault::Gap {
                expected,
                found: activity.sequence,
            });
        }
        if activity.previous_hash != self.head.hash {
            return Err(ChainFault::Unlinked(expected));
        }
        if activity.hash != hash_activity(self.head.hash, activity) {
            return Err(ChainFault::Changed(expected));
        }
        self.head = ChainHead {
            sequence: expected,
            hash: activity.hash,
        };
        Ok(())
    }

    /// Checks that the chain ends where its head was recorded.
    ///
    /// # Errors
    /// [`ChainFault::Head`].
    pub fn finish(self, recorded: ChainHead) -> Result<(), ChainFault> {
        if self.head == recorded {
            return Ok(());
        }
        Err(ChainFault::Head {
            recorded: recorded.sequence,
            found: self.head.sequence,
        })
    }
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::LegalBasis;
    use crate::ids::{ActivityId, ControllerId, EventId, IntegrationId, SubjectId, Timestamp};

    fn chain(length: usize) -> (Vec<Activity>, ChainHead) {
        let controller = ControllerId::generate();
        let mut activities: Vec<Activity> = (0..length)
            .map(|n| Activity {
                id: ActivityId::generate(),
                controller,
                sequence: Sequence(0),
                event: EventId::generate(),
                subject: (n % 2 == 0).then(SubjectId::generate),
                other_subjects: (0..n % 3).map(|_| SubjectId::generate()).collect(),
                integration: IntegrationId::generate(),
                processor: "shop".parse().unwrap(),
                event_type: "account_created".parse().unwrap(),
                purpose: Some("Registration".into()),
                legal_basis: Some(LegalBasis::Contract),
                categories: vec!["user.contact.email".into(), "user.name".into()],
                triggered_at: Timestamp::from_millis(1),
                logged_at: Timestamp::from_millis(2),
                previous_hash: AuditHash([0; 32]),
                hash: AuditHash([0; 32]),
            })
            .collect();
        let head = append(ChainHead::EMPTY, &mut activities);
        (activities, head)
    }

    fn verify(activities: &[Activity], head: ChainHead) -> Result<(), ChainFault> {
        let mut verifier = Verifier::new();
        activities.iter().try_for_each(|activity| verifier.check(activity))?;
        verifier.finish(head)
    }

    #[test]
    fn an_untouched_chain_verifies_and_goes_on() {
        let (activities, head) = chain(5);
        assert_eq!(verify(&activities, head), Ok(()));
        assert_eq!(head.sequence, Sequence(5));
        assert_eq!(verify(&[], ChainHead::EMPTY), Ok(()));
    }

    #[test]
    fn a_change_of_any_field_is_found_at_its_record() {
        let changes: [fn(&mut Activity); 16] = [
            |a| a.id = ActivityId::generate(),
            |a| a.controller = ControllerId::generate(),
            |a| a.event = EventId::generate(),
            |a| a.subject = None,
            |a| a.subject = Some(SubjectId::generate()),
            |a| a.other_subjects.clear(),
            |a| a.other_subjects.reverse(),
            |a| a.other_subjects[1] = SubjectId::generate(),
            |a| a.integration = IntegrationId::generate(),
            |a| a.processor = "other".parse().unwrap(),
            |a| a.event_type = "other".parse().unwrap(),
            |a| a.purpose = None,
            |a| a.legal_basis = Some(LegalBasis::Consent),
            |a| a.categories = vec![Arc::from("user.contact.emailuser.name")],
            |a| a.triggered_at = Timestamp::from_millis(2),
            |a| a.logged_at = Timestamp::from_millis(3),
        ];
        for change in changes {
            let (mut activities, head) = chain(5);
            change(&mut activities[2]);
            assert_eq!(verify(&activities, head), Err(ChainFault::Changed(Sequence(3))));
        }
    }

    /// Chains of former builds consist of such activities.
    #[test]
    fn an_activity_without_other_people_is_hashed_as_ever() {
        let id = |n: u128| uuid::Uuid::from_u128(n);
        let mut activity = Activity {
            id: ActivityId::from_uuid(id(1)),
            controller: ControllerId::from_uuid(id(2)),
            sequence: Sequence(7),
            event: EventId::from_uuid(id(3)),
            subject: Some(SubjectId::from_uuid(id(4))),
            other_subjects: Vec::new(),
            integration: IntegrationId::from_uuid(id(5)),
            processor: "shop".parse().unwrap(),
            event_type: "order_placed".parse().unwrap(),
            purpose: Some("Sale".into()),
            legal_basis: Some(LegalBasis::Contract),
            categories: vec!["user.contact.email".into(), "user.name".into()],
            triggered_at: Timestamp::from_millis(1_775_471_400_000),
            logged_at: Timestamp::from_millis(1_775_471_400_123),
            previous_hash: AuditHash([9; 32]),
            hash: AuditHash([0; 32]),
        };
        let former = "6ed9b8435d34f3770b7ef84ce9e4df85adf524ab064742d35102d106bb1425b4";
        assert_eq!(hash_activity(AuditHash([9; 32]), &activity).to_string(), former);
        activity.other_subjects = vec![SubjectId::from_uuid(id(6))];
        assert_ne!(hash_activity(AuditHash([9; 32]), &activity).to_string(), former);
    }

    #[test]
    fn a_chain_goes_on_behind_its_anchor_and_behind_no_other() {
        let (activities, head) = chain(5);
        let anchor = |index: usize| ChainHead {
            sequence: activities[index].sequence,
            hash: activities[index].hash,
        };
        let verify = |anchor: ChainHead, left: &[Activity]| {
            let mut verifier = Verifier::behind(anchor);
            left.iter().try_for_each(|activity| verifier.check(activity))?;
            verifier.finish(head)
        };
        assert_eq!(verify(anchor(1), &activities[2..]), Ok(()));
        assert_eq!(verify(anchor(4), &[]), Ok(()));
        let gap = ChainFault::Gap {
            expected: Sequence(3),
            found: Sequence(4),
        };
        assert_eq!(verify(anchor(1), &activities[3..]), Err(gap));
        let forged = ChainHead {
            hash: anchor(0).hash,
            ..anchor(1)
        };
        assert_eq!(verify(forged, &activities[2..]), Err(ChainFault::Unlinked(Sequence(3))));
    }

    #[test]
    fn removal_reordering_truncation_and_replacement_are_found() {
        let (activities, head) = chain(5);
        let removed = [&activities[..1], &activities[2..]].concat();
        let gap = ChainFault::Gap {
            expected: Sequence(2),
            found: Sequence(3),
        };
        assert_eq!(verify(&removed, head), Err(gap));
        let mut swapped = activities.clone();
        swapped.swap(1, 2);
        assert_eq!(verify(&swapped, head), Err(gap));
        let end = ChainFault::Head {
            recorded: Sequence(5),
            found: Sequence(4),
        };
        assert_eq!(verify(&activities[..4], head), Err(end));
        let mut replaced = activities.clone();
        replaced[2].purpose = None;
        replaced[2].hash = hash_activity(replaced[2].previous_hash, &replaced[2]);
        assert_eq!(verify(&replaced, head), Err(ChainFault::Unlinked(Sequence(4))));
    }
}
