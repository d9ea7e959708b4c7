//! Load that is spread over the nodes, and one of them killed in the middle of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use serde_json::{Value, json};
use uuid::Uuid;

use super::Nodes;
use super::verdict::assert_each_counted_once;
use crate::common::size::sized;
use crate::common::{Conduit, Postgres, Tenant, client, tenant::body, wait_for};

const SENDERS: usize = 16;
/// Events, in full size and usually.
const EVENTS: (usize, usize) = (50_000, 10_000);
/// Different events of one person: with an e-mail address, a telephone number, a customer's number, or some of them.
pub(super) const KINDS: usize = 5;
/// The node that is killed.
const VICTIM: usize = 0;

/// An event to be sent, of which there may be repeats: the same content is the same number.
pub(super) type Content = usize;

/// Returns the content of an event. Two of five events are new, and the others repeat an earlier one. The events of one
/// person are new at about the same time, so nodes find the same new person at once.
fn content(number: usize) -> Content {
    let (round, place) = (number / 5, number % 5);
    if place < 2 {
        2 * round + place
    } else {
        scattered(number) % (2 * round + 2)
    }
}

/// Returns a scattered number that depends on this one.
fn scattered(number: usize) -> usize {
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 33).unwrap()
}

pub(super) fn person(content: Content) -> usize {
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

/// An event that was answered 200.
pub(super) struct Accepted {
    pub(super) id: Uuid,
    pub(super) tenant: usize,
    pub(super) content: Content,
    pub(super) node: usize,
}

/// The shared state of the senders.
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

/// Creates two tenants on different nodes, and waits until every node knows them.
fn tenants(nodes: &[Conduit]) -> [Tenant; 2] {
    let tenants = [
        Tenant::create(&nodes[0], "did:web:a.example"),
        Tenant::create(&nodes[nodes.len() - 1], "did:web:b.example"),
    ];
    for node in nodes {
        for tenant in &tenants {
            // An empty body is found wrong only once the credentials are found right.
            wait_for("every node to know every tenant", || {
                (tenant.try_send(node, b"").unwrap().status == 400).then_some(())
            });
        }
    }
    tenants
}

impl<'a> Load<'a> {
    fn new(nodes: &[Conduit], tenants: &'a [Tenant], events: usize) -> Self {
        Self {
            tenants,
            urls: RwLock::new(nodes.iter().map(|node| Some(node.url.clone())).collect()),
            next: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            events,
        }
    }

    /// Sends everything, and does something else at the same time.
    fn run(&self, meanwhile: impl FnOnce()) -> Vec<Accepted> {
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(|| self.send_all())).collect();
            meanwhile();
            senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
        })
    }

    /// Returns the number of different contents of all tenants.
    fn contents(&self) -> usize {
        self.tenants.len() * 2 * (self.events / self.tenants.len() / 5)
    }
}

/// Sends events to all nodes at once, while one node is killed and started again.
fn spread(count: usize, events: usize) {
    let mut nodes = Nodes::start(count);
    let tenants = tenants(&nodes.nodes);
    let load = Load::new(&nodes.nodes, &tenants, events);
    let accepted = load.run(|| {
        wait_for("half of the events", || {
            (load.accepted.load(Ordering::Relaxed) >= events / 2).then_some(())
        });
        let victim = &mut nodes.nodes[VICTIM];
        load.urls.write().unwrap()[VICTIM] = None;
        victim.kill();
        victim.launch();
        load.urls.write().unwrap()[VICTIM] = Some(victim.url.clone());
    });
    assert_eq!(accepted.len(), events);
    let conflicts = assert_each_counted_once(&nodes, &accepted, load.contents());
    assert!(
        conflicts > 0,
        "nodes find the same new person at once: that is what this is about"
    );
}

#[test]
fn of_events_spread_over_two_nodes_each_counts_once() {
    spread(2, sized(EVENTS.0, EVENTS.1));
}

#[test]
fn of_events_spread_over_three_nodes_each_counts_once() {
    spread(3, sized(EVENTS.0, EVENTS.1));
}

/// Both nodes have large batches of all persons to work off, and begin at about the same time.
#[test]
fn two_nodes_that_both_have_a_backlog_of_the_same_new_people_work_it_off() {
    let server = Arc::new(Postgres::start());
    let nodes = Nodes::over(Arc::clone(&server), 2);
    let tenants = tenants(&nodes.nodes);
    let load = Load::new(&nodes.nodes, &tenants, 20_000);
    server.stop("INT");
    let accepted = load.run(|| ());
    server.launch();
    assert_each_counted_once(&nodes, &accepted, load.contents());
}
