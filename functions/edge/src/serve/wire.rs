//! A client's socket: writes that do not progress fail, and its end is seen while a request is worked on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::places::Place;

/// How often it is looked whether a client is still there.
const LOOK: Duration = Duration::from_millis(500);

/// The socket as hyper reads and writes it.
pub struct Wire {
    stream: Arc<TcpStream>,
    /// It hears of answers that do not progress, and of those that are sent.
    place: Arc<Place>,
    limit: Duration,
    /// Runs while nothing can be written.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// A client that takes nothing for `limit` is let go.
    pub fn new(stream: Arc<TcpStream>, place: Arc<Place>, limit: Duration) -> Self {
        Self { stream, place, limit, stalled: None }
    }

    fn poll_writing(
        &mut self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.stream.poll_write_ready(context) {
                Poll::Ready(done) => done?,
                Poll::Pending => {
                    let (limit, place) = (self.limit, &self.place);
                    let timer = self.stalled.get_or_insert_with(|| {
                        place.stall();
                        Box::pin(sleep(limit))
                    });
                    ready!(timer.as_mut().poll(context));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    if self.stalled.take().is_some() {
                        self.place.go_on();
                    }
                    return Poll::Ready(written);
                }
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    buffer.advance(read?);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_writing(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_writing(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.place.sent();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(&*self.stream, Shutdown::Write).map_err(io::Error::from))
    }
}

/// Wait until the client sends nothing more. TCP does not say whether such a client still reads: one
/// that sent its only request does, one that gave up does not.
pub async fn closed(stream: &TcpStream) {
    wait_for(stream, PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR).await;
}

/// Wait until nothing can be sent to the client either.
pub async fn broken(stream: &TcpStream) {
    wait_for(stream, PollFlags::HUP | PollFlags::ERR).await;
}

async fn wait_for(stream: &TcpStream, wanted: PollFlags) {
    while !is_so(stream, wanted) {
        sleep(LOOK).await;
    }
}

fn is_so(stream: &TcpStream, wanted: PollFlags) -> bool {
    let mut polled = [PollFd::new(stream, wanted)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0)
        && polled[0].revents().intersects(wanted)
}
