//! The audit log: what `conduit audit verify` finds.

use serde_json::json;

use crate::common::{Conduit, Tenant};

/// Runs SQL on the stopped instance's database.
fn tamper(conduit: &Conduit, sql: &'static str) {
    let path = conduit.data_dir().join("conduit.db");
    actix_web::rt::System::new().block_on(async move {
        use sqlx::Connection as _;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        assert_eq!(
            sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected(),
            1
        );
        connection.close().await.unwrap();
    });
}

fn verify(conduit: &Conduit) -> (bool, String) {
    let output = conduit.command().args(["audit", "verify"]).output().unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

fn prepared() -> Conduit {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    for number in 0..5 {
        shop.send(
            &conduit,
            "contact",
            json!({"email": format!("customer{number}@shop.example")}),
        );
    }
    conduit.settled();
    assert_eq!(conduit.stop(), Some(0));
    conduit
}

#[test]
fn an_untouched_log_verifies() {
    let conduit = prepared();
    let (good, text) = verify(&conduit);
    assert!(good && text.contains("5 records"), "{text}");
    let one = conduit
        .command()
        .args(["audit", "verify", "--did", "did:web:nobody.example"])
        .output()
        .unwrap();
    assert_eq!(one.status.code(), Some(1));
}

#[test]
fn a_change_a_removal_and_a_cut_are_found_and_named() {
    let conduit = prepared();
    tamper(
        &conduit,
        "UPDATE activities SET purpose = 'Advertising' WHERE sequence = 3",
    );
    let (good, text) = verify(&conduit);
    assert!(!good && text.contains("record 3 was changed"), "{text}");

    let conduit = prepared();
    tamper(&conduit, "DELETE FROM activities WHERE sequence = 2");
    let (good, text) = verify(&conduit);
    assert!(!good && text.contains("record 2 is missing"), "{text}");

    let conduit = prepared();
    tamper(&conduit, "DELETE FROM activities WHERE sequence = 5");
    let (good, text) = verify(&conduit);
    assert!(!good && text.contains("ends at record 4"), "{text}");
}
