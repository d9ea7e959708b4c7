//! The audit log: what `conduit audit verify` finds.

use serde_json::json;

use crate::common::{Conduit, Tenant};

/// Changes one row of the stopped instance's database.
fn tamper(conduit: &Conduit, sql: &'static str) {
    assert_eq!(run(conduit, sql), 1);
}

/// Runs SQL on the stopped instance's database. Returns how many rows it changed.
fn run(conduit: &Conduit, sql: &'static str) -> u64 {
    let path = conduit.data_dir().join("conduit.db");
    actix_web::rt::System::new().block_on(async move {
        use sqlx::Connection as _;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let changed = sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected();
        connection.close().await.unwrap();
        changed
    })
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

/// A copy of the fifth record, of this controller and at this place.
macro_rules! forged {
    ($controller:literal, $sequence:literal) => {
        concat!(
            "INSERT INTO activities (controller_pk, sequence, id, event_id, subject, integration, processor, event_type, \
             purpose, legal_basis, categories, triggered_at, logged_at, previous_hash, hash) SELECT ",
            $controller,
            ", ",
            $sequence,
            ", zeroblob(16), event_id, subject, integration, processor, event_type, purpose, legal_basis, categories, \
             triggered_at, logged_at, previous_hash, hash FROM activities WHERE sequence = 5"
        )
    };
}

const FORGED: [&str; 3] = [
    forged!("controller_pk", "6"),
    forged!("controller_pk", "0"),
    forged!("controller_pk", "-5"),
];

#[test]
fn a_record_outside_of_the_chain_is_found_and_stops_no_event() {
    for forged in FORGED {
        let mut conduit = prepared();
        tamper(&conduit, forged);
        let (good, text) = verify(&conduit);
        assert!(!good && text.contains("outside of the chain: 1"), "{text}");
        conduit.launch();
        let tenant = Tenant::create(&conduit, "did:web:other.example");
        tenant.send(&conduit, "contact", json!({"email": "a@shop.example"}));
        assert_eq!(conduit.settled().processed, 6);
        conduit.admin("GET", "/api/v1/activities", None).expect(200);
    }
}

#[test]
fn the_event_behind_a_forged_record_is_logged_and_the_forgery_is_found() {
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
    tamper(&conduit, FORGED[0]);
    conduit.launch();
    shop.send(&conduit, "contact", json!({"email": "next@shop.example"}));
    assert_eq!(conduit.settled().processed, 6);
    let (good, text) = verify(&conduit);
    assert!(!good && text.contains("BROKEN behind record"), "{text}");
}

#[test]
fn a_record_of_no_controller_is_found() {
    let conduit = prepared();
    tamper(&conduit, forged!("77", "1"));
    let (good, text) = verify(&conduit);
    assert!(!good && text.contains("1 records belong to no controller"), "{text}");
}

#[test]
fn swapped_dids_are_found() {
    let mut conduit = prepared();
    conduit.launch();
    Tenant::create(&conduit, "did:web:other.example");
    assert_eq!(conduit.stop(), Some(0));
    for sql in [
        "UPDATE controllers SET did = 'did:web:third.example' WHERE did = 'did:web:shop.example'",
        "UPDATE controllers SET did = 'did:web:shop.example' WHERE did = 'did:web:other.example'",
        "UPDATE controllers SET did = 'did:web:other.example' WHERE did = 'did:web:third.example'",
    ] {
        tamper(&conduit, sql);
    }
    let (good, text) = verify(&conduit);
    assert!(
        !good && text.matches("the controller's DID is not").count() == 2,
        "{text}"
    );
}

#[test]
fn a_cut_with_its_head_put_back_is_found_and_so_is_a_seal_that_is_gone() {
    let conduit = prepared();
    tamper(
        &conduit,
        "UPDATE controllers SET chain_sequence = 4, chain_hash = (SELECT hash FROM activities WHERE sequence = 4)",
    );
    tamper(&conduit, "DELETE FROM activities WHERE sequence = 5");
    let (good, text) = verify(&conduit);
    assert!(!good && text.contains("the end at record 4 is not sealed"), "{text}");

    let mut conduit = prepared();
    tamper(&conduit, "UPDATE controllers SET chain_seal = NULL");
    let (good, text) = verify(&conduit);
    assert!(!good && text.contains("the end at record 5 is not sealed"), "{text}");
    // The claim that the chain is an older one does not help either.
    tamper(&conduit, "INSERT INTO unsealed_chains SELECT pk FROM controllers");
    let (good, text) = verify(&conduit);
    assert!(!good && text.contains("the end at record 5 is not sealed"), "{text}");
    conduit.launch();
    crate::common::wait_for("the start to refuse it", || {
        (!conduit.log_lines("was sealed, and the database says").is_empty()).then_some(())
    });
    assert_eq!(conduit.stop(), Some(0));
    assert!(!verify(&conduit).0);
}

#[test]
fn once_all_chains_are_sealed_the_database_cannot_say_that_one_waits() {
    let mut conduit = prepared();
    conduit.launch();
    Tenant::create(&conduit, "did:web:quiet.example");
    assert_eq!(conduit.stop(), Some(0));
    // Nothing of its chain was ever committed, so the data directory alone cannot tell.
    tamper(
        &conduit,
        "UPDATE controllers SET chain_seal = NULL, name_seal = NULL WHERE did = 'did:web:quiet.example'",
    );
    tamper(
        &conduit,
        "INSERT INTO unsealed_chains SELECT pk FROM controllers WHERE did = 'did:web:quiet.example'",
    );
    assert!(!verify(&conduit).0);
    conduit.launch();
    crate::common::wait_for("the start to refuse it", || {
        (!conduit.log_lines("an audit chain has no seal").is_empty()).then_some(())
    });
    assert_eq!(conduit.stop(), Some(0));
    assert!(!verify(&conduit).0);
    // Nor does the claim of the database that no chain was looked at yet.
    tamper(&conduit, "UPDATE instance SET all_sealed = NULL");
    assert!(!verify(&conduit).0);
}

#[test]
fn a_second_record_in_the_last_place_is_found() {
    for place in [
        "INSERT INTO activities SELECT * FROM twin WHERE sequence = 5",
        "INSERT INTO activities SELECT * FROM twin WHERE sequence = 3",
    ] {
        let conduit = prepared();
        run(&conduit, "CREATE TABLE twin AS SELECT * FROM activities");
        run(
            &conduit,
            "UPDATE twin SET pk = pk + 100, id = randomblob(16), hash = randomblob(32), purpose = 'forged'",
        );
        assert_eq!(run(&conduit, place), 1);
        let (good, text) = verify(&conduit);
        assert!(!good && text.contains("BROKEN"), "{place}: {text}");
    }
}

#[test]
fn a_controller_that_conduit_did_not_delete_is_missed() {
    let mut conduit = prepared();
    for sql in [
        "DELETE FROM activities",
        "DELETE FROM events",
        "DELETE FROM links",
        "DELETE FROM subjects",
        "DELETE FROM outcome_history",
        "DELETE FROM integrations",
    ] {
        run(&conduit, sql);
    }
    run(&conduit, "DELETE FROM controllers");
    let (good, text) = verify(&conduit);
    assert!(!good && text.contains("was not deleted by Conduit"), "{text}");

    conduit = prepared();
    conduit.launch();
    conduit
        .admin("DELETE", "/api/v1/controllers/did:web:shop.example", None)
        .expect(204);
    assert_eq!(conduit.stop(), Some(0));
    let (good, text) = verify(&conduit);
    assert!(good, "{text}");
}

#[test]
fn an_older_end_with_its_own_seal_is_found_by_the_data_directory_and_can_be_accepted() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let send = |conduit: &Conduit, numbers: std::ops::Range<u32>| {
        for number in numbers {
            shop.send(
                conduit,
                "contact",
                json!({"email": format!("customer{number}@shop.example")}),
            );
        }
        conduit.settled();
    };
    send(&conduit, 0..3);
    assert_eq!(conduit.stop(), Some(0));
    run(
        &conduit,
        "CREATE TABLE older AS SELECT chain_sequence, chain_hash, chain_seal FROM controllers",
    );
    conduit.launch();
    send(&conduit, 3..5);
    assert_eq!(conduit.stop(), Some(0));
    assert!(verify(&conduit).0);
    assert_eq!(run(&conduit, "DELETE FROM activities WHERE sequence > 3"), 2);
    tamper(
        &conduit,
        "UPDATE controllers SET (chain_sequence, chain_hash, chain_seal) = \
         (SELECT chain_sequence, chain_hash, chain_seal FROM older)",
    );
    let (good, text) = verify(&conduit);
    assert!(
        !good && text.contains("has committed the chain up to record 5"),
        "{text}"
    );
    // After a restore the operator accepts the restored state, with the server stopped.
    let seal = |conduit: &Conduit| {
        let output = conduit.command().args(["audit", "seal"]).output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (sealed, text) = seal(&conduit);
    assert!(sealed && text.contains("sealed, 3 records"), "{text}");
    let (good, text) = verify(&conduit);
    assert!(good, "{text}");
    conduit.launch();
    assert!(!seal(&conduit).0, "a server runs");
    send(&conduit, 5..6);
    assert!(verify(&conduit).0);
}
