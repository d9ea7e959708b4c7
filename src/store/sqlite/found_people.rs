//! Links and subjects are found wherever their entries are.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use conduit_actors::event::{Activity, AuditHash, LinkHash};
use conduit_actors::ids::{ActivityId, ControllerId, EventId, IntegrationId, Sequence, SubjectId, Timestamp};
use conduit_actors::links::MasterKey;
use conduit_actors::ports::{NewLink, NewSubject};

use super::additions::Additions;
use super::runs::Pks;
use crate::keys::Keyring;
use crate::store::{Activities as _, ActivityFilter, Conversion as _, Page, SqliteStore, Subjects as _};

/// The number of entries before a store sweeps.
const FEW: usize = 100;

async fn open(path: &Path) -> SqliteStore {
    let keyring = Arc::new(Keyring::new(MasterKey::new([7; 32])));
    let mut store = SqliteStore::open(path, "node", keyring).await.unwrap();
    (store.links.room, store.subjects.room, store.activities_by_subject.room) = (FEW, FEW, FEW);
    store
}

/// A controller with one row, and people whom this test has added.
struct Customers {
    controller: ControllerId,
    people: HashMap<LinkHash, SubjectId>,
    /// How many activities concern each.
    activities: HashMap<SubjectId, u64>,
    /// The last place in the chain.
    sequence: u64,
}

/// Returns a hash as even and as unlike its neighbours as real ones.
fn hash(number: u64) -> LinkHash {
    let mut hash = [0; 32];
    for (place, part) in hash.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *part = (number + 1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ (place as u64) << 7)
            .to_be_bytes();
    }
    LinkHash(hash)
}

impl Customers {
    async fn new(store: &SqliteStore) -> Self {
        let controller = ControllerId::generate();
        sqlx::query(
            "INSERT INTO controllers (id, did, name, created_at, secret_hash, token_hash, wrapped_data_key, \
             link_key_version) VALUES (?1, 'did:web:shop.example', 'Shop', 0, x'', x'', x'', 1)",
        )
        .bind(&controller.as_bytes()[..])
        .execute(&store.writer)
        .await
        .unwrap();
        Self {
            controller,
            people: HashMap::new(),
            activities: HashMap::new(),
            sequence: 0,
        }
    }

    fn link(&self, hash: LinkHash, subject: SubjectId) -> NewLink {
        NewLink {
            controller: self.controller,
            hash,
            subject,
            category: "user.contact.email".into(),
            strong: true,
            key_version: 1,
            first_seen_at: Timestamp::now(),
        }
    }

    /// Returns an activity that concerns somebody.
    fn activity(&self, subject: SubjectId, sequence: u64) -> Activity {
        let triggered_at = Timestamp::from_millis((sequence % 7).cast_signed());
        Activity {
            id: ActivityId::generate(),
            controller: self.controller,
            sequence: Sequence(sequence),
            event: EventId::generate(),
            subject: Some(subject),
            other_subjects: Vec::new(),
            integration: IntegrationId::generate(),
            processor: "shop".parse().unwrap(),
            event_type: "account_created".parse().unwrap(),
            purpose: None,
            legal_basis: None,
            categories: Vec::new(),
            triggered_at,
            logged_at: triggered_at,
            previous_hash: AuditHash([0; 32]),
            hash: AuditHash([0; 32]),
        }
    }

    /// Adds people with two links and an activity each, and one for somebody of before, in one transaction, which is committed or rolled back.
    async fn add(&mut self, store: &SqliteStore, numbers: std::ops::Range<u64>, is_committed: bool) {
        let (mut subjects, mut links) = (Vec::new(), Vec::new());
        for number in numbers {
            let id = SubjectId::generate();
            subjects.push(NewSubject {
                controller: self.controller,
                id,
                first_seen_at: Timestamp::now(),
            });
            links.extend([2 * number, 2 * number + 1].map(|number| self.link(hash(number), id)));
        }
        let concerned = subjects
            .iter()
            .map(|subject| subject.id)
            .chain(self.activities.keys().copied().take(9));
        let activities: Vec<Activity> = concerned
            .zip(self.sequence + 1..)
            .map(|(subject, place)| self.activity(subject, place))
            .collect();
        let mut transaction = store.begin().await.unwrap();
        let pks = Pks::from_iter([(self.controller, 1)]);
        let mut added = Additions::default();
        store
            .insert_subjects(&mut transaction, &pks, &subjects, &mut added)
            .await
            .unwrap();
        store
            .insert_links(&mut transaction, &pks, &links, &mut added)
            .await
            .unwrap();
        store
            .insert_activities(&mut transaction, &pks, &activities, &mut added)
            .await
            .unwrap();
        if is_committed {
            transaction.commit().await.unwrap();
            self.sequence += activities.len() as u64;
            for activity in &activities {
                *self.activities.entry(activity.subject.unwrap()).or_default() += 1;
            }
            store.committed(added);
            self.people.extend(links.iter().map(|link| (link.hash, link.subject)));
        } else {
            transaction.rollback().await.unwrap();
        }
    }

    /// Checks that everybody is found, by each link and by the DID, and nobody else.
    async fn is_known_to(&self, store: &SqliteStore) {
        let mut asked: Vec<LinkHash> = self.people.keys().copied().collect();
        asked.extend((1 << 40..(1 << 40) + 50).map(hash));
        let found = store
            .known_links(&store.readers, self.controller, &asked, 3)
            .await
            .unwrap();
        let found: HashMap<LinkHash, SubjectId> = found.iter().map(|link| (link.hash, link.subject)).collect();
        assert_eq!(found, self.people);
        for subject in self.people.values().take(20) {
            let row = store.subject(&subject.did()).await.unwrap().unwrap();
            assert_eq!((row.id, row.links.len()), (*subject, 2));
            assert_eq!(row.activity_count, self.activities[subject]);
            let filter = ActivityFilter {
                subject: Some(*subject),
                ..ActivityFilter::default()
            };
            let page = Page {
                after: None,
                limit: 1000,
            };
            let listed = store.activities(&filter, page).await.unwrap();
            assert_eq!(listed.len() as u64, self.activities[subject]);
            assert!(listed.is_sorted_by_key(|activity| Reverse((activity.triggered_at, activity.event))));
        }
        assert!(store.subject(&SubjectId::generate().did()).await.unwrap().is_none());
    }
}

