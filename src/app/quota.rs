//! How many integrations a controller may have, and how large their mappings may be.
//!
//! Each node reads and compiles every change of a mapping, and every event meets its controller's mappings. The limits keep
//! one tenant's mappings from delaying another tenant. A controller that is over a limit already goes on, and may make its
//! mappings smaller.

use conduit_actors::ids::{ControllerId, IntegrationId};
use conduit_actors::mapping::IntegrationSpec;
use tokio::sync::{Mutex, MutexGuard};

use super::{Error, Services};
use crate::store::Page;

/// Controllers that share a turn, by their ids.
const TURNS: usize = 64;

/// The turns of changes to mappings: one change of a controller at a time, so that no two pass the limits together.
pub(crate) struct Turns([Mutex<()>; TURNS]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl Turns {
    async fn of(&self, controller: ControllerId) -> MutexGuard<'_, ()> {
        let last = controller.as_bytes()[15];
        self.0[usize::from(last) % TURNS].lock().await
    }
}

/// Admits a new integration, or the mapping that replaces an integration's, until the guard is dropped.
///
/// # Errors
/// [`Error::TooManyIntegrations`], [`Error::MappingsTooLarge`], [`Error::Store`].
pub(super) async fn admit<'a>(
    services: &'a Services,
    controller: ControllerId,
    replaced: Option<IntegrationId>,
    spec: &IntegrationSpec,
) -> Result<MutexGuard<'a, ()>, Error> {
    let turn = services.mapping_turns.of(controller).await;
    let config = services.config.get();
    let limits = &config.mappings;
    let all = Page {
        after: None,
        limit: usize::MAX,
    };
    let sizes = services.store.integration_sizes(Some(controller), all).await?;
    let most = limits.max_integrations;
    if replaced.is_none() && most > 0 && sizes.len() >= most {
        return Err(Error::TooManyIntegrations { most });
    }
    let replaced = sizes.iter().find(|size| Some(size.id) == replaced);
    let before = replaced.map_or(0, |size| size.bytes);
    let others: u64 = sizes.iter().map(|size| size.bytes).sum::<u64>() - before;
    let sent = serde_json::to_string(spec).map_or(u64::MAX, |text| text.len() as u64);
    let most = limits.max_bytes;
    if most > 0 && sent > before && others.saturating_add(sent) > most {
        return Err(Error::MappingsTooLarge { most, sent, others });
    }
    Ok(turn)
}
