//! Exports: whole, or visibly not.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::common::{Answer, Conduit, Tenant, request};

const LISTS: [(&str, &str); 3] = [
    ("/api/v1/events", "events"),
    ("/api/v1/activities", "activities"),
    ("/api/v1/subjects", "subjects"),
];

fn get(conduit: &Conduit, path: &str, accept: &str) -> Answer {
    let authorization = format!("Bearer {}", conduit.admin_token());
    let headers = [("authorization", authorization.as_str()), ("accept", accept)];
    request(&conduit.client, "GET", &format!("{}{path}", conduit.url), &headers, b"").expect("an answer")
}

fn lines(answer: &Answer) -> Vec<Value> {
    let lines = answer.text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// Reads CSV by RFC 4180.
fn cells(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut chars, mut quoted) = (text.chars().peekable(), false);
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    assert!(!quoted && row.is_empty() && cell.is_empty(), "the last line is whole");
    rows
}

/// Creates a tenant with more than a page of each list.
fn prepared(conduit: &Conduit, count: usize) -> Tenant {
    let shop = Tenant::create(conduit, "did:web:shop.example");
    for number in 0..count {
        shop.send(conduit, "contact", json!({"email": format!("p{number}@shop.example")}));
    }
    shop.send(conduit, "contact", json!({"email": "p0@shop.example"}));
    shop.send(conduit, "account_created", json!({"phone": "one, \"two\""}));
    conduit.settled();
    shop
}

#[test]
fn an_export_has_all_of_a_list_in_its_order_as_lines_or_as_a_table() {
    let conduit = Conduit::start();
    let shop = prepared(&conduit, 1_203);
    for (path, name) in LISTS {
        let count = if name == "events" { 1_205 } else { 1_203 };
        let export = get(&conduit, path, "application/x-ndjson").expect(200);
        assert_eq!(export.header("content-type"), Some("application/x-ndjson"));
        let disposition = format!("attachment; filename=\"{name}.ndjson\"");
        assert_eq!(export.header("content-disposition"), Some(disposition.as_str()));
        assert_eq!(export.header("vary"), Some("accept"));
        let items = lines(&export);
        assert_eq!(items.len(), count, "{name}");
        // As the list shows them.
        let page = get(&conduit, &format!("{path}?limit=200"), "*/*").expect(200).json();
        assert_eq!(page["items"].as_array().unwrap()[..], items[..200]);

        let export = get(&conduit, path, "text/csv").expect(200);
        assert_eq!(
            export.header("content-type"),
            Some("text/csv; charset=utf-8; header=present")
        );
        let disposition = format!("attachment; filename=\"{name}.csv\"");
        assert_eq!(export.header("content-disposition"), Some(disposition.as_str()));
        let rows = cells(&export.text);
        assert_eq!(rows.len(), count + 1, "{name}");
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{name}");
        for (row, item) in rows[1..].iter().zip(&items) {
            for (column, cell) in rows[0].iter().zip(row) {
                let value = item.get(column).unwrap_or_else(|| &item["stages"][column]);
                let expected = match value {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    Value::Array(list) if list.is_empty() => String::new(),
                    Value::Array(list) if list[0].is_string() => {
                        let texts: Vec<_> = list.iter().map(|text| text.as_str().unwrap()).collect();
                        texts.join(" ")
                    }
                    Value::Array(_) => {
                        let read: Value = serde_json::from_str(cell).unwrap();
                        assert_eq!(read, *value, "{name}: {column}");
                        continue;
                    }
                    other => other.to_string(),
                };
                assert_eq!(*cell, expected, "{name}: {column}");
            }
        }
    }
    // Filtered, cut short, and begun in the middle.
    let few = get(&conduit, "/api/v1/events?status=duplicate", "application/x-ndjson").expect(200);
    assert_eq!(lines(&few).len(), 1);
    let none = get(&conduit, "/api/v1/events?status=failed", "application/x-ndjson").expect(200);
    assert_eq!(none.text, "");
    let none = get(&conduit, "/api/v1/events?status=failed", "text/csv").expect(200);
    assert_eq!(cells(&none.text).len(), 1);
    let cut = get(&conduit, "/api/v1/subjects?limit=150", "text/csv").expect(200);
    assert_eq!(cells(&cut.text).len(), 151);
    let page = get(&conduit, "/api/v1/events?limit=5", "*/*").expect(200).json();
    let behind = format!("/api/v1/events?cursor={}", page["nextCursor"].as_str().unwrap());
    assert_eq!(
        lines(&get(&conduit, &behind, "application/x-ndjson").expect(200)).len(),
        1_200
    );

    // A search.
    let url = format!("{}/api/v1/events/search", conduit.url);
    let token = format!("Bearer {}", shop.token);
    let body = json!({"identifier": {"category": "user.contact.email", "value": "p0@shop.example"}});
    for (accept, expected) in [("application/x-ndjson", 2), ("text/csv", 3)] {
        let headers = [("authorization", token.as_str()), ("accept", accept)];
        let found = request(&conduit.client, "POST", &url, &headers, body.to_string().as_bytes());
        let found = found.unwrap().expect(200);
        assert_eq!(found.text.lines().count(), expected, "{}", found.text);
        assert!(found.header("content-disposition").unwrap().contains("events."));
    }
}

