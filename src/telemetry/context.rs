//! W3C Trace Context: which trace, which span.

use rand::Rng as _;

/// A span's place: its trace and itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace.
    pub trace: [u8; 16],
    /// The span.
    pub span: [u8; 8],
}

impl SpanContext {
    /// Creates a new trace with its first span.
    #[must_use]
    pub fn root() -> Self {
        Self {
            trace: random(),
            span: random(),
        }
    }

    /// Creates another span of the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            trace: self.trace,
            span: random(),
        }
    }
}

/// Returns random bytes. All zeros would mean none, but are too improbable to occur.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// Reads a `traceparent`, and whether its trace is recorded. A malformed one is ignored (Trace Context, 3.2.2). For
/// unknown versions, the known parts are read.
pub(super) fn parse(text: &str) -> Option<(SpanContext, bool)> {
    let mut parts = text.trim().split('-');
    let mut part = |length: usize| parts.next().filter(|part| part.len() == length);
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let [version] = hex(version)?;
    if version == 0xff || (version == 0 && parts.next().is_some()) {
        return None;
    }
    let context = SpanContext {
        trace: hex(trace)?,
        span: hex(span)?,
    };
    let [flags] = hex(flags)?;
    let is_valid = context.trace != [0; 16] && context.span != [0; 8];
    is_valid.then_some((context, flags & 1 == 1))
}

/// Returns `None` for upper case as well, as the standard says.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    conduit_actors::hex::parse(text).filter(|_| is_lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let (context, sampled) = parse(&format!("00-{trace}-00f067aa0ba902b7-01")).unwrap();
        assert_eq!((context.trace[0], context.span[7], sampled), (0x4b, 0xb7, true));
        assert!(!parse(&format!("00-{trace}-00f067aa0ba902b7-00")).unwrap().1);
        // A later version may have more behind it.
        assert!(parse(&format!("cc-{trace}-00f067aa0ba902b7-01-what-comes")).is_some());
        for wrong in [
            String::new(),
            "garbage".to_owned(),
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{trace}-00f067aa0ba902b7-01-more"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{trace}-00f067aa0ba902b7"),
            format!("00-{trace}x-00f067aa0ba902b7-01"),
            format!("00-{}é-00f067aa0ba902b7-01", &trace[2..]),
        ] {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_child_stays_in_its_trace() {
        let root = SpanContext::root();
        let child = root.child();
        assert_eq!(root.trace, child.trace);
        assert_ne!(root.span, child.span);
        assert_ne!(root.trace, SpanContext::root().trace);
    }
}
