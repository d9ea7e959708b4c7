//! The differences from the present state, and the steps to remove them.

use std::fmt;

use anyhow::{Context as _, Result};
use awc::http::Method;
use conduit_actors::ids::ControllerDid;
use conduit_actors::limits::LimitOverrides;
use conduit_actors::mapping::IntegrationSpec;
use serde_json::{Value, json};

use super::super::client::Api;
use super::super::output::say_line;
use super::actual::{Actual, Controller, Integration, controller_path};
use super::credentials::Credentials;
use super::file::{Desired, DesiredController};
use crate::diff::diff;

/// One change.
enum Step {
    MakeController {
        did: ControllerDid,
        name: String,
    },
    Rename {
        did: ControllerDid,
        before: String,
        after: String,
    },
    SetLimits {
        did: ControllerDid,
        before: LimitOverrides,
        after: LimitOverrides,
        version: u64,
    },
    MakeIntegration {
        did: ControllerDid,
        spec: IntegrationSpec,
    },
    Replace {
        did: ControllerDid,
        id: String,
        version: u64,
        before: IntegrationSpec,
        after: IntegrationSpec,
    },
    DeleteIntegration {
        did: ControllerDid,
        id: String,
        shown: String,
    },
    DeleteController {
        did: ControllerDid,
        name: String,
    },
}

/// The steps, in the order in which they are taken: deletions last.
pub(super) struct Plan {
    steps: Vec<Step>,
    /// Objects that the file does not mention, and that stay.
    left: Vec<String>,
}

impl Plan {
    pub(super) fn new(desired: &Desired, actual: &Actual, prune: bool) -> Self {
        let (mut steps, mut surplus) = (Vec::new(), Vec::new());
        for wanted in &desired.controllers {
            plan_controller(wanted, actual.0.get(&wanted.did), &mut steps, &mut surplus);
        }
        let wanted = |did: &ControllerDid| desired.controllers.iter().any(|controller| controller.did == *did);
        for (did, found) in actual.0.iter().filter(|(did, _)| !wanted(did)) {
            surplus.push(Step::DeleteController {
                did: did.clone(),
                name: found.name.clone(),
            });
        }
        if prune {
            steps.extend(surplus);
            return Self {
                steps,
                left: Vec::new(),
            };
        }
        let left = surplus.iter().filter_map(Step::subject).collect();
        Self { steps, left }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Reports names that the server would reject, before the plan changes anything. Unchanged names from before the
    /// rule are no faults of a plan.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for step in &self.steps {
            let (place, name) = match step {
                Step::MakeController { did, name } => (did.to_string(), name),
                Step::Rename { did, after, .. } => (did.to_string(), after),
                Step::MakeIntegration { did, spec } | Step::Replace { did, after: spec, .. } => {
                    let processor = spec.data_processor_id.as_deref().unwrap_or_default();
                    (format!("{did}, integration {processor}"), &spec.name)
                }
                Step::SetLimits { .. } | Step::DeleteIntegration { .. } | Step::DeleteController { .. } => continue,
            };
            if name.chars().any(char::is_control) {
                faults.push(format!("{place}: name must not have control characters"));
            }
        }
        faults
    }

    /// Returns whether a step creates credentials.
    pub(super) fn makes_credentials(&self) -> bool {
        let makes = |step: &Step| matches!(step, Step::MakeController { .. } | Step::MakeIntegration { .. });
        self.steps.iter().any(makes)
    }

    /// Takes the steps, one after the other.
    pub(super) async fn carry_out(&self, api: &Api, credentials: &mut Credentials) -> Result<()> {
        let total = self.steps.len();
        for (done, step) in self.steps.iter().enumerate() {
            step.take(api, credentials)
                .await
                .with_context(|| format!("{done} of {total} changes were made; run this again for the others"))?;
        }
        say_line!("{total} of {total} changes were made.");
        Ok(())
    }
}

fn plan_controller(
    wanted: &DesiredController,
    found: Option<&Controller>,
    steps: &mut Vec<Step>,
    surplus: &mut Vec<Step>,
) {
    let did = &wanted.did;
    match found {
        None => steps.push(Step::MakeController {
            did: did.clone(),
            name: wanted.name.clone(),
        }),
        Some(found) if found.name != wanted.name.trim() => steps.push(Step::Rename {
            did: did.clone(),
            before: found.name.clone(),
            after: wanted.name.clone(),
        }),
        Some(_) => {}
    }
    let limits = found.and_then(|found| found.limits);
    let before = limits.map(|limits| limits.overrides).unwrap_or_default();
    if let Some(after) = wanted.limits.filter(|after| *after != before) {
        steps.push(Step::SetLimits {
            did: did.clone(),
            before,
            after,
            version: limits.map_or(0, |limits| limits.version),
        });
    }
    let found: &[Integration] = found.map_or(&[], |found| &found.integrations);
    for spec in &wanted.integrations {
        let same = |found: &&Integration| Some(&found.processor) == spec.data_processor_id.as_ref();
        match found.iter().find(same) {
            None => steps.push(Step::MakeIntegration {
                did: did.clone(),
                spec: spec.clone(),
            }),
            Some(found) if found.spec != *spec => steps.push(Step::Replace {
                did: did.clone(),
                id: found.id.clone(),
                version: found.version,
                before: found.spec.clone(),
                after: spec.clone(),
            }),
            Some(_) => {}
        }
    }
    let is_wanted = |found: &Integration| {
        let mut wanted = wanted.integrations.iter();
        wanted.any(|spec| spec.data_processor_id.as_ref() == Some(&found.processor))
    };
    surplus.extend(
        found
            .iter()
            .filter(|found| !is_wanted(found))
            .map(|found| Step::DeleteIntegration {
                did: did.clone(),
                id: found.id.clone(),
                shown: named(&found.spec),
            }),
    );
}

