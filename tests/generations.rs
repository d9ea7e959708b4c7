//! Links that an earlier build made under other rules.
//!
//! To imitate stored data of that build, these tests give a link of this build the hash that the former rules gave.

use conduit_actors::ids::ControllerId;
use conduit_actors::links::{LinkKey, MasterKey};
use serde_json::{Value, json};

use crate::common::{Conduit, Tenant, wait_for};

const ID: &str = "user.unique_id";

fn on_database<T>(conduit: &Conduit, run: impl AsyncFnOnce(sqlx::SqlitePool) -> T) -> T {
    let url = format!("sqlite://{}", conduit.data_dir().join("conduit.db").display());
    actix_web::rt::System::new().block_on(async {
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let found = run(pool.clone()).await;
        pool.close().await;
        found
    })
}

/// Gives the link of a value the hash of a former spelling. The process is stopped.
fn respell(conduit: &Conduit, category: &str, today: &str, former: &str) {
    let text = std::fs::read_to_string(conduit.data_dir().join("master.key")).unwrap();
    let byte = |index: usize| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap();
    let master: [u8; 32] = std::array::from_fn(byte);
    on_database(conduit, async |pool| {
        let id: Vec<u8> = sqlx::query_scalar("SELECT id FROM controllers")
            .fetch_one(&pool)
            .await
            .unwrap();
        let id = ControllerId::from_uuid(uuid::Uuid::from_slice(&id).unwrap());
        let key = LinkKey::derive(&MasterKey::new(master), id, 1);
        let changed = sqlx::query("UPDATE links SET hash = ?1 WHERE hash = ?2")
            .bind(key.link(category, former).0.to_vec())
            .bind(key.link(category, today).0.to_vec())
            .execute(&pool)
            .await
            .unwrap();
        assert_eq!(changed.rows_affected(), 1);
        // As it was before the upgrade.
        sqlx::query("DELETE FROM link_sweeps").execute(&pool).await.unwrap();
    });
}

fn subject(shop: &Tenant, conduit: &Conduit, fields: Value) -> Value {
    let id = shop.send(conduit, "contact", fields);
    let outcome = shop.outcome(conduit, &id);
    assert_eq!(outcome["status"], "processed", "{outcome}");
    outcome["subject"].clone()
}

fn look_up(shop: &Tenant, conduit: &Conduit, category: &str, value: &str) -> Value {
    let body = json!({"category": category, "value": value});
    let found = shop.call(conduit, "POST", "/api/v1/subjects/lookup", Some(body));
    found.expect(200).json()["items"][0]["did"].clone()
}

#[test]
fn a_person_is_found_by_the_former_spelling_and_known_by_today_s_from_then_on() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let ada = subject(&shop, &conduit, json!({"customerId": "c4711"}));
    conduit.stop();
    respell(&conduit, ID, "c4711", "c\u{200b}4711");
    conduit.launch();
    assert_eq!(
        look_up(&shop, &conduit, ID, "c4711"),
        Value::Null,
        "it is stored by the former hash alone"
    );
    assert_eq!(look_up(&shop, &conduit, ID, "c\u{200b}4711"), ada);
    assert_eq!(
        subject(&shop, &conduit, json!({"customerId": "c\u{200b}4711", "name": "A. L."})),
        ada
    );
    assert_eq!(look_up(&shop, &conduit, ID, "c4711"), ada);
    assert_eq!(
        subject(&shop, &conduit, json!({"customerId": "c4711", "name": "Ada"})),
        ada
    );
    let retired: i64 = on_database(&conduit, async |pool| {
        let sql = "SELECT count(*) FROM retired_links WHERE because = 'respelt'";
        sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
    });
    assert_eq!(retired, 1, "the pair counts once");
    conduit.assert_audit_verifies();
}

#[test]
fn links_of_placeholders_are_switched_off_and_their_people_need_attention() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let listed = subject(&shop, &conduit, json!({"customerId": "c-1", "name": "Ada"}));
    let by_form = subject(&shop, &conduit, json!({"customerId": "c-2", "name": "Bob"}));
    conduit.stop();
    respell(&conduit, ID, "c-1", "[object Object]");
    respell(&conduit, ID, "c-2", "{{customer.id}}");
    conduit.launch();
    let switched_off = |expected: i64| {
        wait_for("the links to be switched off", || {
            let found: i64 = on_database(&conduit, async |pool| {
                let sql = "SELECT count(*) FROM retired_links WHERE because = 'placeholder'";
                sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
            });
            (found == expected).then_some(())
        });
    };
    switched_off(1);
    for placeholder in ["[object Object]", "{{customer.id}}"] {
        assert_eq!(
            subject(&shop, &conduit, json!({"customerId": placeholder})),
            Value::Null
        );
        assert_eq!(look_up(&shop, &conduit, ID, placeholder), Value::Null);
    }
    switched_off(2);
    // Both are still there, with what they have.
    for person in [listed, by_form] {
        let path = format!("/api/v1/subjects/{}", person.as_str().unwrap());
        let found = shop.call(&conduit, "GET", &path, None).expect(200).json();
        assert_eq!(found["activityCount"], 1);
    }
}
