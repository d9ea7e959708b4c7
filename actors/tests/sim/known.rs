//! Faults that random histories found, each with a small history of its own.

use std::time::Duration;

use crate::history::run_plan;
use crate::plan::{Act, Faults, Plan};
use crate::tenants::{Kind, Poison};

const SIGNUP: Kind = Kind::Signup {
    email: 0,
    customer: None,
};

/// Returns a plan of one controller on one node, without faults.
fn plan(acts: &[Act]) -> Plan {
    Plan {
        nodes: 1,
        controllers: 1,
        shards: 1,
        batch_events: 8,
        cached_links: 100,
        max_attempts: 3,
        retry_max: Duration::from_secs(5),
        slowest_ms: 10,
        faults: Faults::default(),
        panics: 0,
        replays: false,
        acts: acts.iter().map(|act| (Duration::ZERO, *act)).collect(),
    }
}

const fn send(kind: Kind) -> Act {
    Act::Send { controller: 0, kind }
}

const fn wait(millis: u64) -> Act {
    Act::Wait(Duration::from_millis(millis))
}

fn check(plan: &Plan) {
    for seed in 0..40 {
        let report = run_plan(seed, plan.clone());
        assert_eq!(report.broken, None, "with seed {seed}");
    }
}

/// A dispatcher let the claims of all controllers expire while it had nothing to do, also of those whose events had to
/// wait: their repeats were processed.
#[test]
fn claims_of_a_stream_that_waits_do_not_expire() {
    let length = Duration::from_secs(300);
    let unreadable = Act::Unreadable { controller: 0, length };
    check(&plan(&[
        send(SIGNUP),
        wait(1_000),
        unreadable,
        send(SIGNUP),
        wait(300_000),
    ]));
}

/// A port that panicked under the dispatcher itself ended the shard for good, without a word.
#[test]
fn a_dispatcher_that_panics_is_made_anew() {
    let bait = send(Kind::Poison(Poison::Store));
    let mut plan = plan(&[bait, send(SIGNUP), bait, send(SIGNUP), wait(5_000)]);
    plan.faults.panic = 150;
    check(&plan);
}

/// The poison of a stream that went to another node stayed a suspect here: its shard read nothing ahead any more. The
/// stream goes while its first batch is under way, or later.
#[test]
fn a_stream_that_is_lost_is_no_suspect() {
    let overlap = Duration::from_millis(2);
    let to = 1;
    let go = Act::Move {
        controller: 0,
        to,
        overlap,
    };
    for before in [1, 20] {
        let mut acts = vec![send(Kind::Poison(Poison::Logger)); 8];
        acts.extend([wait(before), go, wait(1_000)]);
        let mut plan = plan(&acts);
        plan.nodes = 2;
        plan.batch_events = 2;
        check(&plan);
    }
}

/// A commit whose answer was lost left the shard waiting, as its report said, until the next commit.
#[test]
fn what_was_done_by_a_commit_without_an_answer_is_not_waited_for() {
    let mut plan = plan(&[send(Kind::Broken)]);
    plan.faults.answer_lost = 500;
    plan.replays = true;
    check(&plan);
}
