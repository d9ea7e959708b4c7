//! The present state of the server.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use awc::http::Method;
use conduit_actors::ids::ControllerDid;
use conduit_actors::limits::LimitOverrides;
use conduit_actors::mapping::IntegrationSpec;
use serde::Deserialize;

use super::super::client::Api;
use super::file::{Desired, DesiredController};
use crate::api::spec_of;

/// The present state of the server.
pub(super) struct Actual(pub(super) BTreeMap<ControllerDid, Controller>);

pub(super) struct Controller {
    pub(super) name: String,
    /// None: not asked for.
    pub(super) limits: Option<ActualLimits>,
    /// The oldest first.
    pub(super) integrations: Vec<Integration>,
}

#[derive(Clone, Copy, Deserialize)]
pub(super) struct ActualLimits {
    pub(super) overrides: LimitOverrides,
    pub(super) version: u64,
}

pub(super) struct Integration {
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) processor: String,
    pub(super) spec: IntegrationSpec,
}

#[derive(Deserialize)]
struct NamedController {
    did: ControllerDid,
    name: String,
}

impl Actual {
    /// Reads everything, and limits of these controllers.
    pub(super) async fn read(api: &Api, with_limits: BTreeSet<ControllerDid>) -> Result<Self> {
        let mut found = Self::read_controllers(api).await?;
        for did in with_limits {
            if let Some(controller) = found.0.get_mut(&did) {
                controller.limits = Some(read_limits(api, &did).await?);
            }
        }
        Ok(found)
    }

    /// Reads everything, or everything of one controller.
    pub(super) async fn read_all(api: &Api, only: Option<&ControllerDid>) -> Result<Self> {
        let mut found = Self::read_controllers(api).await?;
        found.0.retain(|did, _| only.is_none_or(|only| only == did));
        for (did, controller) in &mut found.0 {
            controller.limits = Some(read_limits(api, did).await?);
        }
        Ok(found)
    }

    async fn read_controllers(api: &Api) -> Result<Self> {
        let mut found = BTreeMap::new();
        for item in api.list("/api/v1/controllers?").await? {
            let NamedController { did, name } = serde_json::from_value(item)?;
            let controller = Controller {
                name,
                limits: None,
                integrations: Vec::new(),
            };
            found.insert(did, controller);
        }
        let mut integrations = api.list("/api/v1/integrations/custom?").await?;
        integrations.reverse();
        for mut item in integrations {
            let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
            let (did, id, processor) = (text("did"), text("id"), text("dataProcessorId"));
            let version = item["version"].as_u64().unwrap_or_default();
            let spec =
                spec_of(&mut item).with_context(|| format!("integration {id} is not as this program knows them"))?;
            // One of a controller that was made since the other list was read is none of this plan's.
            if let Some(controller) = found.get_mut(&did.parse::<ControllerDid>()?) {
                controller.integrations.push(Integration {
                    id,
                    version,
                    processor,
                    spec,
                });
            }
        }
        Ok(Self(found))
    }

    /// Returns the state as a file would describe it.
    pub(super) fn into_desired(self) -> Desired {
        let desired = |(did, controller): (ControllerDid, Controller)| DesiredController {
            did,
            name: controller.name,
            limits: controller
                .limits
                .map(|limits| limits.overrides)
                .filter(|overrides| *overrides != LimitOverrides::default()),
            integrations: controller.integrations.into_iter().map(|found| found.spec).collect(),
        };
        Desired {
            controllers: self.0.into_iter().map(desired).collect(),
        }
    }
}

async fn read_limits(api: &Api, did: &ControllerDid) -> Result<ActualLimits> {
    let limits = api
        .call(Method::GET, &format!("{}/limits", controller_path(did)), None)
        .await?;
    Ok(serde_json::from_value(limits)?)
}

/// Returns the path of a controller.
pub(super) fn controller_path(did: &ControllerDid) -> String {
    let did: String = url::form_urlencoded::byte_serialize(did.as_str().as_bytes()).collect();
    format!("/api/v1/controllers/{did}")
}
