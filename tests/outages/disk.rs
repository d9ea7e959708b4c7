//! The disk of the SQLite file is full while events come in, and then has room again.

use serde_json::json;

use crate::common::disk::{Kind, SmallDisk, sqlite_url};
use crate::common::{Conduit, Tenant, wait_for};

/// Fills the disk of the database and clears it. The journal is on another disk, so events are accepted all the time.
fn fill_and_clear(kind: Kind) {
    let Some(disk) = SmallDisk::mount(kind, 12) else {
        eprintln!("{kind:?} cannot be mounted here: this test needs root");
        return;
    };
    let conduit = Conduit::with(&[
        ("CONDUIT_DATABASE_URL", &sqlite_url(&disk.path())),
        ("CONDUIT__PIPELINE__RETRY_MAX_MS", "200"),
        ("CONDUIT__PIPELINE__SHARDS", "2"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let mut numbers = 0..;
    let mut send = |count: usize| {
        for number in numbers.by_ref().take(count) {
            shop.send(&conduit, "contact", json!({"email": format!("c{number}@shop.example")}));
        }
    };
    for _ in 0..2 {
        send(20);
        conduit.settled();
        // Some transactions still find room, and some end in the middle.
        disk.fill(64 * 1024);
        wait_for("the pipeline to wait for the database", || {
            send(20);
            conduit.readiness().is_degraded("shards", "full").then_some(())
        });
        send(200);
        disk.clear();
        send(20);
        let stats = conduit.settled();
        assert_eq!(stats.processed, stats.accepted, "{stats:?}");
        wait_for("readiness to return", || {
            (conduit.readiness().status == "ready").then_some(())
        });
    }
    assert!(conduit.log_lines("poison").is_empty());
    assert!(conduit.log_lines("transaction depth").is_empty());
    let lines = conduit.logs().lines().count();
    assert!(lines < 200, "{lines} lines");
    conduit.assert_audit_verifies();
}

#[test]
fn sqlite_on_a_full_tmpfs_goes_on_by_itself() {
    fill_and_clear(Kind::Tmpfs);
}

#[test]
fn sqlite_on_a_full_ext4_goes_on_by_itself() {
    fill_and_clear(Kind::Ext4);
}

#[test]
fn a_start_on_a_full_disk_says_which_and_what_to_do() {
    let Some(disk) = SmallDisk::mount(Kind::Tmpfs, 12) else {
        eprintln!("tmpfs cannot be mounted here: this test needs root");
        return;
    };
    let mut conduit = Conduit::unstarted(&[("CONDUIT_DATABASE_URL", &sqlite_url(&disk.path()))]);
    disk.fill(0);
    let (code, text) = conduit.refused();
    assert_eq!(code, Some(1));
    let expected = format!("the disk of {} is full", disk.path().display());
    assert!(text.contains(&expected), "{text}");
    disk.clear();
    conduit.launch();
}

/// Journal and database on one disk, as by default: events are refused, and accepted again.
#[test]
fn a_data_directory_on_a_full_disk_goes_on_by_itself() {
    let Some(disk) = SmallDisk::mount(Kind::Tmpfs, 12) else {
        eprintln!("tmpfs cannot be mounted here: this test needs root");
        return;
    };
    let data = disk.path().join("data");
    let mut conduit = Conduit::unstarted(&[
        ("CONDUIT_DATA_DIR", data.to_str().unwrap()),
        ("CONDUIT_ADMIN_TOKEN", "a-token-of-some-length"),
        ("CONDUIT__PIPELINE__RETRY_MAX_MS", "200"),
        ("CONDUIT__RETENTION__MIN_FREE_BYTES", "0"),
    ]);
    std::fs::create_dir_all(conduit.data_dir()).unwrap();
    std::fs::write(conduit.data_dir().join("admin.token"), "a-token-of-some-length").unwrap();
    conduit.launch();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let mut accepted = 0;
    let mut send = |number: u32| {
        let fields = json!({"email": format!("c{number}@shop.example"), "padding": "x".repeat(2_000)});
        let answer = shop.try_send(&conduit, crate::common::tenant::body("contact", fields).as_bytes());
        let status = answer.unwrap().status;
        accepted += u64::from(status == 200);
        status
    };
    (0..20).for_each(|number| assert_eq!(send(number), 200));
    disk.fill(32 * 1024);
    let mut numbers = 20..;
    wait_for("events to be refused", || {
        (send(numbers.next().unwrap()) == 500).then_some(())
    });
    for number in numbers.by_ref().take(100) {
        send(number);
    }
    disk.clear();
    wait_for("events to be accepted", || {
        (send(numbers.next().unwrap()) == 200).then_some(())
    });
    let stats = conduit.settled();
    assert_eq!((stats.accepted, stats.processed), (accepted, accepted), "{stats:?}");
    assert!(conduit.log_lines("poison").is_empty());
    let lines = conduit.logs().lines().count();
    assert!(lines < 200, "{lines} lines");
    conduit.assert_audit_verifies();
}
