//! A mapping as it stands in the editor's form: texts, which may not be right yet.

use std::collections::BTreeMap;

use conduit_actors::codes::MappingCode;
use conduit_actors::event::LegalBasis;
use conduit_actors::mapping::suggest::Suggestion;
use conduit_actors::mapping::{
    DedupKeyKind, DedupSpec, EventSpec, FieldSpec, FieldType, IntegrationSpec, MappingFault, Path, Role,
};
use conduit_actors::taxonomy::Taxonomy;
use uuid::Uuid;

use crate::dashboard::fields::Fields;

/// As many as a mapping may have.
const MAX_EVENTS: usize = 200;
const MAX_FIELDS: usize = 500;

/// One field's line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::dashboard) struct DraftField {
    pub(in crate::dashboard) path: String,
    pub(in crate::dashboard) kind: String,
    pub(in crate::dashboard) required: bool,
    pub(in crate::dashboard) pii: String,
    /// Whose it is; [`ASK`]: its owner is to say so.
    pub(in crate::dashboard) role: String,
    /// The remark of a suggestion about its value in the sample. It is not sent back.
    pub(in crate::dashboard) remark: String,
}

/// Stands for a role that a sample does not tell.
pub(in crate::dashboard) const ASK: &str = "ask";

impl DraftField {
    fn is_blank(&self) -> bool {
        self.path.is_empty() && self.pii.is_empty()
    }
}

/// One event's box.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::dashboard) struct DraftEvent {
    pub(in crate::dashboard) name: String,
    pub(in crate::dashboard) purpose: String,
    pub(in crate::dashboard) basis: String,
    pub(in crate::dashboard) dedup_key: String,
    pub(in crate::dashboard) dedup_window: String,
    pub(in crate::dashboard) fields: Vec<DraftField>,
}

impl DraftEvent {
    /// Returns whether the form must ask which values make two of its events repeats. It must if the event maps more
    /// than personal data and has no key, so that two events of one person may differ. `of_all` is the key of the
    /// integration.
    pub(in crate::dashboard) fn asks_for_key(&self, of_all: &str) -> bool {
        let says_more =
            |field: &DraftField| field.pii.is_empty() && !matches!(field.path.as_str(), "" | "event" | "triggeredAt");
        let has_personal = self.fields.iter().any(|field| !field.pii.is_empty());
        let is_open = self.dedup_key.is_empty() && of_all.is_empty() && self.dedup_window != "0";
        is_open && has_personal && self.fields.iter().any(says_more)
    }

    fn is_blank(&self) -> bool {
        self.name.is_empty() && self.purpose.is_empty() && self.fields.iter().all(DraftField::is_blank)
    }
}

/// The whole form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::dashboard) struct Draft {
    pub(in crate::dashboard) name: String,
    pub(in crate::dashboard) processor: String,
    /// The processor's id if none is given: the same however often the form is sent, so that it makes one integration.
    pub(in crate::dashboard) spare_processor: String,
    pub(in crate::dashboard) region: String,
    pub(in crate::dashboard) dedup_key: String,
    pub(in crate::dashboard) dedup_window: String,
    pub(in crate::dashboard) events: Vec<DraftEvent>,
}

impl Draft {
    /// Returns an empty form, with room for one event.
    pub(super) fn blank() -> Self {
        Self {
            spare_processor: Uuid::now_v7().to_string(),
            events: vec![DraftEvent {
                fields: vec![DraftField::default()],
                ..DraftEvent::default()
            }],
            ..Self::default()
        }
    }

    /// Returns the form of a saved mapping.
    pub(super) fn of(spec: &IntegrationSpec) -> Self {
        let (dedup_key, dedup_window) = dedup_texts(spec.dedup);
        Self {
            name: spec.name.clone(),
            processor: spec.data_processor_id.clone().unwrap_or_default(),
            spare_processor: String::new(),
            region: spec.default_region.clone().unwrap_or_default(),
            dedup_key,
            dedup_window,
            events: spec.events.iter().map(event_of).collect(),
        }
    }

