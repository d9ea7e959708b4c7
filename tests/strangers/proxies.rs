//! Whose failures are counted, behind a trusted proxy.

use crate::common::{Answer, Conduit, request};

const FIELDS: &str = "token=cdt_adm_wrong";

fn sign_in(conduit: &Conduit, headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![
        ("origin", conduit.url.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    all.extend_from_slice(headers);
    let url = format!("{}/sign-in", conduit.url);
    request(&conduit.client, "POST", &url, &all, FIELDS.as_bytes()).unwrap()
}

fn behind(trusted: &str) -> Conduit {
    Conduit::with(&[
        ("CONDUIT__DASHBOARD__MAX_FAILURES", "2"),
        ("CONDUIT__AUTH__MAX_FAILURES", "2"),
        ("CONDUIT__SERVER__TRUSTED_PROXIES", trusted),
    ])
}

/// Fails until this client may not try again, however its proxy names it; others still may.
fn shut_out(conduit: &Conduit, lines: &[(&str, &str)]) {
    let statuses: Vec<_> = (0..6)
        .map(|number| sign_in(conduit, &[lines[number % lines.len()]]).status)
        .collect();
    assert!(
        statuses.starts_with(&[401, 401]) && statuses.ends_with(&[429, 429]),
        "{statuses:?}"
    );
}

#[test]
fn nobody_hides_behind_the_proxy_and_nobody_locks_the_others_out() {
    let conduit = behind("127.0.0.0/8, ::1");
    shut_out(
        &conduit,
        &[
            ("x-forwarded-for", "garbage, 203.0.113.9"),
            ("x-forwarded-for", "198.51.100.1, 203.0.113.9:4711"),
            ("x-forwarded-for", "203.0.113.9, 127.0.0.7"),
            ("forwarded", "for=unknown, For=\"203.0.113.9:80\";proto=https"),
        ],
    );
    shut_out(
        &conduit,
        &[
            ("x-forwarded-for", "[2001:db8::5]:443"),
            ("forwarded", "for=\"[2001:db8::6]\""),
        ],
    );
    // Everybody else: another client, and the proxy itself.
    assert_eq!(sign_in(&conduit, &[("x-forwarded-for", "203.0.113.10")]).status, 401);
    assert_eq!(sign_in(&conduit, &[]).status, 401);
    // Several lines are one list.
    let lines = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "127.0.0.2")];
    assert_eq!(sign_in(&conduit, &lines).status, 429);
    // The log names the client.
    assert!(!conduit.log_lines("203.0.113.9").is_empty());
}

#[test]
fn failures_of_the_api_are_counted_by_the_same_address() {
    let conduit = behind("127.0.0.1");
    let call = |forwarded: &str| {
        let headers = [("authorization", "Bearer wrong"), ("x-forwarded-for", forwarded)];
        let url = format!("{}/api/v1/stats", conduit.url);
        request(&conduit.client, "GET", &url, &headers, b"").unwrap().status
    };
    assert_eq!(
        [call("x, 203.0.113.9"), call("203.0.113.9:1"), call("203.0.113.9:2")],
        [401, 401, 429]
    );
    assert_eq!(call("203.0.113.10"), 401);
}

#[test]
fn a_peer_that_is_no_trusted_proxy_is_itself() {
    let conduit = behind("10.0.0.0/8");
    let statuses: Vec<_> = (0..4)
        .map(|number| {
            let made_up = format!("203.0.113.{number}");
            sign_in(&conduit, &[("x-forwarded-for", &made_up)]).status
        })
        .collect();
    assert!(
        statuses.starts_with(&[401, 401]) && statuses.ends_with(&[429]),
        "{statuses:?}"
    );
}
