//! One HTTP/1.1 connection (RFC 9112), one request after the other.
//!
//! - A body is read when its handler asks for it, so a 100 goes only to clients whose body is wanted (RFC 9110,
//!   10.1.1).
//! - Every head has a deadline. A connection without a request is closed no sooner than `server.keep_alive_seconds`; an
//!   answer near that time says that it is the last.
//! - After a request that ends the connection, nothing is read as a request (RFC 9112, 9.6). The unread rest of a body
//!   is discarded, within bounds, so that the client sees its answer instead of a reset.
//! - Malformed bytes get a problem, like every refusal.

mod answer;
mod body;
mod head;
mod wire;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::body::{BodySize, BoxBody, MessageBody as _};
use actix_http::{ConnectionType, Request, Response};
use actix_service::Service;
use actix_web::Error;
use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, Version};
use futures_util::future::poll_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::host::{Client, Host, REMAINDER, REMAINDER_TIME};
use super::problem::Problem;
use answer::End;
use head::Head;
use wire::{Next, Timer, Wire};

/// How near to its end an idle connection takes one more request, and says that it is the last. So much longer than
/// configured a connection is kept: a request that is sent in time may be on its way.
const LAST: Duration = Duration::from_millis(500);
/// Bytes of an answer that are written at a time.
const WRITE: usize = 64 * 1024;

struct Connection<'a, I, S> {
    wire: Rc<RefCell<Wire<I>>>,
    host: &'a Host<S>,
    timer: Timer,
    client: Client,
    /// Since when no request is under way.
    idle_since: Instant,
}

/// Serves a connection until it ends: one side closes it, it is idle for too long, or the server stops and received
/// requests are answered.
///
/// # Errors
/// The connection broke off.
pub(super) async fn serve<I, S>(io: I, client: Client, host: &Host<S>) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let mut connection = Connection {
        wire: Rc::new(RefCell::new(Wire::new(io))),
        host,
        timer: Timer::new(host.patience.request),
        client,
        idle_since: Instant::now(),
    };
    let mut stop = pin!(host.stop.notified());
    let mut is_stopping = false;
    let mut wait = host.patience.first() + LAST;
    loop {
        let Some(next) = connection.next(stop.as_mut(), &mut is_stopping, wait).await? else {
            return connection.close(false).await;
        };
        wait = host.patience.idle + LAST;
        match next {
            Next::Request(head) => {
                if !connection.answer(*head, stop.as_mut(), &mut is_stopping).await? {
                    return connection.close(true).await;
                }
            }
            Next::Wrong(problem) => {
                connection.refuse(problem).await?;
                return connection.close(true).await;
            }
            Next::Gone => return connection.close(false).await,
        }
    }
}

