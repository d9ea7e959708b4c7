use super::*;
use crate::mapping::{DedupDefaults, IntegrationSpec, Mapping};

fn suggested(sample: &str) -> Suggestion {
    suggest(&Taxonomy::bundled(), sample, Some("DE")).unwrap()
}

fn keys(suggestion: &Suggestion) -> Vec<(&str, &str)> {
    let fields = suggestion.fields.iter();
    fields
        .map(|field| {
            (
                field.path.as_str(),
                field.category.as_ref().map_or("", |(category, _)| &*category.key),
            )
        })
        .collect()
}

#[test]
fn fields_are_recognised_by_name_and_by_value() {
    let suggestion = suggested(
        r#"{"event": "order_placed", "triggeredAt": "2026-04-06T10:30:00Z", "orderId": "A-17",
            "reachableAt": "ada@shop.example",
            "customer": {"id": "c-1", "name": "Ada Lovelace", "mobile": "0171 2345678", "birthDate": "1990-12-10"},
            "shipTo": {"street": "Am Markt 1", "city": "Bremen", "postcode": "28195", "country": "DE"},
            "items": [{"sku": "x", "name": "A book", "price": 12.5, "quantity": 1}, {"sku": "y", "gift": true}],
            "payment": {"iban": "DE89370400440532013000"}, "newsletterConsent": true, "paidAt": "2026-04-06T10:30:00Z"}"#,
    );
    assert_eq!(suggestion.event.as_deref(), Some("order_placed"));
    let expected = [
        ("customer.birthDate", "user.demographic.date_of_birth"),
        ("customer.id", "user.unique_id"),
        ("customer.mobile", "user.contact.phone_number"),
        ("customer.name", "user.name"),
        ("items[].gift", ""),
        ("items[].name", ""),
        ("items[].price", ""),
        ("items[].quantity", ""),
        ("items[].sku", ""),
        ("newsletterConsent", "user.privacy_preferences"),
        ("orderId", ""),
        ("paidAt", ""),
        ("payment.iban", "user.financial.bank_account"),
        ("reachableAt", "user.contact.email"),
        ("shipTo.city", "user.contact.address.city"),
        ("shipTo.country", "user.contact.address.country"),
        ("shipTo.postcode", "user.contact.address.postal_code"),
        ("shipTo.street", "user.contact.address.street"),
    ];
    let mut found = keys(&suggestion);
    found.sort_unstable();
    assert_eq!(found, expected);
    let recognised = |path: &str| {
        let field = suggestion.fields.iter().find(|field| field.path == path).unwrap();
        (field.field_type, field.category.as_ref().map(|(_, how)| *how))
    };
    assert_eq!(
        recognised("reachableAt"),
        (FieldType::String, Some(Recognised::ByValue))
    );
    assert_eq!(
        recognised("customer.name"),
        (FieldType::String, Some(Recognised::ByName))
    );
    assert_eq!(recognised("items[].price"), (FieldType::Number, None));
    assert_eq!(recognised("items[].quantity"), (FieldType::Integer, None));
    assert_eq!(recognised("paidAt"), (FieldType::Timestamp, None));
}

#[test]
fn the_name_decides_and_the_value_is_a_remark_of_its_own() {
    let suggestion = suggest(
        &Taxonomy::bundled(),
        r#"{"email": "none of your business", "emailVerified": true, "mobile": true, "phone": 12, "ip": null,
            "product": {"name": "Ada"}, "version": "1.2.3", "reference": "4111111111111111", "dob": "31.12.1980",
            "tel": "030 901820", "customerNo": 4711, "userId": "ada@shop.example", "birthDate": "1980-12-31", "city": ""}"#,
        None,
    )
    .unwrap();
    let found: Vec<_> = suggestion
        .fields
        .iter()
        .map(|field| {
            let category = field.category.as_ref().map_or("", |(category, _)| &*category.key);
            (field.path.as_str(), category, field.field_type, field.remark.is_some())
        })
        .collect();
    let expected = [
        ("email", "user.contact.email", FieldType::String, true),
        ("emailVerified", "", FieldType::Boolean, false),
        ("mobile", "", FieldType::Boolean, true),
        ("phone", "user.contact.phone_number", FieldType::Integer, true),
        ("ip", "user.device.ip_address", FieldType::String, false),
        ("product.name", "", FieldType::String, false),
        ("version", "", FieldType::String, false),
        ("reference", "user.financial.credit_card", FieldType::String, false),
        ("dob", "user.demographic.date_of_birth", FieldType::String, true),
        ("tel", "user.contact.phone_number", FieldType::String, true),
        ("customerNo", "user.unique_id", FieldType::Integer, false),
        ("userId", "user.unique_id", FieldType::String, true),
        ("birthDate", "user.demographic.date_of_birth", FieldType::String, false),
        ("city", "user.contact.address.city", FieldType::String, false),
    ];
    assert_eq!(found, expected);
    let remarks: String = suggestion
        .fields
        .iter()
        .filter_map(|field| field.remark.clone())
        .collect();
    for part in ["business", "1980", "901820", "ada@"] {
        assert!(!remarks.contains(part), "{remarks}");
    }
}

