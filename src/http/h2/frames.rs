//! Deadlines of an HTTP/2 connection. A client must complete a frame in time, and the fields of a request, which may
//! span several frames (RFC 9113, sections 4.1 and 4.3). Otherwise it would hold the connection for as long as one
//! stream is open.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bytes that a client sends before its first frame (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// Bytes of a frame's head.
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// Where in the frames the bytes that have come end.
#[derive(Debug)]
struct Position {
    /// Bytes to come of the preface, or of a frame behind its head.
    left: usize,
    /// The part of a frame's head that is here.
    head: [u8; FRAME_HEAD],
    head_bytes: usize,
    /// More fields of a request are to come.
    in_fields: bool,
    is_begun: bool,
    /// How often everything that was begun had been ended.
    ended: u64,
}

impl Position {
    const fn new() -> Self {
        Self {
            left: PREFACE,
            head: [0; FRAME_HEAD],
            head_bytes: 0,
            in_fields: false,
            is_begun: false,
            ended: 0,
        }
    }

    fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.is_begun = true;
            if self.left > 0 {
                let taken = self.left.min(bytes.len());
                self.left -= taken;
                bytes = &bytes[taken..];
            } else {
                let taken = (FRAME_HEAD - self.head_bytes).min(bytes.len());
                self.head[self.head_bytes..self.head_bytes + taken].copy_from_slice(&bytes[..taken]);
                self.head_bytes += taken;
                bytes = &bytes[taken..];
                if self.head_bytes < FRAME_HEAD {
                    return;
                }
                self.head_bytes = 0;
                let [a, b, c, kind, flags, ..] = self.head;
                self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                if matches!(kind, HEADERS | CONTINUATION) {
                    self.in_fields = flags & END_HEADERS == 0;
                }
            }
            if self.left == 0 && !self.in_fields {
                self.is_begun = false;
                self.ended += 1;
            }
        }
    }
}

/// A connection's bytes; reading fails once something that was begun has not ended in time.
pub(super) struct Frames<T> {
    io: T,
    patience: Duration,
    position: Position,
    /// Since when something is begun.
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T> Frames<T> {
    pub(super) fn new(io: T, patience: Duration) -> Self {
        Self {
            io,
            patience,
            position: Position::new(),
            since: None,
            timer: None,
        }
    }

    fn note(&mut self, bytes: &[u8]) -> io::Result<()> {
        let ended = self.position.ended;
        self.position.advance(bytes);
        if !self.position.is_begun {
            self.since = None;
            return Ok(());
        }
        let now = Instant::now();
        match self.since {
            Some(since) if ended == self.position.ended => {
                if now - since > self.patience {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            _ => self.since = Some(now),
        }
        Ok(())
    }

    /// Waits until the deadline of the started item.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(since) = self.since else {
            return Poll::Pending;
        };
        let until = since + self.patience;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Frames<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.io).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(self.note(&buffer.filled()[before..])),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_late(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Frames<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let size = u8::try_from(length).unwrap();
        let mut bytes = vec![0, 0, size, kind, flags, 0, 0, 0, 1];
        bytes.resize(FRAME_HEAD + length, 0);
        bytes
    }

    #[test]
    fn the_position_is_known_however_the_bytes_come() {
        let preface = vec![0; PREFACE];
        // Each with a flag: whether it ends the started item.
        let parts = [
            (preface, true),
            (frame(4, 0, 0), true),
            (frame(HEADERS, END_HEADERS, 20), true),
            (frame(0, 1, 200), true),
            (frame(HEADERS, 0, 20), false),
            (frame(CONTINUATION, 0, 3), false),
            (frame(CONTINUATION, END_HEADERS, 0), true),
            (frame(6, 0, 8), true),
        ];
        for size in [1, 2, 5, 9, 1000] {
            let mut position = Position::new();
            for (bytes, ends) in &parts {
                let ended = position.ended;
                for chunk in bytes.chunks(size) {
                    assert!(position.ended == ended || bytes.is_empty());
                    position.advance(chunk);
                }
                assert_eq!(
                    (position.is_begun, position.ended == ended + 1),
                    (!ends, *ends),
                    "{size} {bytes:?}"
                );
            }
        }
    }

    #[actix_web::test]
    async fn what_is_begun_has_to_end_in_time() {
        let patience = Duration::from_millis(50);
        let (mut client, server) = tokio::io::duplex(1024);
        let mut frames = Frames::new(server, patience);
        let mut buffer = [0; 64];
        client.write_all(&[0; PREFACE]).await.unwrap();
        frames.read_exact(&mut buffer[..PREFACE]).await.unwrap();
        // Between frames there is no hurry.
        let idle = tokio::time::timeout(3 * patience, frames.read(&mut buffer)).await;
        assert!(idle.is_err());
        // More bytes of the same frame do not help.
        let head = frame(HEADERS, END_HEADERS, 20);
        client.write_all(&head[..5]).await.unwrap();
        assert_eq!(frames.read(&mut buffer).await.unwrap(), 5);
        client.write_all(&head[5..6]).await.unwrap();
        assert_eq!(frames.read(&mut buffer).await.unwrap(), 1);
        let error = frames.read(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
