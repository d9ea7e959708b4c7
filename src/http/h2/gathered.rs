//! Writes that go out together when they are flushed.
//!
//! Each write to a TLS connection is a record and mostly a packet of its own, and the head and the body of an answer are
//! two writes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are gathered. More go out at once.
const MOST: usize = 32 * 1024;
/// Bytes of memory that are kept for the next time.
const KEPT: usize = 4 * 1024;

pub(super) struct Gathered<I> {
    io: I,
    waiting: BytesMut,
}

impl<I: AsyncWrite + Unpin> Gathered<I> {
    pub(super) fn new(io: I) -> Self {
        Self {
            io,
            waiting: BytesMut::new(),
        }
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.waiting))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.waiting.advance(written),
            }
        }
        if self.waiting.capacity() > KEPT {
            self.waiting = BytesMut::new();
        } else {
            self.waiting.clear();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Gathered<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.waiting.len() + data.len() > MOST {
            ready!(self.poll_waiting(cx))?;
            if data.len() > MOST {
                return Pin::new(&mut self.io).poll_write(cx, data);
            }
        }
        self.waiting.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Gathered<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[actix_web::test]
    async fn writes_wait_for_the_flush_and_large_ones_do_not() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let mut gathered = Gathered::new(near);
        gathered.write_all(b"head").await.unwrap();
        gathered.write_all(b"body").await.unwrap();
        let mut read = [0; 8];
        let early = futures_util::FutureExt::now_or_never(far.read(&mut read));
        assert!(early.is_none());
        gathered.flush().await.unwrap();
        assert_eq!(far.read(&mut read).await.unwrap(), 8);
        assert_eq!(&read, b"headbody");
        gathered.write_all(&[1; 10]).await.unwrap();
        gathered.write_all(&vec![2; MOST + 1]).await.unwrap();
        let mut large = vec![0; MOST + 11];
        far.read_exact(&mut large).await.unwrap();
        assert_eq!((large[9], large[10]), (1, 2));
    }
}
