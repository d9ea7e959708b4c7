//! Differences between two versions of a value, field by field, for people.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// The fields that name the elements of a list.
const NAMES: [&str; 2] = ["name", "path"];

/// One difference. Shown, it is a line.
#[derive(Debug)]
pub(crate) struct Difference {
    /// The names that lead there, each as it can stand on a line.
    pub(crate) place: Vec<String>,
    pub(crate) change: Change,
}

/// The kind of a difference. Values are JSON.
#[derive(Debug)]
pub(crate) enum Change {
    Added(String),
    Removed,
    Changed { before: String, after: String },
    Reordered,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.join(" ");
        match &self.change {
            Change::Added(value) => write!(f, "+ {place}: {value}"),
            Change::Removed => write!(f, "- {place}"),
            Change::Changed { before, after } => write!(f, "{place}: {before} → {after}"),
            Change::Reordered => write!(f, "{place}: in another order"),
        }
    }
}

/// Returns all differences.
pub(crate) fn diff(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(&[], before, after, &mut found);
    found
}

fn compare(place: &[String], before: &Value, after: &Value, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let (old, new) = (old.get(name), new.get(name));
                // A list that is left out is an empty one.
                let none = match old.or(new) {
                    Some(Value::Array(_)) => Value::Array(Vec::new()),
                    _ => Value::Null,
                };
                compare(&inside(place, name), old.unwrap_or(&none), new.unwrap_or(&none), found);
            }
        }
        (Value::Array(old), Value::Array(new)) => match (named(old), named(new)) {
            (Some(old), Some(new)) => compare_lists(place, &old, &new, found),
            _ => found.push(changed(place, before, after)),
        },
        _ => found.push(changed(place, before, after)),
    }
}

fn changed(place: &[String], before: &Value, after: &Value) -> Difference {
    Difference {
        place: place.to_owned(),
        change: Change::Changed {
            before: shown(before),
            after: shown(after),
        },
    }
}

type NamedElements<'a> = Vec<(&'a str, &'a Value)>;

/// Returns the elements with their names. Returns `None` unless all have one.
fn named(elements: &[Value]) -> Option<NamedElements<'_>> {
    let name = |element: &Value| NAMES.iter().find(|name| element.get(name).is_some()).copied();
    elements
        .iter()
        .map(|element| Some((element.get(name(element)?)?.as_str()?, element)))
        .collect()
}

fn compare_lists(place: &[String], old: &NamedElements<'_>, new: &NamedElements<'_>, found: &mut Vec<Difference>) {
    let find = |list: &NamedElements<'_>, name: &str| list.iter().position(|(known, _)| *known == name);
    for (name, before) in old {
        match find(new, name) {
            Some(at) => compare(&inside(place, name), before, new[at].1, found),
            None => found.push(Difference {
                place: inside(place, name),
                change: Change::Removed,
            }),
        }
    }
    for (name, added) in new.iter().filter(|(name, _)| find(old, name).is_none()) {
        found.push(Difference {
            place: inside(place, name),
            change: Change::Added(shown(added)),
        });
    }
    let kept = |list: &NamedElements<'_>, other: &NamedElements<'_>| -> Vec<String> {
        let both = list.iter().filter(|(name, _)| find(other, name).is_some());
        both.map(|(name, _)| (*name).to_owned()).collect()
    };
    if kept(old, new) != kept(new, old) {
        found.push(Difference {
            place: place.to_owned(),
            change: Change::Reordered,
        });
    }
}

fn inside(place: &[String], name: &str) -> Vec<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
    let name = if name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("{name:?}")
    };
    place.iter().cloned().chain([name]).collect()
}

/// Returns a value on one line. Texts in JSON have no control characters.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_difference_has_its_line() {
        let before = json!({"name": "Shop", "defaultRegion": "DE", "events": [
            {"name": "a", "fields": [{"path": "x.y", "required": false}, {"path": "z", "type": "string"}]},
            {"name": "b", "fields": []}, {"name": "c"}, {"name": "d"}]});
        let after = json!({"name": "Store", "dedup": {"windowSeconds": 5}, "events": [
            {"name": "a", "fields": [{"path": "x.y", "required": true}]},
            {"name": "d"}, {"name": "c", "fields": []}, {"name": "e \"\n"}]});
        let expected = [
            "dedup: not set → {\"windowSeconds\":5}",
            "defaultRegion: \"DE\" → not set",
            "events a fields x.y required: false → true",
            "- events a fields z",
            "- events b",
            "+ events \"e \\\"\\n\": {\"name\":\"e \\\"\\n\"}",
            "events: in another order",
            "name: \"Shop\" → \"Store\"",
        ];
        let found: Vec<String> = diff(&before, &after).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
        assert!(diff(&before, &before).is_empty());
        assert!(!diff(&json!({"x": [1, 2]}), &json!({"x": [2, 1]})).is_empty());
    }
}
