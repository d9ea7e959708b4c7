//! PostgreSQL below: the same promises. While it is away: `outages/postgres.rs`.

use std::sync::Arc;

use conduit::keys::Keyring;
use conduit::store::{Connections as _, OpenError, PostgresOptions, PostgresStore};
use conduit_actors::links::MasterKey;
use conduit_actors::ports::StoreError;
use serde_json::json;

use crate::common::postgres::PASSWORD;
use crate::common::{Conduit, Postgres, Tenant};

#[test]
fn events_end_in_their_outcomes_and_the_audit_log_verifies() {
    let server = Postgres::shared();
    let url = server.database();
    let mut conduit = Conduit::with(&[("CONDUIT_DATABASE_URL", &url)]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let by_email = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    let by_phone = shop.send(&conduit, "contact", json!({"phone": "030 901820"}));
    let repeat = shop.send(&conduit, "contact", json!({"email": "ADA@shop.example"}));
    let rejected = shop.send(&conduit, "account_created", json!({"phone": "030 901820"}));
    let merging = shop.send(
        &conduit,
        "contact",
        json!({"email": "ada@shop.example", "phone": "+4930901820"}),
    );
    let stats = conduit.settled();
    assert_eq!(
        (stats.accepted, stats.processed, stats.duplicate, stats.rejected),
        (5, 3, 1, 1)
    );
    assert_eq!(
        shop.outcome(&conduit, &rejected)["reasons"][0]["code"],
        "required_missing"
    );
    assert_eq!(shop.outcome(&conduit, &repeat)["duplicateOf"], by_email.as_str());
    let subject = |id: &str| shop.outcome(&conduit, id)["subject"].as_str().unwrap().to_owned();
    assert_eq!(subject(&by_phone), subject(&by_email));
    assert_eq!(subject(&merging), subject(&by_email));
    conduit.assert_audit_verifies();

    // A crash and a new start change nothing, and the window is warmed from the store.
    conduit.kill();
    conduit.launch();
    let again = shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    assert_eq!(shop.outcome(&conduit, &again)["status"], "duplicate");
    assert_eq!(conduit.settled().processed, 3);
    conduit.assert_audit_verifies();
    assert_eq!(conduit.stop(), Some(0));
    assert!(!conduit.data_dir().join("conduit.db").exists());
    assert!(!conduit.logs().contains(PASSWORD));
    let printed = conduit.command().args(["config", "print"]).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(
        printed.contains("127.0.0.1") && !printed.contains(PASSWORD),
        "{printed}"
    );

    // A key that did not create the controllers is refused, not used in addition.
    std::fs::remove_file(conduit.data_dir().join("master.key")).unwrap();
    conduit.spawn();
    assert_eq!(conduit.wait(), Some(1));
    assert!(conduit.logs().contains("master key"), "{}", conduit.logs());
}

fn keyring() -> Arc<Keyring> {
    Arc::new(Keyring::new(MasterKey::new([7; 32])))
}

#[test]
fn many_nodes_may_start_at_once_on_an_empty_database() {
    let server = Postgres::shared();
    let url = server.database();
    actix_web::rt::System::new().block_on(async {
        let options = PostgresOptions {
            max_connections: 2,
            ..PostgresOptions::default()
        };
        let open = |node| PostgresStore::open(&url, node, keyring(), options);
        let (a, b, c, d) = tokio::join!(open("a"), open("b"), open("c"), open("d"));
        for opened in [a, b, c, d] {
            let store = opened.unwrap();
            store.ping().await.unwrap();
            store.close().await;
        }
        let pool = sqlx::PgPool::connect(&url).await.unwrap();
        let partitions: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_inherits WHERE inhparent IN ('events'::regclass, 'activities'::regclass)",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(
            partitions, 6,
            "of two tables: this month's, the next one's, and the default"
        );
        pool.close().await;
    });
}

#[test]
fn a_server_that_is_away_is_unavailable_and_one_that_refuses_says_so_without_the_password() {
    let server = Postgres::shared();
    let url = server.database();
    actix_web::rt::System::new().block_on(async {
        let open = async |url: &str| {
            let opened = PostgresStore::open(url, "a", keyring(), PostgresOptions::default()).await;
            opened.map(drop).unwrap_err()
        };
        let away = open("postgresql://conduit:hidden@127.0.0.1:1/conduit").await;
        let refused = open(&url.replace(PASSWORD, "hidden")).await;
        assert!(
            matches!(&away, OpenError::Store(StoreError::Unavailable(text)) if !text.contains("hidden")),
            "{away:?}"
        );
        assert!(
            matches!(&refused, OpenError::Misfit(text) if text.contains("28P01") && !text.contains("hidden")),
            "{refused:?}"
        );
        let newer = sqlx::PgPool::connect(&url).await.unwrap();
        PostgresStore::open(&url, "a", keyring(), PostgresOptions::default())
            .await
            .unwrap()
            .close()
            .await;
        let last = "version = (SELECT max(version) FROM _sqlx_migrations)";
        let update = format!("UPDATE _sqlx_migrations SET version = 99991231000000 WHERE {last}");
        sqlx::query(sqlx::AssertSqlSafe(update)).execute(&newer).await.unwrap();
        let opened = open(&url).await;
        assert!(matches!(opened, OpenError::Store(StoreError::Failed(text)) if text.contains("newer version")));
        newer.close().await;
    });
}