    /// Reads a sent form. Lines keep their order, and their numbers may have gaps.
    pub(super) fn read(fields: &Fields) -> Self {
        let text = |name| fields.text(name).unwrap_or_default().to_owned();
        let mut draft = Self {
            name: text("name"),
            processor: text("processor"),
            spare_processor: text("spare_processor"),
            region: text("region").to_uppercase(),
            dedup_key: text("dedup_key"),
            dedup_window: text("dedup_window"),
            events: Vec::new(),
        };
        let mut events: BTreeMap<usize, (DraftEvent, BTreeMap<usize, DraftField>)> = BTreeMap::new();
        for (name, value) in fields.iter() {
            let mut parts = name.split('.');
            let number = |part: &str, prefix, most| {
                let number: usize = part.strip_prefix(prefix)?.parse().ok()?;
                (number < most).then_some(number)
            };
            let Some(event) = parts.next().and_then(|part| number(part, 'e', MAX_EVENTS)) else {
                continue;
            };
            let (event, lines) = events.entry(event).or_default();
            let value = value.trim().to_owned();
            match (parts.next(), parts.next()) {
                (Some("name"), None) => event.name = value,
                (Some("purpose"), None) => event.purpose = value,
                (Some("basis"), None) => event.basis = value,
                (Some("dedup_key"), None) => event.dedup_key = value,
                (Some("dedup_window"), None) => event.dedup_window = value,
                (Some(line), Some(column)) => {
                    if let Some(line) = number(line, 'f', MAX_FIELDS) {
                        let line = lines.entry(line).or_default();
                        match column {
                            "path" => line.path = value,
                            "kind" => line.kind = value,
                            "required" => line.required = true,
                            "pii" => line.pii = value,
                            "role" => line.role = value,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        draft.events = events
            .into_values()
            .map(|(event, lines)| DraftEvent {
                fields: lines.into_values().collect(),
                ..event
            })
            .collect();
        draft
    }

    /// Leaves out the lines and boxes in which there is nothing.
    pub(super) fn without_blanks(&mut self) {
        self.events.retain(|event| !event.is_blank());
        for event in &mut self.events {
            event.fields.retain(|field| !field.is_blank());
        }
    }

    /// Returns the mapping as it would be saved, and the texts that are no number, type or legal basis.
    pub(super) fn spec(&self) -> (IntegrationSpec, Vec<MappingFault>) {
        let mut faults = Vec::new();
        let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let dedup = dedup_of(&self.dedup_key, &self.dedup_window, "/dedup", &mut faults);
        let mut events = Vec::with_capacity(self.events.len());
        for (index, event) in self.events.iter().enumerate() {
            let pointer = format!("/events/{index}");
            let basis = LegalBasis::ALL.into_iter().find(|basis| basis.as_str() == event.basis);
            if basis.is_none() && !event.basis.is_empty() {
                faults.push(fault(format!("{pointer}/legalBasis"), "choose a value from the list"));
            }
            let dedup = dedup_of(
                &event.dedup_key,
                &event.dedup_window,
                &format!("{pointer}/dedup"),
                &mut faults,
            );
            let mut fields = Vec::with_capacity(event.fields.len());
            for (line, field) in event.fields.iter().enumerate() {
                if field.role == ASK && !field.pii.is_empty() {
                    let message = "choose the person: the event may name several people";
                    faults.push(fault(format!("{pointer}/fields/{line}/role"), message));
                }
                let kind = kind_of(&field.kind);
                if kind.is_none() {
                    faults.push(fault(
                        format!("{pointer}/fields/{line}/type"),
                        "choose a value from the list",
                    ));
                }
                fields.push(FieldSpec {
                    path: field.path.clone(),
                    field_type: kind.unwrap_or_default(),
                    required: field.required,
                    pii: optional(&field.pii),
                    role: role_of(&field.role).filter(|_| !field.pii.is_empty()),
                });
            }
            events.push(EventSpec {
                name: event.name.clone(),
                purpose: optional(&event.purpose),
                legal_basis: basis,
                dedup,
                fields,
            });
        }
        let spec = IntegrationSpec {
            name: self.name.clone(),
            data_processor_id: optional(&self.processor).or_else(|| optional(&self.spare_processor)),
            default_region: optional(&self.region),
            dedup,
            events,
        };
        (spec, faults)
    }

    /// Adds what a sample suggests: to the event of its name, or as a new one. The event's number, and how many fields are
    /// new.
    pub(super) fn add_suggestion(&mut self, suggestion: &Suggestion, taxonomy: &Taxonomy) -> (usize, usize) {
        let name = suggestion.event.clone().unwrap_or_default();
        let known = self.events.iter().position(|event| event.name == name);
        let index = known
            .or_else(|| self.events.iter().position(DraftEvent::is_blank))
            .unwrap_or_else(|| {
                self.events.push(DraftEvent::default());
                self.events.len() - 1
            });
        let event = &mut self.events[index];
        event.name = name;
        event.fields.retain(|field| !field.is_blank());
        let mut added = 0;
        let unclear = suggestion.unclear(taxonomy);
        for (index, field) in suggestion.fields.iter().enumerate() {
            let is_same = |known: &DraftField| {
                known.path == field.path || Path::parse(&known.path).ok() == Path::parse(&field.path).ok()
            };
            if let Some(known) = event.fields.iter_mut().find(|known| is_same(known)) {
                known.remark = field.remark.clone().unwrap_or_default();
            } else {
                added += 1;
                event.fields.push(DraftField {
                    path: field.path.clone(),
                    kind: kind_word(field.field_type).to_owned(),
                    required: false,
                    pii: field
                        .category
                        .as_ref()
                        .map_or_else(String::new, |(category, _)| category.key.to_string()),
                    role: if unclear.contains(&index) { ASK } else { "" }.to_owned(),
                    remark: field.remark.clone().unwrap_or_default(),
                });
            }
        }
        (index, added)
    }
}

fn event_of(event: &EventSpec) -> DraftEvent {
    let (dedup_key, dedup_window) = dedup_texts(event.dedup);
    let field = |field: &FieldSpec| DraftField {
        path: field.path.clone(),
        kind: kind_word(field.field_type).to_owned(),
        required: field.required,
        pii: field.pii.clone().unwrap_or_default(),
        role: field.role.map(role_word).unwrap_or_default().to_owned(),
        remark: String::new(),
    };
    DraftEvent {
        name: event.name.clone(),
        purpose: event.purpose.clone().unwrap_or_default(),
        basis: event.legal_basis.map(LegalBasis::as_str).unwrap_or_default().to_owned(),
        dedup_key,
        dedup_window,
        fields: event.fields.iter().map(field).collect(),
    }
}

/// All types, as in JSON.
pub(in crate::dashboard) const KINDS: [&str; 5] = ["string", "integer", "number", "boolean", "timestamp"];

pub(in crate::dashboard) const fn kind_word(kind: FieldType) -> &'static str {
    match kind {
        FieldType::String => "string",
        FieldType::Integer => "integer",
        FieldType::Number => "number",
        FieldType::Boolean => "boolean",
        FieldType::Timestamp => "timestamp",
    }
}

/// Returns the word of a type, for a template, which passes references.
pub(in crate::dashboard) const fn kind_word_of(kind: &FieldType) -> &'static str {
    kind_word(*kind)
}

fn kind_of(text: &str) -> Option<FieldType> {
    match text {
        "" | "string" => Some(FieldType::String),
        "integer" => Some(FieldType::Integer),
        "number" => Some(FieldType::Number),
        "boolean" => Some(FieldType::Boolean),
        "timestamp" => Some(FieldType::Timestamp),
        _ => None,
    }
}

pub(in crate::dashboard) const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Subject => "subject",
        Role::Other => "other",
    }
}

fn role_of(text: &str) -> Option<Role> {
    [Role::Subject, Role::Other]
        .into_iter()
        .find(|role| role_word(*role) == text)
}

fn dedup_texts(dedup: Option<DedupSpec>) -> (String, String) {
    let key = dedup.and_then(|dedup| dedup.key).map(|key| match key {
        DedupKeyKind::Pii => "pii",
        DedupKeyKind::Mapped => "mapped",
        DedupKeyKind::Body => "body",
    });
    let window = dedup.and_then(|dedup| dedup.window_seconds);
    (
        key.unwrap_or_default().to_owned(),
        window.map(|seconds| seconds.to_string()).unwrap_or_default(),
    )
}

fn dedup_of(key: &str, window: &str, pointer: &str, faults: &mut Vec<MappingFault>) -> Option<DedupSpec> {
    let kind = match key {
        "pii" => Some(DedupKeyKind::Pii),
        "mapped" => Some(DedupKeyKind::Mapped),
        "body" => Some(DedupKeyKind::Body),
        _ => None,
    };
    let seconds = match window {
        "" => None,
        text => text.parse().ok().or_else(|| {
            faults.push(fault(
                format!("{pointer}/windowSeconds"),
                "must be a number of seconds: 0 (off) to 86400",
            ));
            None
        }),
    };
    (kind.is_some() || seconds.is_some()).then_some(DedupSpec {
        key: kind,
        window_seconds: seconds,
    })
}

fn fault(pointer: String, message: &str) -> MappingFault {
    MappingFault {
        pointer,
        code: MappingCode::ValueInvalid,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
