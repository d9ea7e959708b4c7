//! Time and chance: from the system, or in a simulation from a seed.
//!
//! The pipeline waits by tokio's clock, which a test can pause. The date, random numbers and new UUIDs come from here, so
//! that a simulated history depends on its seed alone. Without the feature `failpoints`, only the system is left.

use std::time::SystemTime;

use rand::RngExt as _;
use uuid::Uuid;

/// Returns the date and time.
pub(crate) fn wall_clock() -> SystemTime {
    #[cfg(feature = "failpoints")]
    if let Some(date) = simulated::wall_clock() {
        return date;
    }
    SystemTime::now()
}

/// Returns a random number between one half and one.
pub(crate) fn jitter() -> f64 {
    const RANGE: std::ops::RangeInclusive<f64> = 0.5..=1.0;
    #[cfg(feature = "failpoints")]
    if let Some(drawn) = simulated::draw(|chance| chance.random_range(RANGE)) {
        return drawn;
    }
    rand::rng().random_range(RANGE)
}

/// Returns a new UUIDv7 (RFC 9562).
pub(crate) fn uuid() -> Uuid {
    #[cfg(feature = "failpoints")]
    if let Some(id) = simulated::uuid() {
        return id;
    }
    Uuid::now_v7()
}

/// Simulated time and chance, for one thread.
#[cfg(feature = "failpoints")]
pub mod simulated {
    use std::cell::RefCell;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};
    use tokio::time::Instant;
    use uuid::Uuid;

    thread_local! {
        static NATURE: RefCell<Option<Nature>> = const { RefCell::new(None) };
    }

    struct Nature {
        origin: SystemTime,
        began: Instant,
        chance: StdRng,
    }

    /// Ends the simulation of this thread when it is dropped.
    #[must_use = "the simulation ends when this is dropped"]
    #[derive(Debug)]
    pub struct Simulation(());

    /// Simulates time and chance on this thread. The date begins at `millis` since 1970 and follows tokio's clock.
    pub fn begin(seed: u64, millis: u64) -> Simulation {
        let nature = Nature {
            origin: UNIX_EPOCH + Duration::from_millis(millis),
            began: Instant::now(),
            chance: StdRng::seed_from_u64(seed),
        };
        NATURE.set(Some(nature));
        Simulation(())
    }

    impl Drop for Simulation {
        fn drop(&mut self) {
            NATURE.set(None);
        }
    }

    pub(super) fn wall_clock() -> Option<SystemTime> {
        NATURE.with_borrow(|nature| nature.as_ref().map(|nature| nature.origin + nature.began.elapsed()))
    }

    pub(super) fn draw<T>(from: impl FnOnce(&mut StdRng) -> T) -> Option<T> {
        NATURE.with_borrow_mut(|nature| nature.as_mut().map(|nature| from(&mut nature.chance)))
    }

    pub(super) fn uuid() -> Option<Uuid> {
        let since = wall_clock()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let random: [u8; 10] = draw(|chance| chance.random())?;
        Some(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}
