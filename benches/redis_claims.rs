//! Measures the cost of a claim in Redis, in batches of 1,024. Needs a Redis that may be written to:
//! `CONDUIT_REDIS_URL=redis://127.0.0.1:6379 cargo bench --bench redis_claims`

#![allow(clippy::print_stdout, clippy::expect_used, missing_docs)]

use std::time::{Duration, Instant};

use conduit::dedup::{RedisServer, RedisWindow};
use conduit_actors::event::DedupKey;
use conduit_actors::ids::{ControllerId, EventId};
use conduit_actors::ports::{Claim, DedupWindow as _, Verdict};

const BATCHES: u32 = 500;
const CLAIMS: u32 = 1_024;

fn main() {
    let Ok(url) = std::env::var("CONDUIT_REDIS_URL") else {
        println!("redis_claims: name a Redis in CONDUIT_REDIS_URL");
        return;
    };
    let server: RedisServer = url.parse().expect("a Redis URL");
    let window =
        RedisWindow::new(server, Duration::from_secs(5), Duration::from_secs(3_600)).expect("a thread for connections");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        window.connect().await.expect("a connection");
        let (controller, mut number) = (ControllerId::generate(), 0u128);
        let begin = Instant::now();
        for _ in 0..BATCHES {
            let claims: Vec<Claim> = (0..CLAIMS)
                .map(|_| {
                    number += 1;
                    Claim {
                        // Spread as digests are.
                        key: DedupKey(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_9e37_79b9).to_be_bytes()),
                        event: EventId::generate(),
                        window: Duration::from_secs(60),
                    }
                })
                .collect();
            let verdicts = window.claim(controller, &claims).await.expect("verdicts");
            assert!(verdicts.iter().all(|verdict| *verdict == Verdict::First));
        }
        let each = begin.elapsed().as_secs_f64() * 1e6 / f64::from(BATCHES * CLAIMS);
        println!("{each:.2} µs per claim, in batches of {CLAIMS}");
    });
}
