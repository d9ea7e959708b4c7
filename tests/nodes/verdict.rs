//! The required content of the database at the end, after any interruption.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use super::Nodes;
use super::load::{Accepted, KINDS, person};
use crate::common::{Conduit, PATIENCE, Stats};

/// An event as it is stored, merges followed.
struct Stored {
    status: String,
    duplicate_of: Option<Uuid>,
    subject: Option<Uuid>,
}

struct Database {
    events: HashMap<Uuid, Stored>,
    activities: Vec<Uuid>,
    /// Subjects that were not merged.
    subjects: HashSet<Uuid>,
}

async fn read(pool: &sqlx::PgPool) -> Database {
    let rows = sqlx::query("SELECT id, merged_into FROM subjects")
        .fetch_all(pool)
        .await
        .unwrap();
    let merged: HashMap<Uuid, Option<Uuid>> = rows.iter().map(|row| (row.get("id"), row.get("merged_into"))).collect();
    let survivor = |mut subject: Uuid| {
        while let Some(into) = merged[&subject] {
            subject = into;
        }
        subject
    };
    let rows = sqlx::query("SELECT id, status, duplicate_of, subject FROM events")
        .fetch_all(pool)
        .await
        .unwrap();
    let events: HashMap<Uuid, Stored> = rows
        .iter()
        .map(|row| {
            let stored = Stored {
                status: row.get("status"),
                duplicate_of: row.get("duplicate_of"),
                subject: row.get::<Option<Uuid>, _>("subject").map(survivor),
            };
            (row.get("id"), stored)
        })
        .collect();
    assert_eq!(events.len(), rows.len(), "an outcome twice");
    let activities = sqlx::query_scalar("SELECT event_id FROM activities")
        .fetch_all(pool)
        .await
        .unwrap();
    let subjects = merged
        .iter()
        .filter(|(_, into)| into.is_none())
        .map(|(id, _)| *id)
        .collect();
    Database {
        events,
        activities,
        subjects,
    }
}

/// Asserts that every event has one outcome, a repeat names a first event with the same content, and no content was
/// first twice.
fn assert_outcomes(database: &Database, accepted: &[Accepted], contents: usize) {
    let known: HashMap<Uuid, &Accepted> = accepted.iter().map(|event| (event.id, event)).collect();
    assert_eq!(known.len(), accepted.len(), "an id twice");
    let mut across = 0;
    for event in accepted {
        let stored = database.events.get(&event.id).expect("an event that was answered 200");
        if stored.status == "processed" {
            continue;
        }
        assert_eq!(stored.status, "duplicate");
        let first = stored.duplicate_of.unwrap();
        assert_eq!(database.events[&first].status, "processed", "a false duplicate");
        // A first event whose answer was lost has unknown content.
        if let Some(first) = known.get(&first) {
            assert_eq!((first.tenant, first.content), (event.tenant, event.content));
            across += usize::from(first.node != event.node);
        }
    }
    assert!(
        across > accepted.len() / 10,
        "repeats are caught across nodes: {across}"
    );
    let processed = database
        .events
        .values()
        .filter(|stored| stored.status == "processed")
        .count();
    assert_eq!(processed, contents, "each content was first once");
    let logged: HashSet<Uuid> = database.activities.iter().copied().collect();
    assert_eq!(
        (logged.len(), database.activities.len()),
        (processed, processed),
        "an activity each"
    );
    assert!(logged.iter().all(|event| database.events[event].status == "processed"));
}

/// Asserts that each person of each tenant is one subject, and that there are no others.
fn assert_subjects(database: &Database, accepted: &[Accepted], persons: usize) {
    let mut found: HashMap<(usize, usize), HashSet<Uuid>> = HashMap::new();
    for event in accepted {
        if let Some(subject) = database.events[&event.id].subject {
            let whose = (event.tenant, person(event.content));
            found.entry(whose).or_default().insert(subject);
        }
    }
    assert!(
        found.values().all(|subjects| subjects.len() == 1),
        "a person is two subjects"
    );
    let all: HashSet<Uuid> = found.values().flatten().copied().collect();
    assert_eq!(all.len(), found.len(), "two persons are one subject");
    assert_eq!(database.subjects.len(), persons);
}

/// Waits until no node has an event in flight. Then all nodes agree on the totals.
fn settled(nodes: &[Conduit]) -> Stats {
    let deadline = Instant::now() + 3 * PATIENCE;
    loop {
        let stats: Vec<Stats> = nodes.iter().map(Conduit::settled).collect();
        if stats.iter().all(|node| *node == stats[0]) {
            return stats[0];
        }
        assert!(Instant::now() < deadline, "the nodes do not agree: {stats:?}");
    }
}

/// Waits until all is done, and holds every promise to what there is then. How many batches were resolved again, because
/// another node was first.
pub(super) fn assert_each_counted_once(nodes: &Nodes, accepted: &[Accepted], contents: usize) -> usize {
    let sent = Instant::now();
    let stats = settled(&nodes.nodes);
    let behind = sent.elapsed();
    let database = nodes.on_database(read);
    assert_eq!(database.events.len() as u64, stats.accepted);
    // An answer that was lost in the kill leaves an event that no sender knows.
    assert!(stats.accepted >= accepted.len() as u64);
    assert_eq!((stats.processed, stats.rejected, stats.failed), (contents as u64, 0, 0));
    assert_outcomes(&database, accepted, contents);
    assert_subjects(&database, accepted, contents / KINDS);
    nodes.nodes.last().unwrap().assert_audit_verifies();
    let conflicts = |node: &Conduit| node.log_lines("resolving the batch again").len();
    let conflicts: Vec<usize> = nodes.nodes.iter().map(conflicts).collect();
    let batches: Vec<u64> = nodes.nodes.iter().map(batches).collect();
    eprintln!(
        "{} events on {} nodes: {stats:?}; batches {batches:?}, resolved again {conflicts:?}; all done {behind:?} after \
         the last was sent",
        accepted.len(),
        nodes.nodes.len()
    );
    conflicts.iter().sum()
}

/// Returns the number of batches that a node committed since its start.
fn batches(node: &Conduit) -> u64 {
    let shards = node.admin("GET", "/api/v1/supervision", None).json()["shards"].clone();
    let batches = |shard: &Value| shard["dispatcher"]["batches"].as_u64();
    shards.as_array().unwrap().iter().filter_map(batches).sum()
}
