//! The bytes of one HTTP/1.1 connection: received bytes that are not read, and bytes of answers that are not written.

use std::cell::RefCell;
use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::Payload;
use actix_http::error::PayloadError;
use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::{Instant, Sleep};

use super::body::{Body, Malformed};
use super::head::{self, Head};
use crate::http::problem::Problem;

/// Bytes that are read at a time, and that buffers keep while a connection is idle.
const READ: usize = 8 * 1024;

/// See the module's docs.
pub(super) struct Wire<I> {
    io: I,
    input: BytesMut,
    /// Bytes of `input` in which there is no end of a head.
    looked_at: usize,
    pub(super) output: BytesMut,
    /// The rest of the body of the request under way.
    pub(super) body: Body,
    /// The client waits for a 100.
    is_awaiting: bool,
    /// Somebody has looked for the body.
    is_looked_for: bool,
    /// Counts requests, so that nobody reads the body of another.
    turn: u64,
}

/// The next thing on a connection.
pub(super) enum Next {
    Request(Box<Head>),
    /// The bytes are no request.
    Wrong(Problem),
    /// The client has ended its side.
    Gone,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Wire<I> {
    pub(super) fn new(io: I) -> Self {
        Self {
            io,
            input: BytesMut::with_capacity(READ),
            looked_at: 0,
            output: BytesMut::with_capacity(READ),
            body: Body::Done,
            is_awaiting: false,
            is_looked_for: false,
            turn: 0,
        }
    }

    /// Returns whether nothing of a next request has come.
    pub(super) fn is_idle(&self) -> bool {
        self.input.is_empty()
    }

    /// Returns whether the request under way is not the connection's first.
    pub(super) fn is_used(&self) -> bool {
        self.turn > 1
    }

    /// Reads up to the end of a head.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Next>> {
        loop {
            // Lines without anything before a request are no part of it (RFC 9112, section 2.2).
            while self.looked_at == 0 && self.input.starts_with(b"\r\n") {
                self.input.advance(2);
            }
            // A head that comes slowly is parsed once for each of its lines, not for each of its bytes.
            let is_new = self.looked_at == 0 && !self.input.is_empty();
            if is_new || self.input[self.looked_at..].contains(&b'\n') {
                match head::take(&mut self.input) {
                    Ok(Some(head)) => {
                        self.looked_at = 0;
                        self.turn += 1;
                        self.body = head.length.into();
                        self.is_awaiting = head.is_awaiting && self.body != Body::Done;
                        self.is_looked_for = false;
                        return Poll::Ready(Ok(Next::Request(Box::new(head))));
                    }
                    Ok(None) => {}
                    Err(problem) => return Poll::Ready(Ok(Next::Wrong(problem))),
                }
            }
            self.looked_at = self.input.len();
            if self.input.len() >= head::MAX_BYTES {
                return Poll::Ready(Ok(Next::Wrong(head::too_long(&self.input))));
            }
            if ready!(self.poll_read(cx, READ))? == 0 {
                return Poll::Ready(Ok(Next::Gone));
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        if self.input.capacity() - self.input.len() < room / 4 {
            self.input.reserve(room);
        }
        pin!(self.io.read_buf(&mut self.input)).poll(cx)
    }

    /// Takes the body if all of it is here already.
    pub(super) fn whole_body(&mut self) -> Option<Bytes> {
        let Body::Bytes(length) = self.body else {
            return None;
        };
        if length > self.input.len() as u64 {
            return None;
        }
        self.is_awaiting = false;
        self.body.take(&mut self.input).ok().flatten()
    }

    /// Reads on in the body. A client that waits for a 100 gets it first, because the body is wanted (RFC 9110, section
    /// 10.1.1). The first look alone does not mean that: it may only look for bytes that are here already.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        loop {
            match self.body.take(&mut self.input) {
                Ok(Some(data)) => {
                    self.is_awaiting = false;
                    return Poll::Ready(Some(Ok(data)));
                }
                Ok(None) if self.body == Body::Done => return Poll::Ready(None),
                Ok(None) => {}
                Err(Malformed) => return Poll::Ready(Some(Err(PayloadError::EncodingCorrupted))),
            }
            let read = match self.poll_read(cx, READ) {
                Poll::Ready(Ok(0)) => Err(PayloadError::Incomplete(None)),
                Poll::Ready(Ok(_)) => continue,
                Poll::Ready(Err(error)) => Err(PayloadError::Io(error)),
                Poll::Pending if !self.is_awaiting => return Poll::Pending,
                Poll::Pending if !std::mem::replace(&mut self.is_looked_for, true) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => {
                    if self.output.is_empty() {
                        self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                    }
                    ready!(self.poll_write(cx)).map_err(PayloadError::Io)
                }
            };
            match read {
                Ok(()) => self.is_awaiting = false,
                Err(error) => {
                    self.body = Body::Broken;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    /// Discards the available rest of the body. Returns whether that was all.
    pub(super) fn skip_body(&mut self) -> bool {
        // Later bytes cannot be distinguished from the next request.
        while !self.is_awaiting && self.body != Body::Done {
            match self.body.take(&mut self.input) {
                Ok(Some(_)) => {}
                Ok(None) if self.body == Body::Done => {}
                Ok(None) | Err(Malformed) => return false,
            }
        }
        self.body == Body::Done
    }

    /// Waits until the client has closed the connection. Keeps bytes that arrive until then: the next request.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.input.len() < READ {
            if !matches!(ready!(self.poll_read(cx, READ)), Ok(1..)) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// Writes all of `output`.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.output))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.output.advance(written),
            }
        }
        if self.output.capacity() > 16 * READ {
            self.output = BytesMut::with_capacity(READ);
        } else {
            // The space of written bytes is reused.
            self.output.clear();
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Ends our side.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Reads until the client ends its side, or `left` bytes are read, and throws it away.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>, left: &mut usize) -> Poll<()> {
        loop {
            *left = left.saturating_sub(self.input.len());
            self.input.clear();
            if *left == 0 {
                return Poll::Ready(());
            }
            if !matches!(ready!(self.poll_read(cx, READ)), Ok(1..)) {
                return Poll::Ready(());
            }
        }
    }
}

/// Returns the body of the request under way, for its handler.
pub(super) fn payload<I: AsyncRead + AsyncWrite + Unpin + 'static>(wire: &Rc<RefCell<Wire<I>>>) -> Payload {
    let turn = {
        let mut borrowed = wire.borrow_mut();
        if borrowed.body == Body::Done {
            return Payload::None;
        }
        if let Some(whole) = borrowed.whole_body() {
            return Payload::from(whole);
        }
        borrowed.turn
    };
    let wire = Rc::clone(wire);
    let stream = futures_util::stream::poll_fn(move |cx| {
        let mut wire = wire.borrow_mut();
        if wire.turn != turn {
            return Poll::Ready(Some(Err(PayloadError::Incomplete(None))));
        }
        wire.poll_body(cx)
    });
    Payload::Stream {
        payload: Box::pin(stream),
    }
}

/// A timer that is set anew only if it is due, or would be late: its deadlines move with every request.
pub(super) struct Timer(Pin<Box<Sleep>>);

impl Timer {
    pub(super) fn new(after: Duration) -> Self {
        Self(Box::pin(tokio::time::sleep(after)))
    }

    /// Waits until `deadline`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if self.0.deadline() > deadline {
            self.0.as_mut().reset(deadline);
        }
        loop {
            ready!(self.0.as_mut().poll(cx));
            if self.0.deadline() >= deadline {
                return Poll::Ready(());
            }
            self.0.as_mut().reset(deadline);
        }
    }
}
