//! How many integrations a controller may have, and how large their mappings may be.
//!
//! Every change of a mapping is read and compiled by each node, and every event meets its controller's mappings: one tenant's
//! must not keep another's waiting. Who is over a limit already goes on, and may make things smaller.

use conduit_actors::ids::{ControllerId, IntegrationId};
use conduit_actors::mapping::IntegrationSpec;
use tokio::sync::{Mutex, MutexGuard};

use super::problem::Problem;
use super::state::App;
use crate::counts::thousands;

/// Controllers that share a turn, by their ids.
const TURNS: usize = 64;

/// Lets one change of a controller's mappings be made at a time, so that two do not pass the limits together.
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

/// Admits a new integration, or the mapping that replaces one's, until the guard is dropped.
///
/// # Errors
/// It is over a limit.
pub(super) async fn admit<'a>(
    app: &'a App,
    controller: ControllerId,
    replaced: Option<IntegrationId>,
    spec: &IntegrationSpec,
) -> Result<MutexGuard<'a, ()>, Problem> {
    let turn = app.mapping_turns.of(controller).await;
    let limits = &app.config.mappings;
    let sizes = app.store.integration_sizes(Some(controller)).await?;
    let most = limits.max_integrations;
    if replaced.is_none() && most > 0 && sizes.len() >= most {
        let most = thousands(most as u64);
        let detail = format!(
            "this controller has {most} integrations, which is its limit: delete one that is not used, or ask the operator for \
             a higher mappings.max_integrations"
        );
        return Err(Problem::conflict("too_many_integrations", detail));
    }
    let before = sizes
        .iter()
        .find(|size| Some(size.id) == replaced)
        .map_or(0, |size| size.bytes);
    let others: u64 = sizes.iter().map(|size| size.bytes).sum::<u64>() - before;
    let after = serde_json::to_string(spec).map_or(u64::MAX, |text| text.len() as u64);
    let most = limits.max_bytes;
    if most > 0 && after > before && others.saturating_add(after) > most {
        let [most, after, others] = [most, after, others].map(thousands);
        let detail = format!(
            "the mappings of a controller may have {most} bytes in all: this one has {after}, the others have {others}; leave \
             out fields that nobody needs, delete an integration, or ask the operator for a higher mappings.max_bytes"
        );
        return Err(Problem::conflict("mappings_too_large", detail));
    }
    Ok(turn)
}
