//! A bound on how long a caller may stop reading a response.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::idle_timer::IdleTimer;

/// A connection that fails with `TimedOut` if its caller reads none of a response for too long: a caller that stops
/// reading must not hold the response's memory indefinitely.
pub(crate) struct SendTimeout<S> {
    stream: S,
    allowance: Duration,
    /// Runs while bytes wait to be written.
    idle: IdleTimer,
}

impl<S> SendTimeout<S> {
    pub(crate) fn new(stream: S, allowance: Duration) -> Self {
        Self { stream, allowance, idle: IdleTimer::default() }
    }

    /// The result of a write, or an error if it has been pending for too long.
    fn watch<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.idle.reset();
            return written;
        }
        self.idle.poll(self.allowance, cx).map(|()| {
            let detail = "the caller read none of the response for too long";
            Err(io::Error::new(io::ErrorKind::TimedOut, detail))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SendTimeout<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SendTimeout<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.watch(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.watch(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    const ALLOWANCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn caller_that_reads_nothing_is_cut() {
        let (near, _far) = duplex(10);
        let mut near = SendTimeout::new(near, ALLOWANCE);
        let began = Instant::now();
        let error = near.write_all(&[0; 11]).await.expect_err("nothing is read");
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, ALLOWANCE));
    }

    #[tokio::test(start_paused = true)]
    async fn caller_that_reads_little_by_little_is_served_to_the_end() {
        let (near, mut far) = duplex(1);
        let mut near = SendTimeout::new(near, ALLOWANCE);
        let reading = async {
            for _ in 0..5 {
                tokio::time::sleep(ALLOWANCE * 9 / 10).await;
                far.read_u8().await.expect("it is sent");
            }
        };
        let (sent, ()) = tokio::join!(near.write_all(&[0; 5]), reading);
        sent.expect("every byte was read in time");
    }
}