/// Returns an integration's identifier and name, for people.
fn named(spec: &IntegrationSpec) -> String {
    format!(
        "{} {:?}",
        spec.data_processor_id.as_deref().unwrap_or_default(),
        spec.name
    )
}

impl Step {
    async fn take(&self, api: &Api, credentials: &mut Credentials) -> Result<()> {
        match self {
            Self::MakeController { did, name } => {
                let body = json!({"did": did, "name": name});
                let made = api.call(Method::POST, "/api/v1/controllers", Some(&body)).await?;
                credentials.keep(&pick(&made, &["did", "webhookSecret", "managementToken"]))
            }
            Self::Rename { did, after, .. } => {
                let body = json!({"name": after});
                api.call(Method::PUT, &controller_path(did), Some(&body))
                    .await
                    .map(drop)
            }
            Self::SetLimits {
                did, after, version, ..
            } => {
                let mut body = json!(after);
                body["version"] = json!(version);
                let path = format!("{}/limits", controller_path(did));
                api.call(Method::PUT, &path, Some(&body)).await.map(drop)
            }
            Self::MakeIntegration { did, spec } => {
                let query: String = url::form_urlencoded::byte_serialize(did.as_str().as_bytes()).collect();
                let path = format!("/api/v1/integrations/custom?did={query}");
                let made = api.call(Method::POST, &path, Some(&json!(spec))).await?;
                let shown = ["did", "id", "dataProcessorId", "webhookUrl", "webhookAuth"];
                credentials.keep(&pick(&made, &shown))
            }
            Self::Replace { id, version, after, .. } => {
                let mut body = json!(after);
                body["version"] = json!(version);
                let path = format!("/api/v1/integrations/custom/{id}");
                api.call(Method::PUT, &path, Some(&body)).await.map(drop)
            }
            Self::DeleteIntegration { id, .. } => {
                let path = format!("/api/v1/integrations/custom/{id}");
                api.call(Method::DELETE, &path, None).await.map(drop)
            }
            Self::DeleteController { did, .. } => api.call(Method::DELETE, &controller_path(did), None).await.map(drop),
        }
    }

    /// Returns the object that would be deleted. Returns `None` for other steps.
    fn subject(&self) -> Option<String> {
        match self {
            Self::DeleteIntegration { did, shown, .. } => Some(format!("integration {shown} of {did}")),
            Self::DeleteController { did, name } => Some(format!("controller {did} {name:?}")),
            _ => None,
        }
    }
}

fn pick(answer: &Value, names: &[&str]) -> Value {
    let parts = names.iter().map(|name| ((*name).to_owned(), answer[*name].clone()));
    Value::Object(parts.collect())
}

fn changes(f: &mut fmt::Formatter<'_>, before: &Value, after: &Value) -> fmt::Result {
    diff(before, after)
        .iter()
        .try_for_each(|difference| writeln!(f, "    {difference}"))
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeController { did, name } => writeln!(f, "+ controller {did} {name:?}"),
            Self::Rename { did, before, after } => {
                writeln!(f, "~ controller {did}")?;
                changes(f, &json!({"name": before}), &json!({"name": after.trim()}))
            }
            Self::SetLimits { did, before, after, .. } => {
                writeln!(f, "~ limits of {did}")?;
                changes(f, &json!(before), &json!(after))
            }
            Self::MakeIntegration { did, spec } => {
                writeln!(f, "+ integration {} of {did}", named(spec))?;
                let events = spec.events.iter();
                events
                    .map(|event| (event.name.as_str(), event.fields.len()))
                    .try_for_each(|(name, fields)| writeln!(f, "    event {name:?}, fields: {fields}"))
            }
            Self::Replace { did, before, after, .. } => {
                writeln!(f, "~ integration {} of {did}", named(before))?;
                changes(f, &json!(before), &json!(after))
            }
            Self::DeleteIntegration { .. } => {
                writeln!(
                    f,
                    "- {}: its address answers 401 from then on",
                    self.subject().unwrap_or_default()
                )
            }
            Self::DeleteController { .. } => writeln!(
                f,
                "- {}: with ALL that it owns, its data subjects and its audit log",
                self.subject().unwrap_or_default()
            ),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| write!(f, "{step}"))?;
        for left in &self.left {
            writeln!(f, "  {left}: not in the file, stays (--prune deletes it)")?;
        }
        if self.is_empty() {
            return writeln!(f, "Nothing to change.");
        }
        let count = |wanted: fn(&Step) -> bool| self.steps.iter().filter(|step| wanted(step)).count();
        let made = count(|step| matches!(step, Step::MakeController { .. } | Step::MakeIntegration { .. }));
        let deleted = count(|step| step.subject().is_some());
        let changed = self.steps.len() - made - deleted;
        writeln!(f, "{made} to create, {changed} to change, {deleted} to delete.")
    }
}
