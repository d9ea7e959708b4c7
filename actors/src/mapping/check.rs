//! Checks a mapping as its owner wrote it, and compiles it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use super::compiled::{DedupDefaults, EventMapping, FieldMapping};
use super::distance::distance;
use super::fit::fits;
use super::path::{Path, PathStep};
use super::spec::{DedupSpec, EventSpec, FieldSpec, IntegrationSpec};
use super::suggest;
use super::suggest::names::squeezed;
use crate::codes::MappingCode;
use crate::ids::{EventType, ProcessorId};
use crate::taxonomy::normalise::contact::{has_numbers, is_region};
use crate::taxonomy::{Category, Taxonomy};

const MAX_EVENTS: usize = 200;
const MAX_FIELDS: usize = 500;
const MAX_NAME_CHARS: usize = 200;
const MAX_PURPOSE_CHARS: usize = 500;
const MAX_WINDOW_SECONDS: u32 = 86_400;

/// One thing that is wrong with a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MappingFault {
    /// JSON Pointer (RFC 6901) to it.
    pub pointer: String,
    /// Stable, for programs.
    pub code: MappingCode,
    /// The fault and how to fix it.
    pub message: String,
}

struct Checker<'a> {
    taxonomy: &'a Arc<Taxonomy>,
    defaults: DedupDefaults,
    faults: Vec<MappingFault>,
}

pub(super) fn compile(
    spec: &IntegrationSpec,
    taxonomy: &Arc<Taxonomy>,
    defaults: DedupDefaults,
) -> Result<HashMap<EventType, EventMapping>, Vec<MappingFault>> {
    let mut checker = Checker {
        taxonomy,
        defaults,
        faults: Vec::new(),
    };
    checker.integration(spec);
    let events = checker.events(spec);
    if checker.faults.is_empty() {
        Ok(events)
    } else {
        Err(checker.faults)
    }
}

/// Returns the faults of a spec that is to be saved, which are no faults of a saved one.
pub(super) fn new_faults(spec: &IntegrationSpec) -> Vec<MappingFault> {
    let mut faults = Vec::new();
    if spec.name.chars().any(char::is_control) {
        faults.push(MappingFault {
            pointer: "/name".to_owned(),
            code: MappingCode::NameInvalid,
            message: "must not have control characters".to_owned(),
        });
    }
    // Two letters that are no region's code have no effect: national numbers stay without their country code.
    if spec
        .default_region
        .as_ref()
        .is_some_and(|region| is_region(region) && !has_numbers(region))
    {
        faults.push(MappingFault {
            pointer: "/defaultRegion".to_owned(),
            code: MappingCode::DefaultRegionInvalid,
            message: "is no region whose telephone numbers are known: give its ISO 3166-1 alpha-2 code, as DE"
                .to_owned(),
        });
    }
    for (event, spec) in spec.events.iter().enumerate() {
        for (index, field) in spec.fields.iter().enumerate().take(MAX_FIELDS) {
            let is_plain = matches!(field.path.as_str(), "event" | "triggeredAt");
            if field.pii.is_some() && !is_plain && is_envelope(&field.path) {
                faults.push(MappingFault {
                    pointer: format!("/events/{event}/fields/{index}/pii"),
                    code: MappingCode::EnvelopeNotPii,
                    message: ENVELOPE.to_owned(),
                });
            }
        }
    }
    faults
}

const ENVELOPE: &str = "event and triggeredAt are kept in clear: they cannot be personal data";

