//! The keeper: a thread that sees to it that time passes for the retention while nothing is accepted.

use std::sync::mpsc::{self as std_mpsc, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::WeakSender;

use super::shared::{Shared, Waiting};

/// Deletes segments that are too old, and makes the writer end a segment that is.
pub(super) struct Keeper {
    stop: std_mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Starts it.
    pub(super) fn start(shared: &Arc<Shared>, writer: WeakSender<Waiting>) -> std::io::Result<Self> {
        // A segment spans an eighth of the retention: looking as often adds as much, and no more than a minute.
        let period = shared.options.retention.keep / 8;
        let period = period.clamp(Duration::from_millis(10), Duration::from_secs(60));
        let shared = Arc::downgrade(shared);
        let (stop, stopped) = std_mpsc::channel();
        let thread =
            std::thread::Builder::new()
                .name("conduit-keeper".to_owned())
                .spawn(move || {
                    while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) && look(&shared, &writer) {}
                })?;
        Ok(Self { stop, thread })
    }

    /// Ends it.
    pub(super) fn stop(self) {
        drop(self.stop);
        // A panicked one has logged it.
        let _ = self.thread.join();
    }
}

/// Looks after the journal. Returns whether it still exists.
fn look(shared: &Weak<Shared>, writer: &WeakSender<Waiting>) -> bool {
    let (Some(shared), Some(writer)) = (shared.upgrade(), writer.upgrade()) else {
        return false;
    };
    shared.retained.lock().enforce();
    if shared.is_segment_aged() {
        // A writer with too much to do looks by itself.
        let _ = writer.try_send(Waiting::Look);
    }
    true
}
