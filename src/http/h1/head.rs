//! The head of a request (RFC 9112, sections 2 to 6).

use actix_web::http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use actix_web::http::{Method, Uri, Version};
use bytes::{Bytes, BytesMut};

use super::super::authority;
use super::super::problem::Problem;
use crate::code::Code;

/// Bytes of a head. A longer one is refused.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// Lines of header fields. More are refused.
const MAX_FIELDS: usize = 96;

/// A request without its body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) length: Length,
    /// The client goes on using the connection.
    pub(super) is_kept: bool,
    /// The client waits for a 100 before it sends the body (RFC 9110, section 10.1.1).
    pub(super) is_awaiting: bool,
}

/// How long a body is (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Bytes(u64),
    Chunked,
}

/// Takes a head off the beginning of `input`. Returns `None` if its end has not come yet.
///
/// # Errors
/// The head is malformed. The connection cannot be read on then.
pub(super) fn take(input: &mut BytesMut) -> Result<Option<Head>, Problem> {
    let mut fields = [const { std::mem::MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let status = request
        .parse_with_uninit_headers(input, &mut fields)
        .map_err(malformed)?;
    let httparse::Status::Complete(length) = status else {
        return Ok(None);
    };
    let start = input.as_ptr().addr();
    let place = |part: &[u8]| {
        let at = part.as_ptr().addr() - start;
        at..at + part.len()
    };
    let method = Method::from_bytes(request.method.unwrap_or_default().as_bytes())
        .map_err(|_| wrong("the method is not a token"))?;
    let target = place(request.path.unwrap_or_default().as_bytes());
    let version = if request.version == Some(1) {
        Version::HTTP_11
    } else {
        Version::HTTP_10
    };
    let mut places = [const { (0, 0, 0, 0) }; MAX_FIELDS];
    let count = request.headers.len();
    for (field, kept) in request.headers.iter().zip(&mut places) {
        let (name, value) = (place(field.name.as_bytes()), place(field.value));
        *kept = (name.start, name.end, value.start, value.end);
    }
    let text = input.split_to(length).freeze();
    let uri = uri(&text, target, &method)?;
    let mut headers = HeaderMap::with_capacity(count);
    for (name, name_end, value, value_end) in &places[..count] {
        let name = HeaderName::from_bytes(&text[*name..*name_end]).map_err(|_| wrong("a header's name is no token"))?;
        let value = HeaderValue::from_maybe_shared(text.slice(*value..*value_end))
            .map_err(|_| wrong("a header's value has a control character"))?;
        headers.append(name, value);
    }
    authority::settle(&uri, version, &mut headers)?;
    let length = body_length(&headers, version)?;
    Ok(Some(Head {
        is_kept: is_kept(&headers, version),
        is_awaiting: version == Version::HTTP_11 && has_token(&headers, &EXPECT, b"100-continue"),
        method,
        uri,
        version,
        headers,
        length,
    }))
}

fn uri(text: &Bytes, target: std::ops::Range<usize>, method: &Method) -> Result<Uri, Problem> {
    let target = text.slice(target);
    let is_origin_form = target.first() == Some(&b'/');
    let is_of_server = *target == *b"*" && *method == Method::OPTIONS;
    let uri = Uri::from_maybe_shared(target).map_err(|_| wrong("the request's target is not a valid URI"))?;
    let is_absolute = uri.authority().is_some() && matches!(uri.scheme_str(), Some("http" | "https"));
    let is_of_tunnel = *method == Method::CONNECT && uri.authority().is_some();
    if is_origin_form || is_of_server || is_absolute || is_of_tunnel {
        return Ok(uri);
    }
    Err(wrong("the request's target is neither a path nor an http URI"))
}

/// Returns the length of the body. Refuses an uncertain length, because the body could be read as the next request.
fn body_length(headers: &HeaderMap, version: Version) -> Result<Length, Problem> {
    let mut codings = headers.get_all(TRANSFER_ENCODING);
    let mut lengths = headers.get_all(CONTENT_LENGTH);
    if let Some(coding) = codings.next() {
        if version < Version::HTTP_11 {
            return Err(wrong("HTTP/1.0 has no Transfer-Encoding"));
        }
        if lengths.next().is_some() {
            return Err(wrong("Content-Length and Transfer-Encoding contradict each other"));
        }
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(wrong("Transfer-Encoding takes chunked only"));
        }
        return Ok(Length::Chunked);
    }
    let Some(length) = lengths.next() else {
        return Ok(Length::Bytes(0));
    };
    if lengths.next().is_some() {
        return Err(wrong("Content-Length is there more than once"));
    }
    let digits = length.as_bytes();
    let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
    match number {
        // The parser takes a sign as well.
        Some(bytes) if digits.iter().all(u8::is_ascii_digit) => Ok(Length::Bytes(bytes)),
        _ => Err(wrong("Content-Length is not a number")),
    }
}

/// Returns whether the connection goes on (RFC 9112, section 9.3).
fn is_kept(headers: &HeaderMap, version: Version) -> bool {
    if has_token(headers, &CONNECTION, b"close") {
        return false;
    }
    version == Version::HTTP_11 || has_token(headers, &CONNECTION, b"keep-alive")
}

/// Returns whether a list that may go over several lines has a token.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &[u8]) -> bool {
    let mut members = headers
        .get_all(name)
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    members.any(|member| member.trim_ascii().eq_ignore_ascii_case(token))
}

