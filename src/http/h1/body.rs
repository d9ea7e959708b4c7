//! The body of a request, as it lies on the wire (RFC 9112, sections 6 and 7).

use bytes::{Buf as _, Bytes, BytesMut};

use super::head::Length;

/// Bytes of a line that says how long a chunk is, extensions included.
const MAX_SIZE_LINE: usize = 256;
/// Bytes of the fields behind the last chunk, which nobody reads.
const MAX_TRAILERS: usize = 8 * 1024;

/// The rest of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Bytes(u64),
    /// Before the line that says how long the next chunk is.
    Size,
    /// In a chunk.
    Chunk(u64),
    /// Behind a chunk's data.
    ChunkEnd,
    /// Behind the last chunk, with so many bytes of fields already read.
    Trailers(usize),
    Done,
    /// The end of the body cannot be known.
    Broken,
}

/// The body is malformed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl From<Length> for Body {
    fn from(length: Length) -> Self {
        match length {
            Length::Bytes(0) => Self::Done,
            Length::Bytes(bytes) => Self::Bytes(bytes),
            Length::Chunked => Self::Size,
        }
    }
}

impl Body {
    /// Takes the next data off the beginning of `input`. Returns `None` if nothing more can be taken: the body is at its
    /// end, or more has to come.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
        loop {
            match *self {
                Self::Bytes(left) => {
                    let (data, left) = split(input, left);
                    *self = if left == 0 { Self::Done } else { Self::Bytes(left) };
                    return Ok(data);
                }
                Self::Chunk(left) => {
                    let (data, left) = split(input, left);
                    *self = if left == 0 { Self::ChunkEnd } else { Self::Chunk(left) };
                    return Ok(data);
                }
                Self::Size => match line(input, MAX_SIZE_LINE).map_err(|error| self.fail(error))? {
                    None => return Ok(None),
                    Some(text) => match size(&text).map_err(|error| self.fail(error))? {
                        0 => *self = Self::Trailers(0),
                        bytes => *self = Self::Chunk(bytes),
                    },
                },
                Self::ChunkEnd => match line(input, 0).map_err(|error| self.fail(error))? {
                    None => return Ok(None),
                    Some(_) => *self = Self::Size,
                },
                Self::Trailers(read) => {
                    let text = line(input, MAX_TRAILERS.saturating_sub(read)).map_err(|error| self.fail(error))?;
                    match text {
                        None => return Ok(None),
                        Some(text) if text.is_empty() => *self = Self::Done,
                        Some(text) if !is_field(&text) => return Err(self.fail(Malformed)),
                        Some(text) => *self = Self::Trailers(read + text.len() + 2),
                    }
                }
                Self::Done => return Ok(None),
                Self::Broken => return Err(Malformed),
            }
        }
    }

    fn fail(&mut self, error: Malformed) -> Malformed {
        *self = Self::Broken;
        error
    }
}

/// Takes the available bytes, `left` at most. Returns them with the new rest.
fn split(input: &mut BytesMut, left: u64) -> (Option<Bytes>, u64) {
    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    let data = (take > 0).then(|| input.split_to(take).freeze());
    (data, left - take as u64)
}

/// Takes a line of so many bytes at most, without its end, which is CRLF.
fn line(input: &mut BytesMut, most: usize) -> Result<Option<Bytes>, Malformed> {
    let Some(end) = input.iter().take(most + 2).position(|byte| *byte == b'\n') else {
        return if input.len() < most + 2 {
            Ok(None)
        } else {
            Err(Malformed)
        };
    };
    let text = input.split_to(end).freeze();
    input.advance(1);
    match text.split_last() {
        Some((b'\r', _)) => Ok(Some(text.slice(..text.len() - 1))),
        _ => Err(Malformed),
    }
}

/// Returns whether a line is a field: a name of token characters, a colon, and a value without control characters
/// (RFC 9110, sections 5.1, 5.5 and 5.6.2).
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return false;
    };
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_text = |byte: &u8| !byte.is_ascii_control() || *byte == b'\t';
    colon > 0 && line[..colon].iter().all(is_token) && line[colon..].iter().all(is_text)
}

