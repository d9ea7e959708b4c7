//! Load that is spread over the nodes, and one of them killed in the middle of it.

use std::collections::{HashMap, HashSet};
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use sqlx::Row as _;
use uuid::Uuid;

use super::Nodes;
use crate::common::{Conduit, PATIENCE, Stats, Tenant, client, tenant::body, wait_for};

const SENDERS: usize = 16;
/// Different events of one person: with an e-mail address, a telephone number, a customer's number, or some of them.
const KINDS: usize = 5;
/// The node that is killed.
const VICTIM: usize = 0;

/// An event to be sent, of which there may be repeats: the same content is the same number.
type Content = usize;

/// Of five events, two are new, and the others repeat one before. Those of one person are new at about the same time, so
/// that nodes find the same new person at once.
fn content(number: usize) -> Content {
    let (round, place) = (number / 5, number % 5);
    if place < 2 {
        2 * round + place
    } else {
        scattered(number) % (2 * round + 2)
    }
}

/// Some number that depends on this one.
fn scattered(number: usize) -> usize {
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 33).unwrap()
}

fn person(content: Content) -> usize {
    content / KINDS
}

fn fields(content: Content) -> Value {
    let person = person(content);
    let all = [
        ("email", format!("p{person}@people.example")),
        ("phone", format!("+49309{person:06}")),
        ("customerId", format!("customer-{person}")),
    ];
    let sent: &[usize] = match content % KINDS {
        0 => &[0],
        1 => &[1],
        2 => &[2],
        3 => &[0, 1, 2],
        _ => &[0, 1],
    };
    let sent = sent
        .iter()
        .map(|index| (all[*index].0.to_owned(), json!(all[*index].1)));
    Value::Object(sent.collect())
}

/// What was answered 200.
struct Accepted {
    id: Uuid,
    tenant: usize,
    content: Content,
    node: usize,
}

/// What the senders share.
struct Load<'a> {
    tenants: &'a [Tenant],
    /// Where the nodes listen. None while one is down: others may listen there meanwhile.
    urls: RwLock<Vec<Option<String>>>,
    next: AtomicUsize,
    accepted: AtomicUsize,
    events: usize,
}

impl Load<'_> {
    fn send_all(&self) -> Vec<Accepted> {
        let client = client();
        let mut accepted = Vec::new();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.events {
                return accepted;
            }
            // Pairs, so that each tenant has every content.
            let (tenant, content) = (number % self.tenants.len(), content(number / self.tenants.len()));
            let event = body("contact", fields(content));
            accepted.push(self.send(&client, number, tenant, content, event.as_bytes()));
            self.accepted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends until a node takes it. Only the one that is killed may give no answer.
    fn send(&self, client: &ureq::Agent, number: usize, tenant: usize, content: Content, event: &[u8]) -> Accepted {
        let mut attempt = 0;
        wait_for("a node to take an event", || {
            let urls = self.urls.read().unwrap().clone();
            let node = scattered(number + 7919 * attempt) % urls.len();
            attempt += 1;
            let url = urls[node].as_ref()?;
            match self.tenants[tenant].try_send_by(client, &self.tenants[tenant].webhook_url_at(url), event) {
                Ok(answer) => {
                    assert_eq!(answer.status, 200, "node {node} at {url}: {}", answer.text);
                    let id = answer.json()["eventId"].as_str().unwrap().parse().unwrap();
                    Some(Accepted {
                        id,
                        tenant,
                        content,
                        node,
                    })
                }
                Err(error) => {
                    assert_eq!(node, VICTIM, "{error}");
                    None
                }
            }
        })
    }
}

/// An event as it is stored, merges followed.
struct Stored {
    status: String,
    duplicate_of: Option<Uuid>,
    subject: Option<Uuid>,
}

struct Database {
    events: HashMap<Uuid, Stored>,
    activities: Vec<Uuid>,
    /// Those that were not merged.
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

/// Every event has one outcome, a repeat names a first with the same content, and no content was first twice.
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
        // Of a first whose answer was lost nobody knows what it was.
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

/// Each person of each tenant is one subject, and there are no others.
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

/// All nodes with nothing in flight at the same time: then they agree on the sums.
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

fn spread(count: usize, events: usize) {
    let mut nodes = Nodes::start(count);
    let tenants = [
        Tenant::create(&nodes.nodes[0], "did:web:a.example"),
        Tenant::create(&nodes.nodes[count - 1], "did:web:b.example"),
    ];
    for node in &nodes.nodes {
        for tenant in &tenants {
            // An empty body is found wrong only once the credentials are found right.
            wait_for("every node to know every tenant", || {
                (tenant.try_send(node, b"").unwrap().status == 400).then_some(())
            });
        }
    }
    let load = Load {
        tenants: &tenants,
        urls: RwLock::new(nodes.nodes.iter().map(|node| Some(node.url.clone())).collect()),
        next: AtomicUsize::new(0),
        accepted: AtomicUsize::new(0),
        events,
    };
    let accepted: Vec<Accepted> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(|| load.send_all())).collect();
        wait_for("half of the events", || {
            (load.accepted.load(Ordering::Relaxed) >= events / 2).then_some(())
        });
        load.urls.write().unwrap()[VICTIM] = None;
        nodes.nodes[VICTIM].kill();
        nodes.nodes[VICTIM].launch();
        load.urls.write().unwrap()[VICTIM] = Some(nodes.nodes[VICTIM].url.clone());
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    assert_eq!(accepted.len(), events);
    let sent = Instant::now();
    let stats = settled(&nodes.nodes);
    let behind = sent.elapsed();
    let contents = tenants.len() * 2 * (events / tenants.len() / 5);
    let database = nodes.on_database(read);
    assert_eq!(database.events.len() as u64, stats.accepted);
    assert!(stats.accepted >= events as u64);
    assert_eq!((stats.processed, stats.rejected, stats.failed), (contents as u64, 0, 0));
    assert_outcomes(&database, &accepted, contents);
    assert_subjects(&database, &accepted, contents / KINDS);
    nodes.nodes[count - 1].assert_audit_verifies();
    // What this is about did happen: nodes found the same new persons at once.
    let conflicts = |node: &Conduit| node.log_lines("resolving the batch again").len();
    let conflicts: Vec<usize> = nodes.nodes.iter().map(conflicts).collect();
    assert!(conflicts.iter().sum::<usize>() > 0, "{conflicts:?}");
    let batches = |node: &Conduit| {
        let shards = node.admin("GET", "/api/v1/supervision", None).json()["shards"].clone();
        let batches = |shard: &Value| shard["dispatcher"]["batches"].as_u64();
        shards.as_array().unwrap().iter().filter_map(batches).sum::<u64>()
    };
    let batches: Vec<u64> = nodes.nodes.iter().map(batches).collect();
    eprintln!(
        "{events} events on {count} nodes: {stats:?}; batches {batches:?}, resolved again {conflicts:?}; all done \
         {behind:?} after the last was sent"
    );
}

#[test]
fn of_50_000_events_spread_over_two_nodes_each_counts_once() {
    spread(2, 50_000);
}

#[test]
fn of_50_000_events_spread_over_three_nodes_each_counts_once() {
    spread(3, 50_000);
}
