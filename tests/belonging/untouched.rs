//! A stranger's database stays as it is: no table is made in it, and no version of a table is changed.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{adopt, assert_refused, database, leave_a_backlog, sql, without_ids};
use crate::common::{Conduit, Postgres, Tenant};

/// Makes the file of another program.
fn foreign_file(path: &Path) -> Vec<u8> {
    sql(path, "CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('Ada')");
    fs::read(path).unwrap()
}

/// Asserts that the file is the same, and that nothing is beside it.
#[track_caller]
fn assert_untouched(path: &Path, before: &[u8]) {
    assert!(fs::read(path).unwrap() == before, "the file was changed");
    let beside = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(beside, 1, "something was made beside the file");
}

#[test]
fn a_foreign_sqlite_file_gets_no_tables() {
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    leave_a_backlog(&mut conduit, &shop, 5);
    let dir = tempfile::tempdir().unwrap();
    let foreign = dir.path().join("other.db");
    let before = foreign_file(&foreign);
    conduit.set("CONDUIT_DATABASE_URL", &format!("sqlite://{}", foreign.display()));
    assert_refused(&mut conduit, &["is a new or another database", "Nothing was changed"]);
    assert_untouched(&foreign, &before);
    // Neither a command nor an adoption changes it.
    let output = conduit.command().args(["audit", "verify"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && text.contains("has no tables of Conduit"),
        "{text}"
    );
    let (done, text) = adopt(&conduit, &[]);
    assert!(!done && text.contains("conduit adopt --discard-events"), "{text}");
    assert_untouched(&foreign, &before);
    // A directory of an earlier version has no id, but a journal.
    conduit.unset("CONDUIT_DATABASE_URL");
    without_ids(&conduit);
    conduit.set("CONDUIT_DATABASE_URL", &format!("sqlite://{}", foreign.display()));
    assert_refused(&mut conduit, &["has no tables of Conduit", "Nothing was changed"]);
    let node = conduit.data_dir().join("node.id");
    let own = fs::read(&node).unwrap();
    fs::remove_file(&node).unwrap();
    let (done, text) = adopt(&conduit, &[]);
    assert!(!done && text.contains("has no tables of Conduit"), "{text}");
    assert_untouched(&foreign, &before);
    fs::write(&node, own).unwrap();
    // The way out.
    let (done, text) = adopt(&conduit, &["--discard-events"]);
    assert!(done, "{text}");
    conduit.launch();
    assert_eq!(sql(&foreign, "SELECT name FROM users"), "Ada");
}

#[test]
fn a_foreign_postgresql_database_gets_no_tables() {
    let server = Postgres::shared();
    let (own, other) = (server.database(), server.database());
    let mut conduit = Conduit::with(&[("CONDUIT_DATABASE_URL", &own)]);
    Tenant::create(&conduit, "did:web:shop.example");
    conduit.stop();
    let run = |url: &str, statement: &str| {
        let output = Command::new("psql").args([url, "-Atqc", statement]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    run(&other, "CREATE TABLE users (name text)");
    conduit.set("CONDUIT_DATABASE_URL", &other);
    assert_refused(&mut conduit, &["is a new or another database", "Nothing was changed"]);
    let tables = "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace";
    assert_eq!(run(&other, tables), "users");
    // The database of another Conduit, in an earlier version, stays in that version.
    let third = server.database();
    let mut stranger = Conduit::with(&[("CONDUIT_DATABASE_URL", &third)]);
    stranger.stop();
    run(
        &third,
        "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
    );
    let version = "SELECT max(version) FROM _sqlx_migrations";
    let before = run(&third, version);
    conduit.set("CONDUIT_DATABASE_URL", &third);
    assert_refused(&mut conduit, &["belongs to another database", "Nothing was changed"]);
    assert_eq!(run(&third, version), before);
    conduit.set("CONDUIT_DATABASE_URL", &own);
    conduit.launch();
}

#[test]
fn a_wrong_master_key_changes_no_database() {
    let mut conduit = Conduit::start();
    Tenant::create(&conduit, "did:web:shop.example");
    conduit.stop();
    let newest = "SELECT max(version) FROM _sqlx_migrations";
    let file = database(&conduit);
    let all = sql(&file, newest);
    sql(&file, &format!("DELETE FROM _sqlx_migrations WHERE version = {all}"));
    let key = conduit.data_dir().join("master.key");
    fs::write(&key, "ab".repeat(32)).unwrap();
    assert_refused(&mut conduit, &["master key", "Nothing was changed"]);
    assert_ne!(sql(&file, newest), all);
}
