//! Redis with the in-process window behind it: the same suite, and every way of being away.

use std::sync::Arc;
use std::time::Duration;

use conduit::dedup::{FailoverWindow, MemoryWindow};
use conduit_actors::ids::ControllerId;
use conduit_actors::ports::{Claim, Verdict};

use crate::common::redis::Redis;
use crate::common::wait_for;
use crate::dedup_window::{TIMEOUT, agrees_with_memory, at, block_on, claim, conforms, decide, redis_window};

async fn failover(redis: &Redis, timeout: Duration) -> FailoverWindow {
    let memory = Arc::new(MemoryWindow::new(100_000));
    FailoverWindow::start(redis_window(&redis.url(), timeout), memory).await
}

fn wait_until_back(window: &FailoverWindow) {
    wait_for("Redis to be back", || window.away().is_none().then_some(()));
}

#[test]
fn with_memory_behind_redis_it_conforms_there_and_away() {
    let mut redis = Redis::start();
    block_on(async {
        let window = failover(&redis, TIMEOUT).await;
        assert_eq!(window.away(), None);
        conforms(&window).await;
        agrees_with_memory(&window, 21).await;
        redis.kill();
        conforms(&window).await;
        assert!(window.away().is_some());
        agrees_with_memory(&window, 22).await;
    });
}

#[test]
fn nothing_is_forgotten_when_redis_goes_and_comes_back_empty() {
    let mut redis = Redis::start();
    block_on(async {
        let window = failover(&redis, TIMEOUT).await;
        let controller = ControllerId::generate();
        let (in_redis, in_memory) = (claim(1, at(1)), claim(2, at(2)));
        let repeat = |of: &Claim, key| (claim(key, at(20)), Verdict::DuplicateOf(of.event));
        assert_eq!(decide(&window, controller, &[in_redis]).await, [Verdict::First]);
        for round in 0..3 {
            redis.kill();
            assert_eq!(
                decide(&window, controller, &[in_redis, in_memory]).await,
                [Verdict::First; 2]
            );
            assert!(window.away().is_some(), "{round}");
            let (claim, verdict) = repeat(&in_redis, 1);
            assert_eq!(decide(&window, controller, &[claim]).await, [verdict]);
            redis.launch();
            wait_until_back(&window);
            for (claim, verdict) in [repeat(&in_redis, 1), repeat(&in_memory, 2)] {
                assert_eq!(decide(&window, controller, &[claim]).await, [verdict]);
            }
            assert_eq!(
                decide(&window, controller, &[in_redis, in_memory]).await,
                [Verdict::First; 2]
            );
            assert_eq!(window.away(), None);
        }
    });
    // Another node, which has nothing in memory, learns it all from Redis.
    assert_eq!(redis.keys(), 2);
}

/// Something to do to a server.
type Act<'a> = &'a dyn Fn();

#[test]
fn every_way_of_being_away_is_noticed_and_ends() {
    let redis = Redis::start();
    block_on(async {
        let window = failover(&redis, Duration::from_millis(300)).await;
        let (controller, first) = (ControllerId::generate(), claim(1, at(1)));
        assert_eq!(decide(&window, controller, &[first]).await, [Verdict::First]);
        let ways: [(&str, Act, Act); 3] = [
            ("hung", &|| redis.hang(), &|| redis.go_on()),
            (
                "out of memory",
                &|| drop(redis.text(&["CONFIG", "SET", "maxmemory", "1"])),
                &|| drop(redis.text(&["CONFIG", "SET", "maxmemory", "0"])),
            ),
            (
                "read-only",
                &|| drop(redis.text(&["REPLICAOF", "127.0.0.1", "1"])),
                &|| drop(redis.text(&["REPLICAOF", "NO", "ONE"])),
            ),
        ];
        for (i, (way, begin, end)) in (0u8..).zip(ways) {
            begin();
            let new = claim(10 + i, at(3));
            let verdicts = decide(&window, controller, &[claim(1, at(2)), new, claim(10 + i, at(4))]).await;
            let expected = [
                Verdict::DuplicateOf(first.event),
                Verdict::First,
                Verdict::DuplicateOf(new.event),
            ];
            assert_eq!(verdicts, expected, "{way}");
            assert!(window.away().is_some(), "{way}");
            end();
            wait_until_back(&window);
            let verdicts = decide(&window, controller, &[new, claim(10 + i, at(5))]).await;
            assert_eq!(verdicts, [Verdict::First, Verdict::DuplicateOf(new.event)], "{way}");
        }
    });
}

#[test]
fn two_nodes_see_each_others_claims() {
    let redis = Redis::start();
    block_on(async {
        let (one, other) = (failover(&redis, TIMEOUT).await, failover(&redis, TIMEOUT).await);
        let (controller, first) = (ControllerId::generate(), claim(1, at(1)));
        assert_eq!(decide(&one, controller, &[first]).await, [Verdict::First]);
        let repeat = [claim(1, at(2))];
        let verdict = [Verdict::DuplicateOf(first.event)];
        assert_eq!(decide(&other, controller, &repeat).await, verdict);
        // It still knows Redis' answers while Redis is away.
        redis.hang();
        assert_eq!(decide(&other, controller, &[claim(1, at(3))]).await, verdict);
        assert!(other.away().is_some());
        redis.go_on();
    });
}

#[test]
fn a_redis_that_was_emptied_is_noticed_before_a_repeat_passes() {
    let redis = Redis::start();
    block_on(async {
        let (window, idle) = (failover(&redis, TIMEOUT).await, failover(&redis, TIMEOUT).await);
        let controller = ControllerId::generate();
        let (first, idles) = (claim(1, at(1)), claim(2, at(1)));
        assert_eq!(decide(&window, controller, &[first]).await, [Verdict::First]);
        assert_eq!(decide(&idle, controller, &[idles]).await, [Verdict::First]);
        for round in 1..=3 {
            assert_eq!(redis.text(&["FLUSHALL"]).trim(), "OK");
            let repeat = decide(&window, controller, &[claim(1, at(2))]).await;
            assert_eq!(repeat, [Verdict::DuplicateOf(first.event)], "{round}");
            assert_eq!(window.departures(), round);
            // A node without claims notices as well, and writes its known claims.
            wait_for("the idle node to notice", || (idle.departures() == round).then_some(()));
            wait_until_back(&window);
            wait_until_back(&idle);
            let repeat = decide(&window, controller, &[claim(2, at(3))]).await;
            assert_eq!(repeat, [Verdict::DuplicateOf(idles.event)], "{round}");
        }
        // The mark alone is evidence enough, too.
        let mark = format!("conduit:{{{controller}}}:e");
        assert_eq!(redis.text(&["DEL", &mark]).trim(), "1");
        let repeat = decide(&window, controller, &[claim(1, at(4))]).await;
        assert_eq!(repeat, [Verdict::DuplicateOf(first.event)]);
        assert_eq!(window.departures(), 4);
    });
}

#[test]
fn a_policy_that_evicts_claims_is_noticed() {
    let redis = Redis::with(&["--maxmemory-policy", "allkeys-lru"]);
    block_on(async {
        let window = failover(&redis, TIMEOUT).await;
        let eviction = window.eviction().unwrap();
        assert_eq!((eviction.policy.as_str(), eviction.is_limited), ("allkeys-lru", false));
        redis.text(&["CONFIG", "SET", "maxmemory", "64mb"]);
        assert!(failover(&redis, TIMEOUT).await.eviction().unwrap().is_limited);
        redis.text(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        assert_eq!(failover(&redis, TIMEOUT).await.eviction(), None);
    });
}
