//! A pooler in front of PostgreSQL: session mode works, others are refused at the start.

use serde_json::json;

use crate::common::pgbouncer::PgBouncer;
use crate::common::{Conduit, Postgres, Tenant};

#[test]
fn a_pooler_that_shares_sessions_is_refused_with_the_setting_to_change() {
    let server = Postgres::shared();
    let url = server.database();
    let mut conduit = Conduit::start();
    assert_eq!(conduit.stop(), Some(0));
    let turns = "server_round_robin = 1\nmin_pool_size = 4";
    let ignoring = "ignore_startup_parameters = extra_float_digits,options";
    for (mode, more) in [
        ("transaction", ""),
        ("transaction", turns),
        ("transaction", "default_pool_size = 1"),
        ("transaction", ignoring),
        ("statement", ""),
    ] {
        let pooler = PgBouncer::start(&server, mode, more);
        conduit.set("CONDUIT_DATABASE_URL", &pooler.in_front_of(&url, &server));
        let before = conduit.logs().len();
        conduit.spawn();
        assert_eq!(conduit.wait(), Some(1), "{mode} {more}");
        let logs = conduit.logs().split_off(before);
        assert!(logs.contains("pool_mode = session"), "{mode} {more}: {logs}");
        assert!(!logs.contains("already exists"), "{logs}");
    }
    // Nothing was made.
    let tables: i64 = run(&url, async |connection| {
        let count = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
        count.fetch_one(connection).await.unwrap()
    });
    assert_eq!(tables, 0);
}

#[test]
fn a_start_up_option_that_a_pooler_refuses_is_named() {
    let server = Postgres::shared();
    let url = server.database();
    let pooler = PgBouncer::start(&server, "session", "");
    let mut conduit = Conduit::start();
    assert_eq!(conduit.stop(), Some(0));
    let url = pooler.in_front_of(&url, &server) + "?options=-c%20work_mem%3D8MB";
    conduit.set("CONDUIT_DATABASE_URL", &url);
    conduit.spawn();
    assert_eq!(conduit.wait(), Some(1));
    assert!(
        conduit.logs().contains("ignore_startup_parameters"),
        "{}",
        conduit.logs()
    );
}

#[test]
fn session_mode_works_and_the_settings_that_promises_depend_on_are_in_force() {
    let server = Postgres::start();
    // With any other setting of the database, and any restriction of the pooler.
    for setting in [
        "synchronous_commit = off",
        "jit = on",
        "default_transaction_isolation = 'serializable'",
    ] {
        server.sql(&format!("ALTER ROLE conduit SET {setting}"));
    }
    // Sessions pass from one user to the next unchanged: the remains of one must not harm the next.
    for more in [
        "",
        "ignore_startup_parameters = extra_float_digits,options",
        "server_reset_query =",
    ] {
        let url = server.database();
        let pooler = PgBouncer::start(&server, "session", more);
        let mut conduit = Conduit::with(&[
            ("CONDUIT_DATABASE_URL", &pooler.in_front_of(&url, &server)),
            ("CONDUIT__DEDUP__WINDOW_SECONDS", "3600"),
        ]);
        let shop = Tenant::create(&conduit, "did:web:shop.example");
        watch(&url);
        let first = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
        assert_eq!(shop.outcome(&conduit, &first)["status"], "processed");
        conduit.kill();
        conduit.launch();
        let again = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
        assert_eq!(shop.outcome(&conduit, &again)["duplicateOf"], first.as_str());
        conduit.settled();
        conduit.assert_audit_verifies();
        assert_eq!(seen(&url), ["on off read committed"], "{more}");
        assert_eq!(conduit.stop(), Some(0));
    }
}

/// Has the database write down the settings under which activities are logged.
fn watch(url: &str) {
    run(url, async |connection| {
        let statements = "CREATE TABLE IF NOT EXISTS seen (settings text);
             CREATE OR REPLACE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 INSERT INTO seen VALUES (concat_ws(' ', current_setting('synchronous_commit'), current_setting('jit'),
                                                    current_setting('transaction_isolation')));
                 RETURN NULL;
             END $$;
             CREATE OR REPLACE TRIGGER see AFTER INSERT ON activities FOR EACH ROW EXECUTE FUNCTION see();";
        sqlx::raw_sql(statements).execute(connection).await.unwrap();
    });
}

fn seen(url: &str) -> Vec<String> {
    run(url, async |connection| {
        let seen = sqlx::query_scalar("SELECT DISTINCT settings FROM seen");
        seen.fetch_all(connection).await.unwrap()
    })
}

fn run<T>(url: &str, work: impl AsyncFnOnce(&mut sqlx::PgConnection) -> T) -> T {
    use sqlx::Connection as _;
    actix_web::rt::System::new().block_on(async {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        let done = work(&mut connection).await;
        connection.close().await.unwrap();
        done
    })
}
