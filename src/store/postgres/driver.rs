//! The thread that the connections live on.
//!
//! A connection belongs to the runtime that it was made on: it hears from its socket only while that one turns. The
//! pipeline's threads are busy with batches for long stretches and end when their shards do, so none of them may own what
//! all share. Operations run where they are asked for, but everything that they open is registered here.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use conduit_actors::ports::StoreError;
use tokio::runtime::{Handle, Runtime};

/// How long an operation may take in all. The server's own limits come first; this one is for a server that is gone
/// without a word, whose limits nobody enforces.
const DEADLINE: Duration = Duration::from_secs(30);

/// See the module's docs.
pub(super) struct Driver(Option<Runtime>);

impl Driver {
    /// Starts the thread.
    pub(super) fn start() -> Result<Self, StoreError> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map(|runtime| Self(Some(runtime)))
            .map_err(|error| StoreError::Failed(error.to_string()))
    }

    fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }

    /// Runs a task on the thread itself, until the store is gone.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(handle) = self.handle() {
            handle.spawn(task);
        }
    }

    /// Runs an operation, for as long as it takes.
    pub(super) async fn run<T>(&self, operation: impl Future<Output = T>) -> T {
        let mut operation = pin!(operation);
        poll_fn(|context| {
            let _entered = self.handle().map(Handle::enter);
            operation.as_mut().poll(context)
        })
        .await
    }

    /// Runs an operation within [`DEADLINE`].
    pub(super) async fn run_in_time<T, E: From<StoreError>>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        // The timeout is made inside, since it belongs to the thread's clock.
        let timed = async { tokio::time::timeout(DEADLINE, operation).await };
        self.run(timed).await.unwrap_or_else(|_| {
            let text = "the database did not answer in time".to_owned();
            Err(StoreError::Unavailable(text).into())
        })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Waiting for the thread is not allowed where the store is dropped.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
