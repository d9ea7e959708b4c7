//! Which threads give way when there are fewer cores than work.
//!
//! Senders wait for their answer; nobody waits for the pipeline. Its threads, and the one that writes the database,
//! run at a lower priority, so that a burst is accepted first and worked off behind it. With cores to spare, or no more
//! arriving than the pipeline can take, it makes no difference.

use std::time::Duration;

/// As `nice` counts: 0 is normal, 19 the least.
const BACK_NICENESS: i32 = 10;

/// How long the calling thread has waited for a core since it was started: the second figure of Linux's schedstat.
#[must_use]
pub fn core_wait() -> Option<Duration> {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = schedstat.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// Lowers the calling thread's priority, and that of the threads that it will start. Linux keeps it per thread.
pub fn lower() {
    if cfg!(target_os = "linux")
        && let Err(error) = rustix::process::setpriority_process(None, BACK_NICENESS)
    {
        tracing::debug!(%error, "a thread's priority cannot be lowered");
    }
}
