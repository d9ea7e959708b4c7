//! Traces follow a request to the batch of its event. They reveal nobody, and delay nobody.

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::json;

use crate::common::collector::{Collector, attribute};
use crate::common::ports::free_port;
use crate::common::{Conduit, Tenant, request, tenant, wait_for};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn traced(url: &str, ratio: &str) -> Conduit {
    Conduit::with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("CONDUIT__TELEMETRY__SAMPLING_RATIO", ratio),
    ])
}

/// Sends an event with a traceparent; its id.
fn send(conduit: &Conduit, shop: &Tenant, email: &str, traceparent: &str) -> String {
    let headers = [
        ("authorization", shop.webhook_auth.as_str()),
        ("x-webhook-secret", shop.webhook_secret.as_str()),
        ("traceparent", traceparent),
        ("tracestate", "vendor=canary-state"),
    ];
    let body = tenant::body("contact", json!({"email": email}));
    let url = shop.webhook_url(conduit);
    let answer = request(&conduit.client, "POST", &url, &headers, body.as_bytes()).unwrap();
    answer.expect(200).json()["eventId"].as_str().unwrap().to_owned()
}

fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(
        found.len(),
        1,
        "{name} among {:?}",
        spans.iter().map(|span| &span.name).collect::<Vec<_>>()
    );
    found[0]
}

#[test]
fn a_request_is_followed_from_its_caller_to_its_batch() {
    let collector = Collector::start();
    let mut conduit = traced(&collector.url(), "0");
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    let id = send(&conduit, &shop, "ada@shop.example", &format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(shop.outcome(&conduit, &id)["status"], "processed");
    // Neither a caller that records nothing, nor one without a trace, nor one with a malformed trace.
    for other in [&format!("00-{TRACE}-{CALLER}-00"), "", "00-nonsense"] {
        send(&conduit, &shop, "bob@shop.example", other);
    }
    conduit.settled();
    assert_eq!(conduit.stop(), Some(0));

    let spans = collector.spans();
    let server = one(&spans, "POST /api/v1/integrations/custom/event");
    assert_eq!(
        (hex(&server.trace_id), hex(&server.parent_span_id)),
        (TRACE.to_owned(), CALLER.to_owned())
    );
    assert_eq!(server.kind, SpanKind::Server as i32);
    let says = |span: &Span, key: &str| attribute(&span.attributes, key);
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/api/v1/integrations/custom/event"),
        ("http.response.status_code", "200"),
        ("conduit.event_id", id.as_str()),
    ] {
        assert_eq!(says(server, key).as_deref(), Some(value), "{key}");
    }
    let append = one(&spans, "journal append");
    assert_eq!(
        (&append.trace_id, &append.parent_span_id),
        (&server.trace_id, &server.span_id)
    );
    assert!(server.start_time_unix_nano <= append.start_time_unix_nano);
    assert!(append.start_time_unix_nano < append.end_time_unix_nano);
    assert!(append.end_time_unix_nano <= server.end_time_unix_nano);

    let batch = one(&spans, "batch");
    assert_ne!(batch.trace_id, server.trace_id);
    assert!(batch.parent_span_id.is_empty());
    let [link] = &batch.links[..] else { panic!("{batch:?}") };
    assert_eq!((&link.trace_id, &link.span_id), (&server.trace_id, &server.span_id));
    assert_eq!(
        attribute(&link.attributes, "conduit.event_id").as_deref(),
        Some(id.as_str())
    );
    assert!(says(batch, "conduit.batch.events").is_some() && says(batch, "conduit.shard").is_some());
    let resolve = one(&spans, "resolve");
    for (stage, parent) in [
        ("extract", batch),
        ("claim", resolve),
        ("resolve", batch),
        ("log", batch),
    ] {
        let span = one(&spans, stage);
        assert_eq!(
            (&span.trace_id, &span.parent_span_id),
            (&batch.trace_id, &parent.span_id),
            "{stage}"
        );
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{stage}");
    }
    assert_eq!(spans.len(), 7);

    let request = &collector.requests()[0];
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    assert_eq!(
        attribute(&resource.attributes, "service.name").as_deref(),
        Some("conduit")
    );
    let node = std::fs::read_to_string(conduit.data_dir().join("node.id")).unwrap();
    assert_eq!(
        attribute(&resource.attributes, "service.instance.id").as_deref(),
        Some(node.trim())
    );
}

