//! The list of an event's faults has a limit.

use serde_json::{Value, json};

use super::*;

fn codes(notices: &[Notice]) -> Vec<&str> {
    notices.iter().map(|notice| notice.code.as_str()).collect()
}

/// Returns mapped fields `a[].f0`, `a[].f1` and so on.
fn members(count: usize, required: bool) -> Value {
    let field = |nth| json!({"path": format!("a[].f{nth}"), "required": required});
    (0..count).map(field).collect()
}

#[test]
fn elements_of_another_shape_are_counted_as_values() {
    let body = json!({"a": vec![1; 100_000]});
    let found = extract(members(40, false), body.clone());
    assert!(found.truncated);
    assert_eq!(found.left_out.expose().len(), 1_000);
    assert_eq!(found.warnings.len(), 102);
    assert_eq!(
        codes(&found.warnings[99..]),
        ["wrong_type", "too_many_values", "too_many_notices"]
    );
    assert!(found.warnings[101].message.contains("900 values"));

    let found = extract(members(40, true), body);
    assert_eq!(found.reasons.len(), 100);
    assert!(found.truncated);
}

#[test]
fn elements_without_a_value_are_visited_so_often_at_most() {
    let body = json!({"a": vec![Value::Null; 50_000]});
    let found = extract(members(2, false), body.clone());
    assert_eq!((found.truncated, codes(&found.warnings)), (false, vec![]));
    let found = extract(members(500, false), body);
    assert_eq!(
        (found.truncated, codes(&found.warnings)),
        (true, vec!["too_many_values"])
    );
}

#[test]
fn a_hundred_notices_need_no_other() {
    let body = json!({"a": vec![1; 100]});
    let found = extract(members(1, false), body);
    assert_eq!(codes(&found.warnings), ["wrong_type"; 100]);
}
