//! The head of an answer, and chunks of its body (RFC 9112, sections 4, 6 and 7).

use std::io::Write as _;

use actix_http::body::BodySize;
use actix_http::{ResponseHead, ServiceConfig};
use actix_web::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, TRANSFER_ENCODING, UPGRADE};
use actix_web::http::{StatusCode, Version};
use bytes::{BufMut as _, BytesMut};

/// How a client sees where an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By its length, or it has no body.
    Length,
    Chunks,
    /// By the end of the connection: HTTP/1.0 knows no chunks.
    Close,
}

/// The properties of a request that its answer depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) version: Version,
    pub(super) is_head: bool,
}

/// Returns whether an answer has a body (RFC 9110, section 6.4.1).
pub(super) fn has_body(request: Request, status: StatusCode, size: BodySize) -> bool {
    let is_bodiless = status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    !request.is_head && !is_bodiless && !matches!(size, BodySize::None | BodySize::Sized(0))
}

/// Returns how the end of a body is shown.
pub(super) fn end(request: Request, size: BodySize) -> End {
    match size {
        BodySize::None | BodySize::Sized(_) => End::Length,
        BodySize::Stream if request.version == Version::HTTP_11 => End::Chunks,
        BodySize::Stream => End::Close,
    }
}

/// Returns whether an answer goes on for as long as its client listens (server-sent events). Such a client does not end its
/// side before it goes, as one that sends a file and waits may.
pub(super) fn is_live(head: &ResponseHead) -> bool {
    let kind = head.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Writes the head of an answer.
pub(super) fn write_head(
    output: &mut BytesMut,
    head: &ResponseHead,
    request: Request,
    size: BodySize,
    is_kept: bool,
    clock: &ServiceConfig,
) {
    output.reserve(256 + 48 * head.headers.len());
    output.put_slice(if request.version == Version::HTTP_10 {
        b"HTTP/1.0 "
    } else {
        b"HTTP/1.1 "
    });
    output.put_slice(head.status.as_str().as_bytes());
    output.put_u8(b' ');
    output.put_slice(head.reason().as_bytes());
    output.put_slice(b"\r\n");
    // RFC 9110, section 8.6: the length of these answers is unknown.
    if !head.status.is_informational() && !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        match (size, end(request, size)) {
            (BodySize::Sized(bytes), _) => {
                // Writing to memory does not fail.
                let _ = write!(output.writer(), "content-length: {bytes}\r\n");
            }
            (BodySize::None, _) => output.put_slice(b"content-length: 0\r\n"),
            (BodySize::Stream, End::Chunks) => output.put_slice(b"transfer-encoding: chunked\r\n"),
            (BodySize::Stream, _) => {}
        }
    }
    match (is_kept, request.version) {
        (false, Version::HTTP_11) => output.put_slice(b"connection: close\r\n"),
        (true, Version::HTTP_10) => output.put_slice(b"connection: keep-alive\r\n"),
        _ => {}
    }
    for (name, value) in head.headers.iter().filter(|(name, _)| !is_of_connection(name)) {
        output.reserve(name.as_str().len() + value.len() + 4);
        output.put_slice(name.as_str().as_bytes());
        output.put_slice(b": ");
        output.put_slice(value.as_bytes());
        output.put_slice(b"\r\n");
    }
    if !head.headers.contains_key(DATE) {
        clock.write_date_header(output, false);
    }
    output.put_slice(b"\r\n");
}

/// Returns whether a header belongs to the connection and not to a handler.
fn is_of_connection(name: &HeaderName) -> bool {
    *name == CONNECTION || *name == TRANSFER_ENCODING || *name == CONTENT_LENGTH || *name == UPGRADE
}

/// Writes data of a body.
pub(super) fn write_data(output: &mut BytesMut, data: &[u8], end: End) {
    match end {
        // A chunk without data would be the last.
        End::Chunks if data.is_empty() => {}
        End::Chunks => {
            let _ = write!(output.writer(), "{:x}\r\n", data.len());
            output.put_slice(data);
            output.put_slice(b"\r\n");
        }
        End::Length | End::Close => output.put_slice(data),
    }
}

/// Writes the end of a body.
pub(super) fn write_end(output: &mut BytesMut, end: End) {
    if end == End::Chunks {
        output.put_slice(b"0\r\n\r\n");
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn written(status: StatusCode, request: Request, size: BodySize, is_kept: bool) -> String {
        let mut head = ResponseHead::new(status);
        head.headers.insert(DATE, HeaderValue::from_static("today"));
        head.headers.insert(UPGRADE, HeaderValue::from_static("h2c"));
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("9"));
        let mut output = BytesMut::new();
        write_head(&mut output, &head, request, size, is_kept, &ServiceConfig::default());
        String::from_utf8(output.to_vec()).unwrap()
    }

    const NEW: Request = Request {
        version: Version::HTTP_11,
        is_head: false,
    };
    const OLD: Request = Request {
        version: Version::HTTP_10,
        is_head: false,
    };

    #[actix_web::test]
    async fn a_head_says_where_the_answer_ends_and_whether_the_connection_does() {
        for (status, request, size, is_kept, expected) in [
            (
                200,
                NEW,
                BodySize::Sized(5),
                true,
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ndate: today\r\n\r\n",
            ),
            (
                404,
                NEW,
                BodySize::None,
                true,
                "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\ndate: today\r\n\r\n",
            ),
            (
                200,
                NEW,
                BodySize::Stream,
                false,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\ndate: today\r\n\r\n",
            ),
            (
                200,
                OLD,
                BodySize::Stream,
                false,
                "HTTP/1.0 200 OK\r\ndate: today\r\n\r\n",
            ),
            (
                200,
                OLD,
                BodySize::Sized(0),
                true,
                "HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\ndate: today\r\n\r\n",
            ),
            (
                204,
                NEW,
                BodySize::Sized(0),
                true,
                "HTTP/1.1 204 No Content\r\ndate: today\r\n\r\n",
            ),
            (
                304,
                NEW,
                BodySize::None,
                true,
                "HTTP/1.1 304 Not Modified\r\ndate: today\r\n\r\n",
            ),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(written(status, request, size, is_kept), expected);
        }
    }

    #[test]
    fn a_body_is_there_or_not_whatever_the_handler_gave() {
        let head = Request { is_head: true, ..NEW };
        assert!(has_body(NEW, StatusCode::OK, BodySize::Stream) && has_body(NEW, StatusCode::OK, BodySize::Sized(1)));
        for (request, status, size) in [
            (head, StatusCode::OK, BodySize::Sized(1)),
            (NEW, StatusCode::NO_CONTENT, BodySize::Stream),
            (NEW, StatusCode::NOT_MODIFIED, BodySize::Sized(1)),
            (NEW, StatusCode::OK, BodySize::Sized(0)),
        ] {
            assert!(!has_body(request, status, size));
        }
    }

    #[test]
    fn data_is_framed() {
        let mut output = BytesMut::new();
        write_data(&mut output, b"wikipedia in", End::Chunks);
        write_data(&mut output, b"", End::Chunks);
        write_end(&mut output, End::Chunks);
        write_data(&mut output, b"plain", End::Length);
        write_end(&mut output, End::Length);
        assert_eq!(&output[..], b"c\r\nwikipedia in\r\n0\r\n\r\nplain");
    }
}
