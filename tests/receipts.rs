//! Signed receipts: genuine ones verify, nothing else does, and they outlive keys and nodes.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::common::load::LONG_WINDOW;
use crate::common::{Answer, Conduit, Postgres, Tenant, request, tenant};

const ON_REQUEST: (&str, &str) = ("CONDUIT__RECEIPTS__ON_REQUEST", "true");
const KEYS: &str = "/.well-known/conduit-receipt-keys.json";

fn verify(args: &[&str], input: Option<&str>) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_conduit"))
        .args(["receipt", "verify"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.unwrap_or_default().as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// Verifies a receipt. Returns whether it holds, and the output.
fn verdict(args: &[&str]) -> (bool, String) {
    let output = verify(args, None);
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.success(), text)
}

fn send(conduit: &Conduit, shop: &Tenant, body: &str) -> Answer {
    shop.try_send(conduit, body.as_bytes()).unwrap().expect(200)
}

fn receipt(answer: &Answer) -> String {
    answer.json()["receipt"].as_str().expect("a receipt").to_owned()
}

fn save_keys(conduit: &Conduit, file: &Path) -> Value {
    let answer = conduit.get(KEYS).expect(200);
    assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
    fs::write(file, &answer.text).unwrap();
    answer.json()
}

#[test]
fn a_receipt_says_what_was_received_and_verifies_offline() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let dir = tempfile::tempdir().unwrap();
    let (keys, body) = (dir.path().join("keys.json"), dir.path().join("body.json"));
    let event = tenant::body("contact", json!({"email": "ada@shop.example"}));
    fs::write(&body, &event).unwrap();
    let answer = send(&conduit, &shop, &event);
    // The formerly documented form comes first, unchanged.
    let json = answer.json();
    let (id, received_at) = (json["eventId"].as_str().unwrap(), json["receivedAt"].as_str().unwrap());
    let documented = format!(r#"{{"status":"accepted","eventId":"{id}","receivedAt":"{received_at}","receipt":""#);
    assert!(answer.text.starts_with(&documented), "{}", answer.text);
    assert!(!receipt(&answer).contains("ada@"));

    let set = save_keys(&conduit, &keys);
    let key = &set["keys"][0];
    let fixed = [("kty", "OKP"), ("crv", "Ed25519"), ("alg", "EdDSA"), ("use", "sig")];
    assert!(fixed.iter().all(|(name, value)| key[name] == *value), "{set}");
    let url = conduit.url.clone();
    let (good, text) = verdict(&["--url", &url, &receipt(&answer)]);
    assert!(good, "{text}");
    assert_eq!(conduit.stop(), Some(0));

    // From here on no server is needed.
    let (keys, body) = (keys.to_str().unwrap(), body.to_str().unwrap());
    let (good, text) = verdict(&["--keys", keys, "--body", body, &receipt(&answer)]);
    assert!(good, "{text}");
    for part in [
        id,
        received_at,
        "did:web:shop.example",
        &shop.processor,
        "version  1",
        key["kid"].as_str().unwrap(),
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("that of the file") && !text.contains("NOT"), "{text}");
    // The whole answer will do, by standard input.
    let output = verify(&["--keys", keys, "-"], Some(&answer.text));
    assert!(output.status.success(), "{output:?}");

    fs::write(body, event.replace("ada@", "eve@")).unwrap();
    let (good, text) = verdict(&["--keys", keys, "--body", body, &receipt(&answer)]);
    assert!(!good && text.contains("NOT that of the file"), "{text}");
    let mut forged = receipt(&answer);
    let last = if forged.ends_with('A') { "g" } else { "A" };
    forged.replace_range(forged.len() - 1.., last);
    let (good, text) = verdict(&["--keys", keys, &forged]);
    assert!(!good && text.contains("NOT genuine"), "{text}");
    let (good, text) = verdict(&["--keys", keys, "no receipt"]);
    assert!(!good && text.contains("cr2"), "{text}");
    assert_eq!(
        verify(&["x"], None).status.code(),
        Some(2),
        "without keys there is nothing to verify by"
    );
}

/// Verifies a receipt independently of the code under test: openssl checks the signature, over hashes that are computed
/// here.
#[test]
fn another_program_verifies_a_receipt_by_its_documented_form() {
    let conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let answer = send(
        &conduit,
        &shop,
        &tenant::body("contact", json!({"email": "ada@shop.example"})),
    );
    let set = conduit.get(KEYS).expect(200).json();
    let script = r#"
import base64, hashlib, subprocess, sys, tempfile
receipt, x, event = sys.argv[1:]
read = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
form, statement, place, signature = receipt.split(".")
statement, place, signature = read(statement), read(place), read(signature)
assert form == "cr2" and statement[0] == 2 and statement[1:17].hex() == event.replace("-", "")
sha = lambda *parts: hashlib.sha256(b"".join(parts)).digest()
index, size = int.from_bytes(place[:4], "big"), int.from_bytes(place[4:8], "big")
root, at, last = sha(b"\0", statement), index, size - 1
for start in range(8, len(place), 32):
    other = place[start:start + 32]
    if at & 1 or at == last:
        root = sha(b"\1", other, root)
        while not at & 1 and at: at, last = at >> 1, last >> 1
    else:
        root = sha(b"\1", root, other)
    at, last = at >> 1, last >> 1
assert last == 0 and signature[:8] == sha(read(x))[:8]
with tempfile.TemporaryDirectory() as d:
    open(d + "/key", "wb").write(bytes.fromhex("302a300506032b6570032100") + read(x))
    open(d + "/message", "wb").write(b"conduit-receipt-2\0" + signature[:8] + place[4:8] + root)
    open(d + "/signature", "wb").write(signature[8:])
    subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", d + "/key", "-rawin",
                    "-in", d + "/message", "-sigfile", d + "/signature"], check=True)
