//! One suite for every dedup window: in process, in Redis, in a cluster, behind sentinels. See
//! `dedup_failover` for Redis with the in-process window behind it.

use std::time::Duration;

use conduit::dedup::{MemoryWindow, RedisWindow};
use conduit_actors::event::DedupKey;
use conduit_actors::ids::{ControllerId, EventId};
use conduit_actors::ports::{Claim, DedupWindow, Verdict};

use crate::common::redis::{Redis, cluster, cluster_url};
use crate::common::wait_for;

pub const TIMEOUT: Duration = Duration::from_secs(2);
const BACKLOG: Duration = Duration::from_secs(3600);

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

pub fn redis_window(url: &str, timeout: Duration) -> RedisWindow {
    RedisWindow::new(url.parse().unwrap(), timeout, BACKLOG).unwrap()
}

async fn connected(url: &str) -> RedisWindow {
    let window = redis_window(url, TIMEOUT);
    window.connect().await.unwrap();
    window
}

fn at_ms(ms: u64) -> EventId {
    let random = EventId::generate().as_uuid().as_u128() & ((1 << 74) - 1);
    EventId::from_uuid(uuid::Uuid::from_u128((u128::from(ms) << 80) | random))
}

pub fn at(seconds: u64) -> EventId {
    at_ms(seconds * 1000)
}

pub fn claim(key: u8, event: EventId) -> Claim {
    within(key, event, 60)
}

fn within(key: u8, event: EventId, seconds: u64) -> Claim {
    Claim {
        // A zero byte and a brace: neither a text's end nor a hash tag.
        key: DedupKey([key, 0, b'}', 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'{']),
        event,
        window: Duration::from_secs(seconds),
    }
}

pub async fn decide(window: &dyn DedupWindow, controller: ControllerId, claims: &[Claim]) -> Vec<Verdict> {
    window.claim(controller, claims).await.unwrap()
}

/// Checks the contract.
pub async fn conforms(window: &dyn DedupWindow) {
    the_first_wins_and_repeats_do_not_extend(window).await;
    a_batch_that_runs_again(window).await;
    controllers_are_apart(window).await;
    windows_are_the_first_events(window).await;
    batches_of_any_size(window).await;
}

async fn the_first_wins_and_repeats_do_not_extend(window: &dyn DedupWindow) {
    let controller = ControllerId::generate();
    let (first, second, late) = (at(100), at(159), at(160));
    let claims = [claim(1, first), claim(1, second), claim(1, late), claim(2, second)];
    let expected = [
        Verdict::First,
        Verdict::DuplicateOf(first),
        Verdict::First,
        Verdict::First,
    ];
    assert_eq!(decide(window, controller, &claims).await, expected);
    // To the millisecond.
    let edge = [claim(1, at_ms(219_999)), claim(1, at_ms(220_000))];
    let expected = [Verdict::DuplicateOf(late), Verdict::First];
    assert_eq!(decide(window, controller, &edge).await, expected);
    assert_eq!(decide(window, controller, &[]).await, []);
}

async fn a_batch_that_runs_again(window: &dyn DedupWindow) {
    let controller = ControllerId::generate();
    let events = [at(0), at(10), at(75), at(100), at(140)];
    let claims: Vec<_> = events.iter().map(|event| claim(1, *event)).collect();
    let once = decide(window, controller, &claims).await;
    let expected = [
        Verdict::First,
        Verdict::DuplicateOf(events[0]),
        Verdict::First,
        Verdict::DuplicateOf(events[2]),
        Verdict::First,
    ];
    assert_eq!(once, expected);
    assert_eq!(decide(window, controller, &claims).await, once);
    assert_eq!(decide(window, controller, &claims[1..]).await, once[1..]);
    for (claim, verdict) in claims.iter().zip(&once) {
        assert_eq!(decide(window, controller, &[*claim]).await, [*verdict]);
    }
}

