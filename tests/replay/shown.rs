//! Where a running replay is seen.

use serde_json::{Value, json};

use super::{ONE_SHARD, SLOW, SMALL_STEPS, begin, misfits, under_way};
use crate::common::{Conduit, Tenant, wait_for};

#[test]
fn the_supervision_report_counts_the_replays_that_each_shard_runs() {
    let conduit = Conduit::with(&[SLOW, SMALL_STEPS, ONE_SHARD]);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let running = || -> Value {
        let report = conduit.admin("GET", "/api/v1/supervision", None).expect(200).json();
        report["shards"][0]["dispatcher"]["replays"].clone()
    };
    assert_eq!(running(), 0);
    misfits(&conduit, &shop, 400);
    let replays: Vec<String> = (0..2).map(|_| begin(&conduit, &shop, json!({}))).collect();
    under_way(&conduit, &shop, &replays[0], 2);
    wait_for("both to be counted", || (running() == 2).then_some(()));
    for id in &replays {
        shop.call(&conduit, "POST", &format!("/api/v1/replays/{id}/cancel"), None)
            .expect(200);
    }
    wait_for("none to be counted", || (running() == 0).then_some(()));
}