fn wrong(detail: &str) -> Problem {
    Problem::bad_request(Code::RequestInvalid, format!("{detail}: check the client"))
}

/// Returns the refusal of a head that is longer than [`MAX_BYTES`].
pub(super) fn too_long(input: &[u8]) -> Problem {
    if input.contains(&b'\n') {
        Problem::head_too_large()
    } else {
        Problem::uri_too_long()
    }
}

fn malformed(error: httparse::Error) -> Problem {
    wrong(match error {
        httparse::Error::HeaderName => "a header's name has a character that it must not have",
        httparse::Error::HeaderValue => "a header's value has a control character",
        httparse::Error::NewLine => "a line of the request's head does not end as it should",
        httparse::Error::TooManyHeaders => return Problem::head_too_large(),
        httparse::Error::Version => return Problem::version_unsupported(),
        httparse::Error::Token | httparse::Error::Status => "the request does not begin with a method and a target",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Head>, Problem> {
        take(&mut BytesMut::from(text))
    }

    fn length(fields: &str) -> Result<Length, Problem> {
        read(&format!("POST /x HTTP/1.1\r\nHost: x\r\n{fields}\r\n")).map(|head| head.unwrap().length)
    }

    #[test]
    fn a_head_is_taken_and_what_follows_stays() {
        let mut input = BytesMut::from("\r\nPUT /a?b=c HTTP/1.1\r\nHost: x\r\nX-One:  1 \r\nx-one: 2\r\n\r\nbody");
        let head = take(&mut input).unwrap().unwrap();
        assert_eq!(
            (head.method, head.version, &input[..]),
            (Method::PUT, Version::HTTP_11, &b"body"[..])
        );
        assert_eq!(head.uri, "/a?b=c");
        let values: Vec<_> = head
            .headers
            .get_all("x-one")
            .map(|value| value.to_str().unwrap())
            .collect();
        assert_eq!(values, ["1", "2"]);
        for part in [
            "",
            "GET",
            "GET / HTTP/1.1\r\nHost: x\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\r",
        ] {
            assert!(read(part).unwrap().is_none(), "{part:?}");
        }
    }

    #[test]
    fn the_length_of_a_body_is_certain_or_the_head_is_refused() {
        for (fields, expected) in [
            ("", Length::Bytes(0)),
            ("Content-Length: 0\r\n", Length::Bytes(0)),
            ("Content-Length: 12\r\n", Length::Bytes(12)),
            ("Transfer-Encoding: Chunked\r\n", Length::Chunked),
        ] {
            assert_eq!(length(fields).unwrap(), expected, "{fields}");
        }
        for fields in [
            "Content-Length: \r\n",
            "Content-Length: +1\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 1 2\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding: \x0bchunked\r\n",
            "Content-Length: 5\r\n folded\r\n",
        ] {
            assert_eq!(length(fields).unwrap_err().code(), Code::RequestInvalid, "{fields:?}");
        }
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(read(old).unwrap_err().code(), Code::RequestInvalid);
    }

    #[test]
    fn a_malformed_head_is_refused_with_its_reason() {
        let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(96));
        for (text, status, code) in [
            (
                "GET / HTTP/1.1\r\nHost: x\r\nx: a\x00b\r\n\r\n",
                400,
                Code::RequestInvalid,
            ),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nx: a\x1bb\r\n\r\n",
                400,
                Code::RequestInvalid,
            ),
            ("GET / HTTP/1.1\r\nHost: x\r\nx y: a\r\n\r\n", 400, Code::RequestInvalid),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
                400,
                Code::RequestInvalid,
            ),
            ("GET / HTTP/1.1\r\n\r\n", 400, Code::HostInvalid),
            ("GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400, Code::RequestInvalid),
            ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400, Code::RequestInvalid),
            ("GET ftp://x/y HTTP/1.1\r\nHost: x\r\n\r\n", 400, Code::RequestInvalid),
            ("G\x01T / HTTP/1.1\r\nHost: x\r\n\r\n", 400, Code::RequestInvalid),
            ("\x16\x03\x01\x02", 400, Code::RequestInvalid),
            ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, Code::HttpVersionUnsupported),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, Code::HttpVersionUnsupported),
            (&many, 431, Code::HeadTooLarge),
        ] {
            let problem = read(text).unwrap_err();
            assert_eq!((problem.status().as_u16(), problem.code()), (status, code), "{text:?}");
        }
        assert_eq!(too_long(b"GET /aaaa").code(), Code::UriTooLong);
        assert_eq!(too_long(b"GET / HTTP/1.1\r\nx: aaaa").code(), Code::HeadTooLarge);
    }

    #[test]
    fn the_connection_goes_on_as_the_client_says() {
        for (version, fields, kept) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: keep-alive\r\nConnection: Upgrade, CLOSE\r\n", false),
            ("1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", true),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ] {
            let head = read(&format!("GET / HTTP/{version}\r\nHost: x\r\n{fields}\r\n"))
                .unwrap()
                .unwrap();
            assert_eq!(head.is_kept, kept, "{version} {fields}");
        }
        let waits = |version: &str| {
            let text = format!("POST / HTTP/{version}\r\nHost: x\r\nExpect: 100-Continue\r\n\r\n");
            read(&text).unwrap().unwrap().is_awaiting
        };
        assert!(waits("1.1") && !waits("1.0"));
    }
}