"#;
    let json = answer.json();
    let args = [&json["receipt"], &set["keys"][0]["x"], &json["eventId"]].map(|value| value.as_str().unwrap());
    let output = Command::new("python3")
        .args(["-c", script])
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn all_of_a_batch_have_their_own_and_one_signature() {
    let mut conduit = Conduit::with(&[LONG_WINDOW, ("CONDUIT__JOURNAL__GATHER_MICROS", "20000")]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let dir = tempfile::tempdir().unwrap();
    let events = dir.path().join("events.ndjson");
    let lines: Vec<String> = (0..600)
        .map(|n| tenant::body("contact", json!({"email": format!("p{n}@shop.example")})))
        .collect();
    fs::write(&events, lines.join("\n")).unwrap();
    let mut command = conduit.command();
    command.args([
        "send",
        "--receipts",
        "--concurrency",
        "64",
        "--url",
        &shop.webhook_url(&conduit),
    ]);
    command.args(["--api-key", &shop.webhook_auth, "--secret", &shop.webhook_secret]);
    let output = command.arg(&events).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = text
        .lines()
        .filter_map(|line| {
            serde_json::from_str(line.split_once(" {").map(|(_, rest)| format!("{{{rest}"))?.as_str()).ok()
        })
        .collect();
    assert_eq!(answers.len(), 600);
    let keys = save_keys(&conduit, &dir.path().join("keys.json"));
    let keys: conduit::receipts::KeySet = serde_json::from_value(keys).unwrap();
    let mut signatures = std::collections::HashSet::new();
    for (answer, line) in answers.iter().zip(&lines) {
        let receipt = answer["receipt"].as_str().unwrap();
        let (stated, _) = conduit::receipts::verify(receipt, &keys).unwrap();
        assert_eq!(stated.event.to_string(), answer["eventId"].as_str().unwrap());
        assert_eq!(
            stated.body_digest,
            conduit_actors::receipt::body_digest(line.as_bytes())
        );
        signatures.insert(receipt.rsplit_once('.').unwrap().1.to_owned());
    }
    assert!(signatures.len() < 600, "some events shared a batch");
    assert_eq!(conduit.stop(), Some(0));
}

#[test]
fn old_keys_are_served_and_a_named_key_is_used() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let event = tenant::body("contact", json!({"email": "ada@shop.example"}));
    let old = receipt(&send(&conduit, &shop, &event));
    let generated = conduit.data_dir().join("receipt.key");
    assert_eq!(fs::metadata(&generated).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(conduit.stop(), Some(0));

    let dir = tempfile::tempdir().unwrap();
    let named = dir.path().join("key.pem");
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "ed25519", "-out"])
        .arg(&named)
        .output();
    assert!(made.unwrap().status.success());
    conduit.set("CONDUIT__RECEIPTS__KEY_FILE", named.to_str().unwrap());
    conduit.launch();
    let new = receipt(&send(&conduit, &shop, &event));
    let file = dir.path().join("keys.json");
    assert_eq!(save_keys(&conduit, &file)["keys"].as_array().unwrap().len(), 2);
    for receipt in [&old, &new] {
        let (good, text) = verdict(&["--keys", file.to_str().unwrap(), receipt]);
        assert!(good, "{text}");
    }
    // Another server's keys do not.
    let other = Conduit::start();
    save_keys(&other, &file);
    let (good, text) = verdict(&["--keys", file.to_str().unwrap(), &new]);
    assert!(!good && text.contains("not among the keys"), "{text}");

    fs::write(&named, "no key").unwrap();
    let output = conduit.command().args(["config", "check"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("receipts.key_file") && !text.contains("no key"), "{text}");
}

