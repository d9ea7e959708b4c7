//! `kill -9` in the middle of load, over and over: nothing that was answered 200 is lost or counted twice.

use crate::common::load::{LONG_WINDOW, Load, Refusals};
use crate::common::redis::Redis;
use crate::common::size::sized;
use crate::common::{Conduit, Postgres};

/// Kills, in full size and usually.
const ROUNDS: (usize, usize) = (20, 6);

/// Runs the rounds, with any store below.
fn kills_under_load_lose_and_double_nothing(settings: &[(&str, &str)]) {
    let mut conduit = Conduit::with(settings);
    let load = Load::new(&conduit);
    for round in 0..sized(ROUNDS.0, ROUNDS.1) {
        load.throughout(&conduit, Refusals::ProcessGone, || {
            // A different number of events each round, so that the kill falls at different moments.
            load.more(20 + 17 * (round % 7));
            let pid = conduit.pid().to_string();
            let killed = std::process::Command::new("kill").args(["-9", &pid]).status();
            assert!(killed.unwrap().success());
        });
        conduit.kill();
        conduit.launch();
    }
    load.assert_outcomes(&conduit);
}

#[test]
fn kills_lose_and_double_nothing() {
    kills_under_load_lose_and_double_nothing(&[LONG_WINDOW]);
}

#[test]
fn kills_lose_and_double_nothing_in_postgresql_and_redis() {
    let (postgres, redis) = (Postgres::shared(), Redis::start());
    kills_under_load_lose_and_double_nothing(&[
        LONG_WINDOW,
        ("CONDUIT_DATABASE_URL", &postgres.database()),
        ("CONDUIT_REDIS_URL", &redis.url()),
    ]);
}