#[test]
fn a_table_runs_nothing_and_may_begin_as_excel_wants_it() {
    let conduit = Conduit::start();
    let names = ["=1+1", "\u{ff1d}1", "a;\u{a0}@x"];
    let event = |name| json!({"name": name, "fields": [{"path": "host", "type": "string"}]});
    let events: Vec<Value> = names.map(event).into();
    let shop = Tenant::with(
        &conduit,
        "did:web:shop.example",
        json!({"name": "Shop", "events": events}),
    );
    for name in names {
        shop.send(&conduit, name, json!({"host": "a"}));
    }
    conduit.settled();
    let export = |more: &str| get(&conduit, &format!("/api/v1/events?status=processed{more}"), "text/csv").expect(200);
    let plain = export("").text;
    for cell in [",'=1+1,", ",'\u{ff1d}1,", ",\"a;'\u{a0}@x\","] {
        assert!(plain.contains(cell), "{plain}");
    }
    assert_eq!(export("&excel=true").text, format!("\u{feff}{plain}"));
    assert_eq!(export("&excel=false").text, plain);
    // It is no part of the filter, and of no meaning for the other forms.
    let page = get(&conduit, "/api/v1/events?limit=1&excel=true", "*/*")
        .expect(200)
        .json();
    let next = format!("/api/v1/events?cursor={}", page["nextCursor"].as_str().unwrap());
    get(&conduit, &next, "text/csv").expect(200);
    let wrong = get(&conduit, "/api/v1/events?excel=maybe", "text/csv")
        .expect(400)
        .json();
    assert_eq!(wrong["code"], "parameter_invalid");
}

#[test]
fn what_is_not_right_is_a_problem_whatever_is_asked_for() {
    let conduit = Conduit::start();
    for accept in ["text/csv", "application/x-ndjson", "text/html", "text/csv;q=0"] {
        let answer = get(&conduit, "/api/v1/events?cursor=x", accept).expect(400);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.json()["code"], "cursor_invalid");
    }
    for accept in ["text/html", "text/csv;q=0, */*", "application/json, text/csv;q=0.9"] {
        let answer = get(&conduit, "/api/v1/events", accept).expect(200);
        assert_eq!(answer.json()["items"], json!([]), "{accept}");
    }
}

#[test]
fn a_table_runs_nothing_in_a_spreadsheet() {
    let conduit = Conduit::start();
    let shop = Tenant::with(
        &conduit,
        "did:web:shop.example",
        json!({"name": "Shop", "events": [{"name": "=HYPERLINK(\"x\",\"y\")", "purpose": "+1, or \"more\"",
            "fields": [{"path": "email", "type": "string", "pii": "user.contact.email"}]}]}),
    );
    shop.send(
        &conduit,
        "=HYPERLINK(\"x\",\"y\")",
        json!({"email": "ada@shop.example"}),
    );
    conduit.settled();
    for path in ["/api/v1/events", "/api/v1/activities"] {
        let rows = cells(&get(&conduit, path, "text/csv").expect(200).text);
        let cell = |name: &str| {
            let column = rows[0].iter().position(|column| column == name).unwrap();
            rows[1][column].clone()
        };
        assert_eq!(cell("event"), "'=HYPERLINK(\"x\",\"y\")");
        if path.ends_with("activities") {
            assert_eq!(cell("purpose"), "'+1, or \"more\"");
        }
        assert!(rows[1].iter().all(|cell| !cell.starts_with(['=', '+', '-', '@'])));
    }
}