#[test]
fn at_the_top_the_value_completes_a_name_that_says_too_little() {
    for (sample, expected, has_remark) in [
        (r#"{"name": "Ada Lovelace"}"#, "user.name", false),
        (r#"{"name": "Order Completed"}"#, "", false),
        (r#"{"name": "widget"}"#, "", false),
        (r#"{"name": "203.0.113.7"}"#, "", true),
        (r#"{"product": {"name": "Ada Lovelace"}}"#, "", false),
        (r#"{"shipping": {"name": "Ada Lovelace"}}"#, "user.name", false),
        (r#"{"address": "12 Main St"}"#, "user.contact.address.street", false),
        (r#"{"address": "Am Markt 1"}"#, "user.contact.address.street", false),
        (r#"{"address": "ada@shop.example"}"#, "user.contact.email", false),
        (
            r#"{"address": "0x52908400098527886E0F7030069857D2E4169EE7"}"#,
            "",
            false,
        ),
        (r#"{"host": "203.0.113.7"}"#, "user.device.ip_address", false),
    ] {
        let suggestion = suggested(sample);
        assert_eq!(keys(&suggestion)[0].1, expected, "{sample}");
        assert_eq!(suggestion.fields[0].remark.is_some(), has_remark, "{sample}");
    }
}

#[test]
fn what_is_suggested_compiles() {
    let sample = r#"{"user": {"dateOfBirth": "1990-01-01T00:00:00Z", "age": 30, "passportNumber": 123456789, "email": null,
        "weird.name": 1, "": 2, "[]": 3}, "tags": ["a", "b"], "matrix": [[{"phone": "+49 30 901820"}]], "empty": {}}"#;
    let suggestion = suggested(sample);
    let fields: Vec<_> = suggestion
        .fields
        .iter()
        .map(|field| {
            let pii = field.category.as_ref().map(|(category, _)| category.key.to_string());
            serde_json::json!({"path": field.path, "type": field.field_type, "pii": pii})
        })
        .collect();
    assert!(fields.iter().any(|field| field["path"] == "matrix[][].phone"));
    assert!(fields.iter().any(|field| field["path"] == "tags[]"));
    for quoted in ["user[\"weird.name\"]", "user[\"\"]", "user[\"[]\"]"] {
        assert!(fields.iter().any(|field| field["path"] == quoted), "{quoted}");
    }
    let spec: IntegrationSpec =
        serde_json::from_value(serde_json::json!({"name": "n", "events": [{"name": "e", "fields": fields}]})).unwrap();
    let defaults = DedupDefaults { window_seconds: 60 };
    Mapping::compile(&spec, &Arc::new(Taxonomy::bundled()), defaults).unwrap();
}

#[test]
fn what_is_no_sample_is_said_without_repeating_it() {
    for (bad, said) in [
        ("{\"email\": ada@shop.example}", "line 1"),
        ("[1]", "object"),
        ("", "empty"),
        ("{\"ada\": {\"b\": 1, \"b\": 2}}", "twice"),
    ] {
        let error = suggest(&Taxonomy::bundled(), bad, None).unwrap_err();
        assert!(error.contains(said) && !error.contains("ada"), "{error}");
    }
    let many: serde_json::Map<_, _> = (0..500).map(|n| (format!("f{n}"), n.into())).collect();
    let suggestion = suggested(&serde_json::Value::Object(many).to_string());
    assert!(suggestion.fields.len() == 200 && suggestion.has_more);
}
