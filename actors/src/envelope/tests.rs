use proptest::prelude::*;

use super::*;

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-04-06T10:30:00Z").unwrap()
}

fn parse(body: &str) -> Result<Envelope, EnvelopeFault> {
    Envelope::parse(body.as_bytes(), now())
}

fn codes(body: &str) -> Vec<String> {
    parse(body)
        .unwrap_err()
        .0
        .into_iter()
        .map(|notice| notice.code)
        .collect()
}

#[test]
fn the_documented_example_is_read() {
    let body =
        r#"{"event": "account_created", "triggeredAt": "2026-04-06T10:30:00Z", "email": "customer@example.com"}"#;
    let envelope = parse(body).unwrap();
    assert_eq!(envelope.event_type.as_str(), "account_created");
    assert_eq!(envelope.triggered_at, now());
}

#[test]
fn escaped_names_and_values_are_the_same_names_and_values() {
    let envelope = parse(r#"{"\u0065vent":"a\u0062","triggered\u0041t":"2026-04-06T10:30:00\u005a"}"#).unwrap();
    assert_eq!(envelope.event_type.as_str(), "ab");
}

#[test]
fn all_faults_of_the_envelope_are_named_at_once() {
    assert_eq!(codes("{}"), ["event_missing", "triggered_at_missing"]);
    assert_eq!(
        codes(r#"{"event":1,"triggeredAt":null}"#),
        ["event_invalid", "triggered_at_invalid"]
    );
    assert_eq!(
        codes(r#"{"event":"","triggeredAt":"yesterday"}"#),
        ["event_invalid", "triggered_at_invalid"]
    );
    assert_eq!(
        codes(r#"{"event":"a","triggeredAt":"2026-04-06"}"#),
        ["triggered_at_invalid"]
    );
    for between in ["#", "\\n", "5", "  ", "\\u00a0", "_", ""] {
        let body = format!(r#"{{"event":"a","triggeredAt":"2026-04-06{between}10:30:00Z"}}"#);
        assert_eq!(codes(&body), ["triggered_at_invalid"], "{between:?}");
    }
}

#[test]
fn a_time_may_lie_24_hours_ahead_and_no_more() {
    let at = |time: &str| parse(&format!(r#"{{"event":"a","triggeredAt":"{time}"}}"#));
    assert!(at("2026-04-07T10:30:00Z").is_ok());
    assert_eq!(
        at("2026-04-07T10:30:00.001Z").unwrap_err().0[0].code,
        "triggered_at_in_future"
    );
    assert!(at("1990-01-01T00:00:00Z").is_ok());
}

#[test]
fn what_is_not_one_object_is_refused() {
    for body in ["", " \n\t", "\u{feff}", "\u{feff} "] {
        assert_eq!(codes(body), ["body_empty"]);
    }
    for body in ["[]", "1", "-1", "1.5", "\"a\"", "null", "true", "[{}]"] {
        assert_eq!(codes(body), ["json_not_an_object"], "{body}");
    }
    for body in [
        "{",
        "{]",
        "{}{}",
        "{} x",
        "{'a':1}",
        "{\"a\":1,}",
        "\u{feff}\u{feff}{}",
        "{}\u{feff}",
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\ude00"}"#,
        r#"{"a":"\ud83d\u0041"}"#,
        "{\"a\":01}",
    ] {
        assert_eq!(codes(body), ["json_invalid"], "{body}");
    }
    assert_eq!(
        Envelope::parse(b"{\"a\":\"\xff\"}", now()).unwrap_err().0[0].code,
        "json_invalid"
    );
}

#[test]
fn a_byte_order_mark_before_the_object_is_skipped() {
    let body = "\u{feff}{\"event\":\"a\",\"triggeredAt\":\"2026-04-06T10:30:00Z\"}";
    assert_eq!(parse(body).unwrap().event_type.as_str(), "a");
    let utf16: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let fault = Envelope::parse(&utf16, now()).unwrap_err().0.remove(0);
    assert!(
        fault.code == "json_invalid" && fault.message.contains("send it as UTF-8"),
        "{fault:?}"
    );
}

#[test]
fn numbers_may_be_of_any_size_where_nobody_asks_for_them() {
    for number in ["1e400", "-1e400", "1e-400", "1e99999999999999999999", &"9".repeat(400)] {
        let body =
            format!(r#"{{"event":"a","triggeredAt":"2026-04-06T10:30:00Z","n":{number},"deep":[{{"n":{number}}}]}}"#);
        assert!(parse(&body).is_ok(), "{number}");
    }
    assert_eq!(
        codes(r#"{"event":1e400,"triggeredAt":1e400}"#),
        ["event_invalid", "triggered_at_invalid"]
    );
}

#[test]
fn a_sample_is_completed_without_a_change_to_the_rest_of_it() {
    let completed = |sample: &str| {
        let body = completed(sample.as_bytes(), Some("it's \"a\""), now()).unwrap();
        String::from_utf8(body).unwrap()
    };
    let envelope = r#""event":"it's \"a\"","triggeredAt":"2026-04-06T10:30:00.000Z""#;
    assert_eq!(completed("\u{feff} {} "), format!("{{{envelope}}} "));
    assert_eq!(completed("{ \"n\":1.50}"), format!("{{{envelope}, \"n\":1.50}}"));
    let whole = r#"{"event":"b","triggeredAt":"2026-04-06T10:30:00Z"}"#;
    assert_eq!(completed(whole), whole);
    assert_eq!(
        completed(r#"{"event":null}"#),
        r#"{"triggeredAt":"2026-04-06T10:30:00.000Z","event":null}"#
    );
}

#[test]
fn the_type_of_an_accepted_event_is_read_whatever_its_time_is() {
    let event_type = |body: &str| accepted_event_type(body.as_bytes()).map(|found| found.to_string());
    assert_eq!(
        event_type(r##"{"event":"a","triggeredAt":"2026-04-06#10:30:00Z"}"##).as_deref(),
        Some("a")
    );
    assert_eq!(event_type(r#"{"triggeredAt":"2026-04-06T10:30:00Z"}"#), None);
}

#[test]
fn a_name_twice_is_refused_at_any_depth_and_pointed_at() {
    let pointer = |body: &str| {
        let fault = parse(body).unwrap_err().0.remove(0);
        assert_eq!(fault.code, "json_duplicate_key");
        fault.field
    };
    assert_eq!(pointer(r#"{"a":1,"\u0061":2}"#), "/a");
    assert_eq!(pointer(r#"{"x":[0,{"a/b":{"c":1,"c":2}}]}"#), "/x/1/a~1b/c");
    let many: String = (0..100).map(|n| format!("\"k{n}\":1,")).collect();
    assert_eq!(pointer(&format!("{{{many}\"k77\":2}}")), "/k77");
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| {
        format!(
            r#"{{"event":"a","triggeredAt":"2026-04-06T10:30:00Z","x":{}1{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert!(parse(&nested(MAX_DEPTH - 1)).is_ok());
    assert_eq!(codes(&nested(MAX_DEPTH)), ["json_too_deep"]);
    assert_eq!(codes(&nested(10_000)), ["json_too_deep"]);
}

#[test]
fn no_fault_repeats_the_body() {
    for body in [
        r#"{"event": canary@example.com}"#,
        r#"{"canary@example.com"}"#,
        r#"["canary@example.com"]"#,
    ] {
        assert!(!format!("{:?}", parse(body)).contains("canary"), "{body}");
    }
}

proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Envelope::parse(&body, now());
    }

    #[test]
    fn no_json_like_body_panics(body in r#"[\{\}\[\]",:0-9a-z\\ue\-\.]{0,80}"#) {
        let _ = Envelope::parse(body.as_bytes(), now());
    }
}