#[test]
fn management_calls_and_refusals_have_spans_and_spans_tell_of_nobody() {
    let collector = Collector::start();
    let mut conduit = traced(&collector.url(), "1");
    let did = "did:web:canary-shop.example";
    let shop = Tenant::create(&conduit, did);
    let email = "canaryada@shop.example";
    let ids = [send(&conduit, &shop, email, ""), send(&conduit, &shop, email, "")];
    let subject = shop.outcome(&conduit, &ids[0])["subject"].as_str().unwrap().to_owned();
    assert_eq!(shop.outcome(&conduit, &ids[1])["status"], "duplicate");
    shop.send(&conduit, email, json!({"email": email}));
    shop.try_send(&conduit, br#"{"event": canaryada@shop.example}"#)
        .unwrap()
        .expect(400);
    let url = shop.webhook_url(&conduit);
    let wrong = [
        ("authorization", "Bearer canary-key"),
        ("x-webhook-secret", "canary-secret"),
    ];
    request(&conduit.client, "POST", &url, &wrong, b"{}")
        .unwrap()
        .expect(401);
    for path in [
        format!("/api/v1/controllers/{did}"),
        format!("/api/v1/subjects/{subject}"),
        format!("/api/v1/events?did={did}&event={email}"),
    ] {
        shop.call(&conduit, "GET", &path, None).expect(200);
    }
    conduit.get("/canary-path/canaryada@shop.example").expect(404);
    request(
        &conduit.client,
        "CANARY",
        &format!("{}/api/v1/stats", conduit.url),
        &[],
        b"",
    )
    .unwrap()
    .expect(405);
    let look_up = json!({"category": "user.contact.email", "value": email});
    shop.call(&conduit, "POST", "/api/v1/subjects/lookup", Some(look_up))
        .expect(200);
    conduit.get("/livez").expect(200);
    conduit.settled();
    let admin = conduit.admin_token();
    assert_eq!(conduit.stop(), Some(0));

    let spans = collector.spans();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    assert_eq!(named("GET /api/v1/controllers/{did}").len(), 1);
    assert_eq!(named("GET").len(), 1, "an address that is not there has no route");
    assert_eq!(named("_OTHER /api/v1/stats").len(), 1);
    assert!(named("GET /livez").is_empty());
    let events = named("POST /api/v1/integrations/custom/event");
    let refused = |code: &str| {
        let is = |span: &&&Span| attribute(&span.attributes, "error.type").as_deref() == Some(code);
        events.iter().filter(is).count()
    };
    assert_eq!(
        (events.len(), refused("authentication_failed"), refused("json_invalid")),
        (5, 1, 1)
    );
    // A caller's fault is no failure of this side.
    let failed = |span: &Span| {
        span.status
            .as_ref()
            .is_some_and(|status| status.code == StatusCode::Error as i32)
    };
    assert!(!events.iter().any(|span| failed(span)));

    let secret = |text: &str| text.trim_start_matches("Bearer ").to_owned();
    let canaries = [
        "canary".to_owned(),
        "did:".to_owned(),
        "ada@".to_owned(),
        secret(&shop.webhook_auth),
        shop.webhook_secret.clone(),
        shop.token.clone(),
        admin,
        shop.processor.clone(),
        "127.0.0.1".to_owned(),
    ];
    for body in collector.bodies() {
        let text = String::from_utf8_lossy(&body).to_ascii_lowercase();
        for canary in &canaries {
            assert!(!text.contains(&canary.to_ascii_lowercase()), "{canary} is in a span");
        }
    }
}

fn counted(conduit: &Conduit, result: &str) -> u64 {
    let text = conduit.get("/metrics").expect(200).text;
    let series = format!("conduit_trace_spans_total{{result=\"{result}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&series));
    line.expect("the series is there").parse().unwrap()
}

#[test]
fn nobody_waits_for_a_collector_that_is_away_and_it_is_said_once() {
    let port = free_port();
    let mut conduit = traced(&format!("http://127.0.0.1:{port}"), "1");
    assert_eq!(conduit.stop(), Some(0));
    conduit.set("CONDUIT__TELEMETRY__QUEUE_SPANS", "16");
    conduit.launch();
    let shop = Tenant::create(&conduit, "did:web:shop.example");
    wait_for("the outage to be noticed", || {
        (!conduit.log_lines("traces are not exported").is_empty()).then_some(())
    });
    let mut sent = 0;
    wait_for("spans to be dropped", || {
        sent += 1;
        shop.send(&conduit, "contact", json!({"email": format!("p{sent}@shop.example")}));
        (counted(&conduit, "dropped") > 0).then_some(())
    });
    assert_eq!(conduit.settled().processed, sent);
    assert_eq!(counted(&conduit, "exported"), 0);

    let collector = Collector::at(port);
    wait_for("spans to be exported", || {
        (counted(&conduit, "exported") > 0).then_some(())
    });
    assert!(!collector.spans().is_empty());
    wait_for("it to be said", || {
        (!conduit.log_lines("traces are exported again").is_empty()).then_some(())
    });
    assert_eq!(conduit.log_lines("traces are not exported").len(), 1);
    assert_eq!(conduit.stop(), Some(0));
}

#[test]
fn a_wrong_endpoint_is_a_wrong_configuration_and_none_is_off() {
    let conduit = Conduit::start();
    for wrong in ["collector:4318", "ftp://collector", "http://user:s3cret@collector:4318"] {
        let mut command = conduit.command();
        command
            .args(["config", "check"])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", wrong);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            text.contains("telemetry.otlp_endpoint") && !text.contains("s3cret"),
            "{text}"
        );
    }
    assert_eq!((counted(&conduit, "exported"), counted(&conduit, "dropped")), (0, 0));
    let threads = std::fs::read_dir(format!("/proc/{}/task", conduit.pid()))
        .unwrap()
        .flatten();
    let names: Vec<String> = threads
        .map(|thread| std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default())
        .collect();
    assert!(
        names.iter().any(|name| name.starts_with("conduit-journal")),
        "{names:?}"
    );
    assert!(
        !names.iter().any(|name| name.starts_with("conduit-traces")),
        "{names:?}"
    );
}
