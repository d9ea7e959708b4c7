//! Limits of a controller: set by the operator, shown to the controller.

use conduit_actors::event::Notice;
use conduit_actors::ids::{ControllerDid, ControllerId};
use conduit_actors::limits::{LimitOverrides, Limits};

use super::{Error, Noun, Principal, Services};
use crate::code::Code;

/// The limits of one controller.
#[derive(Debug, Clone)]
pub(crate) struct ControllerLimits {
    /// The limits that were set for it; the others are as configured for all.
    pub(crate) overrides: LimitOverrides,
    /// Counts changes; 0 if no limit was ever set.
    pub(crate) version: u64,
}

impl ControllerLimits {
    /// Returns the limits in force.
    pub(crate) fn in_force(&self, services: &Services) -> Limits {
        self.overrides.over(services.directory.limits())
    }
}

/// Checks that limits are in their ranges.
///
/// # Errors
/// [`Error::Invalid`] with a fault for each limit out of its range.
pub(crate) fn check(overrides: &LimitOverrides) -> Result<(), Error> {
    let number = u64::from(Limits::MAX_EVENTS);
    let ranges = [
        ("/eventsPerSecond", overrides.events_per_second.map(u64::from), number),
        ("/burst", overrides.burst.map(u64::from), number),
        ("/backlogEvents", overrides.backlog_events, Limits::MAX_BACKLOG),
    ];
    let faults: Vec<Notice> = ranges
        .into_iter()
        .filter(|(_, value, most)| value.is_some_and(|value| value > *most))
        .map(|(pointer, _, most)| {
            Notice::of_request(pointer, Code::LimitsInvalid, format!("must be 0 (off) to {most}"))
        })
        .collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid(super::Refusal {
        code: Code::LimitsInvalid,
        detail: "a limit is out of its range".to_owned(),
        faults,
    }))
}

/// Returns a controller's limits.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Store`].
pub(crate) async fn load(
    principal: &Principal,
    services: &Services,
    controller: ControllerId,
) -> Result<ControllerLimits, Error> {
    if !principal.sees(services, controller) {
        return Err(Error::NotFound(Noun::Controller));
    }
    let row = services.store.limits(Some(controller)).await?.pop();
    let (overrides, version) = row.map_or_else(Default::default, |row| (row.overrides, row.version));
    Ok(ControllerLimits { overrides, version })
}

/// Sets a controller's limits. If `expected` is a version, the limits must still be at it.
///
/// # Errors
/// [`Error::Forbidden`] to all but the operator; a limit is out of its range; the version is another; [`Error::Store`].
pub(crate) async fn set(
    principal: &Principal,
    services: &Services,
    (did, controller): (&ControllerDid, ControllerId),
    overrides: LimitOverrides,
    expected: Option<u64>,
) -> Result<ControllerLimits, Error> {
    principal.operator()?;
    check(&overrides)?;
    let version = services.store.set_limits(controller, expected, &overrides).await?;
    services.directory.refresh(&*services.store, did).await?;
    tracing::info!(did = did.as_str(), version, "limits set");
    Ok(ControllerLimits { overrides, version })
}
