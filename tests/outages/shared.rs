//! Faults of the database that all events share, and such that only some do.

use std::cell::RefCell;
use std::path::Path;

use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::runtime::Runtime;

use super::{Outage, wait_until_ready};
use crate::common::load::{LONG_WINDOW, Load, Refusals};
use crate::common::postgres::PASSWORD;
use crate::common::{Conduit, Postgres, Tenant, wait_for};

/// A session of the superuser in the database of a Conduit, whose own user is no superuser.
struct Administrator {
    runtime: Runtime,
    connection: RefCell<PgConnection>,
    url: String,
}

impl Administrator {
    fn new(server: &Postgres) -> Self {
        let url = server.database();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let connection = runtime.block_on(PgConnection::connect(&url)).unwrap();
        let plain = url.replace("conduit:", "plain:");
        let administrator = Self {
            runtime,
            connection: RefCell::new(connection),
            url: plain,
        };
        let name = administrator.url.rsplit('/').next().unwrap().to_owned();
        for statement in [
            format!(
                "DO $$ BEGIN CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'; \
                 EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            ),
            format!("ALTER DATABASE {name} OWNER TO plain"),
            "GRANT ALL ON SCHEMA public TO plain".to_owned(),
        ] {
            administrator.execute(&statement);
        }
        administrator
    }

    fn execute(&self, statement: &str) {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        let mut connection = self.connection.borrow_mut();
        self.runtime.block_on(connection.execute(statement)).unwrap();
    }

    /// Makes each row of a table that meets a condition fail with this SQLSTATE from now on.
    fn refuse(&self, table: &str, condition: &str, code: &str) {
        self.execute(&format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'refused by a test' USING ERRCODE = '{code}'; END $$"
        ));
        self.execute(&format!(
            "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW WHEN ({condition}) \
             EXECUTE FUNCTION refuse()"
        ));
    }

    /// Makes the table silently drop each new row from now on.
    fn swallow(&self, table: &str) {
        self.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$");
        self.execute(&format!(
            "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
        ));
    }

    fn take_again(&self) {
        self.execute("DROP FUNCTION refuse CASCADE");
    }

    fn conduit(&self, more: &[(&str, &str)]) -> Conduit {
        let settings = [
            LONG_WINDOW,
            ("CONDUIT_DATABASE_URL", self.url.as_str()),
            ("CONDUIT__PIPELINE__RETRY_MAX_MS", "200"),
        ];
        Conduit::with(&[&settings, more].concat())
    }
}

/// Asserts that the log has lines for changes, not for tries.
fn assert_short(conduit: &Conduit, lines: usize) {
    let found = conduit.logs().lines().count();
    assert!(found < lines, "{found} lines");
}

#[test]
fn a_fault_that_all_events_share_is_an_outage_and_makes_no_dead_letter() {
    let server = Postgres::shared();
    let administrator = &Administrator::new(&server);
    let conduit = administrator.conduit(&[]);
    let statements = |reason, begin: &'static str, end: &'static str| Outage {
        part: "shards",
        reason,
        unanswered: None,
        begin: Box::new(move || administrator.execute(begin)),
        end: Box::new(move || administrator.execute(end)),
    };
    let refusals = |table: &'static str, code: &'static str, reason| Outage {
        part: "shards",
        reason,
        unanswered: None,
        begin: Box::new(move || administrator.refuse(table, "true", code)),
        end: Box::new(move || administrator.take_again()),
    };
    let outages = [
        statements(
            "42501",
            "REVOKE INSERT ON events FROM plain",
            "GRANT INSERT ON events TO plain",
        ),
        statements(
            "42501",
            "REVOKE SELECT ON links FROM plain",
            "GRANT SELECT ON links TO plain",
        ),
        statements(
            "42P01",
            "ALTER TABLE activities RENAME TO elsewhere",
            "ALTER TABLE elsewhere RENAME TO activities",
        ),
        statements(
            "42703",
            "ALTER TABLE controllers RENAME chain_hash TO elsewhere",
            "ALTER TABLE controllers RENAME elsewhere TO chain_hash",
        ),
        refusals("journal_checkpoints", "XX001", "XX001"),
        // These look as if they were the events' fault.
        refusals("subjects", "23514", "23514"),
        refusals("outcome_history", "22P02", "22P02"),
        // And this one as if another node were at work.
        refusals("events", "40001", "met another writer"),
    ];
    let load = Load::new(&conduit);
    load.throughout(&conduit, Refusals::None, || {
        outages.iter().for_each(|outage| outage.ride_out(&conduit, &load));
    });
    load.assert_outcomes(&conduit);
    assert_eq!(conduit.stats().failed, 0);
    assert!(conduit.log_lines("poison").is_empty());
    assert_short(&conduit, 400);
}

