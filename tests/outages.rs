//! PostgreSQL and Redis go away, in every way that they can, while events arrive; and come back.
//!
//! During each outage all events are answered 200, and readiness names the fault. Afterwards every event has the
//! outcome that it would have had without the outage, once.

mod disk;
mod failover;
mod journal;
mod lost;
mod pages;
mod postgres;
mod redis;
mod shared;
mod start;

use std::collections::HashMap;

use crate::common::load::Load;
use crate::common::{Conduit, wait_for};

/// A failure, and its repair.
struct Outage<'a> {
    /// The part of readiness that feels it.
    part: &'a str,
    /// A part of the reason.
    reason: &'a str,
    /// A query of the API that cannot be answered meanwhile.
    unanswered: Option<&'a str>,
    begin: Box<dyn Fn() + 'a>,
    end: Box<dyn Fn() + 'a>,
}

impl Outage<'_> {
    /// Goes through it, under a load that takes nothing but 200 for an answer.
    fn ride_out(&self, conduit: &Conduit, load: &Load) {
        load.more(30);
        (self.begin)();
        wait_for(&format!("{} to be degraded: {}", self.part, self.reason), || {
            conduit.readiness().is_degraded(self.part, self.reason).then_some(())
        });
        load.more(60);
        if let Some(path) = self.unanswered {
            assert_unanswered(conduit, path);
        }
        (self.end)();
        wait_until_ready(conduit);
        load.more(60);
    }
}

fn wait_until_ready(conduit: &Conduit) {
    wait_for("readiness to return", || {
        (conduit.readiness().status == "ready").then_some(())
    });
}

/// Asserts that a query that needs the database gets a refusal, with the advice to try again.
fn assert_unanswered(conduit: &Conduit, path: &str) {
    let answer = conduit.admin("GET", path, None).expect(503);
    assert_eq!(answer.json()["code"], "database_unavailable");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
}

/// Asserts that the log has lines for changes, not for events. Each message occurs a few times at most. The pipeline of
/// each shard resumed as often as it had to wait.
fn assert_quiet(conduit: &Conduit, outages: usize) {
    let mut waits: HashMap<u64, isize> = HashMap::new();
    for (message, step) in [("the pipeline waits", 1), ("the pipeline goes on", -1)] {
        for line in conduit.log_lines(message) {
            let shard = line["fields"]["shard"].as_u64().expect("a shard");
            *waits.entry(shard).or_default() += step;
        }
    }
    assert!(waits.values().all(|open| *open == 0), "{waits:?}");

    let mut messages: HashMap<String, usize> = HashMap::new();
    for line in conduit.log_lines("\"level\":") {
        let message = line["fields"]["message"].as_str().unwrap_or_default();
        assert_ne!(line["level"], "ERROR", "{line}");
        // The results of this test's queries do not matter here.
        if line["level"] == "WARN" && message != "a query found the database unavailable" {
            *messages.entry(message.to_owned()).or_default() += 1;
        }
    }
    // A line for each shard, or for each connection.
    let loud: Vec<_> = messages.iter().filter(|(_, count)| **count > 8 * outages).collect();
    assert!(loud.is_empty(), "{loud:?}");
}
