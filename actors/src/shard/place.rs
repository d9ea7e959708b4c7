//! Where the tasks of a shard run.

use actix_rt::Arbiter;
use tokio::sync::oneshot;

/// Where a shard runs.
pub(super) enum Place {
    /// On a thread of its own.
    Thread(Arbiter),
    /// On the thread that started it, in its `LocalSet`.
    Here,
}

impl Place {
    /// Returns what `work` gives, done there.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let Self::Thread(arbiter) = self else {
            return work();
        };
        let (done, result) = oneshot::channel();
        arbiter.spawn_fn(move || drop(done.send(work())));
        #[allow(clippy::expect_used)] // At start-up only: the thread has just been made.
        result.await.expect("a new thread starts its actors")
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match self {
            Self::Thread(arbiter) => {
                arbiter.spawn(task);
            }
            Self::Here => {
                actix_rt::spawn(task);
            }
        }
    }
}
