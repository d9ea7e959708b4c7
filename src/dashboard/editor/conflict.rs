//! The live mapping against the draft, after somebody else has saved.

use conduit_actors::mapping::IntegrationSpec;
use serde_json::json;

use crate::diff::{Change, Difference, diff};

/// Differences that are shown, at most.
const SHOWN: usize = 50;

/// All of them.
pub(in crate::dashboard) struct Conflict {
    pub(in crate::dashboard) lines: Vec<DifferenceLine>,
    /// How many more there are.
    pub(in crate::dashboard) more: usize,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::dashboard) struct DifferenceLine {
    /// The event's name; empty: it is about the whole integration.
    pub(in crate::dashboard) event: String,
    /// The field's path; empty: it is about the whole event.
    pub(in crate::dashboard) path: String,
    pub(in crate::dashboard) what: String,
    pub(in crate::dashboard) live: String,
    pub(in crate::dashboard) yours: String,
}

impl Conflict {
    pub(super) fn between(live: &IntegrationSpec, typed: &IntegrationSpec) -> Self {
        let found = diff(&json!(live), &json!(typed));
        Self {
            more: found.len().saturating_sub(SHOWN),
            lines: found.into_iter().take(SHOWN).map(line).collect(),
        }
    }
}

fn line(difference: Difference) -> DifferenceLine {
    let steps: Vec<&str> = difference.place.iter().map(String::as_str).collect();
    let (event, path, rest) = match *steps.as_slice() {
        ["events", event, "fields", path, ref rest @ ..] => (event, path, rest),
        ["events", event, ref rest @ ..] => (event, "", rest),
        ref rest => ("", "", rest),
    };
    let is_whole = |change: &Change| matches!(change, Change::Added(_) | Change::Removed);
    let what = match *rest {
        [] if is_whole(&difference.change) && path.is_empty() => "the event".to_owned(),
        [] => "the field".to_owned(),
        ["pii"] => "category".to_owned(),
        ["legalBasis"] => "legal basis".to_owned(),
        ["defaultRegion"] => "region".to_owned(),
        ["dedup", ..] => "repeats".to_owned(),
        _ => rest.join(" "),
    };
    let (live, yours) = match difference.change {
        Change::Added(_) => ("missing".to_owned(), "there".to_owned()),
        Change::Removed => ("there".to_owned(), "missing".to_owned()),
        Change::Changed { before, after } => (before, after),
        Change::Reordered => ("in its order".to_owned(), "in another order".to_owned()),
    };
    DifferenceLine {
        event: event.to_owned(),
        path: path.to_owned(),
        what,
        live,
        yours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_by_event_and_path() {
        let spec = |text: serde_json::Value| -> IntegrationSpec { serde_json::from_value(text).unwrap() };
        let live = spec(
            json!({"name": "Theirs", "events": [{"name": "a", "purpose": "p", "fields": [
            {"path": "x", "pii": "user.name"}, {"path": "y"}]}, {"name": "b c"}]}),
        );
        let typed = spec(json!({"name": "Mine", "events": [{"name": "a", "fields": [{"path": "x"}, {"path": "z"}]}]}));
        let conflict = Conflict::between(&live, &typed);
        let lines: Vec<[&str; 5]> = conflict
            .lines
            .iter()
            .map(|line| [&line.event, &line.path, &line.what, &line.live, &line.yours].map(String::as_str))
            .collect();
        let expected = [
            ["a", "x", "category", "\"user.name\"", "not set"],
            ["a", "y", "the field", "there", "missing"],
            ["a", "z", "the field", "missing", "there"],
            ["a", "", "purpose", "\"p\"", "not set"],
            ["\"b c\"", "", "the event", "there", "missing"],
            ["", "", "name", "\"Theirs\"", "\"Mine\""],
        ];
        assert_eq!(lines, expected);
        assert!(Conflict::between(&live, &live).lines.is_empty());
    }
}
