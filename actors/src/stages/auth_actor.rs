//! The first actor: lets in who may come in.

use std::sync::Arc;

use subtle::{Choice, ConstantTimeEq as _};

use super::validator_actor::{ValidateJob, Validator};
use crate::ids::Timestamp;
use crate::ingest::{AuthFailure, Refusal, Submission};
use crate::personal::CredentialHash;
use crate::ports::{Credential, Directory, Integration};
use crate::supervisor::{ActorRef, Stage, Supervised};

/// Checks both credentials of a submission, bound to its DID and processor, and hands it on.
pub type AuthActor = Supervised<Auth>;

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

    /// The integration that both credentials belong to. The same work is done, and both credentials are
    /// compared, whatever is wrong: neither the answer nor its time tells a stranger what exists.
    ///
    /// # Errors
    /// The true cause, for the operator's log alone.
    pub fn authenticate(&self, submission: &Submission, now: Timestamp) -> Result<Arc<Integration>, AuthFailure> {
        let integration = self.directory.by_url(&submission.did, &submission.processor);
        let (api_key, webhook_secret) = integration.as_ref().map_or((&self.nobody, &self.nobody), |found| {
            (&found.api_key, &found.controller.webhook_secret)
        });
        let key_ok = api_key.accepts(&submission.api_key.hash(), now);
        let secret_ok = webhook_secret.accepts(&submission.webhook_secret.hash(), now);
        match integration {
            Some(integration) if bool::from(key_ok & secret_ok) => Ok(integration),
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
    validator: ActorRef<Validator>,
}

impl Auth {
    /// Hands what it lets through to `validator`.
    #[must_use]
    pub fn new(directory: Arc<dyn Directory>, validator: ActorRef<Validator>) -> Self {
        Self {
            authenticator: Authenticator::new(Arc::clone(&directory)),
            directory,
            validator,
        }
    }
}

impl Stage for Auth {
    type Job = Submission;
    type Done = ();
    const ACTOR: &'static str = "AuthActor";

    async fn handle(&mut self, submission: Submission) {
        fail::fail_point!("AuthActor");
        if !self.directory.is_reliable() {
            // The same for all, whatever they present.
            return submission.refuse(Refusal::CredentialsUnconfirmed);
        }
        let integration = match self.authenticator.authenticate(&submission, Timestamp::now()) {
            Ok(integration) => integration,
            Err(cause) => return submission.refuse(Refusal::Unauthorized(cause)),
        };
        if let Err((_, job)) = self.validator.tell(ValidateJob {
            submission,
            integration,
        }) {
            job.submission.refuse(Refusal::Overloaded);
        }
    }
}