#[test]
fn rows_that_postgresql_leaves_out_without_a_word_are_an_outage() {
    let server = Postgres::shared();
    let administrator = &Administrator::new(&server);
    let conduit = administrator.conduit(&[]);
    let swallowed = |table: &'static str, reason| Outage {
        part: "shards",
        reason,
        unanswered: None,
        begin: Box::new(move || administrator.swallow(table)),
        end: Box::new(move || administrator.take_again()),
    };
    let outages = [
        swallowed("activities", "rows of activities"),
        swallowed("events", "rows of events"),
        swallowed("links", "rows of links"),
        swallowed("subjects", "rows of subjects"),
        swallowed("controllers", "rows of controllers"),
        swallowed("outcome_history", "rows of outcome_history"),
    ];
    let load = Load::new(&conduit);
    load.throughout(&conduit, Refusals::None, || {
        outages.iter().for_each(|outage| outage.ride_out(&conduit, &load));
    });
    load.assert_outcomes(&conduit);
    assert_eq!(conduit.stats().failed, 0);
    conduit.assert_audit_verifies();
}

fn outcome(conduit: &Conduit, tenant: &Tenant, event: &str) -> String {
    tenant.outcome(conduit, event)["status"].as_str().unwrap().to_owned()
}

fn contact(number: u32) -> Value {
    json!({"email": format!("c{number}@shop.example")})
}

