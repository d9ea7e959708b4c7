//! Deterministic simulation of the pipeline.
//!
//! A *history* is a function of its seed. The seed decides the size of the world, its faults, and what happens when
//! ([`plan`]). The pipeline is the real one, with all its actors, on one thread and by a paused clock ([`cluster`],
//! [`node`]). Its ports are fakes ([`journal`], [`store`], [`dedup`], [`replays`], [`tenants`]). Each call of a port is a
//! step: it is noted in the trace, it takes its time, and the node may crash there ([`world`]).
//!
//! # Faults
//! - The store, the dedup window or the journal is away for a time, or for one call.
//! - A commit is slow, finds another writer, or is made while its answer is an error.
//! - A stage or the wrapper of an actor panics; a poison event brings one stage down each time ([`faults`]).
//! - The store refuses an event, a controller, or everything; a stream cannot be read.
//! - A node crashes between two steps and starts anew from what is durable. A node stops in order.
//! - A stream goes to another node, and the node before goes on with it for a time.
//!
//! # Invariants
//! - Each event that is durable is committed once, in its controller's order ([`ledger`]).
//! - Nothing is released in the journal before its commit ([`journal`]).
//! - Totals agree: accepted = processed + duplicate + rejected + failed + in flight ([`ledger`]).
//! - No controller's turn is starved ([`turns`]).
//! - A poison event becomes a dead letter, and no other event does ([`ledger`]).
//! - Repeats are dropped within their window and only there; each person is one subject ([`verdicts`]).
//! - Once all is calm, everything in flight comes to its end, and the nodes report that nothing is left ([`history`]).
//!
//! # To run it
//! ```text
//! cargo test -p conduit-actors --features failpoints --test sim
//! CONDUIT_SIM_HISTORIES=100000 cargo test -p conduit-actors --features failpoints --test sim   # more of them
//! CONDUIT_SIM_SEED=17 cargo test -p conduit-actors --features failpoints --test sim            # one of them
//! ```
//! A history that breaks an invariant is printed with its plan and its steps if its seed is given.
//!
//! # To see that it finds faults
//! Each of these changes breaks a promise. The simulation must find each of them within its first histories:
//! - The checkpoint's compare-and-set: in [`store`], leave `moved` out of `is_conflict`; or in the pipeline's
//!   `shard/dispatcher/settle.rs`, let `Failure::Conflict` call `self.committed(&tried)`.
//! - Release after commit: in `shard/dispatcher/batch.rs`, call `self.ports.journal.release` for the checkpoints of `tried`
//!   before `commit_and_go_ahead`.
//! - The fence: in `supervisor/fence.rs`, let `fence` return `Ok(work.await)`.
//! - The resolver's cache: in `stages/subject_resolver_actor.rs`, keep it when `cache_is_valid` is false.
//! - The turns: in `shard/turns.rs`, let `next` move those that it passes over to the end of the queue.
//!
//! Faults that it has found in the pipeline are in [`known`].

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests.

mod cluster;
mod dedup;
mod faults;
mod history;
mod journal;
mod known;
mod ledger;
mod node;
mod plan;
mod replays;
mod store;
mod tenants;
mod turns;
mod verdicts;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use history::Report;
use plan::Plan;

/// Histories in a run, unless `CONDUIT_SIM_HISTORIES` says otherwise.
const HISTORIES: u64 = 2_000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is to be a number")))
}

/// Returns everything that helps to understand a history that broke an invariant.
fn describe(seed: u64, report: &Report) -> String {
    use std::fmt::Write as _;
    let mut plan = Plan::of(seed);
    let acts = std::mem::take(&mut plan.acts);
    let mut text = format!("{plan:#?}\n");
    for (pause, act) in acts {
        writeln!(text, "{pause:>8.0?} later: {act:?}").unwrap();
    }
    for step in &report.trace {
        let controller = step
            .controller
            .map_or_else(String::new, |index| format!(" controller {index}"));
        let ((node, start), (one, other)) = (step.node, step.numbers);
        writeln!(
            text,
            "{:>8} ms  node {node}.{start}  {}{controller} {one} {other}",
            step.at, step.what
        )
        .unwrap();
    }
    text
}

#[test]
fn every_history_keeps_its_promises() {
    let seeds = match number("CONDUIT_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CONDUIT_SIM_HISTORIES").unwrap_or(HISTORIES),
    };
    let next = AtomicU64::new(seeds.start);
    let events = AtomicU64::new(0);
    let broken: Mutex<Option<(u64, Report)>> = Mutex::new(None);
    let work = || {
        while let seed = next.fetch_add(1, Ordering::Relaxed)
            && seed < seeds.end
        {
            let report = history::run(seed);
            events.fetch_add(report.events as u64, Ordering::Relaxed);
            let mut broken = broken.lock().unwrap();
            if report.broken.is_some() && broken.as_ref().is_none_or(|(first, _)| seed < *first) {
                next.store(seeds.end, Ordering::Relaxed);
                *broken = Some((seed, report));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let broken = broken.into_inner().unwrap();
    if let Some((seed, report)) = broken {
        if number("CONDUIT_SIM_SEED").is_some() {
            println!("{}", describe(seed, &report));
        }
        panic!(
            "history {seed}: {}\nto repeat it:\nCONDUIT_SIM_SEED={seed} cargo test -p conduit-actors --features failpoints \
             --test sim every_history -- --nocapture",
            report.broken.unwrap_or_default()
        );
    }
    println!("{} histories, {} events", seeds.end - seeds.start, events.into_inner());
}

#[test]
fn a_seed_gives_the_same_history_each_time() {
    for seed in 0..40 {
        let (one, other) = (history::run(seed).trace, history::run(seed).trace);
        let parting = one.iter().zip(&other).position(|(one, other)| one != other);
        let parting = parting.map(|at| (one[at], other[at]));
        assert!(one == other, "history {seed} went two ways: {parting:?}");
    }
}