#[test]
fn an_export_that_breaks_off_does_not_end_like_a_whole_one() {
    // The second page is read, the third is not.
    let conduit = Conduit::with(&[("FAILPOINTS", "export::page=1*off->return")]);
    prepared(&conduit, 1_203);
    let address = conduit.url.strip_prefix("http://").unwrap();
    let token = conduit.admin_token();
    let mut stream = TcpStream::connect(address).unwrap();
    let head =
        format!("GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nAccept: text/csv\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // An end without a word, or a reset: the last chunk is missing in either case.
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    assert!(
        text.starts_with("HTTP/1.1 200") && text.contains("transfer-encoding: chunked"),
        "{text:.200}"
    );
    assert!(!text.ends_with("\r\n0\r\n\r\n"), "it ends like a whole one");
    let lines = conduit.log_lines("an export was broken off");
    assert_eq!(lines.len(), 1, "{lines:?}");

    // Before the first page it is a problem.
    let conduit = Conduit::start();
    prepared(&conduit, 3);
    let broken = request(
        &conduit.client,
        "GET",
        &format!("{}/api/v1/events?did=did:web:gone.example", conduit.url),
        &[
            ("authorization", &format!("Bearer {}", conduit.admin_token())),
            ("accept", "text/csv"),
        ],
        b"",
    );
    assert_eq!(broken.unwrap().expect(404).json()["code"], "not_found");
}

/// Returns the kilobytes of memory that the process holds itself. Pages of its files are the system's, which takes them back.
fn resident(conduit: &Conduit) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", conduit.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// Writes rows from before the start of the process: copies of one event.
fn fill(conduit: &Conduit, events: u32) {
    let path = conduit.data_dir().join("conduit.db");
    actix_web::rt::System::new().block_on(async move {
        use sqlx::Connection as _;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let filled = sqlx::query(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
             INSERT INTO events (controller_pk, id, integration, event_type, triggered_at, status, reasons, categories, \
             journaled_at, logged_at) \
             SELECT controller_pk, unhex(printf('01a0%08x7000800000000000%04x', i, 0)), integration, event_type, \
             triggered_at, 'rejected', reasons, categories, journaled_at, logged_at FROM n, \
             (SELECT * FROM events LIMIT 1)",
        )
        .bind(events)
        .execute(&mut connection)
        .await
        .unwrap();
        assert_eq!(filled.rows_affected(), u64::from(events));
        connection.close().await.unwrap();
    });
}

#[test]
fn a_reader_that_stands_still_is_waited_for_with_a_page_in_hand() {
    const EVENTS: u32 = 300_000;
    let mut conduit = Conduit::start();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    shop.send(&conduit, "contact", json!({"email": "ada@shop.example"}));
    conduit.settled();
    assert_eq!(conduit.stop(), Some(0));
    fill(&conduit, EVENTS);
    conduit.launch();
    // A first export loads all that every export needs.
    get(&conduit, "/api/v1/events?limit=200", "text/csv").expect(200);
    let before = resident(&conduit);

    let answer = conduit
        .client
        .get(format!("{}/api/v1/events", conduit.url))
        .header("authorization", format!("Bearer {}", conduit.admin_token()))
        .header("accept", "application/x-ndjson")
        .call()
        .unwrap();
    let mut lines = BufReader::new(answer.into_body().into_reader()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["status"], "processed");
    // Others are served meanwhile; then the rest is taken.
    conduit.settled();
    let (mut ids, mut bytes, mut most) = (HashSet::new(), 0, resident(&conduit));
    for line in lines {
        let line = line.unwrap();
        bytes += line.len() as u64;
        let event: Value = serde_json::from_str(&line).unwrap();
        ids.insert(event["eventId"].as_str().unwrap().to_owned());
        if ids.len() % 10_000 == 0 {
            most = most.max(resident(&conduit));
        }
    }
    assert_eq!(ids.len(), EVENTS as usize);
    assert!(bytes > 120_000_000, "{bytes}");
    // The database's caches (40 MB) and what the allocator has not given back yet, not the list.
    assert!(most < before + 90_000, "{before} kB before, {most} kB at the most");
}
