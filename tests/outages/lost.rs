//! The SQLite file is moved away or replaced while events come in, and put back.

use std::fs;
use std::path::Path;

use super::{Outage, wait_until_ready};
use crate::common::Conduit;
use crate::common::load::{LONG_WINDOW, Load, Refusals};

fn move_all(from: &Path, to: &Path) {
    for name in ["conduit.db", "conduit.db-wal", "conduit.db-shm"] {
        fs::rename(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn an_sqlite_file_that_is_gone_takes_no_event_with_it() {
    let conduit = Conduit::with(&[LONG_WINDOW, ("CONDUIT__PIPELINE__RETRY_MAX_MS", "200")]);
    let data = &conduit.data_dir();
    let aside = &data.join("aside");
    fs::create_dir(aside).unwrap();
    let outage = |part, reason, begin: &'static dyn Fn(&Path, &Path)| Outage {
        part,
        reason,
        unanswered: None,
        begin: Box::new(move || begin(data, aside)),
        end: Box::new(move || move_all(aside, data)),
    };
    let outages = [
        outage("database", "the file was removed while Conduit ran", &move_all),
        outage("shards", "the file was removed while Conduit ran", &move_all),
        outage("database", "the file was replaced while Conduit ran", &|data, aside| {
            move_all(data, aside);
            fs::copy(aside.join("conduit.db"), data.join("conduit.db")).unwrap();
        }),
    ];
    let load = Load::new(&conduit);
    load.throughout(&conduit, Refusals::None, || {
        outages.iter().for_each(|outage| outage.ride_out(&conduit, &load));
    });
    load.assert_outcomes(&conduit);
    let stats = conduit.settled();
    assert_eq!(stats.failed, 0, "{stats:?}");
    wait_until_ready(&conduit);
    conduit.assert_audit_verifies();
    assert!(conduit.log_lines("the database is away").len() <= 2 * outages.len());
}
