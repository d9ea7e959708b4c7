//! Controllers: the tenants.

use std::fmt;
use std::str::FromStr;

use conduit_actors::ids::{ControllerDid, ControllerId, Timestamp};
use conduit_actors::personal::{CredentialHash, Secret};
use conduit_actors::ports::{Credential, Directory as _};

use super::{Error, Noun, Principal, Services};
use crate::code::Code;
use crate::secrets::{Purpose, generate};
use crate::store::{ControllerRow, Page};

const MAX_NAME_CHARS: usize = 200;
const DEFAULT_GRACE_SECONDS: u32 = 86_400;

/// A controller's name, for people: 1 to 200 characters, none of them a control character, no space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControllerName(String);

impl ControllerName {
    /// Returns the name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ControllerName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |message: &str| {
            let detail = format!("name {message}");
            Error::invalid_at(Code::NameInvalid, "/name", detail, message)
        };
        if text.chars().any(char::is_control) {
            return Err(invalid("must not have control characters"));
        }
        let text = text.trim();
        if !(1..=MAX_NAME_CHARS).contains(&text.chars().count()) {
            return Err(invalid("must have 1 to 200 characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ControllerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For how many seconds the version of a credential before the new one still serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GracePeriod(u32);

impl GracePeriod {
    /// The longest grace, in seconds: 30 days.
    pub(crate) const MAX_SECONDS: u32 = 30 * 86_400;

    /// Returns a grace period of so many seconds, or of a day if `seconds` is `None`.
    ///
    /// # Errors
    /// The grace is longer than [`Self::MAX_SECONDS`].
    pub(crate) fn of(seconds: Option<u32>) -> Result<Self, Error> {
        let seconds = seconds.unwrap_or(DEFAULT_GRACE_SECONDS);
        if seconds > Self::MAX_SECONDS {
            return Err(Error::invalid_at(
                Code::GracePeriodInvalid,
                "/gracePeriodSeconds",
                "gracePeriodSeconds must be 0 to 2,592,000",
                "must be 0 to 2,592,000",
            ));
        }
        Ok(Self(seconds))
    }

    /// Returns the credential after a rotation, which has the new version and the old one until its grace ends, and that end.
    pub(super) fn rotate(self, before: &Credential, new: CredentialHash) -> (Credential, Timestamp) {
        let until = Timestamp::from_millis(Timestamp::now().as_millis() + i64::from(self.0) * 1000);
        let previous = (self.0 > 0).then_some((before.current, until));
        (Credential { current: new, previous }, until)
    }
}

/// Returns when a credential's previous version ends. Returns `None` if no previous version serves.
pub(crate) fn previous_until(credential: &Credential) -> Option<Timestamp> {
    let previous = credential.previous.as_ref();
    previous
        .map(|(_, until)| *until)
        .filter(|until| *until > Timestamp::now())
}

/// A new controller with its credentials, which nobody but the caller ever sees.
pub(crate) struct NewController {
    pub(crate) row: ControllerRow,
    pub(crate) webhook_secret: Secret,
    pub(crate) management_token: Secret,
}

/// Creates a controller. Its DID is made if `did` is `None`.
///
/// # Errors
/// [`Error::Forbidden`] to all but the operator; the DID is taken; [`Error::Store`].
pub(crate) async fn create(
    principal: &Principal,
    services: &Services,
    name: &ControllerName,
    did: Option<ControllerDid>,
) -> Result<NewController, Error> {
    principal.operator()?;
    let id = ControllerId::generate();
    let did = match did {
        Some(did) => did,
        None => format!("did:conduit:controller:{id}")
            .parse()
            .map_err(|_| Error::NotMade("a DID could not be made"))?,
    };
    let (secret, token) = (generate(Purpose::WebhookSecret), generate(Purpose::ManagementToken));
    let wrapped_data_key = services
        .keyring
        .create(id)
        .map_err(|_| Error::NotMade("a data key could not be made"))?;
    let row = ControllerRow {
        id,
        did,
        name: name.to_string(),
        created_at: Timestamp::now(),
        webhook_secret: Credential {
            current: secret.hash(),
            previous: None,
        },
        management_token: token.hash(),
        wrapped_data_key,
        link_key_version: 1,
    };
    if let Err(error) = services.store.create_controller(&row).await {
        // The controller may exist all the same: only the answer of the database was lost.
        if services.directory.controller(id).is_none() {
            services.keyring.forget(id);
        }
        return Err(error.into());
    }
    services.directory.refresh(&*services.store, &row.did).await?;
    services.forget_deleted();
    tracing::info!(did = row.did.as_str(), "controller created");
    Ok(NewController {
        row,
        webhook_secret: secret,
        management_token: token,
    })
}

/// Returns a page of the controllers that the principal may see, newest first.
///
/// # Errors
/// [`Error::Store`]
pub(crate) async fn list(
    principal: &Principal,
    services: &Services,
    page: Page<ControllerId>,
) -> Result<Vec<ControllerRow>, Error> {
    match principal {
        Principal::Operator => Ok(services.store.controllers_page(page).await?),
        Principal::Controller(did) => {
            let own = services.store.controller(did).await?;
            let is_behind = |row: &ControllerRow| page.after.is_none_or(|after| row.id < after);
            Ok(own.into_iter().filter(is_behind).collect())
        }
    }
}

/// Returns the controllers whose former webhook secret is still valid, as far as the principal may see them; newest first,
/// and at most so many.
///
/// # Errors
/// [`Error::Store`]
pub(crate) async fn in_grace(
    principal: &Principal,
    services: &Services,
    most: usize,
) -> Result<Vec<ControllerRow>, Error> {
    let mut found = services.directory.with_former_secrets();
    found.retain(|(_, did)| principal.sees_did(did));
    found.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
    let mut rows = Vec::new();
    for (_, did) in found.into_iter().take(most) {
        rows.extend(services.store.controller(&did).await?);
    }
    Ok(rows)
}

/// Returns one controller.
///
/// # Errors
/// The DID is invalid; [`Error::NotFound`]; [`Error::Store`].
pub(crate) async fn load(principal: &Principal, services: &Services, did: &str) -> Result<ControllerRow, Error> {
    let (did, _) = principal.one(services, Some(did))?;
    let row = services.store.controller(&did).await?;
    row.ok_or(Error::NotFound(Noun::Controller))
}

/// Renames a controller. If `expected` is a name, the controller must still have it.
///
/// # Errors
/// [`Error::Forbidden`] to all but the operator; the name was changed meanwhile; [`Error::Store`].
pub(crate) async fn rename(
    principal: &Principal,
    services: &Services,
    row: &mut ControllerRow,
    expected: Option<&str>,
    name: ControllerName,
) -> Result<(), Error> {
    principal.operator()?;
    services
        .store
        .rename_controller(row.id, expected, name.as_str())
        .await?;
    row.name = name.0;
    tracing::info!(did = row.did.as_str(), "controller renamed");
    Ok(())
}

/// Deletes a controller with all that it owns.
///
/// # Errors
/// [`Error::Forbidden`] to all but the operator; [`Error::Store`].
pub(crate) async fn delete(principal: &Principal, services: &Services, row: &ControllerRow) -> Result<(), Error> {
    principal.operator()?;
    services.store.delete_controller(row.id).await?;
    services.directory.refresh(&*services.store, &row.did).await?;
    services.forget_deleted();
    tracing::info!(did = row.did.as_str(), "controller deleted with all that it owned");
    Ok(())
}

/// Gives a controller a new webhook secret. Returns the secret, and when the previous one ends.
///
/// # Errors
/// The secret was rotated meanwhile; [`Error::NotFound`]; [`Error::Store`].
pub(crate) async fn rotate_secret(
    principal: &Principal,
    services: &Services,
    row: &ControllerRow,
    grace: GracePeriod,
) -> Result<(Secret, Timestamp), Error> {
    owned(principal, services, row)?;
    let secret = generate(Purpose::WebhookSecret);
    let (credential, until) = grace.rotate(&row.webhook_secret, secret.hash());
    services
        .store
        .set_webhook_secret(row.id, row.webhook_secret.current, &credential)
        .await?;
    services.directory.refresh(&*services.store, &row.did).await?;
    tracing::info!(did = row.did.as_str(), previous_until = %until, "webhook secret rotated");
    Ok((secret, until))
}

/// Gives a controller a new management token. The former token ends at once, with its sessions: a token is replaced
/// when it was lost or leaked.
///
/// # Errors
/// [`Error::Forbidden`] to all but the operator, since a stranger with a token could lock its owner out; the token was
/// rotated meanwhile; [`Error::Store`].
pub(crate) async fn rotate_token(
    principal: &Principal,
    services: &Services,
    row: &ControllerRow,
) -> Result<Secret, Error> {
    principal.operator()?;
    let token = generate(Purpose::ManagementToken);
    services
        .store
        .set_management_token(row.id, row.management_token, token.hash())
        .await?;
    services.directory.refresh(&*services.store, &row.did).await?;
    tracing::info!(did = row.did.as_str(), "management token rotated");
    Ok(token)
}

/// Refuses a controller that the principal may not see.
pub(super) fn owned(principal: &Principal, services: &Services, row: &ControllerRow) -> Result<(), Error> {
    if principal.sees(services, row.id) {
        Ok(())
    } else {
        Err(Error::NotFound(Noun::Controller))
    }
}
