//! A load that runs during failures, and the conditions that must hold afterwards.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Conduit, Stats, Tenant, client, tenant::body, wait_for};

const SENDERS: usize = 4;

/// The settings that a load needs: a window longer than any test, so that each repeat falls into its first's.
pub const LONG_WINDOW: (&str, &str) = ("CONDUIT__DEDUP__WINDOW_SECONDS", "3600");

/// The expected outcome of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Fate {
    Processed,
    /// One of all that have this in common is processed, the others are repeats of it.
    OneOf(String),
    Rejected,
}

/// How the senders take an answer that is no 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusals {
    /// There must be none.
    None,
    /// They stop when the process is gone.
    ProcessGone,
}

/// Tenants, and the events that were answered 200.
pub struct Load {
    tenants: Vec<Tenant>,
    numbers: AtomicU64,
    accepted: Mutex<Vec<(String, Fate)>>,
    /// Some events may have been accepted whose answer was lost.
    unanswered: AtomicBool,
}

/// Ends the senders, also when a test fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Load {
    /// Creates three tenants, which share the shards.
    pub fn new(conduit: &Conduit) -> Self {
        let dids = ["did:web:a.example", "did:web:b.example", "did:web:c.example"];
        Self {
            tenants: dids.map(|did| Tenant::create(conduit, did)).into(),
            numbers: AtomicU64::new(0),
            accepted: Mutex::new(Vec::new()),
            unanswered: AtomicBool::new(false),
        }
    }

    /// Sends from several threads for as long as `act` takes.
    pub fn throughout(&self, conduit: &Conduit, refusals: Refusals, act: impl FnOnce()) {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..SENDERS {
                scope.spawn(|| self.send_until(conduit, refusals, &stop));
            }
            let _stop = StopOnDrop(&stop);
            act();
        });
    }

    fn send_until(&self, conduit: &Conduit, refusals: Refusals, stop: &AtomicBool) {
        let client = client();
        while !stop.load(Ordering::Relaxed) {
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            let tenant = &self.tenants[usize::try_from(number).unwrap() % self.tenants.len()];
            let (event, fate) = event(number, &tenant.did);
            match tenant.try_send_by(&client, &tenant.webhook_url(conduit), event.as_bytes()) {
                Ok(answer) if answer.status == 200 || refusals == Refusals::None => {
                    let id = answer.expect(200).json()["eventId"].as_str().unwrap().to_owned();
                    self.accepted.lock().unwrap().push((id, fate));
                }
                Ok(_) => {}
                Err(_) if refusals == Refusals::ProcessGone => {
                    self.unanswered.store(true, Ordering::Relaxed);
                    return;
                }
                Err(error) => panic!("no answer: {error}"),
            }
            if refusals == Refusals::None {
                #[allow(clippy::disallowed_methods)]
                // A pace, so that a long outage is no flood; nothing waits for it.
                std::thread::sleep(Duration::from_millis(8));
            }
        }
    }

    pub fn accepted(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }

    /// Returns the events that were answered 200 so far.
    pub fn accepted_ids(&self) -> Vec<String> {
        let accepted = self.accepted.lock().unwrap();
        accepted.iter().map(|(id, _)| id.clone()).collect()
    }

    /// Waits until so many more were accepted.
    #[track_caller]
    pub fn more(&self, count: usize) {
        let wanted = self.accepted() + count;
        wait_for("events to be accepted", || (self.accepted() >= wanted).then_some(()));
    }

    /// Waits until nothing is in flight. Then asserts that each event has its expected outcome, the totals agree, each
    /// processed event has one activity, and the audit log verifies.
    pub fn assert_outcomes(&self, conduit: &Conduit) {
        let stats = conduit.settled();
        let (mut events, mut active) = (HashMap::new(), HashSet::new());
        for tenant in &self.tenants {
            for event in all(conduit, tenant, "/api/v1/events") {
                assert!(
                    events.insert(text(&event, "eventId"), event).is_none(),
                    "an outcome twice"
                );
            }
            for activity in all(conduit, tenant, "/api/v1/activities") {
                assert!(active.insert(text(&activity, "eventId")), "an activity twice");
            }
        }
        assert_sums(&stats, &events);
        let is_processed = |id: &&String| events[*id]["status"] == "processed";
        let processed: HashSet<String> = events.keys().filter(is_processed).cloned().collect();
        assert_eq!(processed, active, "one activity for each processed event");

        let accepted = self.accepted.lock().unwrap();
        if self.unanswered.load(Ordering::Relaxed) {
            assert!(stats.accepted >= accepted.len() as u64, "{stats:?} {}", accepted.len());
        } else {
            assert_eq!(stats.accepted, accepted.len() as u64, "{stats:?}");
        }
        assert_fates(&accepted, &events);
        conduit.assert_audit_verifies();
    }
}

/// Makes an event. People come back, some events have no window, and some are faulty.
fn event(number: u64, did: &str) -> (String, Fate) {
    match number % 10 {
        9 => (body("unheard_of", json!({"n": number})), Fate::Rejected),
        8 => (body("account_created", json!({"n": number})), Fate::Rejected),
        5..=7 => {
            // A new person each time but the third, so that there are always links to make.
            let email = format!("u{}@shop.example", number - number % 10 + number % 2);
            (body("unwatched", json!({"email": email, "n": number})), Fate::Processed)
        }
        _ => {
            // Most repeat somebody of long ago, or of just now; new ones come all the time.
            let person = (number * 7919) % (1 + number / 8);
            let email = format!("p{person}@shop.example");
            let fate = Fate::OneOf(format!("{did} {email}"));
            (body("contact", json!({"email": email})), fate)
        }
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key}: {value}"))
        .to_owned()
}

fn assert_sums(stats: &Stats, events: &HashMap<String, Value>) {
    let count = |status: &str| events.values().filter(|event| event["status"] == status).count() as u64;
    assert_eq!(stats.failed, 0, "{stats:?}");
    assert_eq!(
        (stats.processed, stats.duplicate, stats.rejected, stats.accepted),
        (
            count("processed"),
            count("duplicate"),
            count("rejected"),
            events.len() as u64
        ),
    );
}

fn assert_fates(accepted: &[(String, Fate)], events: &HashMap<String, Value>) {
    // Which event was first, by what its repeats have in common. A first whose answer was lost is found by its repeats.
    let mut firsts: HashMap<&str, String> = HashMap::new();
    for (id, fate) in accepted {
        let event = events.get(id);
        let event = event.unwrap_or_else(|| panic!("event {id} was answered 200 and is gone"));
        let status = text(event, "status");
        match fate {
            Fate::Processed => assert_eq!(status, "processed", "{event}"),
            Fate::Rejected => assert_eq!(status, "rejected", "{event}"),
            Fate::OneOf(common) => {
                let first = match &*status {
                    "processed" => id.clone(),
                    "duplicate" => text(event, "duplicateOf"),
                    _ => panic!("{event}"),
                };
                assert_eq!(events[&first]["status"], "processed", "a false duplicate: {event}");
                let known = firsts.entry(common).or_insert_with(|| first.clone());
                assert_eq!(*known, first, "a repeat passed: {event}");
            }
        }
    }
    let different: HashSet<&String> = firsts.values().collect();
    assert_eq!(different.len(), firsts.len(), "different persons taken for one");
}

/// Reads all pages of a list.
fn all(conduit: &Conduit, tenant: &Tenant, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = tenant
            .call(conduit, "GET", &format!("{path}?limit=200{cursor}"), None)
            .expect(200)
            .json();
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}