async fn controllers_are_apart(window: &dyn DedupWindow) {
    let (one, other, event) = (ControllerId::generate(), ControllerId::generate(), at(1));
    assert_eq!(decide(window, one, &[claim(1, event)]).await, [Verdict::First]);
    assert_eq!(decide(window, other, &[claim(1, at(2))]).await, [Verdict::First]);
    window.forget(other);
    assert_eq!(
        decide(window, one, &[claim(1, at(3))]).await,
        [Verdict::DuplicateOf(event)]
    );
}

/// Checks that a changed window applies to new claims.
async fn windows_are_the_first_events(window: &dyn DedupWindow) {
    let controller = ControllerId::generate();
    let (first, then) = (at(1000), at(1030));
    let claims = [
        within(1, first, 10),
        within(1, then, 86_400),
        within(1, at(1050), 10),
        within(1, at(80_000), 10),
    ];
    let expected = [
        Verdict::First,
        Verdict::First,
        Verdict::DuplicateOf(then),
        Verdict::DuplicateOf(then),
    ];
    assert_eq!(decide(window, controller, &claims).await, expected);
}

async fn batches_of_any_size(window: &dyn DedupWindow) {
    let controller = ControllerId::generate();
    let events: Vec<EventId> = (0..3000).map(|i| at_ms(1_000_000 + i)).collect();
    let keyed = |i: usize| u8::try_from(i % 200).unwrap();
    let claims: Vec<Claim> = events.iter().enumerate().map(|(i, e)| claim(keyed(i), *e)).collect();
    for _ in 0..2 {
        let verdicts = decide(window, controller, &claims).await;
        for (i, verdict) in verdicts.iter().enumerate() {
            let first = (i >= 200).then(|| Verdict::DuplicateOf(events[i % 200]));
            assert_eq!(*verdict, first.unwrap_or(Verdict::First), "{i}");
        }
    }
}

/// Makes random claims in stream order, in batches of random sizes, and repeats some batches. Checks that the verdicts
/// equal those of the memory.
pub async fn agrees_with_memory(window: &dyn DedupWindow, seed: u64) {
    let mut state = seed;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let memory = MemoryWindow::new(1_000_000);
    let controllers = [ControllerId::generate(), ControllerId::generate()];
    let mut time = [1_000_000u64; 2];
    let mut earlier: Vec<(usize, Vec<Claim>)> = Vec::new();
    for round in 0..150 {
        let (which, batch) = if !earlier.is_empty() && random(3) == 0 {
            let again = usize::try_from(random(earlier.len() as u64)).unwrap();
            earlier[again].clone()
        } else {
            let which = usize::try_from(random(2)).unwrap();
            let batch: Vec<Claim> = (0..=random(40))
                .map(|_| {
                    time[which] += random(700);
                    // Ids are nearly in stream order: requests overtake each other by a little.
                    let event = at_ms(time[which] - random(50));
                    within(u8::try_from(random(12)).unwrap(), event, 5 + random(3) * 10)
                })
                .collect();
            earlier.push((which, batch.clone()));
            (which, batch)
        };
        let expected = decide(&memory, controllers[which], &batch).await;
        let found = decide(window, controllers[which], &batch).await;
        assert_eq!(found, expected, "round {round} of seed {seed}");
    }
}

#[test]
fn in_process_it_conforms() {
    block_on(conforms(&MemoryWindow::new(100_000)));
}

#[test]
fn in_redis_it_conforms() {
    let redis = Redis::start();
    block_on(async {
        let window = connected(&redis.url()).await;
        conforms(&window).await;
        for seed in 1..=5 {
            agrees_with_memory(&window, seed).await;
        }
    });
    // Nothing stays: each key has an end, its window and the backlog from now.
    let keys = redis.text(&["EVAL", "local n = 0 for _, k in ipairs(redis.call('KEYS', '*')) do if redis.call('PTTL', k) < 0 then n = n + 1 end end return n", "0"]);
    assert_eq!(keys.trim(), "0");
}

