use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Converts a tree to a value of another reader, with numbers as doubles.
fn value(json: &Json<'_>) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(is) => Value::from(*is),
        Json::Number(text) => Value::from(text.parse::<f64>().unwrap()),
        Json::String(text) => Value::from(text.as_ref()),
        Json::Array(all) => all.iter().map(value).collect(),
        Json::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, inner)| (name.to_owned(), value(inner)))
                .collect(),
        ),
    }
}

fn doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        Value::Array(all) => all.into_iter().map(doubles).collect(),
        Value::Object(all) => Value::Object(all.into_iter().map(|(name, inner)| (name, doubles(inner))).collect()),
        other => other,
    }
}

/// Asserts that both readers of this module accept exactly the texts that another reader accepts.
fn agrees(text: &str) {
    let other = serde_json::from_str::<Value>(text);
    let tree = Json::parse(text.as_bytes());
    let out_of_range = other
        .as_ref()
        .is_err_and(|error| error.to_string().starts_with("number out of range"));
    if !out_of_range {
        assert_eq!(tree.is_ok(), other.is_ok(), "{text:?} {other:?}");
        if let (Ok(tree), Ok(other)) = (&tree, other) {
            assert_eq!(value(tree), doubles(other), "{text:?}");
        }
    }
    let repeats = |fault: JsonFault| matches!(fault.kind, JsonFaultKind::Repeated(_));
    let walked = check(text.as_bytes());
    assert!(walked.is_ok() == tree.is_ok() || walked.is_err_and(repeats), "{text:?}");
    assert_eq!(members(text.as_bytes()).is_ok(), tree.is_ok(), "{text:?}");
}

#[test]
fn the_grammar_is_that_of_rfc_8259() {
    for text in [
        "",
        " ",
        "{}",
        "[]",
        "{ }",
        "[ ]",
        "null",
        "nul",
        "nulll",
        "true",
        "false",
        "0",
        "-0",
        "01",
        "-",
        "1.",
        ".5",
        "1.5e",
        "1e5",
        "1E+5",
        "1e-400",
        "1.5.5",
        "+1",
        "\"a\"",
        "\"",
        "\"\\u0041\"",
        "\"\\u00\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\ud83d\\u0041\"",
        "\"\\x\"",
        "\"a\nb\"",
        "\"\u{7f}\"",
        "[1,]",
        "[1 2]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":1}}",
        "[[[[1]]]]",
        "\t\r\n[1]\n",
        "\u{c}1",
        "NaN",
        "Infinity",
        "// x\n1",
        "\"\\/\\b\\f\\n\\r\\t\\\\\"",
        "{\"\\u0061\":[{\"b\":null}]}",
        "12345678901234567890123",
    ] {
        agrees(text);
    }
}

#[test]
fn a_byte_order_mark_is_skipped_and_others_are_not_utf_8() {
    assert_eq!(Json::parse(b"\xef\xbb\xbf{}"), Ok(Json::Object(Members::default())));
    assert!(check(b"\xef\xbb\xbf\xef\xbb\xbf{}").is_err());
    assert_eq!(check(b"\xff\xfe{\0}\0").unwrap_err().kind, JsonFaultKind::Encoding);
}

#[test]
fn faults_have_the_place_that_an_editor_shows() {
    let place = |text: &str| {
        let fault = check(text.as_bytes()).unwrap_err();
        (fault.line, fault.column)
    };
    assert_eq!(place("{\n \"ä\": x}"), (2, 7));
    assert_eq!(place(""), (1, 1));
    assert_eq!(place("[1"), (1, 3));
}

#[test]
fn members_are_found_by_name_however_many_there_are() {
    let text: String = (0..100).map(|n| format!("\"k{n}\":{n},")).collect();
    let text = format!("{{{text}\"k7\":\"last\"}}");
    let Json::Object(members) = Json::parse(text.as_bytes()).unwrap() else {
        panic!("an object");
    };
    assert_eq!(members.get("k99"), Some(&Json::Number("99")));
    assert_eq!(members.get("k7"), Some(&Json::String("last".into())));
    assert_eq!((members.get("k"), members.get("zzz")), (None, None));
    assert_eq!(members.iter().next(), Some(("k0", &Json::Number("0"))));
}

#[test]
fn members_are_given_as_they_are_written() {
    let all = members(b" {\"a\" : {\"b\":1, \"b\":2.50} , \"\\u0063\":\"x\\n\"} ")
        .unwrap()
        .unwrap();
    let all: Vec<_> = all
        .iter()
        .map(|member| (&*member.name, member.value, member.text.as_deref()))
        .collect();
    assert_eq!(
        all,
        [("a", "{\"b\":1, \"b\":2.50}", None), ("c", "\"x\\n\"", Some("x\n"))]
    );
    assert_eq!(members(b"[1]"), Ok(None));
}

#[test]
fn numbers_keep_their_digits() {
    for (text, expected) in [
        ("1", Some("1")),
        ("1.0", Some("1")),
        ("-0.0", Some("0")),
        ("0e5", Some("0")),
        ("1e2", Some("100")),
        ("12.50", Some("12.5")),
        ("0.001", Some("0.001")),
        ("1E-3", Some("0.001")),
        ("-2.5e1", Some("-25")),
        ("123456789012345678901", Some("123456789012345678901")),
        ("123456789012345678902", Some("123456789012345678902")),
        (
            "0.1000000000000000055511151231257827",
            Some("0.1000000000000000055511151231257827"),
        ),
        ("1e300", Some("1e300")),
        ("10e299", Some("1e300")),
        ("1e-300", Some("1e-300")),
        ("1e400", None),
        ("-1e99999999999999999999", None),
        ("0e99999999999999999999", Some("0")),
    ] {
        assert_eq!(number(text).as_deref(), expected, "{text}");
    }
    for (text, expected) in [
        ("5", Some("5")),
        ("5.0", Some("5")),
        ("5e0", Some("5")),
        ("18446744073709551615", Some("18446744073709551615")),
        ("18446744073709551616", None),
        ("-9223372036854775808", Some("-9223372036854775808")),
        ("-9223372036854775809", None),
        ("9007199254740993.0", Some("9007199254740993")),
        ("1.5", None),
        ("1e-1", None),
        ("1e400", None),
    ] {
        assert_eq!(integer(text).as_deref(), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn texts_like_json_are_read_as_another_reader_reads_them(text in r#"[\{\}\[\]",:0-9a\\nul\-\.eE+tfs ]{0,24}"#) {
        agrees(&text);
    }

    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = (Json::parse(&body), check(&body), members(&body));
    }

    #[test]
    fn numbers_of_one_value_have_one_spelling(digits in "[1-9][0-9]{0,20}", zeros in 0usize..12, power in -30i32..30) {
        let plain = number(&format!("{digits}e{power}"));
        let padded = "0".repeat(zeros);
        prop_assert_eq!(&plain, &number(&format!("{digits}.{padded}E{power}")));
        prop_assert_eq!(&plain, &number(&format!("{digits}{padded}e{}", power - i32::try_from(zeros).unwrap())));
    }
}