impl Checker<'_> {
    fn fault(&mut self, pointer: impl Into<String>, code: MappingCode, message: impl Into<String>) {
        self.faults.push(MappingFault {
            pointer: pointer.into(),
            code,
            message: message.into(),
        });
    }

    fn integration(&mut self, spec: &IntegrationSpec) {
        if !(1..=MAX_NAME_CHARS).contains(&spec.name.trim().chars().count()) {
            self.fault("/name", MappingCode::NameInvalid, "must have 1 to 200 characters");
        }
        if let Some(Err(invalid)) = spec.data_processor_id.as_ref().map(|id| id.parse::<ProcessorId>()) {
            self.fault(
                "/dataProcessorId",
                MappingCode::DataProcessorIdInvalid,
                invalid.to_string(),
            );
        }
        if spec.default_region.as_ref().is_some_and(|region| !is_region(region)) {
            let message = "must be an ISO 3166-1 alpha-2 code in capitals, as DE";
            self.fault("/defaultRegion", MappingCode::DefaultRegionInvalid, message);
        }
        self.dedup(spec.dedup.as_ref(), "/dedup");
        if spec.events.is_empty() {
            self.fault("/events", MappingCode::EventsMissing, "name at least one event");
        }
        if spec.events.len() > MAX_EVENTS {
            self.fault(
                "/events",
                MappingCode::TooManyEvents,
                "at most 200 events: make a second integration",
            );
        }
    }

    fn dedup(&mut self, dedup: Option<&DedupSpec>, pointer: &str) {
        let window = dedup.and_then(|dedup| dedup.window_seconds);
        if window.is_some_and(|window| window > MAX_WINDOW_SECONDS) {
            let message = "must be 0 (off) to 86,400 seconds";
            self.fault(
                format!("{pointer}/windowSeconds"),
                MappingCode::DedupWindowInvalid,
                message,
            );
        }
    }

    fn events(&mut self, spec: &IntegrationSpec) -> HashMap<EventType, EventMapping> {
        let mut events = HashMap::new();
        let mut seen = HashSet::new();
        for (index, event) in spec.events.iter().take(MAX_EVENTS).enumerate() {
            let pointer = format!("/events/{index}");
            if !seen.insert(event.name.as_str()) {
                let message = format!("event {:?} is there already: names are unique", event.name);
                self.fault(format!("{pointer}/name"), MappingCode::EventDuplicate, message);
            }
            let compiled = self.event(spec, event, &pointer);
            match event.name.parse::<EventType>() {
                Ok(name) => drop(events.insert(name, compiled)),
                Err(invalid) => self.fault(
                    format!("{pointer}/name"),
                    MappingCode::EventNameInvalid,
                    invalid.to_string(),
                ),
            }
        }
        events
    }

    fn event(&mut self, spec: &IntegrationSpec, event: &EventSpec, pointer: &str) -> EventMapping {
        if event
            .purpose
            .as_ref()
            .is_some_and(|purpose| purpose.chars().count() > MAX_PURPOSE_CHARS)
        {
            self.fault(
                format!("{pointer}/purpose"),
                MappingCode::PurposeTooLong,
                "must have at most 500 characters",
            );
        }
        // No database takes it in a text.
        if event.purpose.as_ref().is_some_and(|purpose| purpose.contains('\0')) {
            self.fault(
                format!("{pointer}/purpose"),
                MappingCode::PurposeInvalid,
                "must not have the character U+0000",
            );
        }
        self.dedup(event.dedup.as_ref(), &format!("{pointer}/dedup"));
        if event.fields.len() > MAX_FIELDS {
            self.fault(
                format!("{pointer}/fields"),
                MappingCode::TooManyFields,
                "at most 500 fields",
            );
        }
        let (mut paths, mut texts) = (HashSet::new(), HashSet::new());
        let mut fields = Vec::with_capacity(event.fields.len());
        for (index, field) in event.fields.iter().take(MAX_FIELDS).enumerate() {
            let pointer = format!("{pointer}/fields/{index}");
            // Two spellings may be one path. A text that is no path may occur twice.
            let is_new = match Path::parse(&field.path) {
                Ok(path) => paths.insert(path),
                Err(_) => texts.insert(field.path.as_str()),
            };
            if !is_new {
                self.fault(
                    format!("{pointer}/path"),
                    MappingCode::PathDuplicate,
                    "is there already: map each path once",
                );
            }
            fields.extend(self.field(field, &pointer));
        }
        let dedup = event.dedup.or(spec.dedup).unwrap_or_default();
        let fallback = spec.dedup.unwrap_or_default();
        EventMapping {
            says_more: event
                .fields
                .iter()
                .any(|field| field.pii.is_none() && !is_envelope(&field.path)),
            fields,
            default_region: spec.default_region.as_deref().map(Into::into),
            taxonomy: Arc::clone(self.taxonomy),
            purpose: event.purpose.as_deref().map(Into::into),
            legal_basis: event.legal_basis,
            dedup_key: dedup.key.or(fallback.key).unwrap_or_default(),
            dedup_window_seconds: dedup
                .window_seconds
                .or(fallback.window_seconds)
                .unwrap_or(self.defaults.window_seconds),
        }
    }

    fn field(&mut self, field: &FieldSpec, pointer: &str) -> Option<FieldMapping> {
        let path = Path::parse(&field.path);
        if let Err(wrong) = path {
            self.fault(format!("{pointer}/path"), MappingCode::PathInvalid, wrong);
        }
        let category = field.pii.as_deref().and_then(|key| self.category(key, field, pointer));
        // Other spellings are faults of a new spec only.
        if field.pii.is_some() && matches!(field.path.as_str(), "event" | "triggeredAt") {
            self.fault(format!("{pointer}/pii"), MappingCode::EnvelopeNotPii, ENVELOPE);
        }
        if field.pii.is_none() && field.role.is_some() {
            let message = "says whose personal data it is: name its category in pii, or leave role out";
            self.fault(format!("{pointer}/role"), MappingCode::RoleWithoutPii, message);
        }
        Some(FieldMapping {
            path: path.ok()?,
            field_type: field.field_type,
            required: field.required,
            category,
            role: field.role.unwrap_or_default(),
        })
    }

    fn category(&mut self, key: &str, field: &FieldSpec, pointer: &str) -> Option<Arc<Category>> {
        let Some(category) = self.taxonomy.get(key) else {
            let hint = suggest::names::meant(self.taxonomy, key).map_or_else(
                || ": docs/categories.md and GET /api/v1/taxonomy list those that there are".to_owned(),
                |meant| format!("; did you mean {}?", meant.key),
            );
            let message = format!("is no PII category{hint}");
            self.fault(format!("{pointer}/pii"), MappingCode::CategoryUnknown, message);
            return None;
        };
        if !fits(category.normalise, field.field_type) {
            let message = format!("values of {key} are texts: use type string");
            self.fault(format!("{pointer}/type"), MappingCode::TypeUnsuitable, message);
        }
        Some(Arc::clone(category))
    }
}

/// Returns whether a path, in any spelling, leads to a field of the envelope.
fn is_envelope(path: &str) -> bool {
    let Ok(path) = Path::parse(path) else {
        return false;
    };
    match path.steps() {
        [PathStep::Name(name), rest @ ..] => {
            matches!(&**name, "event" | "triggeredAt") && rest.iter().all(|step| *step == PathStep::Each)
        }
        _ => false,
    }
}

/// Returns the known name that is nearest to a misspelt one, preferring one of the same words in another form. Returns
/// `None` if no name is near.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let wanted = squeezed(name);
    if let Some(same) = known
        .clone()
        .find(|candidate| !wanted.is_empty() && squeezed(candidate) == wanted)
    {
        return Some(same);
    }
    let limit = 2 + name.chars().count() / 5;
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}
