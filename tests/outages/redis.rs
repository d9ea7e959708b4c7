//! Redis killed, hung, slow, full, read-only, loading, busy.

use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use super::{Outage, assert_quiet};
use crate::common::load::{LONG_WINDOW, Load, Refusals};
use crate::common::redis::Redis;
use crate::common::{Conduit, Postgres, wait_for};

/// A time-out that suffices on a machine that is busy with other tests. A slower Redis counts as away.
const TIMEOUT_MS: &str = "3000";

/// The start of readiness' detail. The rest depends on who meets the outage first, a batch or the heartbeat.
const AWAY: &str = "Redis away";

fn conduit(redis: &Redis, postgres: &Postgres) -> Conduit {
    Conduit::with(&[
        LONG_WINDOW,
        ("CONDUIT_DATABASE_URL", &postgres.database()),
        ("CONDUIT_REDIS_URL", &redis.url()),
        ("CONDUIT__DEDUP__REDIS_TIMEOUT_MS", TIMEOUT_MS),
        // The results of tries to reach Redis are logged at this level.
        ("CONDUIT_LOG", "info,conduit::supervision=debug"),
    ])
}

fn dedup<'a>(reason: &'a str, begin: impl Fn() + 'a, end: impl Fn() + 'a) -> Outage<'a> {
    Outage {
        part: "dedup",
        reason,
        unanswered: None,
        begin: Box::new(begin),
        end: Box::new(end),
    }
}

/// Asserts one line for each change of state.
fn assert_changes(conduit: &Conduit, outages: usize) {
    let count = |message| conduit.log_lines(message).len();
    assert_eq!(
        (count("Redis is away: dedup"), count("Redis is back")),
        (outages, outages)
    );
}

#[test]
fn redis_slow_full_read_only_and_busy_under_load() {
    let (redis, postgres) = (Redis::start(), Postgres::shared());
    let conduit = conduit(&redis, &postgres);
    let load = Load::new(&conduit);
    let text = |args: &[&str]| assert_eq!(redis.text(args).trim(), "OK", "{args:?}");
    let script: Mutex<Option<Child>> = Mutex::new(None);
    let outages = [
        dedup(
            AWAY,
            || text(&["CLIENT", "PAUSE", "600000", "WRITE"]),
            || text(&["CLIENT", "UNPAUSE"]),
        ),
        dedup(
            AWAY,
            || text(&["CONFIG", "SET", "maxmemory", "1"]),
            || {
                text(&["CONFIG", "SET", "maxmemory", "0"]);
            },
        ),
        dedup(
            "",
            || text(&["REPLICAOF", "127.0.0.1", "1"]),
            || {
                text(&["REPLICAOF", "NO", "ONE"]);
            },
        ),
        dedup(
            "",
            || *script.lock().unwrap() = Some(endless_script(&redis)),
            || {
                text(&["SCRIPT", "KILL"]);
                let ended = script.lock().unwrap().take().expect("it was begun").wait();
                ended.expect("it can be waited for");
            },
        ),
    ];
    load.throughout(&conduit, Refusals::None, || {
        load.more(30);
        // Slow, but within the limit, is not away.
        text(&["CLIENT", "PAUSE", "300", "ALL"]);
        load.more(60);
        assert_changes(&conduit, 0);
        outages.iter().for_each(|outage| outage.ride_out(&conduit, &load));
    });
    load.assert_outcomes(&conduit);
    assert_changes(&conduit, outages.len());
    assert_quiet(&conduit, outages.len());
}

/// Starts a script that runs until it is killed. Redis answers BUSY to other scripts.
fn endless_script(redis: &Redis) -> Child {
    assert_eq!(
        redis.text(&["CONFIG", "SET", "busy-reply-threshold", "50"]).trim(),
        "OK"
    );
    let child = Command::new("redis-cli")
        .args(["-p", &redis.port.to_string(), "EVAL", "while true do end", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-cli runs");
    wait_for("Redis to be busy", || {
        redis.text(&["PING"]).contains("BUSY").then_some(())
    });
    child
}

#[test]
fn redis_killed_loading_and_hung_under_load() {
    let postgres = Postgres::shared();
    let redis = Mutex::new(Redis::start());
    let with = |act: fn(&mut Redis)| {
        let redis = &redis;
        move || act(&mut redis.lock().unwrap())
    };
    let conduit = conduit(&redis.lock().unwrap(), &postgres);
    let load = Load::new(&conduit);
    let (kill, launch) = (with(Redis::kill), with(Redis::launch));
    let (hang, go_on) = (with(|redis| redis.hang()), with(|redis| redis.go_on()));
    let loads = || {
        redis.lock().unwrap().restart_loading();
        wait_for("Conduit to meet it loading", || {
            let met = conduit.log_lines("Redis is still away");
            met.iter()
                .any(|line| line.to_string().contains("loading"))
                .then_some(())
        });
    };
    let loaded = with(|redis| redis.end_loading());
    let outages = [
        dedup(AWAY, kill, launch),
        dedup(AWAY, loads, loaded),
        dedup(AWAY, hang, go_on),
    ];
    load.throughout(&conduit, Refusals::None, || {
        outages.iter().for_each(|outage| outage.ride_out(&conduit, &load));
    });
    load.assert_outcomes(&conduit);
    assert_changes(&conduit, outages.len());
    assert_quiet(&conduit, outages.len());
}
