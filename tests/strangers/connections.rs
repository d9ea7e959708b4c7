//! Connections: how long a head may take on each, how many an address may have, and which make room for others.

use serde_json::json;

use crate::common::secure::Secure;
use crate::common::wire::Wire;
use crate::common::{Conduit, Tenant, wait_for};

const SHORT: (&str, &str) = ("CONDUIT__SERVER__REQUEST_TIMEOUT_SECONDS", "1");
const LIVE: (&str, &str) = ("CONDUIT__SERVER__KEEP_ALIVE_SECONDS", "3600");

/// Returns the value of a metric without labels.
fn metric(conduit: &Conduit, name: &str) -> f64 {
    let text = conduit.admin("GET", "/metrics", None).expect(200).text;
    let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
    line.and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap()
}

#[test]
fn every_head_of_a_connection_has_a_deadline() {
    let conduit = Conduit::with(&[SHORT, LIVE]);
    let mut slow: Vec<_> = (0..20)
        .map(|number| {
            let mut wire = Wire::begin(&conduit, "GET", "/livez", &[]);
            assert_eq!(wire.answer().status, 200);
            // In several ways.
            let begun: &[u8] = match number % 3 {
                0 => b"G",
                1 => b"GET /livez HTTP/1.1\r\nHost: x\r\n",
                _ => b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nX-",
            };
            assert!(wire.send(begun));
            wire
        })
        .collect();
    for wire in &mut slow {
        wire.closed();
    }
    // One byte after the other does not help.
    let mut wire = Wire::begin(&conduit, "GET", "/livez", &[]);
    assert_eq!(wire.answer().status, 200);
    wait_for("the connection to be cut off", || (!wire.send(b"x")).then_some(()));
}

#[test]
fn the_same_over_tls_and_http_2() {
    let secure = Secure::start(&[SHORT, LIVE]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = secure.connect(&[b"http/1.1"]).await;
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET")
            .await
            .unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.starts_with(b"HTTP/1.1 200 "));
        // The fields of a request that do not end: HEADERS without END_HEADERS, behind preface and SETTINGS.
        let mut stream = secure.connect(&[b"h2"]).await;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        stream.write_all(&[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]).await.unwrap();
        let _ = stream.read_to_end(&mut rest).await;
    });
}

#[test]
fn an_address_has_so_many_connections_and_trusted_proxies_have_more() {
    let limit = ("CONDUIT__SERVER__MAX_CONNECTIONS_PER_ADDRESS", "20");
    let conduit = Conduit::with(&[limit, LIVE]);
    conduit.admin("GET", "/metrics", None).expect(200);
    let mut open = Vec::new();
    for _ in 0..30 {
        let mut wire = Wire::to(&conduit);
        let _ = wire.head("GET", "/livez", &[]);
        let is_served = wire.try_answer().is_some();
        open.push((wire, is_served));
    }
    let served = open.iter().filter(|(_, is_served)| *is_served).count();
    // The client that asks for metrics has at least one.
    assert!((10..20).contains(&served), "{served}");
    assert!(metric(&conduit, "conduit_connections_refused_total") >= 10.0);
    assert_eq!(conduit.log_lines("server.max_connections_per_address").len(), 1);
    drop(open);
    wait_for("the connections to be given back", || {
        let mut wire = Wire::to(&conduit);
        let _ = wire.head("GET", "/livez", &[]);
        wire.try_answer()
    });
    let conduit = Conduit::with(&[limit, LIVE, ("CONDUIT__SERVER__TRUSTED_PROXIES", "127.0.0.0/8")]);
    let _open: Vec<_> = (0..60)
        .map(|_| {
            let mut wire = Wire::begin(&conduit, "GET", "/livez", &[]);
            assert_eq!(wire.answer().status, 200);
            wire
        })
        .collect();
    assert!(metric(&conduit, "conduit_connections") >= 60.0);
}

#[test]
fn idle_and_slow_connections_make_room_for_those_that_come() {
    let conduit = Conduit::with(&[
        LIVE,
        ("CONDUIT__SERVER__WORKERS", "1"),
        ("CONDUIT__SERVER__MAX_CONNECTIONS", "20"),
        ("CONDUIT__SERVER__MAX_CONNECTIONS_PER_ADDRESS", "1000"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    // Idle, with half a head, and silent from the beginning.
    let mut idle = Vec::new();
    for number in 0..60 {
        let mut wire = Wire::to(&conduit);
        if number % 3 > 0 {
            let _ = wire.head("GET", "/livez", &[]);
            assert_eq!(wire.answer().status, 200);
        }
        if number % 3 > 1 {
            wire.send(b"GET /livez HTTP/1.1\r\n");
        }
        idle.push(wire);
    }
    // A connection with a request under way stays.
    let event = crate::common::tenant::body("unwatched", json!({"email": "ada@shop.example"}));
    let mut busy = shop.begin_event(&conduit, &shop.webhook_auth, event.len());
    assert!(busy.send(b"{"));
    for _ in 0..60 {
        let mut wire = Wire::begin(&conduit, "GET", "/livez", &[]);
        assert_eq!(wire.answer().status, 200);
        idle.push(wire);
    }
    assert!(busy.send(&event.as_bytes()[1..]));
    assert_eq!(busy.answer().status, 200);
    assert!(metric(&conduit, "conduit_connections_closed_total") >= 80.0);
    assert!(metric(&conduit, "conduit_connections") <= 22.0);
    // Closed connections show it by their end.
    idle[0].closed();
}
