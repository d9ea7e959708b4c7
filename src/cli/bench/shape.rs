//! The shape of a load: its events, its connections and its pace.

use std::time::Duration;

use super::pace::Order;
use super::population::Population;

/// The shape of the load.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) duration: Duration,
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) order: Order,
    pub(super) population: Population,
    pub(super) event_bytes: usize,
    pub(super) event: String,
}

impl Shape {
    /// Returns the events a second of an open loop. Returns `None` for any other.
    pub(super) const fn rate(&self) -> Option<u32> {
        match self.order {
            Order::Open { rate, .. } => Some(rate),
            _ => None,
        }
    }
}
