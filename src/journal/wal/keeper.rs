//! The keeper: a thread that sees to it that time passes for the retention while nothing is accepted.

use std::sync::mpsc::{self as std_mpsc, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::WeakSender;

use super::shared::{Shared, Waiting};

/// The longest time between two looks.
const LONGEST: Duration = Duration::from_secs(60);

/// Deletes segments that are too old, and makes the writer end a segment that is.
pub(super) struct Keeper {
    /// A message asks for a look, and the end of the channel ends the keeper.
    wake: std_mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Starts it.
    pub(super) fn start(shared: &Arc<Shared>, writer: WeakSender<Waiting>) -> std::io::Result<Self> {
        let shared = Arc::downgrade(shared);
        let (wake, woken) = std_mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("conduit-keeper".to_owned())
            .spawn(move || {
                while let Some(period) = period(&shared)
                    && woken.recv_timeout(period) != Err(RecvTimeoutError::Disconnected)
                    && look(&shared, &writer)
                {}
            })?;
        Ok(Self { wake, thread })
    }

    /// Makes it look at once: the retention has changed.
    pub(super) fn look_now(&self) {
        // An error means that it has ended.
        let _ = self.wake.send(());
    }

    /// Ends it.
    pub(super) fn stop(self) {
        drop(self.wake);
        // A panicked one has logged it.
        let _ = self.thread.join();
    }
}

/// Returns the time until the next look. Returns `None` if the journal is gone.
fn period(shared: &Weak<Shared>) -> Option<Duration> {
    let keep = shared.upgrade()?.tuning().retention.keep;
    if keep.is_zero() {
        return Some(LONGEST);
    }
    // A segment spans an eighth of the retention: looking as often adds as much, and no more than a minute.
    Some((keep / 8).clamp(Duration::from_millis(10), LONGEST))
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
