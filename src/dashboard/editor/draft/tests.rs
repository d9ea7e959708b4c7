use super::*;

fn spec() -> IntegrationSpec {
    serde_json::from_value(serde_json::json!({
        "name": "Web shop", "dataProcessorId": "shop", "defaultRegion": "DE", "dedup": {"windowSeconds": 5},
        "events": [
            {"name": "account_created", "purpose": "Registration", "legalBasis": "contract",
             "dedup": {"key": "mapped", "windowSeconds": 0}, "fields": [
                {"path": "email", "type": "string", "required": true, "pii": "user.contact.email"},
                {"path": "friend.email", "pii": "user.contact.email", "role": "other"},
                {"path": "items[].sku", "type": "integer"}]},
            {"name": "empty"}]
    }))
    .unwrap()
}

/// Returns the form as a browser sends it.
fn form(draft: &Draft) -> Fields {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.append_pair("name", &draft.name)
        .append_pair("processor", &draft.processor)
        .append_pair("region", &draft.region)
        .append_pair("dedup_key", &draft.dedup_key)
        .append_pair("dedup_window", &draft.dedup_window);
    for (e, event) in draft.events.iter().enumerate() {
        for (name, value) in [
            ("name", &event.name),
            ("purpose", &event.purpose),
            ("basis", &event.basis),
            ("dedup_key", &event.dedup_key),
            ("dedup_window", &event.dedup_window),
        ] {
            body.append_pair(&format!("e{e}.{name}"), value);
        }
        for (f, field) in event.fields.iter().enumerate() {
            body.append_pair(&format!("e{e}.f{f}.path"), &field.path);
            body.append_pair(&format!("e{e}.f{f}.kind"), &field.kind);
            body.append_pair(&format!("e{e}.f{f}.pii"), &field.pii);
            body.append_pair(&format!("e{e}.f{f}.role"), &field.role);
            if field.required {
                body.append_pair(&format!("e{e}.f{f}.required"), "on");
            }
        }
    }
    Fields::read(body.finish().as_bytes())
}

#[test]
fn a_saved_mapping_goes_through_the_form_unchanged() {
    let draft = Draft::of(&spec());
    let read = Draft::read(&form(&draft));
    assert_eq!(read, draft);
    assert_eq!(read.spec(), (spec(), Vec::new()));
}

#[test]
fn what_cannot_be_saved_is_named_at_its_place() {
    let mut draft = Draft::of(&spec());
    draft.dedup_window = "soon".to_owned();
    draft.events[0].basis = "because".to_owned();
    draft.events[0].fields[1].kind = "float".to_owned();
    let (_, faults) = draft.spec();
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    let expected = [
        "/dedup/windowSeconds",
        "/events/0/legalBasis",
        "/events/0/fields/1/type",
    ];
    assert_eq!(pointers, expected);
}

#[test]
fn hostile_names_of_fields_are_passed_over() {
    for body in [
        "e999999999.name=x",
        "e0.f999999.path=x",
        "e.name=x",
        "e-1.name=x",
        "e0=x",
        "e0.f0.path.more=x&e0.zzz=1",
    ] {
        let draft = Draft::read(&Fields::read(body.as_bytes()));
        assert!(draft.events.len() <= 1, "{body}");
    }
}
