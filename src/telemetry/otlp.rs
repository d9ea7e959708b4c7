//! Spans as OTLP has them: protobuf (opentelemetry/proto/collector/trace/v1, stable since 1.0), as far as it is needed.
//!
//! The exporter is our own code. The queue of the OpenTelemetry SDK drops spans without counting them, and its spans cost
//! so much at the event endpoint that they change the measurement.

use std::time::{SystemTime, UNIX_EPOCH};

use super::span::{Attributes, Kind, Span, Value};

/// The flag of a trace that is recorded.
const SAMPLED: u32 = 1;

/// A message in the making. Fields are written in the order of their numbers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    fn number(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        self.varint(value);
    }

    fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn attributes(&mut self, field: u32, attributes: &Attributes) {
        for (key, value) in attributes {
            self.message(field, |pair| {
                pair.bytes(1, key.as_bytes());
                pair.message(2, |any| match value {
                    Value::Text(text) => any.bytes(1, text.as_bytes()),
                    Value::Number(number) => any.number(3, number.cast_unsigned()),
                });
            });
        }
    }
}

/// Returns the common part of all spans: the message `Resource`.
pub(super) fn resource(attributes: &[(&'static str, &str)]) -> Vec<u8> {
    let owned = attributes
        .iter()
        .map(|(key, value)| (*key, Value::from((*value).to_owned())));
    let mut message = Message::default();
    message.attributes(1, &owned.collect());
    message.0
}

/// Returns the message `ExportTraceServiceRequest`.
pub(super) fn request(resource: &[u8], spans: &[Span]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |resource_spans| {
        resource_spans.bytes(1, resource);
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.bytes(1, b"conduit");
                scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
            });
            for span in spans {
                scope_spans.message(2, |message| write(message, span));
            }
        });
    });
    request.0
}

fn write(message: &mut Message, span: &Span) {
    message.bytes(1, &span.context.trace);
    message.bytes(2, &span.context.span);
    if let Some(parent) = &span.parent {
        message.bytes(4, parent);
    }
    message.bytes(5, span.name.as_bytes());
    message.number(
        6,
        match span.kind {
            Kind::Internal => 1,
            Kind::Server => 2,
        },
    );
    message.fixed64(7, nanos(span.began));
    message.fixed64(8, nanos(span.ended));
    message.attributes(9, &span.attributes);
    for (context, attributes) in &span.links {
        message.message(13, |link| {
            link.bytes(1, &context.trace);
            link.bytes(2, &context.span);
            link.attributes(4, attributes);
            link.fixed32(6, SAMPLED);
        });
    }
    if span.failed {
        message.message(15, |status| status.number(3, 2));
    }
    message.fixed32(16, SAMPLED);
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