#[test]
fn in_a_cluster_it_conforms() {
    let nodes = cluster();
    block_on(async {
        let window = connected(&cluster_url(&nodes)).await;
        conforms(&window).await;
        agrees_with_memory(&window, 11).await;
        // Many controllers, on all nodes; and scripts that a node has forgotten.
        for round in 0..2 {
            for _ in 0..20 {
                let (controller, first) = (ControllerId::generate(), at(1));
                let verdicts = decide(&window, controller, &[claim(1, first), claim(1, at(2))]).await;
                assert_eq!(verdicts, [Verdict::First, Verdict::DuplicateOf(first)], "{round}");
            }
            nodes
                .iter()
                .for_each(|node| assert_eq!(node.text(&["SCRIPT", "FLUSH"]).trim(), "OK"));
        }
    });
    let used = nodes.iter().filter(|node| node.keys() > 0);
    assert_eq!(used.count(), 3);
}

#[test]
fn behind_sentinels_it_follows_the_primary() {
    let mut primary = Redis::start();
    let replica = Redis::with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    wait_for("the replica to be in step", || {
        replica
            .text(&["INFO", "replication"])
            .contains("master_link_status:up")
            .then_some(())
    });
    let sentinel = Redis::sentinel(&primary);
    wait_for("the sentinel to know the replica", || {
        sentinel
            .text(&["SENTINEL", "REPLICAS", "main"])
            .contains(&replica.port.to_string())
            .then_some(())
    });
    block_on(async {
        let window = connected(&format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port)).await;
        conforms(&window).await;
        let (controller, first) = (ControllerId::generate(), at(1));
        assert_eq!(decide(&window, controller, &[claim(1, first)]).await, [Verdict::First]);
        wait_for("the claim to reach the replica", || {
            (replica.text(&["DBSIZE"]) == primary.text(&["DBSIZE"])).then_some(())
        });
        primary.kill();
        window.claim(controller, &[claim(1, at(2))]).await.unwrap_err();
        wait_for("the replica to take over", || {
            replica.text(&["ROLE"]).starts_with("master").then_some(())
        });
        let deadline = std::time::Instant::now() + crate::common::PATIENCE;
        while window.connect().await.is_err() {
            assert!(std::time::Instant::now() < deadline, "it does not find the new primary");
        }
        let verdicts = decide(&window, controller, &[claim(1, at(2))]).await;
        assert_eq!(verdicts, [Verdict::DuplicateOf(first)]);
    });
}

#[test]
fn a_redis_that_forgot_the_script_or_lost_the_answer_gives_no_false_duplicate() {
    let redis = Redis::start();
    block_on(async {
        let window = redis_window(&redis.url(), Duration::from_millis(200));
        window.connect().await.unwrap();
        let (controller, first, second) = (ControllerId::generate(), at(1), at(2));
        assert_eq!(decide(&window, controller, &[claim(1, first)]).await, [Verdict::First]);
        assert_eq!(redis.text(&["SCRIPT", "FLUSH"]).trim(), "OK");
        assert_eq!(decide(&window, controller, &[claim(2, second)]).await, [Verdict::First]);
        // Time-outs: the claim may have been made, or will be made once the server goes on.
        redis.hang();
        let lost = [claim(3, at(3)), claim(3, at(4)), claim(1, at(5))];
        let error = window.claim(controller, &lost).await.unwrap_err();
        assert!(
            error.to_string().contains("200 ms") || error.to_string().contains("timed out"),
            "{error}"
        );
        redis.go_on();
        wait_for("Redis to answer", || {
            redis.text(&["PING"]).contains("PONG").then_some(())
        });
        window.connect().await.unwrap();
        let expected = [
            Verdict::First,
            Verdict::DuplicateOf(lost[0].event),
            Verdict::DuplicateOf(first),
        ];
        assert_eq!(decide(&window, controller, &lost).await, expected);
        assert_eq!(decide(&window, controller, &lost).await, expected);
    });
}
