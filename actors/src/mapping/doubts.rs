//! Doubtful parts of a valid mapping: its owner gets a question, and may answer it.

use std::collections::HashMap;

use super::persons::{differ, named};
use super::suggest::place;
use super::{EventSpec, FieldSpec, IntegrationSpec, Path, PathStep, Role};
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

/// Returns the fields of strong categories that may belong to several people: in an array, beside another of the category,
/// or under the name of another person (`buyer.email` beside `shipping.phone`). A field with a role is clear.
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
    let people: Vec<_> = strong.iter().map(|(_, path, _)| people(path)).collect();
    let is_beside_another = |path: &str| people.iter().any(|others| differ(&self::people(path), others));
    let is_unclear = |(_, path, pii): &&(usize, &str, &str)| {
        is_in_array(path) || paths.get(pii) > Some(&1) || is_beside_another(path)
    };
    strong.iter().filter(is_unclear).map(|(index, ..)| *index).collect()
}

fn people(path: &str) -> Vec<&'static str> {
    Path::parse(path).map(|path| named(&path)).unwrap_or_default()
}

/// Returns the fields of strong categories that the event takes for one other person, though their names speak of several.
/// Beside each is the first field of somebody else.
fn of_one_place(event: &EventSpec, taxonomy: &Taxonomy) -> Vec<(usize, usize)> {
    let is_strong = |field: &FieldSpec| {
        let category = field.pii.as_deref().and_then(|pii| taxonomy.get(pii));
        field.role == Some(Role::Other) && category.is_some_and(|category| category.class == Class::Strong)
    };
    let fields = event.fields.iter().enumerate().filter(|(_, field)| is_strong(field));
    let others: Vec<_> = fields
        .map(|(index, field)| (index, place(&field.path), people(&field.path)))
        .collect();
    let another = |(index, place, people): &(usize, Option<Vec<PathStep>>, Vec<&str>)| {
        let is_another = |(_, of, who): &&(usize, Option<Vec<PathStep>>, Vec<&str>)| of == place && differ(who, people);
        others.iter().find(is_another).map(|(other, ..)| (*index, *other))
    };
    others.iter().filter_map(another).collect()
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
            "{} may be of several people ({} is in an array, is mapped twice, or is beside a field of another person): the \
             event makes them one person. Say whose it is: \"role\": \"other\" for another person, \"subject\" for the one whom the event concerns",
            spec.path,
            spec.pii.as_deref().unwrap_or_default()
        );
        Notice::of_request(
            format!("/events/{index}/fields/{field}"),
            DoubtCode::RoleUnclear,
            message,
        )
    };
    let one_place = |(field, other): (usize, usize)| {
        let message = format!(
            "{} and {} are in the same element or object, so the event takes them for one other person, and their names speak \
             of two. Send each of these people in an element or object of their own, or map one of them only",
            event.fields[field].path, event.fields[other].path
        );
        Notice::of_request(
            format!("/events/{index}/fields/{field}"),
            DoubtCode::RoleUnclear,
            message,
        )
    };
    let of_place = of_one_place(event, taxonomy).into_iter().map(one_place);
    unclear.into_iter().map(notice).chain(of_place).collect()
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

    #[test]
    fn fields_under_the_names_of_several_people_are_asked_about() {
        let (email, phone, iban) = (
            "user.contact.email",
            "user.contact.phone_number",
            "user.financial.bank_account",
        );
        let both = |one: (&str, &str), other: (&str, &str)| {
            found(json!([{"path": one.0, "pii": one.1}, {"path": other.0, "pii": other.1}]))
        };
        for (one, other) in [
            (("sender.phone", phone), ("recipient.email", email)),
            (("buyer.email", email), ("shipping.phone", phone)),
            (("payer.iban", iban), ("student.email", email)),
            (("guardian_email", email), ("child_phone", phone)),
            (("driver.phone", phone), ("passenger.email", email)),
            (("customer.id", "user.unique_id"), ("shippingAddress.phone", phone)),
            (
                ("order.customer.email", email),
                ("order.recipient.contact.phone", phone),
            ),
            (("absenderTelefon", phone), ("empfänger.email", email)),
        ] {
            assert_eq!(
                both(one, other),
                ["/events/1/fields/0", "/events/1/fields/1"],
                "{one:?} {other:?}"
            );
        }
        for (one, other) in [
            (("customer.email", email), ("customer.phone", phone)),
            (("email", email), ("customer.phone", phone)),
            (("customer.email", email), ("user.phone", phone)),
            (("customer.id", "user.unique_id"), ("contact_email", email)),
            (("recipient.email", email), ("recipient.contact.phone", phone)),
            (("customer.email", email), ("customer.shipping.phone", phone)),
            (("sender.email", email), ("recipient.name", "user.name")),
            (("payment.iban", iban), ("customer.email", email)),
            (("billing.phone", phone), ("customer.email", email)),
        ] {
            assert_eq!(both(one, other), [""; 0], "{one:?} {other:?}");
        }
        let other = |path: &str, pii: &str| json!({"path": path, "pii": pii, "role": "other"});
        let clear = json!([other("recipient.email", email), {"path": "sender.phone", "pii": phone}]);
        assert_eq!(found(clear), [""; 0]);
        for (one, another) in [
            ("t[].holder.email", "t[].companion.email"),
            ("holder_email", "companion_email"),
            ("booking.guardian_email", "booking.child_email"),
        ] {
            let pair = json!([other(one, email), other(another, email)]);
            assert_eq!(found(pair), ["/events/1/fields/0", "/events/1/fields/1"], "{one}");
        }
        for (one, another) in [
            ("t[].holder.email", "t[].holder.workEmail"),
            ("holders[].email", "companions[].email"),
            ("holder.email", "companion.email"),
            ("t[].email", "t[].holder.email"),
        ] {
            assert_eq!(
                found(json!([other(one, email), other(another, email)])),
                [""; 0],
                "{one}"
            );
        }
    }
}