#[test]
fn who_gets_one_is_configured() {
    let mut conduit = Conduit::with(&[ON_REQUEST, LONG_WINDOW]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let event = tenant::body("contact", json!({"email": "ada@shop.example"}));
    assert!(send(&conduit, &shop, &event).json().get("receipt").is_none());
    let headers = [
        ("authorization", shop.webhook_auth.as_str()),
        ("x-webhook-secret", shop.webhook_secret.as_str()),
        ("prefer", "respond-async, receipt"),
    ];
    let url = shop.webhook_url(&conduit);
    let answer = request(&conduit.client, "POST", &url, &headers, event.as_bytes())
        .unwrap()
        .expect(200);
    let asked = receipt(&answer);
    assert_eq!(answer.header("preference-applied"), Some("receipt"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.json");
    assert_eq!(conduit.stop(), Some(0));
    conduit.set("CONDUIT__RECEIPTS__ENABLED", "false");
    conduit.launch();
    assert!(send(&conduit, &shop, &event).json().get("receipt").is_none());
    // Former signatures still verify.
    save_keys(&conduit, &file);
    let (good, text) = verdict(&["--keys", file.to_str().unwrap(), &asked]);
    assert!(good, "{text}");
}

#[test]
fn any_node_serves_the_keys_of_all() {
    let server = Postgres::shared();
    let database = server.database();
    let key = "a3".repeat(32);
    let dir = tempfile::tempdir().unwrap();
    let master = dir.path().join("master.key");
    fs::write(&master, key).unwrap();
    let settings = [
        ("CONDUIT_DATABASE_URL", database.as_str()),
        ("CONDUIT_MASTER_KEY_FILE", master.to_str().unwrap()),
    ];
    let (mut one, other) = (Conduit::with(&settings), Conduit::with(&settings));
    let shop = Tenant::create(&one, "did:web:shop.example");
    let made = receipt(&send(
        &one,
        &shop,
        &tenant::body("contact", json!({"email": "ada@shop.example"})),
    ));
    one.settled();
    assert_eq!(one.stop(), Some(0));
    let file = dir.path().join("keys.json");
    assert_eq!(save_keys(&other, &file)["keys"].as_array().unwrap().len(), 2);
    let (good, text) = verdict(&["--keys", file.to_str().unwrap(), &made]);
    assert!(good, "{text}");
}
