//! JSON (RFC 8259) as senders write it.
//!
//! Numbers keep the digits that were sent, names that occur twice are seen, and a byte order mark before the text is
//! skipped. The edge walks a body without building anything; the pipeline builds a [`Json`] that borrows from the body.

mod number;
mod reader;
mod tree;
mod walk;

pub use number::{integer, number};
pub use tree::{Json, Members};
pub(crate) use walk::Walk;
pub use walk::{Member, check, members};

/// Objects and arrays within each other that a tree may have: more than any body that the edge accepts.
const MAX_TREE_DEPTH: usize = 128;

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFault {
    /// The kind of the fault.
    pub kind: JsonFaultKind,
    /// From 1, as editors count.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// The kind of a fault in a text that is not JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonFaultKind {
    /// Not UTF-8.
    Encoding,
    /// Not JSON's grammar; a text in quotation marks with half a surrogate pair is such a fault as well.
    Syntax,
    /// Nested too deep.
    Depth,
    /// An object has a name twice: the pointer (RFC 6901) to it.
    Repeated(String),
}

impl JsonFault {
    /// Finds line and column of a place in a text.
    fn at(kind: JsonFaultKind, text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            kind,
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line..].chars().count() + 1,
        }
    }

    const fn encoding() -> Self {
        Self {
            kind: JsonFaultKind::Encoding,
            line: 1,
            column: 1,
        }
    }
}

/// Returns a body without the byte order mark that some systems put before the text.
#[must_use]
pub fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(MARK).unwrap_or(body)
}

/// Returns a body's text, without its byte order mark.
fn text_of(body: &[u8]) -> Result<&str, JsonFault> {
    std::str::from_utf8(without_mark(body)).map_err(|_| JsonFault::encoding())
}

/// Appends a name to a JSON Pointer (RFC 6901).
pub fn push_name(pointer: &mut String, name: &str) {
    pointer.push('/');
    if name.contains(['~', '/']) {
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
    } else {
        pointer.push_str(name);
    }
}

#[cfg(test)]
mod tests;
