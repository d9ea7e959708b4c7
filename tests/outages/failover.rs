//! PostgreSQL fails over to a replica, behind an address that moves with it.

use super::{assert_quiet, assert_unanswered, wait_until_ready};
use crate::common::forwarder::{Forwarder, Old};
use crate::common::load::{LONG_WINDOW, Load, Refusals};
use crate::common::{Conduit, Postgres, wait_for};

struct Pair {
    primary: Postgres,
    replica: Postgres,
    address: Forwarder,
    conduit: Conduit,
    load: Load,
}

impl Pair {
    fn start(synchronous: bool) -> Self {
        let primary = Postgres::start();
        let url = primary.database();
        let address = Forwarder::to(primary.port);
        let url = url.replace(&format!(":{}/", primary.port), &format!(":{}/", address.port));
        let conduit = Conduit::with(&[
            LONG_WINDOW,
            ("CONDUIT_DATABASE_URL", &url),
            // As few connections as possible, so that all are needed.
            ("CONDUIT__STORAGE__MAX_CONNECTIONS", "2"),
            ("CONDUIT__PIPELINE__RETRY_MAX_MS", "200"),
        ]);
        let load = Load::new(&conduit);
        let replica = primary.replica(synchronous);
        Self {
            primary,
            replica,
            address,
            conduit,
            load,
        }
    }

    fn throughout(&self, act: impl FnOnce()) {
        self.load.throughout(&self.conduit, Refusals::None, || {
            self.load.more(100);
            act();
            self.load.more(100);
        });
    }

    fn wait_until_degraded(&self, part: &str, reason: &str) {
        wait_for(&format!("{part} to be degraded: {reason}"), || {
            self.conduit.readiness().is_degraded(part, reason).then_some(())
        });
    }
}

#[test]
fn the_primary_dies_and_its_replica_takes_over() {
    let pair = Pair::start(true);
    pair.throughout(|| {
        pair.primary.stop("QUIT");
        pair.wait_until_degraded("shards", "unavailable");
        assert_unanswered(&pair.conduit, "/api/v1/stats");
        pair.replica.promote();
        pair.address.switch_to(pair.replica.port, Old::Cut);
        wait_until_ready(&pair.conduit);
    });
    pair.load.assert_outcomes(&pair.conduit);
    assert_quiet(&pair.conduit, 1);
}

/// A server that is only readable is found at once, and connections to it are not held on to: the address may lead to
/// another one by now.
#[test]
fn the_primary_lives_on_read_only_and_the_address_moves() {
    let pair = Pair::start(true);
    pair.throughout(|| {
        pair.primary.set("default_transaction_read_only", "on");
        pair.wait_until_degraded("shards", "25006");
        pair.wait_until_degraded("database", "read-only");
        // Readable data is still shown.
        pair.conduit.admin("GET", "/api/v1/subjects", None).expect(200);
        pair.conduit.stats().assert_sum();
        pair.replica.promote();
        // The replica has it from its primary.
        pair.replica.set("default_transaction_read_only", "off");
        pair.address.switch_to(pair.replica.port, Old::Stay);
        wait_until_ready(&pair.conduit);
    });
    pair.load.assert_outcomes(&pair.conduit);
    assert_quiet(&pair.conduit, 1);
    wait_for("connections to the old primary to be let go", || {
        let there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'conduit'";
        (pair.primary.sql(there).trim() == "0").then_some(())
    });
}

/// Nothing tells that the machine is gone: no answer, no end of the connection.
#[test]
fn the_primary_s_machine_is_gone_without_a_word() {
    let pair = Pair::start(true);
    pair.throughout(|| {
        pair.address.silence();
        pair.wait_until_degraded("database", "does not answer");
        pair.primary.stop("QUIT");
        pair.replica.promote();
        pair.address.switch_to(pair.replica.port, Old::Silent);
        wait_until_ready(&pair.conduit);
    });
    pair.load.assert_outcomes(&pair.conduit);
    assert_quiet(&pair.conduit, 1);
}

/// A replica that commits did not wait for may lack some. The journal must not go on as if it had them.
#[test]
fn a_replica_that_lacks_commits_is_noticed_and_a_restart_makes_good_for_them() {
    let mut pair = Pair::start(false);
    pair.load
        .throughout(&pair.conduit, Refusals::None, || pair.load.more(100));
    pair.conduit.settled();
    let written = pair.primary.sql("SELECT pg_current_wal_lsn()");
    wait_for("the replica to have all so far", || {
        let has = format!("SELECT pg_last_wal_replay_lsn() >= '{}'::pg_lsn", written.trim());
        (pair.replica.sql(&has).trim() == "t").then_some(())
    });
    // It still runs, but hears of nothing more.
    pair.replica.set("primary_conninfo", "");
    wait_for("the replica to follow no more", || {
        let followers = pair.primary.sql("SELECT count(*) FROM pg_stat_replication");
        (followers.trim() == "0").then_some(())
    });
    pair.load
        .throughout(&pair.conduit, Refusals::None, || pair.load.more(100));
    pair.conduit.settled();
    pair.primary.stop("QUIT");
    pair.replica.promote();
    pair.address.switch_to(pair.replica.port, Old::Cut);
    pair.load.throughout(&pair.conduit, Refusals::None, || {
        pair.wait_until_degraded("shards", "behind the journal");
        pair.load.more(100);
    });
    pair.conduit.stats().assert_sum();
    assert_eq!(pair.conduit.stop(), Some(0));
    pair.conduit.launch();
    pair.conduit.settled();
    // Lost records are logged again, which makes another chain than this data directory has committed. The verification
    // says so until the operator accepts it.
    assert_eq!(pair.conduit.stop(), Some(0));
    let audit = |command: &str| pair.conduit.command().args(["audit", command]).status().unwrap().code();
    assert_eq!(audit("verify"), Some(1));
    assert_eq!(audit("seal"), Some(0));
    pair.conduit.launch();
    pair.load.assert_outcomes(&pair.conduit);
}
