//! TLS to PostgreSQL and Redis: the right certificate is accepted, and a wrong one is refused with advice.

use std::path::Path;
use std::time::Duration;

use conduit::dedup::{RedisServer, RedisWindow};
use conduit_actors::ids::ControllerId;
use conduit_actors::ports::Verdict;
use serde_json::json;

use crate::common::ports::free_port;
use crate::common::redis::Redis;
use crate::common::tls::{Authority, Certificate};
use crate::common::{Conduit, Postgres, Tenant, wait_for};
use crate::dedup_window::{TIMEOUT, at, block_on, claim, decide};

const THIS_HOST: &str = "IP:127.0.0.1";
const ANOTHER: &str = "DNS:db.example";

fn verified(url: &str, authority: &Path) -> String {
    format!("{url}?sslmode=verify-full&sslrootcert={}", authority.display())
}

/// Returns the output and the exit code of `conduit serve` with this environment. The process must end by itself.
fn refusal(conduit: &Conduit) -> (Option<i32>, String) {
    let output = conduit.command().arg("serve").output().unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn relaunch(postgres: &Postgres, certificate: &Certificate) {
    postgres.stop("INT");
    postgres.encrypt(certificate);
    postgres.launch();
}

#[test]
fn postgres_is_verified_at_the_start_and_later() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let postgres = Postgres::start();
    let url = postgres.database();
    relaunch(&postgres, &authority.issue(THIS_HOST));
    let good = verified(&url, &authority.file());
    let mut conduit = Conduit::with(&[("CONDUIT_DATABASE_URL", &good)]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let send = |conduit: &Conduit, email: &str| shop.send(conduit, "contact", json!({"email": email}));
    let id = send(&conduit, "ada@shop.example");
    assert_eq!(shop.outcome(&conduit, &id)["status"], "processed");
    let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE application_name = 'conduit'";
    assert_eq!(postgres.query(encrypted), "t");

    // A server that takes the place of the right one: nothing is sent to it, and nothing lost.
    relaunch(&postgres, &stranger.issue(THIS_HOST));
    let id = send(&conduit, "bob@shop.example");
    wait_for("readiness to say why", || {
        let ready = conduit.get("/readyz").expect(200);
        (ready.json()["status"] == "degraded" && ready.text.contains("sslrootcert")).then_some(())
    });
    relaunch(&postgres, &authority.issue(THIS_HOST));
    assert_eq!(shop.outcome(&conduit, &id)["status"], "processed");
    conduit.settled();
    assert_eq!(conduit.stop(), Some(0));

    let mut refuses = |url: &str, code: i32, expected: &str| {
        conduit.set("CONDUIT_DATABASE_URL", url);
        let (exit, text) = refusal(&conduit);
        assert_eq!(exit, Some(code), "{text}");
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains(crate::common::postgres::PASSWORD), "{text}");
    };
    let mend = "name that authority's in sslrootcert";
    refuses(&verified(&url, &stranger.file()), 2, mend);
    refuses(&format!("{url}?sslmode=verify-full"), 2, mend);
    refuses(
        &verified(&url, Path::new("/nowhere/ca.pem")),
        2,
        "cannot read /nowhere/ca.pem",
    );
    relaunch(&postgres, &authority.issue(ANOTHER));
    refuses(&good, 2, "is for another name");
    refuses(&verified(&Postgres::start().database(), &authority.file()), 2, "TLS");
}

/// Starts a Redis that offers TLS at the second port.
fn encrypted_redis(certificate: &Certificate) -> (Redis, u16) {
    let port = free_port();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let redis = Redis::with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &text(&certificate.file),
        "--tls-key-file",
        &text(&certificate.key),
        "--tls-auth-clients",
        "no",
        "--tls-ca-cert-file",
        &text(&certificate.file),
    ]);
    (redis, port)
}

/// Connects, and claims; or says why not.
fn works(server: RedisServer) -> Result<(), String> {
    let window = RedisWindow::new(server, TIMEOUT, Duration::from_secs(60)).unwrap();
    block_on(async {
        window.connect().await.map_err(|error| error.to_string())?;
        let verdicts = decide(&window, ControllerId::generate(), &[claim(1, at(1))]).await;
        assert_eq!(verdicts, [Verdict::First]);
        Ok(())
    })
}

fn trusting(url: &str, authority: &Authority) -> RedisServer {
    url.parse::<RedisServer>().unwrap().trusting(authority.pem()).unwrap()
}

#[test]
fn redis_is_verified() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (_redis, port) = encrypted_redis(&authority.issue(THIS_HOST));
    let url = format!("rediss://127.0.0.1:{port}");
    works(trusting(&url, &authority)).unwrap();
    let mend = "name that authority's in dedup.redis_ca_file";
    for refused in [trusting(&url, &stranger), url.parse().unwrap()] {
        let error = works(refused).unwrap_err();
        assert!(error.contains(mend), "{error}");
    }
    let (_redis, elsewhere) = encrypted_redis(&authority.issue(ANOTHER));
    let error = works(trusting(&format!("rediss://127.0.0.1:{elsewhere}"), &authority)).unwrap_err();
    assert!(error.contains("is for another name"), "{error}");
    let plain = "redis://127.0.0.1".parse::<RedisServer>().unwrap();
    assert!(plain.trusting(authority.pem()).unwrap_err().contains("rediss"));

    // The whole of it, by its settings.
    let with = |authority: &Authority| {
        let file = authority.file();
        Conduit::with(&[
            ("CONDUIT_REDIS_URL", &url),
            ("CONDUIT__DEDUP__REDIS_CA_FILE", file.to_str().unwrap()),
            ("CONDUIT__DEDUP__REDIS_TIMEOUT_MS", "2000"),
        ])
    };
    assert_eq!(with(&authority).get("/readyz").json()["status"], "ready");
    let degraded = with(&stranger).get("/readyz").expect(200);
    assert_eq!(degraded.json()["status"], "degraded");
    assert!(degraded.text.contains("dedup.redis_ca_file"), "{}", degraded.text);
}

#[test]
fn sentinels_may_want_credentials_of_their_own_and_speak_tls() {
    let authority = Authority::new();
    let certificate = authority.issue(THIS_HOST);
    let (_redis, port) = encrypted_redis(&certificate);
    let encrypted = free_port();
    let (file, key, ca) = (certificate.file.display(), certificate.key.display(), authority.file());
    // A caller without credentials may ask for the probes only.
    let sentinel = Redis::sentinel_of(
        port,
        &format!(
            "user default on nopass -@all +ping\nuser watch on >s3@cret allchannels +@all\n\
             tls-port {encrypted}\ntls-cert-file {file}\ntls-key-file {key}\ntls-ca-cert-file {}\n\
             tls-auth-clients no\ntls-replication yes\n",
            ca.display()
        ),
    );
    let place = format!("rediss+sentinel://127.0.0.1:{encrypted}/main");
    let known = format!("{place}?sentinel_username=watch&sentinel_password=s3%40cret");
    wait_for("the sentinel to reach the primary", || {
        works(trusting(&known, &authority)).ok()
    });
    for refused in [
        &place,
        &format!("{place}?sentinel_username=watch&sentinel_password=wrong"),
    ] {
        works(trusting(refused, &authority)).unwrap_err();
    }
    drop(sentinel);
}
