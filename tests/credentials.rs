//! The rotation cockpit: which version of a credential is used, from how many addresses, and how it ends.

mod race;

use std::sync::Arc;

use conduit::keys::Keyring;
use conduit::store::{PostgresOptions, PostgresStore, RetiredBecause, SqliteStore, Store, migrations};
use conduit_actors::ids::{ControllerId, Timestamp};
use conduit_actors::links::MasterKey;
use conduit_actors::usage::CredentialOwner;
use serde_json::{Value, json};

use crate::common::{Conduit, Postgres, Tenant, request, tenant::body, wait_for};
use crate::nodes::Nodes;

/// Sends an event as if through a proxy, from this address.
fn send_from(conduit: &Conduit, shop: &Tenant, address: &str) -> u16 {
    let event = body("unwatched", json!({"email": "ada@shop.example"}));
    let headers = [
        ("authorization", shop.webhook_auth.as_str()),
        ("x-webhook-secret", shop.webhook_secret.as_str()),
        ("x-forwarded-for", address),
    ];
    let url = shop.webhook_url(conduit);
    request(&conduit.client, "POST", &url, &headers, event.as_bytes())
        .unwrap()
        .status
}

fn send(conduit: &Conduit, shop: &Tenant) -> u16 {
    send_from(conduit, shop, "203.0.113.1")
}

