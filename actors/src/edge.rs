//! The edge: the two actors before the answer, on the thread of the HTTP worker that has the request.
//!
//! The head of a request has all four parts of a sender's credentials. If the body has come with it, both go on in one
//! message. If not, the head is authenticated alone, and only the body of an authenticated sender is read.
//!
//! Their decisions need no order between requests, so each worker has its own pair. A request crosses to another thread
//! once, into the journal's writer, which gives all events their order and their ids.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::admission::Admission;
use crate::ingest::{Admitted, Head, Parcel, Refusal, Submission, Then};
use crate::ports::{Directory, Journal};
use crate::stages::{Auth, ValidateJob, Validator};
use crate::supervisor::{ActorRef, Monitor, RestartPolicy, Stage as _};
use crate::usage::UsageBook;

/// An AuthActor and a ValidatorActor.
pub struct Edge {
    auth: ActorRef<Auth>,
    validator: ActorRef<Validator>,
}

impl Edge {
    /// Starts them on the current thread, the last of the line first. `shard` is whose supervision report they are in.
    #[must_use]
    pub fn start(
        shard: usize,
        mailbox_capacity: usize,
        restart: RestartPolicy,
        directory: Arc<dyn Directory>,
        journal: Arc<dyn Journal>,
        usage: UsageBook,
        admission: Arc<Admission>,
    ) -> Self {
        let monitor = |actor| Arc::new(Monitor::new(shard, actor, restart));
        let validator = ActorRef::start(monitor(Validator::ACTOR), mailbox_capacity, {
            let journal = Arc::clone(&journal);
            move || Validator::new(Arc::clone(&journal))
        });
        let auth = ActorRef::start(monitor(Auth::ACTOR), mailbox_capacity, {
            let validator = validator.clone();
            move || {
                let (directory, journal) = (Arc::clone(&directory), Arc::clone(&journal));
                let admission = Arc::clone(&admission);
                Auth::new(directory, journal, admission, usage.clone(), validator.clone())
            }
        });
        Self { auth, validator }
    }

    /// Takes a request whose body is here. The answer comes by the parcel's own reply.
    pub fn submit(&self, head: Head, parcel: Parcel) {
        self.knock(head, Then::Validate(parcel));
    }

    /// Authenticates a request whose body is not here yet, and holds it to its controller's limits.
    ///
    /// # Errors
    /// Why the sender need not send it.
    pub async fn admit(&self, head: Head) -> Result<Admitted, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.knock(head, Then::Read(reply));
        answer.await.unwrap_or(Err(Refusal::Interrupted))
    }

    /// Takes what an admitted sender has sent. The answer comes by the parcel's own reply.
    pub fn deliver(&self, admitted: Admitted, parcel: Parcel) {
        if let Err((_, job)) = self.validator.tell(ValidateJob { parcel, admitted }) {
            job.parcel.refuse(Refusal::Overloaded);
        }
    }

    fn knock(&self, head: Head, then: Then) {
        if let Err((_, submission)) = self.auth.tell(Submission { head, then }) {
            submission.then.refuse(Refusal::Overloaded);
        }
    }

    /// Returns the records of both actors.
    #[must_use]
    pub fn monitors(&self) -> [Arc<Monitor>; 2] {
        [Arc::clone(self.auth.monitor()), Arc::clone(self.validator.monitor())]
    }
}
