//! The queue of senders that wait for room, served by controllers in turns.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use crate::ids::ControllerId;

/// Waiting senders. Each controller has a queue of its own, and the queues take turns.
#[derive(Debug, Default)]
pub(super) struct Queue {
    queues: HashMap<ControllerId, VecDeque<oneshot::Sender<()>>>,
    /// Each controller with a queue, once.
    turns: VecDeque<ControllerId>,
}

impl Queue {
    /// Adds a sender at the end of its controller's queue.
    pub(super) fn join(&mut self, controller: ControllerId) -> oneshot::Receiver<()> {
        let (call, called) = oneshot::channel();
        let queue = self.queues.entry(controller).or_insert_with(|| {
            self.turns.push_back(controller);
            VecDeque::new()
        });
        queue.push_back(call);
        called
    }

    /// Calls the next sender that still waits. Returns whether there was one.
    pub(super) fn call(&mut self) -> bool {
        while let Some(controller) = self.turns.pop_front() {
            let Some(queue) = self.queues.get_mut(&controller) else {
                continue;
            };
            // A sender that has gone takes nobody's place.
            let is_called = std::iter::from_fn(|| queue.pop_front()).any(|call| call.send(()).is_ok());
            if queue.is_empty() {
                self.queues.remove(&controller);
            } else {
                self.turns.push_back(controller);
            }
            if is_called {
                return true;
            }
        }
        false
    }

    /// Forgets the senders that have gone.
    pub(super) fn tidy(&mut self) {
        for queue in self.queues.values_mut() {
            queue.retain(|call| !call.is_closed());
        }
        self.queues.retain(|_, queue| !queue.is_empty());
        self.turns.retain(|controller| self.queues.contains_key(controller));
    }

    /// Returns the number of senders, with some that have gone.
    pub(super) fn len(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_take_turns_and_senders_of_one_keep_their_order() {
        let (mut queue, [a, b]) = (Queue::default(), [(); 2].map(|()| ControllerId::generate()));
        let mut waiting = [a, a, a, b].map(|controller| queue.join(controller));
        let mut called = Vec::new();
        while queue.call() {
            called.extend(waiting.iter_mut().position(|receiver| receiver.try_recv().is_ok()));
        }
        assert_eq!(called, [0, 3, 1, 2]);
        assert!(queue.is_empty());
    }

    #[test]
    fn who_has_gone_is_passed_over_and_forgotten() {
        let (mut queue, controller) = (Queue::default(), ControllerId::generate());
        drop(queue.join(controller));
        let mut waits = queue.join(controller);
        drop(queue.join(ControllerId::generate()));
        queue.tidy();
        assert_eq!(queue.len(), 1);
        assert!(queue.call());
        assert_eq!(waits.try_recv(), Ok(()));
        drop(queue.join(controller));
        assert!(!queue.call());
        assert!(queue.is_empty());
    }
}
