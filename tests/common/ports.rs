//! Ports for servers with a fixed port, which stays from one start to the next.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// The first port. It is below the ports that the system gives to connections (from 32,768 on, by default). So no
/// connection takes a free port before the server starts, or between two starts of it.
const FIRST: u16 = 10_000;
const COUNT: u16 = 10_000;
/// A Redis cluster's nodes talk to each other on the port so far above theirs.
const BUS: u16 = 10_000;

/// Returns a port that nobody listens on, and that no other test of this process gets. The same holds for the port
/// 10,000 above it.
pub fn free_port() -> u16 {
    // Other processes begin elsewhere.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 100).expect("a small number") * (COUNT / 100);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    for _ in 0..COUNT {
        let port = FIRST + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if is_free(port) && is_free(port + BUS) {
            return port;
        }
    }
    panic!("no port is free");
}
