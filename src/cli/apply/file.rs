//! The file: its content and its faults.

use std::collections::{BTreeSet, HashSet};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use conduit_actors::codes::MappingCode;
use conduit_actors::ids::ControllerDid;
use conduit_actors::limits::{LimitOverrides, Limits};
use conduit_actors::mapping::{DedupDefaults, IntegrationSpec, Mapping};
use conduit_actors::taxonomy::Taxonomy;
use serde::{Deserialize, Serialize};
use toml::Value;

use super::super::usage::Usage;

/// The desired state.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Desired {
    #[serde(default)]
    pub(super) controllers: Vec<DesiredController>,
}

/// One controller.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DesiredController {
    /// Names it: one with another DID is another one.
    pub(super) did: ControllerDid,
    pub(super) name: String,
    /// `None`: the limits stay. A missing limit is as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) limits: Option<LimitOverrides>,
    /// Each is named by its `dataProcessorId`.
    #[serde(default)]
    pub(super) integrations: Vec<IntegrationSpec>,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Toml,
    Json,
}

/// Reads a file. Faults are named with their line.
pub(super) fn read(path: &Path) -> Result<Desired> {
    let name = path.display();
    let mut text = String::new();
    if path.as_os_str() == "-" {
        let read = std::io::stdin().read_to_string(&mut text);
        read.context("cannot read standard input")?;
    } else {
        text = std::fs::read_to_string(path).map_err(|error| Usage(format!("cannot read {name}: {error}")))?;
    }
    // Some editors put a byte order mark before the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let is_json = path.extension().is_some_and(|extension| extension == "json")
        || (path.as_os_str() == "-" && text.trim_start().starts_with('{'));
    let wrong = |error: String| Usage(format!("{name}: {}", error.trim_end()));
    Ok(if is_json {
        serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?
    } else {
        toml::from_str(text).map_err(|error| wrong(error.to_string()))?
    })
}

