//! Whether the journal is full: for one line when that begins and one when it is over, however many events are refused.
//!
//! A full journal takes an event again as soon as the pipeline has worked off another, and is full once more behind it. So it
//! counts as full until a tenth of the cap is free, or there would be two lines for each event.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use conduit_actors::ids::ControllerId;
use conduit_actors::log_limit::{LogLimit, MINUTE};
use parking_lot::Mutex;

/// Lines about single controllers: there may be many of them.
static CONTROLLERS: LogLimit = LogLimit::new(20, MINUTE);

/// See the module's docs.
#[derive(Debug, Default)]
pub(super) struct Fullness {
    total: AtomicBool,
    /// The number of controllers in `controllers`: shows without a lock that there are none.
    count: AtomicUsize,
    controllers: Mutex<HashSet<ControllerId>>,
}

/// Returns whether this number of bytes is no longer close to a cap.
const fn has_room(bytes: u64, cap: u64) -> bool {
    bytes <= cap - cap / 10
}

impl Fullness {
    /// Notes that an event was refused because `max_bytes` are in flight.
    pub(super) fn is_full(&self, bytes: u64, max_bytes: u64) {
        if !self.total.swap(true, Ordering::Relaxed) {
            tracing::error!(
                target: "conduit::supervision",
                in_flight_bytes = bytes, max_bytes,
                "the journal is full: events are answered 500 until the pipeline has worked off a tenth of it; look for \
                 what the pipeline waits for, or raise journal.max_bytes"
            );
        }
    }

    /// Notes that an event was refused because `max_bytes` of its controller are in flight.
    pub(super) fn is_full_of(&self, controller: ControllerId, bytes: u64, max_bytes: u64) {
        let mut controllers = self.controllers.lock();
        if controllers.insert(controller) {
            self.count.store(controllers.len(), Ordering::Relaxed);
            if let Some(line) = CONTROLLERS.admit() {
                tracing::error!(
                    target: "conduit::supervision",
                    %controller, in_flight_bytes = bytes, max_bytes, left_out = line.left_out(),
                    "one controller has as many bytes in the journal as it may: its events are answered 500 until a tenth is \
                     worked off; look whether its stream waits, or raise journal.max_bytes_per_controller"
                );
            }
        }
    }

    /// Returns whether any cap is reached, so that [`Self::released`] needs to know of releases.
    pub(super) fn is_any(&self) -> bool {
        self.total.load(Ordering::Relaxed) || self.count.load(Ordering::Relaxed) > 0
    }

    /// Notes a release: the remaining bytes and the cap of all, then those of the controller.
    pub(super) fn released(&self, all: (u64, u64), controller: ControllerId, own: (u64, u64)) {
        if has_room(all.0, all.1) && self.total.swap(false, Ordering::Relaxed) {
            tracing::info!(
                target: "conduit::supervision",
                in_flight_bytes = all.0, max_bytes = all.1,
                "the journal has room again: events are taken"
            );
        }
        if self.count.load(Ordering::Relaxed) == 0 || !has_room(own.0, own.1) {
            return;
        }
        let mut controllers = self.controllers.lock();
        if controllers.remove(&controller) {
            self.count.store(controllers.len(), Ordering::Relaxed);
            if let Some(line) = CONTROLLERS.admit() {
                tracing::info!(
                    target: "conduit::supervision",
                    %controller, in_flight_bytes = own.0, left_out = line.left_out(),
                    "the journal has room for this controller again: its events are taken"
                );
            }
        }
    }

    /// Returns whether the journal as a whole is full, with these bytes in flight.
    pub(super) fn of_all(&self, bytes: u64, max_bytes: u64) -> bool {
        // A refused event may never have been written, so its release may never come.
        self.total.load(Ordering::Relaxed) && !has_room(bytes, max_bytes)
    }

    /// Returns the number of controllers at their cap.
    pub(super) fn of_controllers(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_until_a_tenth_is_free() {
        let (fullness, controller) = (Fullness::default(), ControllerId::generate());
        assert!(!fullness.is_any());
        fullness.is_full(1000, 1000);
        fullness.is_full_of(controller, 100, 100);
        assert!(fullness.is_any() && fullness.of_all(1000, 1000) && !fullness.of_all(900, 1000));
        fullness.released((901, 1000), controller, (91, 100));
        assert_eq!((fullness.of_all(901, 1000), fullness.of_controllers()), (true, 1));
        fullness.released((900, 1000), controller, (91, 100));
        assert_eq!((fullness.of_all(1000, 1000), fullness.of_controllers()), (false, 1));
        fullness.released((900, 1000), ControllerId::generate(), (0, 100));
        assert_eq!(fullness.of_controllers(), 1);
        fullness.released((900, 1000), controller, (90, 100));
        assert!(!fullness.is_any());
    }
}
