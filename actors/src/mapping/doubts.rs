//! Doubtful parts of a valid mapping: its owner gets a question, and may answer it.

use std::collections::HashMap;

use super::{EventSpec, FieldSpec, IntegrationSpec, Path, PathStep};
use crate::codes::DoubtCode;
use crate::event::Notice;
use crate::taxonomy::{Class, Taxonomy};

/// Returns the questions to the owner of this mapping. Pointers lead into the spec.
#[must_use]
pub fn doubts(spec: &IntegrationSpec, taxonomy: &Taxonomy) -> Vec<Notice> {
    let events = spec.events.iter().enumerate();
    events
        .flat_map(|(index, event)| of_event(index, event, taxonomy))
        .collect()
}

/// Returns the fields of strong categories that may belong to several people: in an array, or beside another of the
/// category. A field with a role is clear.
pub fn whose<'a>(fields: impl Iterator<Item = (&'a str, Option<&'a str>)>, taxonomy: &Taxonomy) -> Vec<usize> {
    let strong: Vec<(usize, &str, &str)> = fields
        .enumerate()
        .filter_map(|(index, (path, pii))| Some((index, path, pii?)))
        .filter(|(_, _, pii)| {
            taxonomy
                .get(pii)
                .is_some_and(|category| category.class == Class::Strong)
        })
        .collect();
    let mut paths: HashMap<&str, usize> = HashMap::new();
    for (_, _, pii) in &strong {
        *paths.entry(pii).or_default() += 1;
    }
    let is_in_array = |path: &str| Path::parse(path).is_ok_and(|path| path.steps().contains(&PathStep::Each));
    let is_unclear = |(_, path, pii): &&(usize, &str, &str)| is_in_array(path) || paths.get(pii) > Some(&1);
    strong.iter().filter(is_unclear).map(|(index, ..)| *index).collect()
}

fn of_event(index: usize, event: &EventSpec, taxonomy: &Taxonomy) -> Vec<Notice> {
    let asked = |field: &FieldSpec| field.pii.clone().filter(|_| field.role.is_none());
    let asked: Vec<Option<String>> = event.fields.iter().map(asked).collect();
    let fields = event.fields.iter().zip(&asked);
    let unclear = whose(
        fields.map(|(field, pii)| (field.path.as_str(), pii.as_deref())),
        taxonomy,
    );
    let notice = |field: usize| {
        let spec = &event.fields[field];
        let message = format!(
            "{} may be of several people ({} is in an array, or is mapped twice): the event makes them one person. Say whose \
             it is: \"role\": \"other\" for another person, \"subject\" for the one whom the event concerns",
            spec.path,
            spec.pii.as_deref().unwrap_or_default()
        );
        Notice::of_request(
            format!("/events/{index}/fields/{field}"),
            DoubtCode::RoleUnclear,
            message,
        )
    };
    unclear.into_iter().map(notice).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn found(fields: Value) -> Vec<String> {
        let spec = json!({"name": "n", "events": [{"name": "first"}, {"name": "e", "fields": fields}]});
        let spec = serde_json::from_value(spec).unwrap();
        let found = doubts(&spec, &Taxonomy::bundled());
        assert!(found.iter().all(|notice| notice.code == "role_unclear"));
        found.into_iter().map(|notice| notice.field).collect()
    }

    #[test]
    fn a_strong_category_that_may_be_several_people_s_is_asked_about() {
        let email = |path: &str| json!({"path": path, "pii": "user.contact.email"});
        let of = |path: &str, role: &str| json!({"path": path, "pii": "user.contact.email", "role": role});
        let (buyer, holder) = (email("buyer.email"), email("tickets[].holder.email"));
        assert_eq!(found(json!([buyer])), [""; 0]);
        assert_eq!(
            found(json!([buyer, {"path": "x"}, holder])),
            ["/events/1/fields/0", "/events/1/fields/2"]
        );
        assert_eq!(found(json!([holder])), ["/events/1/fields/0"]);
        assert_eq!(found(json!([email("[\"x[]\"]")])), [""; 0]);
        assert_eq!(found(json!([buyer, of("tickets[].holder.email", "other")])), [""; 0]);
        assert_eq!(found(json!([of("a", "subject"), of("b[]", "subject")])), [""; 0]);
        let phone = json!({"path": "buyer.phone", "pii": "user.contact.phone_number"});
        let names = json!({"path": "tickets[].name", "pii": "user.name"});
        assert_eq!(found(json!([buyer, phone, names])), [""; 0]);
    }
}