/// Returns the size that a chunk's first line says.
fn size(text: &[u8]) -> Result<u64, Malformed> {
    let (digits, extension) = match text.iter().position(|byte| *byte == b';') {
        Some(at) => text.split_at(at),
        None => (text, &[][..]),
    };
    // White space is allowed before an extension only, which is not read.
    let digits = if extension.is_empty() {
        digits
    } else {
        digits.trim_ascii_end()
    };
    let is_text = extension.iter().all(|byte| !byte.is_ascii_control() || *byte == b'\t');
    if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_hexdigit) || !is_text {
        return Err(Malformed);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Malformed)?;
    u64::from_str_radix(text, 16).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a text in parts of so many bytes. Returns the data, and the rest of the text after the body's end.
    fn feed(text: &[u8], part: usize) -> Result<(Vec<u8>, Vec<u8>), Malformed> {
        let (mut body, mut input, mut data) = (Body::Size, BytesMut::new(), Vec::new());
        let mut parts = text.chunks(part);
        loop {
            while let Some(bytes) = body.take(&mut input)? {
                data.extend_from_slice(&bytes);
            }
            if body == Body::Done {
                let rest = parts.flatten().copied();
                return Ok((data, input.iter().copied().chain(rest).collect()));
            }
            let Some(more) = parts.next() else {
                return Ok((data, b"(more)".to_vec()));
            };
            input.extend_from_slice(more);
        }
    }

    #[test]
    fn chunks_are_put_together_however_they_come() {
        let text =
            b"4\r\nwiki\r\n5;name=\"a b\"\r\npedia\r\nE \t; x\r\n in\r\n\r\nchunks.\r\n00\r\nX-Sum: 1\r\n\r\nGET /";
        for part in [1, 2, 3, 7, 1_000] {
            let (data, rest) = feed(text, part).unwrap();
            assert_eq!(
                (&data[..], &rest[..]),
                (&b"wikipedia in\r\n\r\nchunks."[..], &b"GET /"[..]),
                "{part}"
            );
        }
    }

    #[test]
    fn malformed_chunks_are_told() {
        let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(300));
        let trailers = format!("0\r\nX: {}\r\n\r\n", "x".repeat(9_000));
        for text in [
            "zz\r\n",
            "\r\n",
            " 4\r\n",
            "4 \r\n",
            "0x4\r\n",
            "+4\r\n",
            "-1\r\n",
            "4\nwiki\r\n",
            "4\r\nwikix\r\n",
            "4\r\nwiki\n",
            "fffffffffffffffff\r\n",
            "4;\x01\r\n",
            "4\rwiki\r\n",
            "0\r\nX: \x01\r\n\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\n: no name\r\n\r\n",
            "0\r\nX : 1\r\n\r\n",
            "0\r\n folded: 1\r\n\r\n",
            "0\r\nX: 1\r\n folded\r\n\r\n",
            &long,
            &trailers,
        ] {
            for part in [1, 1_000] {
                assert_eq!(feed(text.as_bytes(), part), Err(Malformed), "{text:?}");
            }
        }
    }

    #[test]
    fn a_length_is_counted_down() {
        let mut body = Body::from(Length::Bytes(6));
        let mut input = BytesMut::from("abcd");
        assert_eq!(body.take(&mut input).unwrap().unwrap(), "abcd");
        assert_eq!((body.take(&mut input).unwrap(), body), (None, Body::Bytes(2)));
        input.extend_from_slice(b"efGET");
        assert_eq!(body.take(&mut input).unwrap().unwrap(), "ef");
        assert_eq!(
            (body.take(&mut input).unwrap(), body, &input[..]),
            (None, Body::Done, &b"GET"[..])
        );
        assert_eq!(Body::from(Length::Bytes(0)), Body::Done);
    }
}
