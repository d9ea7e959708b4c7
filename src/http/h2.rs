//! One HTTP/2 connection (RFC 9113): under limits of our own, and ended without losing an answer.
//!
//! - An answer ends with its last frame, and is written at once.
//! - A body is read when its handler asks for it, so a 100 goes only to clients whose body is wanted (RFC 9110,
//!   10.1.1).
//! - The unread rest of a body is discarded, within bounds, before the stream is reset: many clients lose an answer
//!   that is followed by a reset.
//!
//! The h2 crate has the frames. The serving is our own code, because the framework limits neither streams nor heads, and
//! lets idle connections delay a stop.

mod frames;
mod gathered;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::error::PayloadError;
use actix_http::{Payload, Request, RequestHead, Response, ResponseHead, ServiceConfig};
use actix_service::Service;
use actix_web::Error;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{self as names, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, Uri, Version};
use bytes::{Bytes, BytesMut};
use futures_util::future::poll_fn;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http1::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING, UPGRADE};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::timeout;

use super::authority;
use super::host::{Client, Host, Patience, REMAINDER, REMAINDER_TIME};
use super::problem::Problem;
use crate::code::Code;
use frames::Frames;
use gathered::Gathered;

/// Streams, that is requests under way, on one connection. More are refused, to be tried again.
const MAX_STREAMS: u32 = 256;
/// Bytes of a request's head, as RFC 9113, 6.5.2 counts them. A larger one is answered 431.
const MAX_HEAD_BYTES: u32 = 32 * 1024;
/// Bytes of a body that may come before they are asked for.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same, for all bodies of a connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of an answer that wait for the client, for each stream.
const SEND_BUFFER: usize = 64 * 1024;
/// How long a client may take to hear that the connection ends, once nothing is under way.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes that are handed over at a time.
const CHUNK: usize = 16 * 1024;

/// Serves a connection until it ends: by itself, idle for too long, or told to stop and all that came answered.
///
/// # Errors
/// The connection broke off.
pub(super) async fn serve<I, S>(io: I, client: Client, host: Rc<Host<S>>) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    let mut io = Gathered::new(io);
    let served = streams(&mut io, client, host).await;
    // A connection that is only dropped looks cut off: TLS has an end of its own (RFC 8446, 6.1).
    let _ = timeout(LINGER, end(&mut io)).await;
    served.map_err(io::Error::other)
}

/// Ends our side, and reads until the client ends its own.
async fn end(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    io.shutdown().await?;
    let mut ignored = [0; 1024];
    while io.read(&mut ignored).await? > 0 {}
    Ok(())
}

async fn streams<I, S>(io: &mut I, client: Client, host: Rc<Host<S>>) -> Result<(), h2::Error>
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER);
    // A started frame has to end in time, even while other requests are under way.
    let io = Frames::new(io, host.patience.request);
    let Ok(connection) = timeout(host.patience.request, builder.handshake(io)).await else {
        return Ok(());
    };
    let mut connection: Connection<_, Bytes> = connection?;
    // Each request under way holds a receiver.
    let (under_way, _) = watch::channel(());
    let mut stop = pin!(host.stop.notified());
    let mut stopping = false;
    let mut is_used = false;
    loop {
        let idle = async {
            under_way.closed().await;
            let idle = if is_used {
                host.patience.idle
            } else {
                host.patience.first()
            };
            tokio::time::sleep(if stopping { LINGER } else { idle }).await;
        };
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(accepted) => {
                    is_used = true;
                    let (request, respond) = accepted?;
                    let (host, held, busy) = (Rc::clone(&host), under_way.subscribe(), client.presence.busy());
                    let peer = client.peer;
                    tokio::task::spawn_local(async move {
                        handle(request, respond, peer, &host).await;
                        drop((held, busy));
                    });
                }
                None => return Ok(()),
            },
            () = &mut stop, if !stopping => {
                stopping = true;
                connection.graceful_shutdown();
            }
            () = idle => {
                if !stopping {
                    stopping = true;
                    connection.graceful_shutdown();
                    continue;
                }
                // The client does not say that it has heard.
                connection.abrupt_shutdown(Reason::NO_ERROR);
                let _ = timeout(LINGER, poll_fn(|cx| connection.poll_closed(cx))).await;
                return Ok(());
            }
        }
    }
}

/// A body that comes, and the way to its client.
struct Exchange {
    body: RecvStream,
    respond: SendResponse<Bytes>,
    /// The client waits for a 100.
    is_awaiting: bool,
    /// Somebody has looked for the body.
    is_looked_for: bool,
}

