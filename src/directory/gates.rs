//! The gates of all controllers, and the limits of controllers without limits of their own.
//!
//! A controller has one gate for as long as this node knows it, because the gate knows the former traffic.

use std::sync::Arc;

use conduit_actors::ids::ControllerId;
use conduit_actors::limits::{Gate, LimitOverrides, Limits};
use dashmap::DashMap;
use parking_lot::RwLock;

/// See the module's docs.
#[derive(Debug, Default)]
pub(super) struct Gates {
    /// A change of a gate's limits holds the lock, so that no gate misses a change of these defaults.
    defaults: RwLock<Limits>,
    own: DashMap<ControllerId, (LimitOverrides, Arc<Gate>)>,
}

impl Gates {
    /// Sets a controller's own limits. Returns its gate.
    pub(super) fn install(&self, controller: ControllerId, overrides: LimitOverrides) -> Arc<Gate> {
        let defaults = self.defaults.read();
        let limits = overrides.over(*defaults);
        let new = || (overrides, Arc::new(Gate::new(limits)));
        let mut own = self.own.entry(controller).or_insert_with(new);
        own.0 = overrides;
        own.1.set_limits(limits);
        Arc::clone(&own.1)
    }

    /// Sets the limits that count where a controller has none of its own.
    pub(super) fn set_defaults(&self, limits: Limits) {
        let mut defaults = self.defaults.write();
        *defaults = limits;
        for own in &self.own {
            let (overrides, gate) = own.value();
            gate.set_limits(overrides.over(limits));
        }
    }

    /// Returns the limits that count where a controller has none of its own.
    pub(super) fn defaults(&self) -> Limits {
        *self.defaults.read()
    }

    /// Returns a controller's gate. Returns `None` for an unknown controller.
    pub(super) fn get(&self, controller: ControllerId) -> Option<Arc<Gate>> {
        self.own.get(&controller).map(|own| Arc::clone(&own.1))
    }

    /// Removes a deleted controller's gate.
    pub(super) fn remove(&self, controller: ControllerId) {
        self.own.remove(&controller);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_defaults_reach_every_gate_and_leave_limits_of_its_own() {
        let gates = Gates::default();
        let (plain, own) = (ControllerId::generate(), ControllerId::generate());
        let overrides = LimitOverrides {
            events_per_second: Some(7),
            ..LimitOverrides::default()
        };
        let gate = gates.install(plain, LimitOverrides::default());
        gates.install(own, overrides);
        let limits = |controller| gates.get(controller).unwrap().limits();
        assert_eq!(limits(plain), Limits::default());
        gates.set_defaults(Limits {
            events_per_second: 5,
            burst: 0,
            backlog_events: 9,
        });
        assert_eq!((gate.limits().events_per_second, gate.limits().burst), (5, 5));
        assert_eq!((limits(own).events_per_second, limits(own).backlog_events), (7, 9));
        // A controller that is read again keeps its gate.
        assert!(Arc::ptr_eq(&gate, &gates.install(plain, overrides)));
        assert_eq!(limits(plain).events_per_second, 7);
        gates.remove(plain);
        assert!(gates.get(plain).is_none());
    }
}
