//! The spans of batches.

use conduit_actors::ids::EventId;
use conduit_actors::ports::{BatchTraces, TracedBatch};

use super::context::SpanContext;
use super::span::{Kind, Span};
use super::tracer::Tracer;

/// Links that a batch's span has, at most.
const MAX_LINKS: usize = 128;

impl Tracer {
    /// Notes that an event came by the request with this span.
    pub fn note(&self, event: EventId, request: SpanContext) {
        self.links.note(event, request);
    }
}

impl BatchTraces for Tracer {
    fn traced(&self, events: &mut dyn Iterator<Item = EventId>) -> Vec<EventId> {
        self.links.find(events)
    }

    fn ended(&self, batch: TracedBatch) {
        let TracedBatch {
            shard,
            events,
            trace,
            failure,
        } = batch;
        let mut links = self.links.spans(&trace.traced, failure.is_none());
        links.truncate(MAX_LINKS);
        let context = SpanContext::root();
        let number = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let ended = trace.stages.iter().map(|(_, stretch)| stretch.ended).max();
        let ended = ended.unwrap_or(trace.began);
        // Claims are a part of the resolution, which is noted before them.
        let mut resolve = None;
        for (name, stretch) in &trace.stages {
            let own = context.child();
            let parent = match *name {
                "resolve" => {
                    resolve = Some(own.span);
                    context.span
                }
                "claim" => resolve.unwrap_or(context.span),
                _ => context.span,
            };
            self.record(Span {
                context: own,
                parent: Some(parent),
                name: (*name).into(),
                kind: Kind::Internal,
                began: stretch.began,
                ended: stretch.ended,
                attributes: Vec::new(),
                links: Vec::new(),
                failed: false,
            });
        }
        let mut attributes = vec![
            ("conduit.shard", number(shard).into()),
            ("conduit.batch.events", number(events).into()),
        ];
        attributes.extend(failure.map(|word| ("error.type", word.into())));
        let link = |(event, span): (EventId, SpanContext)| (span, vec![("conduit.event_id", event.to_string().into())]);
        self.record(Span {
            context,
            parent: None,
            name: "batch".into(),
            kind: Kind::Internal,
            began: trace.began,
            ended,
            attributes,
            links: links.into_iter().map(link).collect(),
            failed: failure.is_some(),
        });
    }
}
