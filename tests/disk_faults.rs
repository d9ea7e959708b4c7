//! A disk that fails under the journal: short and failing writes, no space left, a failing fdatasync.
//!
//! The real process on its real files, with a library loaded before libc that fails the calls.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::common::{Conduit, Tenant, tenant::body, wait_for};

struct Disk {
    dir: TempDir,
}

impl Disk {
    /// Builds the library.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/disk_faults.c");
        let library = dir.path().join("disk_faults.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(source)
            .args(["-ldl"])
            .status();
        assert!(built.unwrap().success(), "cc builds the library");
        let disk = Self { dir };
        disk.set("whole");
        disk
    }

    fn orders(&self) -> PathBuf {
        self.dir.path().join("orders")
    }

    /// Writes the order beside the file and renames it, so that the process never reads half of it.
    fn set(&self, fault: &str) {
        let beside = self.dir.path().join("orders.new");
        fs::write(&beside, fault).unwrap();
        fs::rename(beside, self.orders()).unwrap();
    }

    fn start(&self) -> Conduit {
        self.start_with(&[])
    }

    fn start_with(&self, more: &[(&str, &str)]) -> Conduit {
        let (library, orders) = (self.dir.path().join("disk_faults.so"), self.orders());
        let faults = [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("DISK_FAULTS", orders.to_str().unwrap()),
        ];
        Conduit::with(&[&faults, more].concat())
    }
}

fn event(number: u32) -> String {
    body("contact", json!({"email": format!("c{number}@shop.example")}))
}

#[test]
fn a_full_disk_refuses_events_and_loses_none_that_were_accepted() {
    let disk = Disk::new();
    let mut conduit = disk.start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let mut accepted = 0;
    for round in 0..5 {
        for number in 0..10 {
            shop.try_send(&conduit, event(round * 100 + number).as_bytes())
                .unwrap()
                .expect(200);
            accepted += 1;
        }
        disk.set("write");
        for number in 50..53 {
            let refused = shop
                .try_send(&conduit, event(round * 100 + number).as_bytes())
                .unwrap()
                .expect(500);
            assert_eq!(refused.json()["code"], "journal_unavailable");
            assert!(refused.header("retry-after").is_some());
        }
        assert_eq!(
            conduit.get("/readyz").status,
            503,
            "readiness says that events are refused"
        );
        // A crash while the torn record is at the end of the segment, every other time.
        if round % 2 == 0 {
            conduit.kill();
            disk.set("whole");
            conduit.launch();
        }
        disk.set("whole");
    }
    shop.try_send(&conduit, event(999).as_bytes()).unwrap().expect(200);
    conduit.get("/readyz").expect(200);
    let stats = conduit.settled();
    assert_eq!(
        (stats.accepted, stats.processed),
        (accepted + 1, accepted + 1),
        "{stats:?}"
    );
    assert!(!conduit.log_lines("the journal's disk refuses writes").is_empty());
    conduit.assert_audit_verifies();
}

#[test]
fn what_is_retained_gives_way_before_an_event_is_refused_on_a_full_disk() {
    let disk = Disk::new();
    let conduit = disk.start_with(&[
        ("CONDUIT__JOURNAL__SEGMENT_BYTES", "1048576"),
        ("CONDUIT__RETENTION__MIN_FREE_BYTES", "0"),
    ]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let large = |number: u32| {
        let fields = json!({"email": format!("c{number}@shop.example"), "padding": "x".repeat(220_000)});
        shop.try_send(&conduit, body("contact", fields).as_bytes()).unwrap()
    };
    let mut numbers = 0..;
    for number in numbers.by_ref().take(17) {
        large(number).expect(200);
    }
    let retained = || {
        let report = conduit.admin("GET", "/api/v1/supervision", None).expect(200).json();
        report["journal"]["retainedSegments"].as_u64().unwrap()
    };
    let at_first = wait_for("segments to be retained", || {
        Some(retained()).filter(|retained| *retained >= 3)
    });
    // Refusals from before count for nothing.
    disk.set("full");
    let mut accepted = 17;
    let mut send = || {
        let status = large(numbers.next().unwrap()).status;
        assert!([200, 500].contains(&status), "{status}");
        accepted += u64::from(status == 200);
        status
    };
    wait_for("nothing to be left that could give way", || {
        send();
        (retained() == 0 && send() == 500).then_some(())
    });
    assert!(accepted >= 17 + 3 * at_first, "each that went made room: {accepted}");
    assert!(
        !conduit
            .log_lines("retained segments were deleted before their time")
            .is_empty()
    );
    disk.set("whole");
    large(numbers.next().unwrap()).expect(200);
    let stats = conduit.settled();
    assert_eq!(stats.processed, stats.accepted);
    assert!(stats.accepted >= accepted, "nothing that was accepted is lost");
    conduit.assert_audit_verifies();
}

#[test]
fn a_failed_fdatasync_ends_the_process_and_nothing_accepted_is_lost() {
    let disk = Disk::new();
    let mut conduit = disk.start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let ids: Vec<String> = (0..10)
        .map(|number| shop.send(&conduit, "contact", json!({"email": format!("c{number}@shop.example")})))
        .collect();
    disk.set("sync");
    // The answer, if one comes before the process ends, is no 200.
    if let Ok(answer) = shop.try_send(&conduit, event(100).as_bytes()) {
        assert_eq!(answer.status, 500);
    }
    assert_eq!(conduit.wait(), Some(1));
    assert!(!conduit.log_lines("fdatasync of the journal failed").is_empty());
    disk.set("whole");
    conduit.launch();
    let stats = wait_for("the pipeline to settle", || {
        let stats = conduit.stats();
        (stats.in_flight == 0).then_some(stats)
    });
    // The event whose sync failed may be there: its sender was told that it is not known.
    assert!((10..=11).contains(&stats.accepted), "{stats:?}");
    for id in &ids {
        assert_eq!(shop.outcome(&conduit, id)["status"], "processed");
    }
    conduit.assert_audit_verifies();
}