impl<I, S> Connection<'_, I, S>
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    /// Waits for the next request. Returns `None` if the connection is to end without an answer.
    async fn next(
        &mut self,
        mut stop: Pin<&mut impl Future<Output = ()>>,
        is_stopping: &mut bool,
        wait: Duration,
    ) -> io::Result<Option<Next>> {
        let Self { wire, timer, .. } = self;
        let idle_until = self.idle_since + wait;
        let mut head_until = None;
        let request = self.host.patience.request;
        poll_fn(|cx| {
            let mut wire = wire.borrow_mut();
            if let Poll::Ready(next) = wire.poll_head(cx) {
                return Poll::Ready(next.map(Some));
            }
            if !*is_stopping && stop.as_mut().poll(cx).is_ready() {
                *is_stopping = true;
            }
            if wire.is_idle() {
                if *is_stopping {
                    return Poll::Ready(Ok(None));
                }
                ready!(timer.poll(cx, idle_until));
                return Poll::Ready(Ok(None));
            }
            let until = *head_until.get_or_insert_with(|| Instant::now() + request);
            ready!(timer.poll(cx, until));
            Poll::Ready(Ok(Some(Next::Wrong(Problem::head_too_slow()))))
        })
        .await
    }

    /// Answers a request. Returns whether the connection goes on.
    async fn answer(
        &mut self,
        head: Head,
        stop: Pin<&mut impl Future<Output = ()>>,
        is_stopping: &mut bool,
    ) -> io::Result<bool>
    where
        S: Service<Request, Response = ServiceResponse<BoxBody>, Error = Error>,
    {
        let _busy = self.client.presence.busy();
        let asked = answer::Request {
            version: head.version,
            is_head: head.method == Method::HEAD,
        };
        // The client was told that the connection ends about now.
        let idle = self.host.patience.idle;
        let is_late = self.wire.borrow().is_used() && self.idle_since.elapsed() + LAST >= idle;
        let is_last = is_late || idle.is_zero();
        let mut is_kept = head.is_kept && !is_last;
        let mut request = Request::with_payload(wire::payload(&self.wire));
        let target = request.head_mut();
        target.method = head.method;
        target.uri = head.uri;
        target.version = head.version;
        target.headers = head.headers;
        target.peer_addr = self.client.peer;
        let response = match self.host.service.call(request).await {
            Ok(response) => Response::from(response),
            Err(error) => Response::from(error.error_response()),
        };
        *is_stopping = *is_stopping || has_come(stop).await;
        is_kept &= !*is_stopping && response.head().connection_type() != ConnectionType::Close;
        is_kept &= self.wire.borrow_mut().skip_body();
        is_kept &= answer::end(asked, response.body().size()) != End::Close;
        self.send(response, asked, is_kept).await?;
        self.idle_since = Instant::now();
        Ok(is_kept)
    }

    /// Answers bytes that are no request.
    async fn refuse(&mut self, problem: Problem) -> io::Result<()> {
        tracing::debug!(
            code = problem.code().as_str(),
            detail = problem.detail(),
            "an HTTP/1.1 connection is ended"
        );
        let asked = answer::Request {
            version: Version::HTTP_11,
            is_head: false,
        };
        let response = (self.host.refuse)(&problem);
        self.send(response, asked, false).await
    }

    async fn send(&mut self, response: Response<BoxBody>, asked: answer::Request, is_kept: bool) -> io::Result<()> {
        let (response, body) = response.into_parts();
        let size = body.size();
        let end = answer::end(asked, size);
        let is_live = answer::is_live(response.head());
        answer::write_head(
            &mut self.wire.borrow_mut().output,
            response.head(),
            asked,
            size,
            is_kept,
            &self.host.clock,
        );
        if !answer::has_body(asked, response.status(), size) {
            return self.write().await;
        }
        match body.try_into_bytes() {
            // Only a part waits for a slow client, not a copy of the whole.
            Ok(bytes) => {
                let mut parts = bytes.chunks(WRITE).peekable();
                while let Some(part) = parts.next() {
                    answer::write_data(&mut self.wire.borrow_mut().output, part, end);
                    if parts.peek().is_some() {
                        self.write().await?;
                    }
                }
            }
            Err(body) => self.stream(body, size, end, is_live).await?,
        }
        answer::write_end(&mut self.wire.borrow_mut().output, end);
        self.write().await
    }

    /// Writes a body as it is made. A live one ends with its client: nobody reads it to an end.
    async fn stream(&mut self, body: BoxBody, size: BodySize, end: End, is_live: bool) -> io::Result<()> {
        let mut body = pin!(body);
        let mut left = match size {
            BodySize::Sized(bytes) => bytes,
            BodySize::None | BodySize::Stream => u64::MAX,
        };
        loop {
            // Finished parts go out while more is produced.
            let is_full = self.wire.borrow().output.len() >= WRITE;
            let mut more = None;
            if !is_full {
                more = poll_fn(|cx| Poll::Ready(poll_now(body.as_mut().poll_next(cx)))).await;
            }
            let chunk = match more {
                Some(chunk) => chunk,
                None => {
                    self.write().await?;
                    let wire = &self.wire;
                    poll_fn(|cx| {
                        if is_live && wire.borrow_mut().poll_gone(cx).is_ready() {
                            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionAborted).into())));
                        }
                        body.as_mut().poll_next(cx)
                    })
                    .await
                }
            };
            match chunk {
                // The client must not take a part for the whole.
                Some(Err(error)) => return Err(io::Error::other(error.to_string())),
                None if end == End::Length && left > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                None => return Ok(()),
                Some(Ok(data)) => {
                    left = left.checked_sub(data.len() as u64).ok_or(io::ErrorKind::InvalidData)?;
                    answer::write_data(&mut self.wire.borrow_mut().output, &data, end);
                }
            }
        }
    }

    /// Writes pending bytes, as long as the client accepts some from time to time.
    async fn write(&mut self) -> io::Result<()> {
        let Self { wire, timer, host, .. } = self;
        let mut progress = (usize::MAX, None);
        poll_fn(|cx| {
            let mut wire = wire.borrow_mut();
            if let Poll::Ready(written) = wire.poll_write(cx) {
                return Poll::Ready(written);
            }
            let left = wire.output.len();
            if left != progress.0 {
                progress = (left, Some(Instant::now() + host.patience.request));
            }
            match progress.1 {
                Some(until) if timer.poll(cx, until).is_ready() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// Ends the connection. Behind an answer, what the client still sends is thrown away until it ends its side: a reset could
    /// overtake the answer (RFC 9112, section 9.6).
    async fn close(mut self, is_answered: bool) -> io::Result<()> {
        let Self { wire, timer, host, .. } = &mut self;
        let ends = Instant::now() + REMAINDER_TIME;
        let mut until = Instant::now() + host.patience.close;
        let mut left = if is_answered { REMAINDER } else { 0 };
        let mut is_shut = false;
        poll_fn(|cx: &mut Context<'_>| {
            let mut wire = wire.borrow_mut();
            if !is_shut && let Poll::Ready(shut) = wire.poll_shutdown(cx) {
                is_shut = true;
                if shut.is_err() {
                    left = 0;
                }
            }
            let before = left;
            if is_shut && (left == 0 || wire.poll_discard(cx, &mut left).is_ready()) {
                return Poll::Ready(());
            }
            if left < before {
                until = ends.min(Instant::now() + host.patience.close);
            }
            timer.poll(cx, until)
        })
        .await;
        Ok(())
    }
}

/// Returns the value if it is ready.
fn poll_now<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Returns whether a signal has come.
async fn has_come(mut signal: Pin<&mut impl Future<Output = ()>>) -> bool {
    poll_fn(|cx| Poll::Ready(signal.as_mut().poll(cx).is_ready())).await
}
