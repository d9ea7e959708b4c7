//! The caller, and the data that the caller may see.

use conduit_actors::ids::{ControllerDid, ControllerId};
use conduit_actors::personal::Secret;
use conduit_actors::ports::Directory as _;
use subtle::ConstantTimeEq as _;

use super::{Error, Noun, Services};
use crate::code::Code;

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Principal {
    /// The operator sees every controller.
    Operator,
    /// A controller sees itself.
    Controller(ControllerDid),
}

impl Principal {
    /// Returns the owner of a token. Returns `None` for an unknown token.
    ///
    /// # Errors
    /// [`Error::Unconfirmed`] while the directory is too old to confirm a token.
    pub(crate) fn of_token(services: &Services, token: &Secret) -> Result<Option<Self>, Error> {
        if bool::from(token.hash().ct_eq(&services.admin)) {
            return Ok(Some(Self::Operator));
        }
        if !services.directory.is_reliable() {
            return Err(Error::Unconfirmed);
        }
        Ok(services.directory.by_token(token).map(Self::Controller))
    }

    /// Refuses everybody but the operator.
    ///
    /// # Errors
    /// [`Error::Forbidden`]
    pub(crate) fn operator(&self) -> Result<(), Error> {
        match self {
            Self::Operator => Ok(()),
            Self::Controller(_) => Err(Error::Forbidden),
        }
    }

    /// Returns whether the principal may see the controller of this DID.
    pub(super) fn sees_did(&self, did: &ControllerDid) -> bool {
        match self {
            Self::Operator => true,
            Self::Controller(own) => own == did,
        }
    }

    /// Returns whether the principal may see a controller.
    pub(crate) fn sees(&self, services: &Services, controller: ControllerId) -> bool {
        match self {
            Self::Operator => true,
            Self::Controller(did) => {
                let found = services.directory.controller(controller);
                found.is_some_and(|found| found.did == *did)
            }
        }
    }

    /// Returns the controller that a call is about: the principal's own or, for the operator, the one that `did` names.
    ///
    /// # Errors
    /// `did` is missing or invalid, or names no controller that the principal may see.
    pub(crate) fn one(&self, services: &Services, did: Option<&str>) -> Result<(ControllerDid, ControllerId), Error> {
        self.some(services, did)?.ok_or_else(|| {
            let detail = "say which controller is meant: ?did=…";
            Error::invalid_at(Code::DidMissing, "", detail, "did is missing")
        })
    }

    /// Returns the controller that a list is limited to. Returns `None` if the list has all controllers.
    ///
    /// # Errors
    /// `did` is invalid, or names no controller that the principal may see.
    pub(crate) fn some(
        &self,
        services: &Services,
        did: Option<&str>,
    ) -> Result<Option<(ControllerDid, ControllerId)>, Error> {
        let named = did.map(str::parse::<ControllerDid>).transpose();
        let named = named.map_err(|error| Error::invalid(Code::DidInvalid, error.to_string()))?;
        let did = match (self, named) {
            (Self::Operator, None) => return Ok(None),
            (Self::Operator, Some(named)) => named,
            (Self::Controller(own), None) => own.clone(),
            (Self::Controller(own), Some(named)) if *own == named => named,
            (Self::Controller(_), Some(_)) => return Err(Error::NotFound(Noun::Controller)),
        };
        let controller = services.directory.controller_by_did(&did);
        let controller = controller.ok_or(Error::NotFound(Noun::Controller))?;
        Ok(Some((did, controller.id)))
    }

    /// Refuses a filter that reaches further than the principal may see.
    ///
    /// # Errors
    /// [`Error::NotFound`]
    pub(super) fn check_filter(&self, services: &Services, controller: Option<ControllerId>) -> Result<(), Error> {
        let is_within = match (self, controller) {
            (Self::Operator, _) => true,
            (Self::Controller(_), None) => false,
            (Self::Controller(_), Some(controller)) => self.sees(services, controller),
        };
        if is_within {
            Ok(())
        } else {
            Err(Error::NotFound(Noun::Controller))
        }
    }
}