impl Exchange {
    /// Reads on in the body. A client that waits for a 100 gets it first, because the body is wanted. The first look
    /// alone does not mean that: it may only look for bytes that are here already.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        if let Poll::Ready(chunk) = self.body.poll_data(cx) {
            self.is_awaiting = false;
            // Reading makes room for more.
            return Poll::Ready(chunk.map(|chunk| {
                let chunk = chunk.and_then(|chunk| {
                    let flow = self.body.flow_control();
                    flow.release_capacity(chunk.len()).map(|()| chunk)
                });
                chunk.map_err(|error| PayloadError::Io(io::Error::other(error)))
            }));
        }
        if self.is_awaiting && !std::mem::replace(&mut self.is_looked_for, true) {
            cx.waker().wake_by_ref();
        } else if std::mem::take(&mut self.is_awaiting) {
            let mut go_on = http1::Response::new(());
            *go_on.status_mut() = http1::StatusCode::CONTINUE;
            // A stream that has ended tells its reader itself.
            let _ = self.respond.send_informational(go_on);
        }
        Poll::Pending
    }
}

async fn handle<S>(
    request: http1::Request<RecvStream>,
    respond: SendResponse<Bytes>,
    peer: Option<SocketAddr>,
    host: &Host<S>,
) where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let (parts, body) = request.into_parts();
    let is_head = parts.method == http1::Method::HEAD;
    let is_whole = body.is_end_stream();
    let exchange = Rc::new(RefCell::new(Exchange {
        body,
        respond,
        is_awaiting: false,
        is_looked_for: false,
    }));
    let mut request = Request::with_payload(if is_whole { Payload::None } else { payload(&exchange) });
    let response = match fill(request.head_mut(), &parts) {
        Ok(()) => {
            request.head_mut().peer_addr = peer;
            exchange.borrow_mut().is_awaiting = !is_whole && is_awaiting(&parts.headers);
            match host.service.call(request).await {
                Ok(response) => response.into(),
                Err(error) => Response::from(error),
            }
        }
        Err(problem) => (host.refuse)(&problem),
    };
    let stream = exchange.borrow_mut().begin(&response, is_head, &host.clock);
    let answered = match stream {
        Ok(Some(stream)) => send_body(response, stream, host.patience).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    // The client may have gone, or the connection ended: then there is no reader.
    if let Err(error) = answered {
        tracing::debug!(%error, "an answer over HTTP/2 was not taken");
    } else if !is_whole {
        let _ = timeout(REMAINDER_TIME, discard(&exchange, host.patience.close)).await;
    }
}

fn payload(exchange: &Rc<RefCell<Exchange>>) -> Payload {
    let exchange = Rc::clone(exchange);
    Payload::Stream {
        payload: Box::pin(futures_util::stream::poll_fn(move |cx| {
            exchange.borrow_mut().poll_body(cx)
        })),
    }
}

/// Throws away what still comes of a body, until it ends or nothing comes for so long. Beyond the bound no more is asked for,
/// and the client has time to see its answer.
async fn discard(exchange: &RefCell<Exchange>, silence: Duration) {
    let mut left = REMAINDER;
    loop {
        let more = poll_fn(|cx| exchange.borrow_mut().body.poll_data(cx));
        let Ok(Some(Ok(chunk))) = timeout(silence, more).await else {
            return;
        };
        left = left.saturating_sub(chunk.len());
        if left > 0 {
            let mut exchange = exchange.borrow_mut();
            let _ = exchange.body.flow_control().release_capacity(chunk.len());
        }
    }
}

/// Writes the head of a request in the framework's terms.
fn fill(head: &mut RequestHead, parts: &http1::request::Parts) -> Result<(), Problem> {
    let wrong = || {
        Problem::bad_request(
            Code::RequestInvalid,
            "the request's head is malformed: check the client",
        )
    };
    head.version = Version::HTTP_2;
    head.method = Method::from_bytes(parts.method.as_str().as_bytes()).map_err(|_| wrong())?;
    let uri = |text: String| Uri::from_maybe_shared(Bytes::from(text)).map_err(|_| wrong());
    // `*` is no path: behind an authority it would be read as a part of that.
    let is_server = parts.uri.path() == "*";
    let target = match parts.uri.authority().filter(|_| is_server) {
        Some(authority) => uri(format!("https://{authority}/"))?,
        None => uri(parts.uri.to_string())?,
    };
    let mut headers = HeaderMap::with_capacity(parts.headers.len() + 1);
    for (name, value) in &parts.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).map_err(|_| wrong())?;
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong())?);
    }
    authority::settle(&target, Version::HTTP_2, &mut headers)?;
    head.uri = if is_server { Uri::from_static("*") } else { target };
    head.headers = headers;
    Ok(())
}

fn is_awaiting(headers: &http1::HeaderMap) -> bool {
    let lines = headers.get_all(http1::header::EXPECT).iter();
    let mut members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    members.any(|member| member.trim_ascii().eq_ignore_ascii_case(b"100-continue"))
}

