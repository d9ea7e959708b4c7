//! The first actor: lets in who may come in.

use std::sync::Arc;

use subtle::{Choice, ConstantTimeEq as _};

use super::validator_actor::{ValidateJob, Validator};
use crate::admission::{Admission, Entry};
use crate::ids::{ControllerId, Timestamp};
use crate::ingest::{Admitted, AuthFailure, Head, Refusal, Submission, Then};
use crate::limits::Permit;
use crate::personal::CredentialHash;
use crate::ports::{Credential, Directory, Integration, Journal};
use crate::supervisor::{ActorRef, Stage, Supervised};
use crate::usage::UsageBook;

/// Checks both credentials of a submission, bound to its DID and processor, and hands it on.
pub type AuthActor = Supervised<Auth>;

/// An integration, and which of its credentials were presented.
#[derive(Debug)]
pub struct Authenticated {
    /// Whose credentials they are.
    pub integration: Arc<Integration>,
    /// The API key that was presented.
    pub api_key: CredentialHash,
    /// The webhook secret that was presented.
    pub webhook_secret: CredentialHash,
}

/// The decision, without the actor.
pub struct Authenticator {
    directory: Arc<dyn Directory>,
    nobody: Credential,
}

impl Authenticator {
    /// Authenticates against this directory.
    #[must_use]
    pub fn new(directory: Arc<dyn Directory>) -> Self {
        // Compared against where there is nothing to compare with. Its preimage is unknown to anyone.
        let nobody = Credential {
            current: CredentialHash::from_bytes([0; 32]),
            previous: None,
        };
        Self { directory, nobody }
    }

    /// Returns the integration of both credentials. Every failure does the same work and compares both credentials. So
    /// neither the answer nor its time reveals existing names to a stranger.
    ///
    /// # Errors
    /// The true cause, for the operator's log alone.
    pub fn authenticate(&self, head: &Head, now: Timestamp) -> Result<Authenticated, AuthFailure> {
        let integration = self.directory.by_url(&head.did, &head.processor);
        let (api_key, webhook_secret) = integration.as_ref().map_or((&self.nobody, &self.nobody), |found| {
            (&found.api_key, &found.controller.webhook_secret)
        });
        let presented = (head.api_key.hash(), head.webhook_secret.hash());
        let key_ok = api_key.accepts(&presented.0, now);
        let secret_ok = webhook_secret.accepts(&presented.1, now);
        match integration {
            Some(integration) if bool::from(key_ok & secret_ok) => Ok(Authenticated {
                integration,
                api_key: presented.0,
                webhook_secret: presented.1,
            }),
            None => Err(AuthFailure::UnknownIntegration),
            Some(_) if bool::from(key_ok.ct_eq(&Choice::from(0))) => Err(AuthFailure::WrongApiKey),
            Some(_) => Err(AuthFailure::WrongWebhookSecret),
        }
    }
}

/// The actor's state: the decision, and whom to hand on to.
pub struct Auth {
    directory: Arc<dyn Directory>,
    authenticator: Authenticator,
    journal: Arc<dyn Journal>,
    admission: Arc<Admission>,
    usage: UsageBook,
    validator: ActorRef<Validator>,
}

impl Auth {
    /// Notes in `usage` which credentials are used, holds each controller to its limits against its backlog in
    /// `journal`, lets events in as `admission` says, and passes them to `validator`.
    #[must_use]
    pub fn new(
        directory: Arc<dyn Directory>,
        journal: Arc<dyn Journal>,
        admission: Arc<Admission>,
        usage: UsageBook,
        validator: ActorRef<Validator>,
    ) -> Self {
        Self {
            authenticator: Authenticator::new(Arc::clone(&directory)),
            directory,
            journal,
            admission,
            usage,
            validator,
        }
    }

    /// Lets a sender in who has the right credentials, and whose controller may send one more.
    fn admit(&self, head: &Head) -> Result<Admitted, Refusal> {
        if !self.directory.is_reliable() {
            // The same work for all, with any credentials.
            return Err(Refusal::CredentialsUnconfirmed);
        }
        let now = Timestamp::now();
        let found = self
            .authenticator
            .authenticate(head, now)
            .map_err(Refusal::Unauthorized)?;
        let integration = found.integration;
        self.usage
            .note(&integration, &found.api_key, &found.webhook_secret, &head.client, now);
        let permit = self.permit(&integration)?;
        Ok(Admitted { integration, permit })
    }

    /// Lets an event through if its controller may send one more.
    fn permit(&self, integration: &Integration) -> Result<Option<Permit>, Refusal> {
        let controller = &integration.controller;
        let Some(gate) = &controller.gate else {
            return Ok(None);
        };
        gate.admit(|| self.backlog(controller.id)).map_err(Refusal::Exceeded)
    }

    /// Returns a controller's events in flight.
    fn backlog(&self, controller: ControllerId) -> u64 {
        let position = self.journal.position(controller);
        position.last.0.saturating_sub(position.released.0)
    }
}

impl Stage for Auth {
    type Job = Submission;
    type Output = ();
    const ACTOR: &'static str = "AuthActor";

    async fn handle(&mut self, submission: Submission) {
        crate::fail_point!("AuthActor");
        let Submission { head, then } = submission;
        let admitted = match self.admit(&head) {
            Ok(admitted) => admitted,
            Err(refusal) => return then.refuse(refusal),
        };
        let controller = admitted.integration.controller.id;
        match self.admission.enter(controller, || self.backlog(controller)) {
            Entry::Open => then.go_on(admitted, &self.validator),
            // This actor has others to serve meanwhile.
            Entry::Wait(turn) => {
                let (admission, validator) = (Arc::clone(&self.admission), self.validator.clone());
                actix_rt::spawn(async move {
                    if turn.wait().await {
                        then.go_on(admitted, &validator);
                    } else {
                        then.refuse(Refusal::Overload {
                            retry_after: admission.refuse(),
                        });
                    }
                });
            }
        }
    }
}

impl Then {
    /// Takes the next step for an admitted sender.
    fn go_on(self, admitted: Admitted, validator: &ActorRef<Validator>) {
        match self {
            Self::Validate(parcel) => {
                if let Err((_, job)) = validator.tell(ValidateJob { parcel, admitted }) {
                    job.parcel.refuse(Refusal::Overloaded);
                }
            }
            // The sender may have hung up.
            Self::Read(reply) => drop(reply.send(Ok(admitted))),
        }
    }
}
