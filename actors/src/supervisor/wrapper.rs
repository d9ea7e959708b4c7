//! The actor around a stage.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use actix::prelude::*;
use futures_util::FutureExt as _;
use tokio::sync::oneshot;

use super::fence::{PanicCause, fence, fence_call};
use super::monitor::Monitor;

/// The state and logic of one actor; see [`crate::supervisor`] for what surrounds it.
pub trait Stage: Sized + Unpin + 'static {
    /// A job of the stage.
    type Job: Send + 'static;
    /// The result of a job.
    type Output: Send + 'static;
    /// The actor's name, in logs and reports.
    const ACTOR: &'static str;

    /// Does one job. May panic: the state is then dropped and created again.
    fn handle(&mut self, job: Self::Job) -> impl Future<Output = Self::Output>;
}

/// Why a job came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The stage panicked on it.
    #[error("the actor panicked: {0}")]
    Panicked(String),
    /// The mailbox is full.
    #[error("the actor's mailbox is full")]
    Full,
    /// The actor is gone: stopped, or torn down with its mailbox.
    #[error("the actor is gone")]
    Gone,
}

/// A job on its way, with its place in the mailbox count and the way back.
struct Envelope<S: Stage> {
    job: S::Job,
    reply: Option<oneshot::Sender<Result<S::Output, Fault>>>,
}

impl<S: Stage> Message for Envelope<S> {
    type Result = ();
}

type Factory<S> = Arc<dyn Fn() -> S + Send + Sync>;

/// The wrapper: owns the mailbox, fences the stage.
pub struct Supervised<S: Stage> {
    stage: Option<S>,
    place: ActorRef<S>,
    stopping: bool,
}

/// Where an actor can be reached, through all its generations.
pub struct ActorRef<S: Stage> {
    shared: Arc<Shared<S>>,
}

struct Shared<S: Stage> {
    address: RwLock<Option<Addr<Supervised<S>>>>,
    factory: Factory<S>,
    monitor: Arc<Monitor>,
    mailbox_capacity: usize,
}

impl<S: Stage> Clone for ActorRef<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S: Stage> ActorRef<S> {
    /// Starts an actor on the current Arbiter.
    #[must_use]
    pub fn start(
        monitor: Arc<Monitor>,
        mailbox_capacity: usize,
        factory: impl Fn() -> S + Send + Sync + 'static,
    ) -> Self {
        let place = Self {
            shared: Arc::new(Shared {
                address: RwLock::new(None),
                factory: Arc::new(factory),
                monitor,
                mailbox_capacity,
            }),
        };
        place.launch();
        place
    }

    fn launch(&self) {
        let actor = Supervised {
            stage: None,
            place: self.clone(),
            stopping: false,
        };
        let address = Supervised::create(|ctx| {
            ctx.set_mailbox_capacity(self.shared.mailbox_capacity);
            actor
        });
        *self.shared.address.write().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    fn send(&self, envelope: Envelope<S>) -> Result<(), (Fault, S::Job)> {
        let address = self.shared.address.read().unwrap_or_else(PoisonError::into_inner);
        let Some(address) = address.as_ref() else {
            return Err((Fault::Gone, envelope.job));
        };
        self.shared.monitor.waiting.fetch_add(1, Ordering::Relaxed);
        address.try_send(envelope).map_err(|refused| {
            self.shared.monitor.waiting.fetch_sub(1, Ordering::Relaxed);
            match refused {
                SendError::Full(envelope) => (Fault::Full, envelope.job),
                SendError::Closed(envelope) => (Fault::Gone, envelope.job),
            }
        })
    }

    /// Hands a job over without waiting; the job carries its own way to answer.
    ///
    /// # Errors
    /// [`Fault::Full`] or [`Fault::Gone`], with the job: nothing is dropped silently.
    pub fn tell(&self, job: S::Job) -> Result<(), (Fault, S::Job)> {
        self.send(Envelope { job, reply: None })
    }

    /// Hands a job over and waits for its result.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn ask(&self, job: S::Job) -> Result<S::Output, Fault> {
        let (reply, answer) = oneshot::channel();
        self.send(Envelope {
            job,
            reply: Some(reply),
        })
        .map_err(|(fault, _)| fault)?;
        answer.await.unwrap_or(Err(Fault::Gone))
    }

    /// Stops the actor for good. Jobs in its mailbox are dropped, and their senders are told.
    pub fn stop(&self) {
        let address = self
            .shared
            .address
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(address) = address {
            // A full mailbox cannot refuse this one: `do_send` ignores the capacity.
            #[allow(clippy::disallowed_methods)]
            address.do_send(Stop);
        }
    }

    /// Returns the actor's record.
    #[must_use]
    pub fn monitor(&self) -> &Arc<Monitor> {
        &self.shared.monitor
    }
}

struct Stop;

impl Message for Stop {
    type Result = ();
}

impl<S: Stage> Supervised<S> {
    fn monitor(&self) -> &Monitor {
        &self.place.shared.monitor
    }

    /// Makes the state; a factory that panics is tried again after a backoff, like a stage that does.
    fn make_stage(&mut self, ctx: &mut Context<Self>) {
        let factory = Arc::clone(&self.place.shared.factory);
        match fence_call(|| factory()) {
            Ok(stage) => self.stage = Some(stage),
            Err(cause) => self.restart_after(&cause, ctx),
        }
    }