/// Returns the two credentials of a tenant: the path, and the field of the answer with a new one.
fn paths(shop: &Tenant) -> [(String, &'static str); 2] {
    [
        (
            format!("/api/v1/controllers/{}/webhook-secret", shop.did),
            "webhookSecret",
        ),
        (
            format!("/api/v1/integrations/custom/{}/api-key", shop.integration),
            "webhookAuth",
        ),
    ]
}

/// Returns the tenant with a new credential in place of the old.
fn with_new(shop: &Tenant, field: &str, answer: &Value) -> Tenant {
    let new = answer[field].as_str().unwrap().to_owned();
    let mut shop = shop.clone();
    match field {
        "webhookSecret" => shop.webhook_secret = new,
        _ => shop.webhook_auth = new,
    }
    shop
}

fn get(conduit: &Conduit, shop: &Tenant, path: &str) -> Value {
    shop.call(conduit, "GET", path, None).expect(200).json()
}

fn post(conduit: &Conduit, shop: &Tenant, path: &str, body: Value) -> Value {
    shop.call(conduit, "POST", path, Some(body)).expect(200).json()
}

fn codes(state: &Value) -> Vec<&str> {
    let warnings = state["warnings"].as_array().unwrap();
    warnings
        .iter()
        .map(|warning| warning["code"].as_str().unwrap())
        .collect()
}

const PROXY: (&str, &str) = ("CONDUIT__SERVER__TRUSTED_PROXIES", "127.0.0.1");

#[test]
fn both_versions_show_their_use_and_a_restart_keeps_it() {
    let mut conduit = Conduit::with(&[PROXY]);
    let mut last = None;
    for kind in 0..2 {
        let shop = Tenant::create(&conduit, &format!("did:web:shop{kind}.example"));
        let (path, field) = paths(&shop)[kind].clone();
        let fresh = get(&conduit, &shop, &path);
        assert_eq!(
            (&fresh["previous"], &fresh["current"]["lastUsedAt"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(fresh["current"]["addresses"], 0);
        for number in 1..=20 {
            assert_eq!(send_from(&conduit, &shop, &format!("203.0.113.{number}")), 200);
        }
        let used = get(&conduit, &shop, &path);
        assert_eq!(used["current"]["addresses"], 20);
        assert!(used["current"]["lastUsedAt"].as_str() > used["current"]["issuedAt"].as_str());

        let grace = json!({"gracePeriodSeconds": 3600});
        let new = with_new(&shop, field, &post(&conduit, &shop, &format!("{path}/rotate"), grace));
        let rotated = get(&conduit, &shop, &path);
        assert_eq!(rotated["current"]["lastUsedAt"], Value::Null);
        assert_eq!(rotated["previous"]["addresses"], 20);
        assert_eq!(rotated["previous"]["lastUsedAt"], used["current"]["lastUsedAt"]);
        assert!(rotated["previous"]["servesUntil"].is_string() && rotated["previous"]["retiredAt"].is_null());
        assert_eq!(codes(&rotated), ["current_unused"]);

        // Addresses of one network of IPv6 count once.
        for address in ["2001:db8::1", "2001:db8::2", "203.0.113.200"] {
            assert_eq!(send_from(&conduit, &new, address), 200);
        }
        assert_eq!(send_from(&conduit, &shop, "203.0.113.201"), 200);
        let both = get(&conduit, &shop, &path);
        assert_eq!(both["current"]["addresses"], 2);
        assert_eq!(both["previous"]["addresses"], 21);
        assert_eq!(codes(&both), ["previous_in_use"]);
        last = Some((shop, path));
    }
    // Unsaved use is stored at the end, and is counted together with later use.
    let (shop, path) = last.unwrap();
    assert_eq!(send_from(&conduit, &shop, "203.0.113.210"), 200);
    assert_eq!(conduit.stop(), Some(0));
    let stored = std::fs::read(conduit.data_dir().join("conduit.db")).unwrap();
    let has = |needle: &[u8]| stored.windows(needle.len()).any(|window| window == needle);
    assert!(has(b"did:web:shop1.example") && !has(b"203.0.113.") && !has(b"2001:db8"));
    let logs = conduit.logs();
    assert!(!logs.contains("203.0.113.") && !logs.contains("2001:db8"), "{logs}");
    conduit.launch();
    let again = get(&conduit, &shop, &path);
    assert_eq!(again["previous"]["addresses"], 22);
    for address in ["203.0.113.210", "203.0.113.211"] {
        assert_eq!(send_from(&conduit, &shop, address), 200);
    }
    let again = get(&conduit, &shop, &path);
    assert_eq!(again["previous"]["addresses"], 23);
}

#[test]
fn either_version_is_revoked_at_once() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let rival = Tenant::create(&conduit, "did:web:rival.example");
    let [_, (key, _)] = paths(&shop);
    for (did, status) in [(&*shop.did, 200), (&*rival.did, 404), ("null", 400)] {
        conduit.admin("GET", &format!("{key}?did={did}"), None).expect(status);
    }
    let mut newest = shop.clone();
    for (path, field) in paths(&shop) {
        let revoke = format!("{path}/revoke");
        let which = |which: &str| Some(json!({"which": which}));
        let nothing = shop
            .call(&conduit, "POST", &revoke, which("previous"))
            .expect(409)
            .json();
        assert_eq!(nothing["code"], "nothing_to_revoke");
        shop.call(&conduit, "POST", &revoke, None).expect(400);
        shop.call(&conduit, "POST", &revoke, which("all")).expect(400);

        let old = newest.clone();
        let rotated = post(
            &conduit,
            &shop,
            &format!("{path}/rotate"),
            json!({"gracePeriodSeconds": 3600}),
        );
        newest = with_new(&newest, field, &rotated);
        assert_eq!((send(&conduit, &old), send(&conduit, &newest)), (200, 200));
        let state = post(&conduit, &shop, &revoke, json!({"which": "previous"}));
        assert_eq!(state["previous"]["retiredBecause"], "revoked");
        assert!(state["previous"]["retiredAt"].is_string() && state["previous"]["servesUntil"].is_null());
        assert_eq!((send(&conduit, &old), send(&conduit, &newest)), (401, 200));
        assert_eq!(get(&conduit, &shop, &path)["previous"]["retiredBecause"], "revoked");
        shop.call(&conduit, "POST", &revoke, which("previous")).expect(409);

        // In an emergency, all end.
        let old = newest.clone();
        let rotated = post(
            &conduit,
            &shop,
            &format!("{path}/rotate"),
            json!({"gracePeriodSeconds": 3600}),
        );
        let leaked = with_new(&newest, field, &rotated);
        let answer = post(&conduit, &shop, &revoke, json!({"which": "current"}));
        newest = with_new(&newest, field, &answer);
        let status = [&old, &leaked, &newest].map(|shop| send(&conduit, shop));
        assert_eq!(status, [401, 401, 200]);
        let state = get(&conduit, &shop, &path);
        assert_eq!(state["previous"]["retiredBecause"], "revoked");
        assert!(!state.to_string().contains("cdt_"), "shown once");
    }
}

#[test]
fn a_grace_ends_by_itself_and_it_is_said_if_the_new_one_was_never_used() {
    let conduit = Conduit::with(&[("CONDUIT__AUTH__USAGE_SECONDS", "1")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let [(secret, _), (key, field)] = paths(&shop);
    let grace = json!({"gracePeriodSeconds": 1});
    let rotated = post(&conduit, &shop, &format!("{key}/rotate"), grace.clone());
    let new = with_new(&shop, field, &rotated);
    assert_eq!(send(&conduit, &new), 200);
    post(&conduit, &shop, &format!("{secret}/rotate"), grace);
    wait_for("the old ones to end", || (send(&conduit, &shop) == 401).then_some(()));
    wait_for("it to be said", || {
        let warned = conduit.log_lines("webhook secret ended, and the new one was never used");
        let told = conduit.log_lines("API key ended: it is removed");
        assert!(warned.len() <= 1 && told.len() <= 1);
        (warned.len() + told.len() == 2).then_some(())
    });
    let kept = |table: &str, prefix: &str| -> i64 {
        let url = format!("sqlite://{}", conduit.data_dir().join("conduit.db").display());
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE {prefix}_previous IS NOT NULL");
        actix_web::rt::System::new().block_on(async {
            let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .fetch_one(&pool)
                .await
                .unwrap()
        })
    };
    assert_eq!((kept("controllers", "secret"), kept("integrations", "key")), (0, 0));
    let state = get(&conduit, &shop, &secret);
    assert_eq!(state["previous"]["retiredBecause"], "grace_ended");
    assert_eq!(codes(&state), ["current_unused_after_grace"]);
    let state = get(&conduit, &shop, &key);
    assert_eq!(state["previous"]["retiredBecause"], "grace_ended");
    assert!(codes(&state).is_empty() && state["current"]["lastUsedAt"].is_string());
}

#[test]
fn nodes_count_together_and_use_is_no_change_to_the_directory() {
    let nodes = Nodes::start(2);
    let [a, b] = &nodes.nodes[..] else { panic!("two") };
    let shop = Tenant::create(a, "did:web:shop.example");
    let [(secret, field), _] = paths(&shop);
    wait_for("the other node to hear of it", || (send(b, &shop) == 200).then_some(()));
    let version = || {
        nodes.on_database(async |pool| {
            let version: i64 = sqlx::query_scalar("SELECT version FROM directory")
                .fetch_one(pool)
                .await
                .unwrap();
            version
        })
    };
    let before = version();
    assert_eq!(send(a, &shop), 200);
    let from_a = get(a, &shop, &secret);
    assert_eq!(send(b, &shop), 200);
    let from_b = get(b, &shop, &secret);
    assert!(from_b["current"]["lastUsedAt"].as_str() >= from_a["current"]["lastUsedAt"].as_str());
    assert_eq!(get(a, &shop, &secret), from_b, "what one stored, the other reads");
    assert_eq!(from_b["current"]["addresses"], 1, "the same address, at both nodes");
    assert_eq!(version(), before);

    let rotated = post(
        a,
        &shop,
        &format!("{secret}/rotate"),
        json!({"gracePeriodSeconds": 3600}),
    );
    let new = with_new(&shop, field, &rotated);
    wait_for("the new one to be heard of", || (send(b, &new) == 200).then_some(()));
    assert_eq!(send(b, &shop), 200);
    post(a, &shop, &format!("{secret}/revoke"), json!({"which": "previous"}));
    wait_for("the end of the old one to be heard of", || {
        (send(b, &shop) == 401).then_some(())
    });
    assert_eq!(send(b, &new), 200);
}

/// The last migration before versions of credentials were kept.
const BEFORE_VERSIONS: i64 = 4;

/// Returns statements for a controller whose secret was rotated, as the older program left it. `blob` writes bytes of a
/// kind.
fn rotated_before(blob: fn(&str) -> String, id: &str) -> String {
    format!(
        "INSERT INTO controllers (id, did, name, created_at, secret_hash, secret_previous, secret_previous_until, \
         token_hash, wrapped_data_key, link_key_version) \
         VALUES ({id}, 'did:web:shop.example', 'Shop', 1, {}, {}, 1000, {}, {}, 1)",
        blob("00"),
        blob("01"),
        blob("02"),
        blob("03")
    )
}

async fn is_followed_from_now_on(store: &dyn Store) {
    let owner = CredentialOwner::Controller(ControllerId::from_uuid(uuid::Uuid::nil()));
    let found = store.credential_versions(owner).await.unwrap();
    assert!(found.current.issued_at.is_none() && found.previous.unwrap().retired.is_none());
    let ended = store.remove_ended(Timestamp::from_millis(5_000)).await.unwrap();
    assert_eq!((ended.len(), ended[0].successor_used), (1, false));
    let previous = store.credential_versions(owner).await.unwrap().previous.unwrap();
    let expected = (Timestamp::from_millis(1_000), RetiredBecause::GraceEnded);
    assert_eq!(previous.retired, Some(expected));
    store.close().await;
}

fn keyring() -> Arc<Keyring> {
    Arc::new(Keyring::new(MasterKey::new([1; 32])))
}

#[test]
fn credentials_from_before_an_upgrade_are_followed_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("conduit.db");
    let server = Postgres::shared();
    actix_web::rt::System::new().block_on(async {
        let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}?mode=rwc", path.display()))
            .await
            .unwrap();
        migrations::sqlite().run_to(BEFORE_VERSIONS, &pool).await.unwrap();
        let row = rotated_before(|byte| format!("x'{}'", byte.repeat(32)), "zeroblob(16)");
        sqlx::query(sqlx::AssertSqlSafe(row)).execute(&pool).await.unwrap();
        pool.close().await;
        let store = SqliteStore::open(&path, "node", keyring()).await.unwrap();
        is_followed_from_now_on(&store).await;

        let url = server.database();
        let pool = sqlx::PgPool::connect(&url).await.unwrap();
        migrations::postgres().run_to(BEFORE_VERSIONS, &pool).await.unwrap();
        let nil = "'00000000-0000-0000-0000-000000000000'";
        let row = rotated_before(|byte| format!("decode(repeat('{byte}', 32), 'hex')"), nil);
        sqlx::query(sqlx::AssertSqlSafe(row)).execute(&pool).await.unwrap();
        pool.close().await;
        let store = PostgresStore::open(&url, "node", keyring(), PostgresOptions::default())
            .await
            .unwrap();
        is_followed_from_now_on(&store).await;
    });
}
