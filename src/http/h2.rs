//! One HTTP/2 connection (RFC 9113): under limits of our own, and ended without losing an answer.
//!
//! actix-http has HTTP/2 as well, but limits neither streams nor the size of heads, and does not hear of a stop.

mod frames;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::{BodySize, BoxBody, MessageBody as _};
use actix_http::error::PayloadError;
use actix_http::{Payload, Request, Response, ResponseHead};
use actix_server::GracefulShutdownSignal;
use actix_service::Service;
use bytes::Bytes;
use futures_util::future::poll_fn;
use h2::server::{Connection, SendResponse};
use h2::{RecvStream, SendStream};
use http02::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use frames::Frames;

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

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// The first frames.
    pub(super) handshake: Duration,
    /// A connection without a request.
    pub(super) idle: Duration,
    /// A client that takes nothing of its answer.
    pub(super) answer: Duration,
}

/// Serves a connection until it ends: by itself, idle for too long, or told to stop and all that came answered.
pub(super) async fn serve<S, R>(
    io: impl AsyncRead + AsyncWrite + Unpin,
    peer: Option<SocketAddr>,
    service: Rc<S>,
    patience: Patience,
    stop: GracefulShutdownSignal,
) -> Result<(), h2::Error>
where
    S: Service<Request, Response = R> + 'static,
    S::Error: Into<Response<BoxBody>>,
    R: Into<Response<BoxBody>>,
{
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER);
    // What is begun has to end in time, even while other requests are under way.
    let io = Frames::new(io, patience.handshake);
    let Ok(connection) = timeout(patience.handshake, builder.handshake(io)).await else {
        return Ok(());
    };
    let mut connection: Connection<_, Bytes> = connection?;
    // Each request under way holds a receiver.
    let (under_way, _) = watch::channel(());
    let mut stop = std::pin::pin!(stop.notified());
    let mut stopping = false;
    loop {
        let idle = async {
            under_way.closed().await;
            tokio::time::sleep(if stopping { LINGER } else { patience.idle }).await;
        };
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(accepted) => {
                    let (request, respond) = accepted?;
                    let (service, held) = (Rc::clone(&service), under_way.subscribe());
                    tokio::task::spawn_local(async move {
                        handle(request, respond, peer, &*service, patience).await;
                        drop(held);
                    });
                }
                None => return Ok(()),
            },
            () = &mut stop, if !stopping => {
                stopping = true;
                connection.graceful_shutdown();
            }
            () = idle => {
                if stopping {
                    return Ok(());
                }
                stopping = true;
                connection.graceful_shutdown();
            }
        }
    }
}

async fn handle<S, R>(
    request: http02::Request<RecvStream>,
    respond: SendResponse<Bytes>,
    peer: Option<SocketAddr>,
    service: &S,
    patience: Patience,
) where
    S: Service<Request, Response = R>,
    S::Error: Into<Response<BoxBody>>,
    R: Into<Response<BoxBody>>,
{
    let (parts, body) = request.into_parts();
    let is_head = parts.method == http02::Method::HEAD;
    let mut request = Request::with_payload(payload(body));
    let head = request.head_mut();
    head.uri = parts.uri;
    head.method = parts.method;
    head.version = parts.version;
    head.headers = parts.headers.into();
    head.peer_addr = peer;
    let response = match service.call(request).await {
        Ok(response) => response.into(),
        Err(error) => error.into(),
    };
    // The client may have gone, or the connection ended: then there is nobody to tell.
    if let Err(error) = answer(response, respond, is_head, patience.answer).await {
        tracing::debug!(%error, "an answer over HTTP/2 was not taken");
    }
}

fn payload(body: RecvStream) -> Payload {
    let chunks = futures_util::stream::unfold(body, |mut body| async move {
        let chunk = match body.data().await? {
            // What is read makes room for more.
            Ok(chunk) => body.flow_control().release_capacity(chunk.len()).map(|()| chunk),
            Err(error) => Err(error),
        };
        Some((chunk.map_err(PayloadError::from_h2), body))
    });
    Payload::Stream {
        payload: Box::pin(chunks),
    }
}

/// Into the framework's error.
trait FromH2 {
    fn from_h2(error: h2::Error) -> Self;
}

impl FromH2 for PayloadError {
    fn from_h2(error: h2::Error) -> Self {
        Self::Io(std::io::Error::other(error))
    }
}

async fn answer(
    response: Response<BoxBody>,
    mut respond: SendResponse<Bytes>,
    is_head: bool,
    patience: Duration,
) -> Result<(), h2::Error> {
    let mut taken = BoxBody::new(());
    let response = response.map_body(|_, body| taken = body);
    let mut body = taken;
    let size = body.size();
    let is_whole = is_head || size.is_eof();
    let mut stream = respond.send_response(head(response.head(), size), is_whole)?;
    if is_whole {
        return Ok(());
    }
    let mut body = std::pin::Pin::new(&mut body);
    while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        let Ok(chunk) = chunk else {
            // An answer that was begun can only be broken off.
            stream.send_reset(h2::Reason::INTERNAL_ERROR);
            return Ok(());
        };
        if !send(&mut stream, chunk, patience).await? {
            stream.send_reset(h2::Reason::CANCEL);
            return Ok(());
        }
    }
    stream.send_data(Bytes::new(), true)
}

/// Sends as the client makes room; whether it took all.
async fn send(stream: &mut SendStream<Bytes>, mut chunk: Bytes, patience: Duration) -> Result<bool, h2::Error> {
    while !chunk.is_empty() {
        stream.reserve_capacity(chunk.len().min(CHUNK));
        match timeout(patience, poll_fn(|cx| stream.poll_capacity(cx))).await {
            Err(_) | Ok(None) => return Ok(false),
            Ok(Some(room)) => {
                let room = room?.min(chunk.len());
                stream.send_data(chunk.split_to(room), false)?;
            }
        }
    }
    Ok(true)
}

fn head(from: &ResponseHead, size: BodySize) -> http02::Response<()> {
    let mut head = http02::Response::new(());
    *head.status_mut() = from.status;
    *head.version_mut() = http02::Version::HTTP_2;
    let headers = head.headers_mut();
    // These speak of a connection, of which HTTP/2 speaks in frames (RFC 9113, 8.2.2).
    let of_connection = |name: &http02::HeaderName| {
        [CONNECTION, TRANSFER_ENCODING, UPGRADE, CONTENT_LENGTH].contains(name) || name == "keep-alive"
    };
    for (name, value) in from.headers.iter().filter(|(name, _)| !of_connection(name)) {
        headers.append(name, value.clone());
    }
    if let BodySize::Sized(length) = size
        && from.status != http02::StatusCode::NO_CONTENT
    {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Ok(now) =
        HeaderValue::from_str(&actix_web::http::header::HttpDate::from(std::time::SystemTime::now()).to_string())
    {
        headers.insert(DATE, now);
    }
    head
}
