//! The faults of a form: shown at each field, and in a list that leads to them.

use std::collections::HashMap;

use super::draft::Draft;

/// Lines of the list, at most.
const SHOWN: usize = 20;

/// The faults, by their places.
#[derive(Default)]
pub(in crate::dashboard) struct Faults {
    by_pointer: HashMap<String, String>,
    /// The places, in the order in which they were found.
    order: Vec<String>,
}

/// One line of the list.
pub(in crate::dashboard) struct FaultLine {
    /// The element that it leads to.
    pub(in crate::dashboard) id: String,
    pub(in crate::dashboard) word: String,
    pub(in crate::dashboard) message: String,
}

impl Faults {
    pub(super) fn new<'a>(found: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut faults = Self::default();
        for (pointer, message) in found {
            let place = faults.by_pointer.entry(pointer.to_owned()).or_default();
            if place.is_empty() {
                faults.order.push(pointer.to_owned());
            } else {
                place.push_str("; ");
            }
            place.push_str(message);
        }
        faults
    }

    pub(in crate::dashboard) fn count(&self) -> usize {
        self.order.len()
    }

    /// Returns the number of faults beyond the list.
    pub(in crate::dashboard) fn more(&self) -> usize {
        self.order.len().saturating_sub(SHOWN)
    }

    /// Returns the list.
    pub(in crate::dashboard) fn lines(&self, draft: &Draft) -> Vec<FaultLine> {
        let line = |pointer: &String| {
            let (id, word) = place(pointer, draft);
            FaultLine {
                id,
                word,
                message: self.at(pointer).to_owned(),
            }
        };
        self.order.iter().take(SHOWN).map(line).collect()
    }

    /// Returns a fault of the whole form.
    pub(in crate::dashboard) fn at(&self, pointer: &str) -> &str {
        self.by_pointer.get(pointer).map_or("", String::as_str)
    }

    /// Returns a fault of an event.
    pub(in crate::dashboard) fn event(&self, event: &usize, column: &str) -> &str {
        self.at(&format!("/events/{event}/{column}"))
    }

    /// Returns a fault of a field.
    pub(in crate::dashboard) fn field(&self, event: &usize, field: &usize, column: &str) -> &str {
        self.at(&format!("/events/{event}/fields/{field}/{column}"))
    }

    /// Returns whether an event has a fault. The page then shows it open.
    pub(in crate::dashboard) fn in_event(&self, event: &usize) -> bool {
        let prefix = format!("/events/{event}/");
        self.order.iter().any(|pointer| pointer.starts_with(&prefix))
    }
}

/// Returns the element of a pointer, and its name.
fn place(pointer: &str, draft: &Draft) -> (String, String) {
    let steps: Vec<&str> = pointer.trim_start_matches('/').split('/').collect();
    let (id, word) = match *steps.as_slice() {
        ["events", event, ref inside @ ..] => return place_in_event(event, inside, draft),
        ["sample"] => ("sample", "Sample"),
        ["name"] => ("name", "Name"),
        ["dataProcessorId"] => ("processor", "Data processor id"),
        ["defaultRegion"] => ("region", "Region"),
        ["dedup", ..] => ("dedup_window", "Repeats"),
        ["events"] => ("events", "Events"),
        _ => ("editor", "Form"),
    };
    (id.to_owned(), word.to_owned())
}

fn place_in_event(event: &str, inside: &[&str], draft: &Draft) -> (String, String) {
    let known = event.parse().ok().and_then(|index: usize| draft.events.get(index));
    let name = known.map(|event| event.name.as_str()).filter(|name| !name.is_empty());
    let name = name.unwrap_or("New event");
    let (id, word) = match *inside {
        ["fields", field, column] => {
            let (column, word) = match column {
                "type" => ("kind", "type"),
                "pii" => ("pii", "category"),
                "role" => ("role", "role"),
                _ => ("path", "path"),
            };
            let number = field.parse().map_or(1, |index: usize| index + 1);
            (
                format!("e{event}f{field}-{column}"),
                format!("{word} of field {number}"),
            )
        }
        ["name"] => (format!("e{event}-name"), "name".to_owned()),
        ["purpose"] => (format!("e{event}-purpose"), "purpose".to_owned()),
        ["legalBasis"] => (format!("e{event}-basis"), "legal basis".to_owned()),
        ["dedup", ..] => (format!("e{event}-dedup_window"), "repeats".to_owned()),
        _ => (format!("event-{event}"), "fields".to_owned()),
    };
    (id, format!("{name}, {word}"))
}

#[cfg(test)]
mod tests {
    use super::super::draft::DraftEvent;
    use super::*;

    #[test]
    fn each_fault_leads_to_its_field() {
        let named = DraftEvent {
            name: "signup".to_owned(),
            ..DraftEvent::default()
        };
        let draft = Draft {
            events: vec![named, DraftEvent::default()],
            ..Draft::default()
        };
        let found = [
            ("/name", "a"),
            ("/events/0/fields/1/pii", "b"),
            ("/name", "c"),
            ("/events/1/dedup/windowSeconds", "d"),
            ("/events/0/fields", "e"),
            ("", "f"),
        ];
        let faults = Faults::new(found);
        let lines = faults.lines(&draft);
        let lines: Vec<_> = lines
            .iter()
            .map(|line| (line.id.as_str(), line.word.as_str(), line.message.as_str()))
            .collect();
        let expected = [
            ("name", "Name", "a; c"),
            ("e0f1-pii", "signup, category of field 2", "b"),
            ("e1-dedup_window", "New event, repeats", "d"),
            ("event-0", "signup, fields", "e"),
            ("editor", "Form", "f"),
        ];
        assert_eq!(lines, expected);
        assert_eq!((faults.count(), faults.more()), (5, 0));
        let many: Vec<String> = (0..30).map(|number| format!("/events/{number}/name")).collect();
        let faults = Faults::new(many.iter().map(|pointer| (pointer.as_str(), "x")));
        assert_eq!((faults.lines(&draft).len(), faults.more()), (20, 10));
    }
}