#[test]
fn an_event_that_the_database_refuses_alone_is_a_dead_letter() {
    let server = Postgres::shared();
    let administrator = Administrator::new(&server);
    let conduit = administrator.conduit(&[]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    administrator.refuse(
        "events",
        "NEW.event_type = 'poison' AND NEW.status = 'processed'",
        "22003",
    );
    // Without neighbours, made-up rows tell.
    let alone = shop.send(&conduit, "poison", contact(0));
    assert_eq!(outcome(&conduit, &shop, &alone), "failed");
    let mut ids = Vec::new();
    for number in 1..40 {
        let event = if matches!(number, 10 | 11 | 30) {
            "poison"
        } else {
            "contact"
        };
        ids.push((event, shop.send(&conduit, event, contact(number))));
    }
    for (event, id) in ids {
        let expected = if event == "poison" { "failed" } else { "processed" };
        assert_eq!(outcome(&conduit, &shop, &id), expected, "{event}");
    }
    wait_until_ready(&conduit);
    administrator.take_again();
    conduit.settled();
    conduit.assert_audit_verifies();
}

#[test]
fn different_events_that_fail_in_the_same_way_wait_and_others_go_on() {
    let server = Postgres::shared();
    let administrator = Administrator::new(&server);
    let conduit = administrator.conduit(&[("CONDUIT__PIPELINE__SHARDS", "1")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    // All are there before the first is tried, so that each has neighbours.
    administrator.execute("BEGIN");
    administrator.execute("LOCK TABLE links IN ACCESS EXCLUSIVE MODE");
    for number in 0..20 {
        shop.send(&conduit, "contact", contact(number));
    }
    // Other rows than the made-up ones.
    administrator.refuse("links", "NEW.category = 'user.contact.email'", "23514");
    administrator.execute("COMMIT");
    wait_for("one controller to be stalled", || {
        conduit
            .readiness()
            .is_degraded("shards", "did:web:shop.example")
            .then_some(())
    });
    for number in 0..20 {
        let id = other.send(&conduit, "heartbeat", json!({"host": format!("h{number}")}));
        assert_eq!(outcome(&conduit, &other, &id), "processed");
    }
    administrator.take_again();
    let stats = conduit.settled();
    assert_eq!((stats.processed, stats.failed), (40, 0), "{stats:?}");
    wait_until_ready(&conduit);
    assert!(!conduit.log_lines("the events of one controller wait").is_empty());
    assert!(!conduit.log_lines("the events of one controller go on").is_empty());
    assert_short(&conduit, 200);
}

#[test]
fn a_fault_of_one_controllers_rows_stalls_that_controller_alone() {
    let server = Postgres::shared();
    let administrator = Administrator::new(&server);
    let conduit = administrator.conduit(&[("CONDUIT__PIPELINE__SHARDS", "1")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    administrator.refuse("controllers", "NEW.did = 'did:web:shop.example'", "XX002");
    let waiting: Vec<_> = (0..20)
        .map(|number| {
            let id = other.send(&conduit, "contact", contact(number));
            let waiting = shop.send(&conduit, "contact", contact(number));
            assert_eq!(outcome(&conduit, &other, &id), "processed");
            waiting
        })
        .collect();
    wait_for("one controller to be stalled", || {
        conduit
            .readiness()
            .is_degraded("shards", "did:web:shop.example")
            .then_some(())
    });
    let report = conduit.admin("GET", "/api/v1/supervision", None).expect(200).json();
    assert_eq!(report["shards"][0]["dispatcher"]["stalled"], 1, "{report}");
    administrator.take_again();
    for id in waiting {
        assert_eq!(outcome(&conduit, &shop, &id), "processed");
    }
    wait_until_ready(&conduit);
    assert_short(&conduit, 200);
}

/// Executes a statement over a second connection, like a person at a terminal.
fn sqlite(database: &Path, statement: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(database)
            .busy_timeout(std::time::Duration::from_secs(30));
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        connection.execute(statement).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn what_sqlite_refuses_of_every_event_is_an_outage() {
    let conduit = Conduit::with(&[LONG_WINDOW, ("CONDUIT__PIPELINE__RETRY_MAX_MS", "200")]);
    let database = conduit.data_dir().join("conduit.db");
    let database = &database;
    let outage = |reason, begin: &'static str, end: &'static str| Outage {
        part: "shards",
        reason,
        unanswered: None,
        begin: Box::new(move || sqlite(database, begin)),
        end: Box::new(move || sqlite(database, end)),
    };
    let outages = [
        outage(
            "no such table",
            "ALTER TABLE links RENAME TO elsewhere",
            "ALTER TABLE elsewhere RENAME TO links",
        ),
        outage(
            "no such table",
            "ALTER TABLE payloads RENAME TO elsewhere",
            "ALTER TABLE elsewhere RENAME TO payloads",
        ),
        outage(
            "refused by a test",
            "CREATE TRIGGER refuse BEFORE INSERT ON activities BEGIN SELECT RAISE(ABORT, 'refused by a test'); END",
            "DROP TRIGGER refuse",
        ),
        outage(
            "rows of activities",
            "CREATE TRIGGER refuse BEFORE INSERT ON activities BEGIN SELECT RAISE(IGNORE); END",
            "DROP TRIGGER refuse",
        ),
        outage(
            "rows of events",
            "CREATE TRIGGER refuse BEFORE INSERT ON events BEGIN SELECT RAISE(IGNORE); END",
            "DROP TRIGGER refuse",
        ),
        outage(
            "rows of controllers",
            "CREATE TRIGGER refuse BEFORE UPDATE ON controllers BEGIN SELECT RAISE(IGNORE); END",
            "DROP TRIGGER refuse",
        ),
    ];
    let load = Load::new(&conduit);
    load.throughout(&conduit, Refusals::None, || {
        outages.iter().for_each(|outage| outage.ride_out(&conduit, &load));
    });
    load.assert_outcomes(&conduit);
    assert_eq!(conduit.stats().failed, 0);
    assert!(conduit.log_lines("poison").is_empty());
    conduit.assert_audit_verifies();
    assert_short(&conduit, 200);
}