impl Desired {
    /// Checks the file before any change; `categories` are those that the server knows.
    ///
    /// # Errors
    /// All faults, each with its place.
    pub(super) fn check(&self, path: &Path, categories: &HashSet<String>) -> Result<(), Vec<String>> {
        let taxonomy = Arc::new(Taxonomy::bundled());
        let mut faults = Vec::new();
        let mut dids = HashSet::new();
        for (number, controller) in self.controllers.iter().enumerate() {
            let place = format!("{}: controllers[{number}] ({})", path.display(), controller.did);
            if !dids.insert(&controller.did) {
                faults.push(format!(
                    "{place}: this DID is there already: put all of a controller in one place"
                ));
            }
            faults.extend(
                controller
                    .limits
                    .iter()
                    .flat_map(check_limits)
                    .map(|fault| format!("{place}: {fault}")),
            );
            let mut processors = HashSet::new();
            for (number, spec) in controller.integrations.iter().enumerate() {
                let place = format!("{place}.integrations[{number}]");
                match &spec.data_processor_id {
                    None => faults.push(format!(
                        "{place}: dataProcessorId is missing: it is what tells this integration from others"
                    )),
                    Some(id) if !processors.insert(id) => {
                        faults.push(format!("{place}: dataProcessorId {id:?} is there already"));
                    }
                    Some(_) => {}
                }
                faults.extend(check_mapping(spec, &taxonomy, categories).map(|fault| format!("{place}{fault}")));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    pub(super) fn dids_with_limits(&self) -> BTreeSet<ControllerDid> {
        let limited = self.controllers.iter().filter(|controller| controller.limits.is_some());
        limited.map(|controller| controller.did.clone()).collect()
    }

    /// Returns the content of a file.
    pub(super) fn written(&self, format: Format) -> Result<String> {
        if format == Format::Json {
            return Ok(serde_json::to_string_pretty(self)? + "\n");
        }
        let mut out =
            "# Controllers and integrations; `conduit apply` makes it so. Credentials are not in it.\n".to_owned();
        if let Value::Table(table) = Value::try_from(self)? {
            write_table(&mut out, "", &table);
        }
        Ok(out)
    }
}

fn check_limits(limits: &LimitOverrides) -> Vec<String> {
    let most = u64::from(Limits::MAX_EVENTS);
    let ranges = [
        ("eventsPerSecond", limits.events_per_second.map(u64::from), most),
        ("burst", limits.burst.map(u64::from), most),
        ("backlogEvents", limits.backlog_events, Limits::MAX_BACKLOG),
    ];
    let wrong = ranges
        .iter()
        .filter(|(_, value, most)| value.is_some_and(|value| value > *most));
    wrong
        .map(|(name, _, most)| format!("limits.{name} must be 0 (off) to {most}"))
        .collect()
}

/// Returns the faults that the server would report, except for categories, because the server may have its own.
fn check_mapping(
    spec: &IntegrationSpec,
    taxonomy: &Arc<Taxonomy>,
    categories: &HashSet<String>,
) -> impl Iterator<Item = String> {
    let defaults = DedupDefaults { window_seconds: 0 };
    let faults = Mapping::compile(spec, taxonomy, defaults).err().unwrap_or_default();
    let spec = serde_json::to_value(spec).unwrap_or_default();
    let is_known = |pointer: &str| {
        let named = spec.pointer(pointer).and_then(serde_json::Value::as_str);
        named.is_some_and(|name| categories.contains(name))
    };
    let real: Vec<String> = faults
        .iter()
        .filter(|fault| {
            fault.code != MappingCode::TypeUnsuitable
                && !(fault.code == MappingCode::CategoryUnknown && is_known(&fault.pointer))
        })
        .map(|fault| format!("{}: {}", fault.pointer, fault.message))
        .collect();
    real.into_iter()
}

/// Lists of tables that are written as such; everything else fits a line, or a line each.
const LISTS: [&str; 3] = ["controllers", "integrations", "events"];

fn write_table(out: &mut String, path: &str, table: &toml::Table) {
    let is_list = |name: &str, value: &Value| LISTS.contains(&name) && value.is_array();
    for (name, value) in table.iter().filter(|(name, value)| !is_list(name, value)) {
        match value.as_array().filter(|elements| elements.len() > 1) {
            Some(elements) => {
                let lines: Vec<String> = elements.iter().map(|element| format!("    {element},\n")).collect();
                out.push_str(&format!("{name} = [\n{}]\n", lines.concat()));
            }
            None => out.push_str(&format!("{name} = {value}\n")),
        }
    }
    for (name, value) in table.iter().filter(|(name, value)| is_list(name, value)) {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        for element in value.as_array().into_iter().flatten().filter_map(Value::as_table) {
            out.push_str(&format!("\n[[{path}]]\n"));
            write_table(out, &path, element);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn desired(json: serde_json::Value) -> Desired {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_is_written_reads_back() {
        let one = desired(json!({"controllers": [
            {"did": "did:web:shop.example", "name": "A \"shop\"\n#1", "limits": {"backlogEvents": 5}, "integrations": [
                {"name": "Web", "dataProcessorId": "web", "dedup": {"windowSeconds": 0}, "events": [
                    {"name": "a = [b]", "purpose": "P", "legalBasis": "contract", "dedup": {"key": "body"}, "fields": [
                        {"path": "x.\"y\"[]", "type": "integer", "required": true, "pii": "user.unique_id"},
                        {"path": "[\"user.email\"][\"it's \\\"so\\\" \\\\\"]"}, {"path": "z"}]},
                    {"name": "none"}]}]},
            {"did": "did:web:empty.example", "name": "Empty"}]}));
        let same = |other: &Desired| {
            assert_eq!(
                serde_json::to_value(other).unwrap(),
                serde_json::to_value(&one).unwrap()
            )
        };
        let toml = one.written(Format::Toml).unwrap();
        same(&toml::from_str(&toml).unwrap_or_else(|error| panic!("{error}: {toml}")));
        same(&serde_json::from_str(&one.written(Format::Json).unwrap()).unwrap());
        assert!(toml.contains("limits = { backlogEvents = 5 }"), "{toml}");
    }

    #[test]
    fn faults_have_their_places() {
        let integration = json!({"name": "W", "dataProcessorId": "w", "events": [
            {"name": "a", "fields": [{"path": "x", "pii": "user.own"}, {"path": "y", "pii": "user.emial"}, {"path": "z[0]"}]}]});
        let mut nameless = integration.clone();
        nameless.as_object_mut().unwrap().remove("dataProcessorId");
        let wrong = desired(json!({"controllers": [
            {"did": "did:web:a.example", "name": "A", "integrations": [integration, integration, nameless]},
            {"did": "did:web:a.example", "name": "B", "limits": {"burst": 2_000_000}}]}));
        let own = HashSet::from(["user.own".to_owned()]);
        let faults = wrong.check(Path::new("f.toml"), &own).unwrap_err();
        let text = faults.join("\n");
        for part in [
            "f.toml: controllers[0] (did:web:a.example).integrations[0]/events/0/fields/1/pii: is no PII category",
            "integrations[0]/events/0/fields/2/path: ",
            "integrations[1]: dataProcessorId \"w\" is there already",
            "integrations[2]: dataProcessorId is missing",
            "controllers[1] (did:web:a.example): this DID is there already",
            "controllers[1] (did:web:a.example): limits.burst must be",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("fields/0/"), "{text}");
    }
}
