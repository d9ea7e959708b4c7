//! A data directory and its database: strangers are refused before any loss, and every refusal has a way out.

mod untouched;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conduit_actors::ids::Timestamp;
use serde_json::json;

use crate::common::{Conduit, Postgres, Tenant, wait_for};

/// Deletes released segments at once.
const NO_RETENTION: (&str, &str) = ("CONDUIT__RETENTION__PAYLOAD_DAYS", "0");

/// Runs statements on an SQLite file.
fn sql(file: &Path, statements: &str) -> String {
    let output = Command::new("sqlite3")
        .args(["-cmd", ".timeout 10000"])
        .arg(file)
        .arg(statements)
        .output()
        .expect("sqlite3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn database(conduit: &Conduit) -> PathBuf {
    conduit.data_dir().join("conduit.db")
}

/// Returns the files of the journal with their contents.
fn journal(conduit: &Conduit) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(conduit.data_dir().join("journal"))
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    found.sort();
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wal");
    let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    found.into_iter().filter(is_segment).map(read).collect()
}

/// Runs `conduit adopt`. Returns whether it succeeded, and its output.
fn adopt(conduit: &Conduit, args: &[&str]) -> (bool, String) {
    let output = conduit.command().arg("adopt").args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Sends so many events while the database takes nothing, and kills the process: they are in the journal only.
fn leave_a_backlog(conduit: &mut Conduit, shop: &Tenant, events: usize) {
    let lock = conduit.data_dir().join("hold");
    fs::write(&lock, "").unwrap();
    let script = format!(
        "(echo 'BEGIN IMMEDIATE;'; echo '.shell touch {held}'; echo '.shell while test -e {lock}; do sleep 0.05; done') \
         | sqlite3 -cmd '.timeout 10000' {db}",
        held = conduit.data_dir().join("held").display(),
        lock = lock.display(),
        db = database(conduit).display()
    );
    let mut holder = Command::new("sh").args(["-c", &script]).spawn().unwrap();
    wait_for("the database to be locked", || {
        conduit.data_dir().join("held").exists().then_some(())
    });
    for number in 0..events {
        shop.send(conduit, "contact", json!({"customerId": format!("customer-{number}")}));
    }
    conduit.kill();
    fs::remove_file(&lock).unwrap();
    holder.wait().unwrap();
    fs::remove_file(conduit.data_dir().join("held")).unwrap();
}

#[track_caller]
fn assert_refused(conduit: &mut Conduit, words: &[&str]) {
    let before = journal(conduit);
    let (code, text) = conduit.refused();
    assert_eq!(code, Some(1), "{text}");
    for word in words {
        assert!(text.contains(word), "{word} is not in: {text}");
    }
    assert!(before == journal(conduit), "the journal was changed");
}

/// Makes it as an earlier version left it: without ids on either side.
fn without_ids(conduit: &Conduit) {
    for name in ["instance.id", "journal.record", "journal/node.id"] {
        fs::remove_file(conduit.data_dir().join(name)).unwrap();
    }
    sql(
        &database(conduit),
        "DELETE FROM instance; DELETE FROM nodes; DELETE FROM deleted_controllers",
    );
}

#[test]
fn a_database_that_is_missing_new_or_another_is_refused_and_no_event_is_lost() {
    let mut conduit = Conduit::with(&[NO_RETENTION]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    leave_a_backlog(&mut conduit, &shop, 30);
    // Missing, as on a disk that is not mounted.
    let elsewhere = conduit.data_dir().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let away = |name: &str| (conduit.data_dir().join(name), elsewhere.join(name));
    let files: Vec<_> = ["conduit.db", "conduit.db-wal", "conduit.db-shm"].map(away).into();
    for (here, there) in files.iter().filter(|(here, _)| here.exists()) {
        fs::rename(here, there).unwrap();
    }
    assert_refused(&mut conduit, &["there is no database", "Nothing was changed"]);
    assert!(!database(&conduit).exists(), "a database was made");
    // Another one, made with the same key.
    let key = conduit.data_dir().join("master.key");
    let mut other = Conduit::with(&[("CONDUIT_MASTER_KEY_FILE", key.to_str().unwrap())]);
    other.stop();
    let url = format!("sqlite://{}", database(&other).display());
    conduit.set("CONDUIT_DATABASE_URL", &url);
    assert_refused(&mut conduit, &["belongs to another database", "conduit adopt"]);
    // A new and empty file.
    sql(&database(&other), "DELETE FROM instance; DELETE FROM nodes");
    assert_refused(&mut conduit, &["is a new or another database", "conduit adopt"]);
    // A directory that knows its database is not silently adopted by another one.
    let (done, text) = adopt(&conduit, &[]);
    assert!(!done && text.contains("30 events of 1 controller"), "{text}");
    conduit.unset("CONDUIT_DATABASE_URL");
    for (here, there) in files.iter().filter(|(_, there)| there.exists()) {
        fs::rename(there, here).unwrap();
    }
    conduit.launch();
    assert_eq!(conduit.settled().processed, 30);
}

#[test]
fn a_pair_without_ids_is_adopted_if_the_database_knows_every_controller() {
    let mut conduit = Conduit::with(&[NO_RETENTION]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    leave_a_backlog(&mut conduit, &shop, 10);
    without_ids(&conduit);
    conduit.launch();
    assert_eq!(conduit.settled().processed, 10);
    conduit.stop();
    assert!(conduit.data_dir().join("instance.id").exists());
    // The same with a controller that is not in the database.
    conduit.launch();
    leave_a_backlog(&mut conduit, &shop, 10);
    without_ids(&conduit);
    let key = conduit.data_dir().join("master.key");
    let mut other = Conduit::with(&[("CONDUIT_MASTER_KEY_FILE", key.to_str().unwrap())]);
    other.stop();
    sql(&database(&other), "DELETE FROM instance; DELETE FROM nodes");
    let url = format!("sqlite://{}", database(&other).display());
    conduit.set("CONDUIT_DATABASE_URL", &url);
    assert_refused(
        &mut conduit,
        &["1 controller that", "does not know", "conduit adopt --discard-events"],
    );
    let (done, text) = adopt(&conduit, &[]);
    assert!(!done && text.contains("--discard-events"), "{text}");
    let (done, text) = adopt(&conduit, &["--discard-events"]);
    assert!(done, "{text}");
    conduit.launch();
    let shop = Tenant::create(&conduit, "did:web:other.example");
    shop.send(&conduit, "contact", json!({"customerId": "customer-1"}));
    assert_eq!(conduit.settled().accepted, 1);
}

#[test]
fn a_deleted_controller_whose_events_are_still_in_the_journal_holds_nothing_up() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let gone = Tenant::create(&conduit, "did:web:gone.example");
    let third = Tenant::create(&conduit, "did:web:third.example");
    third.send(&conduit, "contact", json!({"customerId": "customer-1"}));
    conduit.settled();
    gone.send(&conduit, "contact", json!({"customerId": "customer-1"}));
    shop.send(&conduit, "contact", json!({"customerId": "customer-1"}));
    conduit.settled();
    conduit
        .admin("DELETE", "/api/v1/controllers/did:web:gone.example", None)
        .expect(204);
    for stop in [true, false] {
        if stop {
            conduit.stop();
        } else {
            conduit.kill()
        }
        conduit.launch();
        assert_eq!(conduit.settled().processed, 2);
    }
    // An earlier version noted nothing of it. The database has had events since: so it knew the controller once.
    conduit.stop();
    without_ids(&conduit);
    let later = Timestamp::now().as_millis() + 3_600_000;
    let id = |id: &str| format!("X'{later:012X}{}'", &id[12..]);
    let newest = sql(&database(&conduit), "SELECT hex(max(id)) FROM events");
    let newer = format!("UPDATE events SET id = {} WHERE id = X'{newest}'", id(&newest));
    assert_refused(
        &mut conduit,
        &["1 event of 1 controller", "conduit adopt --discard-events"],
    );
    sql(&database(&conduit), &newer);
    conduit.launch();
}

#[test]
fn a_lost_and_a_foreign_node_id_are_refused_and_put_back() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    shop.send(&conduit, "contact", json!({"customerId": "customer-1"}));
    conduit.settled();
    conduit.stop();
    let path = conduit.data_dir().join("node.id");
    let own = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_refused(&mut conduit, &["node.id", "is missing", own.trim(), "conduit adopt"]);
    fs::write(&path, "0190f3c0-0000-7000-8000-000000000001\n").unwrap();
    assert_refused(&mut conduit, &["node.id", own.trim(), "conduit adopt"]);
    let (done, text) = adopt(&conduit, &[]);
    assert!(done, "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), own);
    conduit.launch();
    assert_eq!(conduit.settled().accepted, 1);
    conduit.stop();
    // As an earlier version left it, which wrote the id in one place only.
    fs::write(&path, "0190f3c0-0000-7000-8000-000000000001\n").unwrap();
    without_ids(&conduit);
    assert_refused(&mut conduit, &["processed events under another id", "--node ID"]);
    fs::remove_file(&path).unwrap();
    assert_refused(&mut conduit, &["is missing"]);
    let (done, text) = adopt(&conduit, &["--node", own.trim()]);
    assert!(done, "{text}");
    conduit.launch();
    assert_eq!(conduit.settled().accepted, 1);
    conduit.stop();
    // An empty journal is begun where that is wanted.
    fs::write(&path, "0190f3c0-0000-7000-8000-000000000001\n").unwrap();
    without_ids(&conduit);
    let (done, text) = adopt(&conduit, &["--discard-events"]);
    assert!(done && text.contains("set aside"), "{text}");
    conduit.launch();
    shop.send(&conduit, "contact", json!({"customerId": "customer-2"}));
    assert_eq!(conduit.settled().accepted, 2);
}

#[test]
fn a_journal_whose_segments_have_vanished_is_refused() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let refused = ["have vanished", "conduit adopt --discard-events"];
    // Nothing is processed yet: the journal's own record tells.
    leave_a_backlog(&mut conduit, &shop, 3);
    for (path, _) in journal(&conduit) {
        fs::remove_file(path).unwrap();
    }
    assert_refused(&mut conduit, &refused);
    let (done, text) = adopt(&conduit, &[]);
    assert!(!done && text.contains("have vanished"), "{text}");
    let (done, text) = adopt(&conduit, &["--discard-events"]);
    assert!(done, "{text}");
    conduit.launch();
    shop.send(&conduit, "contact", json!({"customerId": "customer-1"}));
    assert_eq!(conduit.settled().accepted, 1);
    conduit.stop();
    // The database tells.
    fs::remove_dir_all(conduit.data_dir().join("journal")).unwrap();
    fs::remove_file(conduit.data_dir().join("journal.record")).unwrap();
    assert_refused(&mut conduit, &refused);
    assert!(adopt(&conduit, &["--discard-events"]).0);
    conduit.launch();
    assert_eq!(conduit.settled().accepted, 1);
    shop.send(&conduit, "contact", json!({"customerId": "customer-2"}));
    assert_eq!(conduit.settled().accepted, 2);
}

#[test]
fn a_segment_that_was_cut_is_refused_and_so_is_a_record_that_is_gone() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    leave_a_backlog(&mut conduit, &shop, 3);
    conduit.launch();
    conduit.settled();
    assert_eq!(conduit.stop(), Some(0));
    let whole = journal(&conduit);
    let (newest, bytes) = whole.last().unwrap();
    for kept in [0, 20, bytes.len() - 1] {
        fs::write(newest, &bytes[..kept]).unwrap();
        assert_refused(
            &mut conduit,
            &["that were acknowledged", "conduit adopt --discard-events"],
        );
    }
    fs::write(newest, bytes).unwrap();
    let record = conduit.data_dir().join("journal.record");
    let noted = fs::read(&record).unwrap();
    fs::remove_file(&record).unwrap();
    assert_refused(&mut conduit, &["journal.record", "is gone"]);
    fs::write(&record, noted).unwrap();
    conduit.launch();
    assert_eq!(conduit.stop(), Some(0));

    // A damaged last record is read as a torn one, but it was acknowledged. So is a segment of zeros.
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for damaged in [damaged, vec![0; bytes.len()]] {
        fs::write(newest, damaged).unwrap();
        let refused = ["the newest segment of the journal in", "Nothing was changed"];
        assert_refused(&mut conduit, &refused);
        let (done, text) = adopt(&conduit, &[]);
        assert!(!done && text.contains("is damaged"), "{text}");
    }
    fs::write(newest, bytes).unwrap();
    conduit.launch();
    assert_eq!(conduit.stop(), Some(0));
    fs::write(newest, b"").unwrap();
    assert!(adopt(&conduit, &["--discard-events"]).0);
    conduit.launch();
    shop.send(&conduit, "contact", json!({"customerId": "customer-9"}));
    conduit.settled();
}