impl Exchange {
    /// Sends the head of an answer. Returns the stream for its body, if it has one.
    fn begin(
        &mut self,
        response: &Response<BoxBody>,
        is_head: bool,
        clock: &ServiceConfig,
    ) -> Result<Option<SendStream<Bytes>>, h2::Error> {
        let size = response.body().size();
        let status = response.status();
        let is_bodiless = is_head || size.is_eof() || matches!(status.as_u16(), 204 | 304);
        let head = head(response.head(), size, clock);
        let stream = self.respond.send_response(head, is_bodiless)?;
        Ok((!is_bodiless).then_some(stream))
    }
}

/// Sends a body. Its last frame says that it is the last.
async fn send_body(
    response: Response<BoxBody>,
    mut stream: SendStream<Bytes>,
    patience: Patience,
) -> Result<(), h2::Error> {
    let body = response.into_body();
    let size = body.size();
    let mut body = match body.try_into_bytes() {
        Ok(bytes) => return send(&mut stream, bytes, true, patience).await.map(|_| ()),
        Err(body) => pin!(body),
    };
    let mut left = match size {
        BodySize::Sized(bytes) => Some(bytes),
        BodySize::None | BodySize::Stream => None,
    };
    let mut next = made(body.as_mut(), &mut stream).await?;
    loop {
        let chunk = match next {
            Some(Ok(chunk)) => chunk,
            // A body that is longer or shorter than was said would break a rule as well.
            Some(Err(_)) => {
                // An answer that was begun can only be broken off.
                stream.send_reset(Reason::INTERNAL_ERROR);
                return Ok(());
            }
            None => return stream.send_data(Bytes::new(), true),
        };
        left = left.map(|left| left.saturating_sub(chunk.len() as u64));
        // Often it is already known whether this is the last one. Later data is not waited for.
        let after = match left {
            Some(0) => Poll::Ready(None),
            _ => poll_fn(|cx| Poll::Ready(body.as_mut().poll_next(cx))).await,
        };
        let is_last = matches!(after, Poll::Ready(None));
        if !send(&mut stream, chunk, is_last, patience).await? {
            stream.send_reset(Reason::CANCEL);
            return Ok(());
        }
        next = match after {
            Poll::Ready(None) => return Ok(()),
            Poll::Ready(next) => next,
            Poll::Pending => made(body.as_mut(), &mut stream).await?,
        };
    }
}

/// Waits for the next part of a body, and no longer than the client wants it.
async fn made(
    mut body: Pin<&mut BoxBody>,
    stream: &mut SendStream<Bytes>,
) -> Result<Option<Result<Bytes, <BoxBody as MessageBody>::Error>>, h2::Error> {
    poll_fn(|cx| match stream.poll_reset(cx) {
        Poll::Ready(ended) => Poll::Ready(Err(ended.map_or_else(|error| error, h2::Error::from))),
        Poll::Pending => body.as_mut().poll_next(cx).map(Ok),
    })
    .await
}

/// Sends as the client makes room; whether it took all.
async fn send(
    stream: &mut SendStream<Bytes>,
    mut chunk: Bytes,
    is_last: bool,
    patience: Patience,
) -> Result<bool, h2::Error> {
    let is_empty = chunk.is_empty();
    while !chunk.is_empty() {
        stream.reserve_capacity(chunk.len().min(CHUNK));
        match timeout(patience.request, poll_fn(|cx| stream.poll_capacity(cx))).await {
            Err(_) | Ok(None) => return Ok(false),
            Ok(Some(room)) => {
                let part = chunk.split_to(room?.min(chunk.len()));
                stream.send_data(part, is_last && chunk.is_empty())?;
            }
        }
    }
    if is_last && is_empty {
        stream.send_data(Bytes::new(), true)?;
    }
    Ok(true)
}

fn head(from: &ResponseHead, size: BodySize, clock: &ServiceConfig) -> http1::Response<()> {
    let mut head = http1::Response::new(());
    *head.status_mut() = http1::StatusCode::from_u16(from.status.as_u16()).unwrap_or(http1::StatusCode::OK);
    *head.version_mut() = http1::Version::HTTP_2;
    let headers = head.headers_mut();
    // These speak of a connection, of which HTTP/2 speaks in frames (RFC 9113, 8.2.2).
    let of_connection = |name: &http1::HeaderName| {
        [CONNECTION, TRANSFER_ENCODING, UPGRADE, CONTENT_LENGTH].contains(name) || name == "keep-alive"
    };
    for (name, value) in &from.headers {
        let name = http1::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = http1::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value)
            && !of_connection(&name)
        {
            headers.append(name, value);
        }
    }
    if let BodySize::Sized(length) = size
        && !matches!(from.status.as_u16(), 204 | 304)
    {
        headers.insert(CONTENT_LENGTH, http1::HeaderValue::from(length));
    }
    if !from.headers.contains_key(names::DATE) {
        let mut line = BytesMut::new();
        clock.write_date_header(&mut line, false);
        let value = line.strip_prefix(b"date: ").unwrap_or_default();
        if let Ok(now) = http1::HeaderValue::from_bytes(value.trim_ascii()) {
            headers.insert(DATE, now);
        }
    }
    head
}
