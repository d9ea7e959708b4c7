//! Items that need attention.

use conduit_actors::ids::{ControllerId, Timestamp};

use super::{Error, Principal, Services};
use crate::store::{PlaceholderPerson, Unsettled};

/// Returns the kinds of rejected and failed events that were received since a time, at most `limit` of them.
///
/// # Errors
/// [`Error::NotFound`] if the list reaches further than the principal may see; [`Error::Store`].
pub(crate) async fn unsettled(
    principal: &Principal,
    services: &Services,
    controller: Option<ControllerId>,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<Unsettled>, Error> {
    principal.check_filter(services, controller)?;
    Ok(services.store.unsettled(controller, since, limit).await?)
}

/// Returns data subjects that an earlier build found by a placeholder, at most `limit` of them, and how many there are.
///
/// # Errors
/// [`Error::NotFound`] if the list reaches further than the principal may see; [`Error::Store`].
pub(crate) async fn placeholder_people(
    principal: &Principal,
    services: &Services,
    controller: Option<ControllerId>,
    limit: usize,
) -> Result<(Vec<PlaceholderPerson>, u64), Error> {
    principal.check_filter(services, controller)?;
    Ok(services.store.placeholder_people(controller, limit).await?)
}