#[test]
fn a_journal_that_never_had_events_may_vanish() {
    let mut conduit = Conduit::start();
    conduit.stop();
    fs::remove_dir_all(conduit.data_dir().join("journal")).unwrap();
    conduit.launch();
}

#[test]
fn a_directory_and_an_sqlite_file_are_for_one_process() {
    let mut first = Conduit::start();
    Tenant::create(&first, "did:web:shop.example");
    // Whether there is a file to lock or not.
    fs::remove_file(first.data_dir().join("lock")).unwrap();
    let output = first.command().arg("serve").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("another conduit process uses this data directory"),
        "{text}"
    );

    let url = format!("sqlite://{}", database(&first).display());
    let key = first.data_dir().join("master.key");
    let mut second = Conduit::unstarted(&[
        ("CONDUIT_DATABASE_URL", &url),
        ("CONDUIT_MASTER_KEY_FILE", key.to_str().unwrap()),
    ]);
    assert_refused(
        &mut second,
        &["another conduit process serves on this database", "PostgreSQL"],
    );
    // Commands read meanwhile, and the server's own locks outlive that.
    first.assert_audit_verifies();
    assert_refused(&mut second, &["another conduit process serves on this database"]);
    // Killed: the next one is not kept waiting.
    first.kill();
    second.launch();
    assert!(!second.logs().contains("waiting to see whether it lives"));
    second.kill();
    first.launch();
}

