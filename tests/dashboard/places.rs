//! Live streams: a share for each session and each controller, and always one for the operator.

use super::sessions::Visitor;
use crate::common::wire::{Wire, WireAnswer};
use crate::common::{Conduit, Tenant, wait_for};

const SHARES: [(&str, &str); 3] = [
    ("CONDUIT__DASHBOARD__MAX_LIVE", "4"),
    ("CONDUIT__DASHBOARD__MAX_LIVE_PER_SESSION", "2"),
    ("CONDUIT__DASHBOARD__MAX_LIVE_PER_CONTROLLER", "3"),
];

/// Opens a stream; with it, the head of the answer.
fn open(conduit: &Conduit, visitor: &Visitor<'_>) -> (Wire, WireAnswer) {
    let mut wire = Wire::begin(conduit, "GET", "/live", &[("Cookie", &visitor.cookie)]);
    let answer = wire.answer();
    (wire, answer)
}

#[track_caller]
fn refused(conduit: &Conduit, visitor: &Visitor<'_>, setting: &str) {
    let (_, answer) = open(conduit, visitor);
    assert_eq!((answer.status, answer.code().as_str()), (503, "live_full"));
    assert!(
        answer.text.contains(&format!("dashboard.{setting} ")),
        "{}",
        answer.text
    );
}

#[test]
fn one_tenant_cannot_take_all_streams_and_the_operator_always_gets_one() {
    let conduit = Conduit::with(&SHARES);
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let other = Tenant::create(&conduit, "did:web:other.example");
    let [first, second] = [(); 2].map(|()| Visitor::signed_in(&conduit, &shop.token));
    let mut held = Vec::new();
    for visitor in [&first, &first, &second] {
        let (wire, answer) = open(&conduit, visitor);
        assert_eq!(answer.status, 200);
        held.push(wire);
    }
    refused(&conduit, &first, "max_live_per_session");
    refused(&conduit, &second, "max_live_per_controller");
    let rival = Visitor::signed_in(&conduit, &other.token);
    let (wire, answer) = open(&conduit, &rival);
    assert_eq!(answer.status, 200);
    held.push(wire);
    // All are taken, but for the operator.
    refused(&conduit, &rival, "max_live");
    let operator = Visitor::signed_in(&conduit, &conduit.admin_token());
    let (wire, answer) = open(&conduit, &operator);
    assert_eq!(answer.status, 200);
    refused(&conduit, &operator, "max_live");
    drop(wire);
    // A stream that is gone gives its place back.
    drop(held);
    wait_for("the places to be given back", || {
        (open(&conduit, &rival).1.status == 200).then_some(())
    });
}