async fn count(store: &SqliteStore, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&store.readers).await.unwrap()
}

fn on_a_path(test: impl AsyncFnOnce(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    actix_web::rt::System::new().block_on(test(&dir.path().join("conduit.db")));
}

#[test]
fn everybody_is_found_while_entries_wait_are_swept_and_after_a_restart() {
    on_a_path(async |path| {
        let mut store = open(path).await;
        let mut known = Customers::new(&store).await;
        for round in 0..20 {
            let first = 100 * round;
            known.add(&store, first..first + 10 + round, true).await;
            known.add(&store, first + 60..first + 70, false).await;
            known.is_known_to(&store).await;
            let waiting = store.links.waiting_count();
            assert!(waiting <= FEW + 2 * usize::try_from(10 + round).unwrap(), "{waiting}");
            if round % 7 == 6 {
                // Nothing is written when it stops: as after a crash.
                store = open(path).await;
                known.is_known_to(&store).await;
            }
        }
        let through = count(&store, "SELECT through FROM late_indexes WHERE name = 'links_late'").await;
        let missing = "SELECT count(*) FROM links l JOIN late_indexes h ON h.name = 'links_late' AND l.pk <= h.through \
                       WHERE NOT EXISTS (SELECT 1 FROM links_late i WHERE i.row = l.pk)";
        assert!(through > 0);
        assert_eq!(count(&store, missing).await, 0);
    });
}

#[test]
fn another_process_s_people_are_found() {
    on_a_path(async |path| {
        let (store, other) = (open(path).await, open(path).await);
        let mut known = Customers::new(&store).await;
        for round in 0..4 {
            known.add(&store, 100 * round..100 * round + 40, true).await;
            known.add(&other, 100 * round + 40..100 * round + 80, true).await;
            known.is_known_to(&store).await;
            known.is_known_to(&other).await;
        }
    });
}

#[test]
fn of_deleted_people_no_entry_is_left_and_their_places_are_taken_again() {
    on_a_path(async |path| {
        use crate::store::Controllers as _;
        let store = open(path).await;
        let mut known = Customers::new(&store).await;
        for round in 0..25 {
            known.add(&store, 100 * round..100 * round + 60, true).await;
        }
        let through = "SELECT min(through) FROM late_indexes";
        assert!(count(&store, through).await > 0);
        store.delete_controller(known.controller).await.unwrap();
        assert_eq!(count(&store, through).await, 0);
        for table in [
            "SELECT count(*) FROM links_late",
            "SELECT count(*) FROM subjects_late",
            "SELECT count(*) FROM activities_late",
        ] {
            assert_eq!(count(&store, table).await, 0);
        }
        let mut known = Customers::new(&store).await;
        known.add(&store, 0..10, true).await;
        known.is_known_to(&store).await;
        // They waited, and nothing of it was written.
        let store = open(path).await;
        known.is_known_to(&store).await;
        known.add(&store, 10..200, true).await;
        known.is_known_to(&store).await;
    });
}

#[test]
fn links_of_a_former_build_are_found_before_during_and_after_their_conversion() {
    on_a_path(async |path| {
        let store = open(path).await;
        let mut known = Customers::new(&store).await;
        known.add(&store, 0..9000, true).await;
        // As a former build left it: one index, and DIDs in the subjects' rows.
        for sql in [
            "CREATE UNIQUE INDEX links_by_hash ON links (controller_pk, hash, subject)",
            "CREATE INDEX activities_by_subject ON activities (subject, triggered_at, event_id) WHERE subject IS NOT NULL",
            "DELETE FROM activities_late",
            "UPDATE late_indexes SET through = 0 WHERE name = 'activities_late'",
            "DELETE FROM links_late",
            "UPDATE late_indexes SET through = 0 WHERE name = 'links_late'",
            "DELETE FROM subjects_late",
            "UPDATE late_indexes SET through = (SELECT max(pk) FROM subjects) WHERE name = 'subjects_late'",
        ] {
            sqlx::query(sql).execute(&store.writer).await.unwrap();
        }
        let mut transaction = store.begin().await.unwrap();
        for subject in known.people.values().collect::<HashSet<_>>() {
            sqlx::query("UPDATE subjects SET did_or_id = ?2 WHERE id = ?1")
                .bind(&subject.as_bytes()[..])
                .bind(&subject.did().as_bytes()[..])
                .execute(&mut *transaction)
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
        drop(store);
        let store = open(path).await;
        let mut next = 9000;
        let mut steps = 0;
        loop {
            known.is_known_to(&store).await;
            known.add(&store, next..next + 10, true).await;
            next += 10;
            known.is_known_to(&store).await;
            if store.convert().await.unwrap() {
                break;
            }
            steps += 1;
        }
        assert_eq!(steps, 3);
        known.is_known_to(&store).await;
        known.add(&store, next..next + 200, true).await;
        known.is_known_to(&store).await;
        assert_eq!(
            count(
                &store,
                "SELECT count(*) FROM sqlite_schema WHERE name IN ('links_by_hash', 'activities_by_subject')"
            )
            .await,
            0
        );
        let store = open(path).await;
        known.is_known_to(&store).await;
    });
}