#[test]
fn a_process_elsewhere_is_seen_by_its_beats() {
    let mut conduit = Conduit::start();
    conduit.kill();
    let file = database(&conduit);
    sql(&file, "UPDATE nodes SET place = 'elsewhere', host = 'other.example'");
    let beating = Arc::new(AtomicBool::new(true));
    let beats = std::thread::spawn({
        let (beating, file) = (Arc::clone(&beating), file.clone());
        move || {
            while beating.load(Ordering::Relaxed) {
                sql(&file, "UPDATE nodes SET beats = beats + 1");
            }
        }
    });
    assert_refused(&mut conduit, &["other.example", "data directory"]);
    beating.store(false, Ordering::Relaxed);
    beats.join().unwrap();
    // Silent: it is gone.
    conduit.launch();
    assert!(conduit.logs().contains("waiting to see whether it lives"));
    // Stopped in order: nothing to wait for.
    conduit.stop();
    assert_eq!(sql(&file, "SELECT count(*) FROM nodes WHERE process IS NOT NULL"), "0");
}

#[test]
fn without_its_master_key_a_node_is_refused_and_none_is_made() {
    let server = Postgres::shared();
    let url = server.database();
    let first = Conduit::with(&[("CONDUIT_DATABASE_URL", &url)]);
    Tenant::create(&first, "did:web:shop.example");
    let mut second = Conduit::unstarted(&[("CONDUIT_DATABASE_URL", &url)]);
    assert_refused(&mut second, &["master.key", "is missing", "CONDUIT_MASTER_KEY_FILE"]);
    let left = |name: &str| second.data_dir().join(name).exists();
    assert!(!left("master.key") && !left("node.id") && !left("admin.token"));
    // A command makes none either.
    let output = second.command().args(["audit", "verify"]).output().unwrap();
    assert!(!output.status.success() && !left("master.key") && !left("node.id"));
    // Another key is noticed at once, with any content of the database.
    fs::write(second.data_dir().join("master.key"), "ab".repeat(32)).unwrap();
    let (code, text) = second.refused();
    assert_eq!(code, Some(1), "{text}");
    fs::copy(
        first.data_dir().join("master.key"),
        second.data_dir().join("master.key"),
    )
    .unwrap();
    second.launch();
}

#[test]
fn a_copy_of_a_node_is_refused_while_the_node_runs() {
    let server = Postgres::shared();
    let url = server.database();
    let mut first = Conduit::with(&[("CONDUIT_DATABASE_URL", &url)]);
    let shop = Tenant::create(&first, "did:web:shop.example");
    shop.send(&first, "contact", json!({"customerId": "customer-1"}));
    first.settled();
    let mut copy = Conduit::unstarted(&[("CONDUIT_DATABASE_URL", &url)]);
    let copied = Command::new("cp")
        .arg("-a")
        .arg(first.data_dir())
        .arg(copy.data_dir())
        .status();
    assert!(copied.unwrap().success());
    assert_refused(&mut copy, &["serves this node", "copy of the data directory"]);
    // Another database is refused here as well, and the right one goes on.
    first.kill();
    let other = server.database();
    first.set("CONDUIT_DATABASE_URL", &other);
    assert_refused(&mut first, &["is a new or another database"]);
    first.set("CONDUIT_DATABASE_URL", &url);
    first.launch();
    assert_eq!(first.settled().accepted, 1);
}
