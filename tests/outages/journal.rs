//! The journal is full, as a whole or for one controller: few lines, true figures, and an end by itself.

use serde_json::json;
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use tokio::runtime::Runtime;

use crate::common::{Conduit, Tenant, tenant::body, wait_for};

/// A session that has the database for itself: the pipeline waits for it.
struct Hold {
    runtime: Runtime,
    connection: SqliteConnection,
}

impl Hold {
    fn take(conduit: &Conduit) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(conduit.data_dir().join("conduit.db"))
            .busy_timeout(std::time::Duration::from_secs(30));
        let connection = runtime.block_on(async {
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            connection.execute("BEGIN IMMEDIATE").await.unwrap();
            connection
        });
        Self { runtime, connection }
    }

    fn release(mut self) {
        self.runtime.block_on(self.connection.execute("ROLLBACK")).unwrap();
    }
}

fn metric(conduit: &Conduit, name: &str) -> f64 {
    let text = conduit.get("/metrics").expect(200).text;
    let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
    let value = line.unwrap_or_else(|| panic!("{name} is not in {text}"));
    value.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Sends until it is refused, and so many more.
fn overfill(conduit: &Conduit, shop: &Tenant, more: usize) -> (u64, u64) {
    let (mut accepted, mut refused) = (0, 0);
    let mut send = |number: usize| {
        let fields = json!({"email": format!("c{number}@shop.example"), "padding": "x".repeat(4_000)});
        let answer = shop.try_send(conduit, body("contact", fields).as_bytes()).unwrap();
        match answer.status {
            200 => accepted += 1,
            _ => {
                let answer = answer.expect(500);
                assert_eq!(answer.json()["code"], "journal_full");
                assert!(answer.header("retry-after").is_some());
                refused += 1;
            }
        }
        refused > 0
    };
    let first = (0..).find(|number| send(*number)).unwrap();
    for number in 0..more {
        send(first + 1 + number);
    }
    (accepted, refused)
}

#[test]
fn a_full_journal_has_one_line_when_it_begins_and_one_when_it_is_over() {
    let conduit = Conduit::with(&[
        ("CONDUIT__JOURNAL__MAX_BYTES", "200000"),
        ("CONDUIT__PIPELINE__RETRY_MAX_MS", "200"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    assert!((metric(&conduit, "conduit_journal_max_bytes") - 200_000.0).abs() < 0.5);
    let hold = Hold::take(&conduit);
    let (accepted, refused) = overfill(&conduit, &shop, 100);
    let readiness = conduit.readiness();
    assert_eq!(readiness.status, "unavailable", "{readiness:?}");
    assert_eq!(readiness.checks["journal"].0, "unavailable");
    assert!((metric(&conduit, "conduit_journal_full") - 1.0).abs() < 0.5);
    assert!(metric(&conduit, "conduit_journal_in_flight_bytes") > 190_000.0);
    let counted = conduit.get("/metrics").text;
    let series = format!("conduit_refusals_total{{endpoint=\"event\",code=\"journal_full\"}} {refused}");
    assert!(counted.contains(&series), "{counted}");
    hold.release();
    let stats = conduit.settled();
    assert_eq!((stats.accepted, stats.processed), (accepted, accepted), "{stats:?}");
    assert_eq!(conduit.log_lines("the journal is full").len(), 1);
    assert_eq!(conduit.log_lines("the journal has room again").len(), 1);
    let one_by_one = conduit.log_lines("\"code\":\"journal_full\"").len();
    assert!(one_by_one <= 6, "{one_by_one}");
    wait_for("readiness to return", || {
        (conduit.readiness().status == "ready").then_some(())
    });
    assert!(metric(&conduit, "conduit_journal_full") < 0.5);
    overfill_is_over(&conduit, &shop);
}

fn overfill_is_over(conduit: &Conduit, shop: &Tenant) {
    let again = shop.send(conduit, "contact", json!({"email": "again@shop.example"}));
    assert_eq!(shop.outcome(conduit, &again)["status"], "processed");
}

#[test]
fn the_cap_of_one_controller_is_said_of_it_and_others_are_taken() {
    let conduit = Conduit::with(&[
        ("CONDUIT__JOURNAL__MAX_BYTES_PER_CONTROLLER", "100000"),
        ("CONDUIT__PIPELINE__RETRY_MAX_MS", "200"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    let hold = Hold::take(&conduit);
    overfill(&conduit, &shop, 50);
    other.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert!(conduit.readiness().is_degraded("journal", "max_bytes_per_controller"));
    assert!((metric(&conduit, "conduit_journal_full_controllers") - 1.0).abs() < 0.5);
    let fullest = metric(&conduit, "conduit_journal_fullest_controller_bytes");
    assert!(
        fullest > 0.9 * metric(&conduit, "conduit_journal_max_bytes_per_controller"),
        "{fullest}"
    );
    hold.release();
    conduit.settled();
    assert_eq!(
        conduit
            .log_lines("one controller has as many bytes in the journal")
            .len(),
        1
    );
    assert_eq!(
        conduit
            .log_lines("the journal has room for this controller again")
            .len(),
        1
    );
    assert!(metric(&conduit, "conduit_journal_full_controllers") < 0.5);
    overfill_is_over(&conduit, &shop);
}
