//! Two rotations of the same credential at the same time.

use serde_json::json;

use super::{get, paths, send, with_new};
use crate::common::{Answer, Conduit, Postgres, Tenant, wait_for};

fn rotate(conduit: &Conduit, shop: &Tenant, path: &str) -> Answer {
    let body = json!({"gracePeriodSeconds": 3600});
    shop.call(conduit, "POST", &format!("{path}/rotate"), Some(body))
}

/// Sends two requests at once, and calls `before_the_end` while they are under way.
fn twice(conduit: &Conduit, shop: &Tenant, path: &str, before_the_end: impl FnOnce()) -> [Answer; 2] {
    std::thread::scope(|scope| {
        let two = [(); 2].map(|()| scope.spawn(|| rotate(conduit, shop, path)));
        before_the_end();
        two.map(|one| one.join().unwrap())
    })
}

#[test]
fn of_two_rotations_that_have_read_the_same_one_is_refused_and_no_secret_is_lost() {
    let server = Postgres::shared();
    let database = server.database();
    let conduit = Conduit::with(&[("CONDUIT_DATABASE_URL", &database)]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let (_, name) = database.rsplit_once('/').unwrap();
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock' AND query LIKE 'UPDATE%'"
    );
    let tables = [
        "SELECT id FROM controllers FOR UPDATE",
        "SELECT id FROM integrations FOR UPDATE",
    ];
    let mut newest = shop.clone();
    for ((path, field), lock) in paths(&shop).into_iter().zip(tables) {
        // Both have read, and wait to write.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let held = runtime.block_on(async {
            let pool = sqlx::PgPool::connect(&database).await.unwrap();
            let mut held = pool.begin().await.unwrap();
            sqlx::query(lock).execute(&mut *held).await.unwrap();
            held
        });
        let answers = twice(&conduit, &shop, &path, || {
            wait_for("both to wait", || (server.query(&waiting) == "2").then_some(()));
            runtime.block_on(held.rollback()).unwrap();
        });
        let [won, lost] = match answers {
            [first, second] if first.status == 200 => [first, second],
            [first, second] => [second, first],
        };
        assert_eq!(lost.expect(409).json()["code"], "rotated_meanwhile");
        let before = newest.clone();
        newest = with_new(&newest, field, &won.expect(200).json());
        assert_eq!((send(&conduit, &before), send(&conduit, &newest)), (200, 200));
        let state = get(&conduit, &shop, &path);
        assert!(state["previous"]["servesUntil"].is_string(), "{state}");
        // The refused caller looks, and rotates again.
        newest = with_new(&newest, field, &rotate(&conduit, &shop, &path).expect(200).json());
        assert_eq!(send(&conduit, &newest), 200);
    }
}

#[test]
fn whichever_way_two_rotations_meet_each_that_was_answered_holds_what_serves() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let mut newest = shop.clone();
    for (path, field) in paths(&shop) {
        for _ in 0..20 {
            let answers = twice(&conduit, &shop, &path, || {});
            let before = newest.clone();
            let mut held = Vec::new();
            for answer in answers {
                match answer.status {
                    200 => held.push(with_new(&before, field, &answer.json())),
                    _ => assert_eq!(answer.expect(409).json()["code"], "rotated_meanwhile"),
                }
            }
            assert!(!held.is_empty());
            for holder in &held {
                assert_eq!(send(&conduit, holder), 200);
            }
            newest = held.remove(0);
        }
    }
}
