//! The configuration, as the operator sees it: when it was read, what changed, and what waits for a restart.

use conduit_actors::ids::Timestamp;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Error, Principal, Services};
use crate::config::SettingChange;

/// A setting that changed while the node runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SettingChange")]
pub(crate) struct Change {
    /// The setting, as `section.key`.
    pub(crate) key: String,
    /// The former value, as in the configuration file.
    pub(crate) before: String,
    /// The value in force.
    pub(crate) now: String,
}

impl From<SettingChange> for Change {
    fn from(change: SettingChange) -> Self {
        let SettingChange { key, before, now } = change;
        Self { key, before, now }
    }
}

/// A configuration that was refused at SIGHUP. The configuration before it stays in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RefusedConfiguration")]
pub(crate) struct Refused {
    /// When it was refused.
    pub(crate) at: Timestamp,
    /// Its faults.
    pub(crate) error: String,
}

/// The configuration of this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Configuration {
    /// When the settings in force were read: at the start, or at the last SIGHUP that was not refused.
    pub(crate) read_at: Timestamp,
    /// The settings that changed at that SIGHUP.
    pub(crate) changed: Vec<Change>,
    /// Settings that differ from those in force, and take effect at the next start.
    pub(crate) needs_restart: Vec<String>,
    /// The last SIGHUP, if its configuration was refused; null otherwise.
    pub(crate) refused: Option<Refused>,
}

/// The state of the configuration, shared by those who read it and those who show it.
#[derive(Debug)]
pub(crate) struct ConfigurationState(Mutex<Configuration>);

impl ConfigurationState {
    /// Begins with the configuration of the start.
    pub(crate) fn new(read_at: Timestamp) -> Self {
        Self(Mutex::new(Configuration {
            read_at,
            changed: Vec::new(),
            needs_restart: Vec::new(),
            refused: None,
        }))
    }

    /// Notes that a configuration was read again and is in force.
    pub(crate) fn applied(&self, changed: Vec<SettingChange>, needs_restart: Vec<String>) {
        *self.0.lock() = Configuration {
            read_at: Timestamp::now(),
            changed: changed.into_iter().map(Change::from).collect(),
            needs_restart,
            refused: None,
        };
    }

    /// Notes that a configuration was refused, and why.
    pub(crate) fn refused(&self, error: String) {
        let at = Timestamp::now();
        self.0.lock().refused = Some(Refused { at, error });
    }
}

/// Returns the state of this node's configuration.
///
/// # Errors
/// [`Error::Forbidden`] to all but the operator.
pub(crate) fn configuration(principal: &Principal, services: &Services) -> Result<Configuration, Error> {
    principal.operator()?;
    Ok(services.configuration.0.lock().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_shown_beside_what_is_in_force_until_the_next_usable_configuration() {
        let state = ConfigurationState::new(Timestamp::from_millis(7));
        let change = SettingChange {
            key: "limits.burst".to_owned(),
            before: "0".to_owned(),
            now: "5".to_owned(),
        };
        state.applied(vec![change.clone()], vec!["server.workers".to_owned()]);
        state.refused("limits.burst is wrong".to_owned());
        let shown = state.0.lock().clone();
        assert_eq!(shown.changed, [Change::from(change)]);
        assert_eq!(shown.needs_restart, ["server.workers"]);
        assert_eq!(shown.refused.unwrap().error, "limits.burst is wrong");
        state.applied(Vec::new(), Vec::new());
        let shown = state.0.lock().clone();
        assert!(shown.changed.is_empty() && shown.needs_restart.is_empty() && shown.refused.is_none());
    }
}
