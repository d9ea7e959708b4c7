//! The composition of the next batch.

use std::collections::HashMap;

use tokio::time::Instant;

use super::Dispatcher;
use super::work::{Group, Work};
use crate::event::JournaledEvent;
use crate::ids::{ControllerId, Sequence};
use crate::shard::isolation::Step;
use crate::shard::turns::EVENT_COST;

/// Events of a turn, at the least. A commit writes some pages for each of its controllers, however few events these have.
const LEAST_PER_TURN: usize = 32;

impl Dispatcher {
    /// Returns the next batch: a suspect's alone, or everyone else's in turns. The two alternate.
    pub(super) fn compose(&mut self) -> Work {
        self.suspects_turn = !self.suspects_turn;
        if self.suspects_turn {
            match self.compose_suspect() {
                Work::Nothing => self.compose_shared(),
                work => work,
            }
        } else {
            match self.compose_shared() {
                Work::Nothing => self.compose_suspect(),
                work => work,
            }
        }
    }

    fn compose_suspect(&mut self) -> Work {
        if self.isolation.suspects().next().is_none() {
            return Work::Nothing;
        }
        let (isolation, stalls, now) = (&self.isolation, &self.stalls, Instant::now());
        let allowed = |controller: &ControllerId| isolation.is_suspect(controller) && !stalls.holds(controller, now);
        let Some((controller, stream, _)) = self.turns.next(allowed) else {
            return Work::Nothing;
        };
        let step = self
            .isolation
            .step(controller, stream.checkpoint)
            .unwrap_or(Step::Run(1));
        let limit = match step {
            Step::Run(limit) => limit.min(self.batches.events),
            Step::GiveUp => 1,
        };
        match (
            self.read(controller, stream.checkpoint, limit, self.batches.bytes),
            step,
        ) {
            (Some(group), Step::GiveUp) => Work::DeadLetter(group),
            (Some(group), Step::Run(_)) => Work::Batch {
                groups: vec![group],
                isolated: true,
            },
            (None, _) => Work::Nothing,
        }
    }

    /// Returns the next batch of controllers that are not suspects, after the batch that is being committed.
    pub(super) fn compose_shared(&mut self) -> Work {
        let mut groups: Vec<Group> = Vec::new();
        let mut places: HashMap<ControllerId, usize> = HashMap::new();
        // With many controllers, a turn takes few events: all have a part in the next batches, and neighbours in the journal
        // are read together.
        let per_turn = (self.batches.events / self.turns.len().max(1)).max(LEAST_PER_TURN);
        let (mut events_left, mut cost_left) = (self.batches.events, self.batches.bytes as i64);
        // A controller may take several turns within a batch, until there is no room, or no controller has more events.
        let mut in_vain = 0;
        let now = Instant::now();
        while events_left > 0 && cost_left >= EVENT_COST && in_vain < self.turns.len() {
            let (isolation, stalls) = (&self.isolation, &self.stalls);
            let allowed =
                |controller: &ControllerId| !isolation.is_suspect(controller) && !stalls.holds(controller, now);
            let Some((controller, stream, credit)) = self.turns.next(allowed) else {
                break;
            };
            let taken = places.get(&controller).copied();
            let reached = self.committing.get(&controller).copied();
            let from = reached.map_or(stream.checkpoint, |reached| reached.max(stream.checkpoint));
            let after = taken.map_or(from, |index| groups[index].through());
            let budget = credit.min(cost_left);
            let affordable = usize::try_from(budget / EVENT_COST).unwrap_or(0);
            let limit = events_left.min(affordable).min(per_turn);
            if after >= stream.last {
                in_vain += 1;
                continue;
            }
            if limit == 0 {
                // In debt from a large event: its credit grows with each turn, so this ends.
                continue;
            }
            let Some(group) = self.read(controller, after, limit, usize::try_from(budget).unwrap_or(0)) else {
                in_vain += 1;
                continue;
            };
            in_vain = 0;
            let cost: i64 = group.events.iter().map(cost).sum();
            self.turns.pay(controller, cost);
            cost_left -= cost;
            events_left -= group.events.len().min(events_left);
            match taken {
                Some(index) => groups[index].events.extend(group.events),
                None => {
                    places.insert(controller, groups.len());
                    groups.push(group);
                }
            }
        }
        if groups.is_empty() {
            Work::Nothing
        } else {
            Work::Batch {
                groups,
                isolated: false,
            }
        }
    }

    fn read(&mut self, controller: ControllerId, after: Sequence, events: usize, bytes: usize) -> Option<Group> {
        if self.ports.directory.controller(controller).is_none() {
            self.forget(controller);
            return None;
        }
        match self.ports.journal.read(controller, after, events, bytes) {
            Ok(events) if events.is_empty() => {
                // Released by another hand, or forgotten: there is no backlog after all.
                self.turns.remove(controller);
                self.isolation.forget(controller);
                self.causes.remove(&controller);
                self.end_stall(controller);
                None
            }
            Ok(events) => Some(Group {
                controller,
                checkpoint: after,
                events,
            }),
            Err(error) => {
                self.stall(controller, &format!("its journal stream cannot be read: {error}"));
                None
            }
        }
    }
}

fn cost(event: &JournaledEvent) -> i64 {
    EVENT_COST + i64::try_from(event.event.body.expose().len()).unwrap_or(i64::MAX / 2)
}