    /// Keeps the state for the next job, or drops it after a panic. Answers the caller.
    fn settle(
        &mut self,
        stage: S,
        done: Result<S::Output, PanicCause>,
        reply: Option<oneshot::Sender<Result<S::Output, Fault>>>,
        ctx: &mut Context<Self>,
    ) {
        let answer = match done {
            Ok(done) => {
                self.stage = Some(stage);
                self.monitor().done();
                Ok(done)
            }
            Err(cause) => {
                // Dropping a half-changed state may panic as well.
                let _ = fence_call(move || drop(stage));
                self.restart_after(&cause, ctx);
                Err(Fault::Panicked(cause.to_string()))
            }
        };
        if let Some(reply) = reply {
            // The caller may have gone: then the answer has no reader.
            let _ = reply.send(answer);
        }
    }

    /// Blocks the mailbox for the backoff, then makes a new state.
    fn restart_after(&mut self, cause: &PanicCause, ctx: &mut Context<Self>) {
        self.stage = None;
        let backoff = self.monitor().failed(&cause.to_string());
        let pause = tokio::time::sleep(backoff).into_actor(self).map(|(), actor, ctx| {
            actor.make_stage(ctx);
            if actor.stage.is_some() {
                actor.monitor().restarted();
            }
        });
        ctx.wait(pause);
    }
}

impl<S: Stage> Actor for Supervised<S> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.make_stage(ctx);
    }
}

impl<S: Stage> Handler<Envelope<S>> for Supervised<S> {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<S>, ctx: &mut Self::Context) {
        self.monitor().waiting.fetch_sub(1, Ordering::Relaxed);
        crate::fail_point!("supervisor::wrapper");
        let Envelope { job, reply } = envelope;
        let Some(mut stage) = self.stage.take() else {
            // Only between a stop and the end: the mailbox is blocked while a stage is down.
            return;
        };
        let mut work = Box::pin(async move {
            let done = fence(stage.handle(job)).await;
            (stage, done)
        });
        // The edge's jobs never wait: they are done here, without a turn of the mailbox each.
        match (&mut work).now_or_never() {
            Some((stage, done)) => self.settle(stage, done, reply, ctx),
            None => ctx.wait(
                work.into_actor(self)
                    .map(|(stage, done), actor, ctx| actor.settle(stage, done, reply, ctx)),
            ),
        }
    }
}

impl<S: Stage> Handler<Stop> for Supervised<S> {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.stopping = true;
        self.monitor().stopped();
        ctx.stop();
    }
}

impl<S: Stage> Drop for Supervised<S> {
    fn drop(&mut self) {
        // Torn down by a panic outside the fence, which only a fault in this file can cause.
        if !self.stopping && std::thread::panicking() {
            let place = self.place.clone();
            place.monitor().waiting.store(0, Ordering::Relaxed);
            let backoff = place.monitor().failed("the wrapper panicked outside the fence");
            actix_rt::spawn(async move {
                tokio::time::sleep(backoff).await;
                place.launch();
                place.monitor().restarted();
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::monitor::{ActorState, RestartPolicy};
    use super::*;

    /// Adds up; panics on a negative number, after a half-made change.
    struct Adder {
        sum: i64,
    }

    impl Stage for Adder {
        type Job = i64;
        type Output = i64;
        const ACTOR: &'static str = "Adder";

        async fn handle(&mut self, job: i64) -> i64 {
            self.sum += job;
            tokio::task::yield_now().await;
            assert!(job >= 0, "negative");
            self.sum
        }
    }

    fn start() -> ActorRef<Adder> {
        let policy = RestartPolicy {
            backoff_initial: Duration::from_millis(1),
            backoff_max: Duration::from_millis(4),
            budget: 1000,
            window: Duration::from_secs(60),
        };
        ActorRef::start(Arc::new(Monitor::new(0, Adder::ACTOR, policy)), 10_000, || Adder {
            sum: 0,
        })
    }

    #[actix_rt::test]
    async fn a_panic_costs_the_state_and_its_own_job_only() {
        let adder = start();
        assert_eq!(adder.ask(1).await, Ok(1));
        assert_eq!(adder.ask(2).await, Ok(3));
        assert!(matches!(adder.ask(-5).await, Err(Fault::Panicked(_))));
        assert_eq!(adder.ask(4).await, Ok(4), "a new generation starts from its factory");
        assert_eq!(adder.monitor().report().generation, 2);
        assert_eq!(adder.monitor().report().state, ActorState::Running);
    }

    #[actix_rt::test]
    async fn the_mailbox_outlives_many_panics_in_order() {
        let adder = start();
        let answers: Vec<_> = (0..2_000)
            .map(|n| adder.ask(if n % 40 == 39 { -1 } else { 0 }))
            .collect();
        let answers = futures_util::future::join_all(answers).await;
        for (n, answer) in answers.iter().enumerate() {
            assert_eq!(answer.is_err(), n % 40 == 39, "{n}");
        }
        assert_eq!(
            adder.ask(0).await,
            Ok(0),
            "the last panic's answer comes before its restart"
        );
        assert_eq!(adder.monitor().report().restarts, 50);
        assert_eq!(adder.monitor().report().mailbox_depth, 0);
    }

    #[actix_rt::test]
    async fn a_stopped_actor_says_so() {
        let adder = start();
        adder.stop();
        assert_eq!(adder.ask(1).await, Err(Fault::Gone));
        assert_eq!(adder.tell(1), Err((Fault::Gone, 1)));
    }
}
