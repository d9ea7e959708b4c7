//! Invariant: no controller's turn is starved.
//!
//! A turn is a reading of the controller's stream. While a controller with a backlog waits for one, its shard may commit
//! only so many batches.

use std::collections::BTreeMap;

use conduit_actors::ids::ControllerId;
use tokio::time::{Duration, Instant};

use crate::tenants::Tenants;
use crate::world::State;

#[derive(Default)]
pub struct Waits {
    /// Commits of its shard since the controller had a turn.
    commits: BTreeMap<(usize, ControllerId), u32>,
    /// Streams that the dispatcher makes wait for a reason of their own, until about then.
    excused: BTreeMap<ControllerId, Instant>,
}

impl Waits {
    /// Notes that the node has read the controller's stream, or has taken it over.
    pub fn had_turn(&mut self, node: usize, controller: ControllerId) {
        self.commits.remove(&(node, controller));
    }

    /// Notes a fault of this controller alone: it may wait for longer than the backoff.
    pub fn excuse(&mut self, controller: ControllerId, backoff: Duration) {
        self.excused.insert(controller, Instant::now() + 3 * backoff);
    }
}

/// Holds a commit of this controller's events, and perhaps others', against the turns of those who wait in its shard.
pub fn committed(state: &mut State, node: usize, of: ControllerId) {
    let shard = |controller| Tenants::shared().shard(controller, state.plan.shards);
    let now = Instant::now();
    // Each of the others once, each time with a suspect's batch before it; and some of replays.
    let most = 2 * u32::try_from(state.plan.controllers).unwrap_or(u32::MAX) + 4;
    let own = state.nodes[node].own.iter().copied();
    let own: Vec<ControllerId> = own.filter(|own| shard(*own) == shard(of)).collect();
    for controller in own {
        let waits = state.in_flight(controller) > 0 && state.owners.get(&controller) == Some(&node);
        let is_excused = state.waits.excused.get(&controller).is_some_and(|until| now < *until);
        if !waits || is_excused {
            state.waits.had_turn(node, controller);
            continue;
        }
        let commits = state.waits.commits.entry((node, controller)).or_default();
        *commits += 1;
        if *commits > most {
            let index = Tenants::shared().index(controller);
            state.fail(|| format!("turns: controller {index} has waited while its shard committed {most} batches"));
        }
    }
}
