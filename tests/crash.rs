//! `kill -9` in the middle of load, over and over: nothing that was answered 200 is lost or counted twice.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::common::{Conduit, Tenant, client, tenant::body, wait_for};

const ROUNDS: usize = 20;
const SENDERS: usize = 4;

/// Sends until the process is gone; notes what was answered 200.
fn send_until_killed(
    conduit: &Conduit,
    tenants: &[Tenant],
    numbers: &AtomicU64,
    accepted: &Mutex<Vec<String>>,
    stop: &AtomicBool,
) {
    let client = client();
    while !stop.load(Ordering::Relaxed) {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let tenant = &tenants[usize::try_from(number).unwrap() % tenants.len()];
        // People come back, some events repeat, some are not right.
        let event = match number % 10 {
            9 => body("unheard_of", json!({"n": number})),
            8 => body("account_created", json!({"n": number})),
            _ => body(
                "unwatched",
                json!({"email": format!("c{}@shop.example", number % 300), "n": number}),
            ),
        };
        match tenant.try_send_by(&client, &tenant.webhook_url(conduit), event.as_bytes()) {
            Ok(answer) if answer.status == 200 => {
                accepted
                    .lock()
                    .unwrap()
                    .push(answer.json()["eventId"].as_str().unwrap().to_owned());
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

#[test]
fn twenty_kills_under_load_lose_and_double_nothing() {
    let mut conduit = Conduit::start();
    let tenants: Vec<Tenant> = ["did:web:a.example", "did:web:b.example", "did:web:c.example"]
        .map(|did| Tenant::create(&conduit, did))
        .into();
    let (numbers, accepted) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    for round in 0..ROUNDS {
        let stop = AtomicBool::new(false);
        let before = accepted.lock().unwrap().len();
        std::thread::scope(|scope| {
            for _ in 0..SENDERS {
                scope.spawn(|| send_until_killed(&conduit, &tenants, &numbers, &accepted, &stop));
            }
            // A different number of events each round, so that the kill falls at different moments.
            let wanted = before + 20 + 17 * (round % 7);
            wait_for("enough events to be accepted", || {
                (accepted.lock().unwrap().len() >= wanted).then_some(())
            });
            let pid = conduit.pid().to_string();
            assert!(
                std::process::Command::new("kill")
                    .args(["-9", &pid])
                    .status()
                    .unwrap()
                    .success()
            );
            stop.store(true, Ordering::Relaxed);
        });
        conduit.kill();
        conduit.launch();
    }
    let stats = conduit.settled();
    let accepted = accepted.into_inner().unwrap();
    assert!(stats.accepted >= accepted.len() as u64, "{stats:?} {}", accepted.len());
    assert_eq!(stats.failed, 0, "{stats:?}");

    // Every event that was answered 200 has one outcome; those processed have one activity each.
    let (mut outcomes, mut activities) = (HashMap::new(), HashMap::new());
    for tenant in &tenants {
        for event in all(&conduit, tenant, "/api/v1/events") {
            let id = event["eventId"].as_str().unwrap().to_owned();
            assert!(
                outcomes
                    .insert(id, event["status"].as_str().unwrap().to_owned())
                    .is_none(),
                "an outcome twice"
            );
        }
        for activity in all(&conduit, tenant, "/api/v1/activities") {
            let id = activity["eventId"].as_str().unwrap().to_owned();
            assert!(activities.insert(id, ()).is_none(), "an activity twice");
        }
    }
    for id in &accepted {
        assert!(outcomes.contains_key(id), "event {id} was answered 200 and is gone");
    }
    assert_eq!(outcomes.len() as u64, stats.accepted);
    let processed = outcomes.iter().filter(|(_, status)| *status == "processed");
    assert_eq!(processed.clone().count(), activities.len());
    assert!(processed.clone().all(|(id, _)| activities.contains_key(id)));
    conduit.assert_audit_verifies();
}

/// All pages of a list.
fn all(conduit: &Conduit, tenant: &Tenant, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = tenant
            .call(conduit, "GET", &format!("{path}?limit=200{cursor}"), None)
            .expect(200)
            .json();
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}
