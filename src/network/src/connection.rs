//! One connection: read, call the service, write, in order.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use ottla_metadata::ErrorChain;
use ottla_protocol::decode_header;
use tokio::time::Sleep;
use tracing::{debug, error, info, warn};

use crate::accept::Places;
use crate::answers::Answers;
use crate::budget::Budget;
use crate::config::NetworkConfig;
use crate::error::ConnectionEnd;
use crate::frames::FrameReader;
use crate::outgoing::Outgoing;
use crate::registry::{Entry, Order, Registry};
use crate::service::{ConnectionInfo, Request, Service};
use crate::transport::Transport;

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) config: NetworkConfig,
    pub(crate) budget: Arc<Budget>,
    pub(crate) registry: Arc<Registry>,
}

pub(crate) struct Connection {
    info: Arc<ConnectionInfo>,
    shared: Arc<Shared>,
    entry: Entry,
    /// The place among `max.connections`, unless the listener needs none.
    _places: Places,
    transport: Transport,
    frames: FrameReader,
    answers: Answers,
    outgoing: Outgoing,
    /// Set when the service wants the connection closed: only what is queued is still sent.
    closing: Option<ConnectionEnd>,
    last_used: Instant,
    timer: Option<Timer>,
}

struct Timer {
    due: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Connection {
    pub(crate) fn new(
        info: ConnectionInfo,
        transport: Transport,
        shared: Arc<Shared>,
        entry: Entry,
        places: Places,
    ) -> Connection {
        let frames = FrameReader::new(Arc::clone(&shared.budget), shared.config.max_request_bytes);
        Connection {
            info: Arc::new(info),
            shared,
            entry,
            _places: places,
            transport,
            frames,
            answers: Answers::default(),
            outgoing: Outgoing::default(),
            closing: None,
            last_used: Instant::now(),
            timer: None,
        }
    }

    /// Serves the connection to its end.
    pub(crate) async fn run(mut self) {
        let end = poll_fn(|cx| self.poll(cx)).await;
        log_end(&self.info, &end);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionEnd> {
        let drain = match self.entry.control.order(cx.waker()) {
            Order::Serve => false,
            Order::Drain => true,
            Order::Stop => return Poll::Ready(ConnectionEnd::Stopped),
            Order::MakeRoom => return Poll::Ready(ConnectionEnd::MadeRoom),
        };
        let worked = match self.poll_work(cx, !drain) {
            Ok(()) if drain && self.answers.is_empty() && self.outgoing.is_empty() => {
                Err(ConnectionEnd::Stopped)
            }
            Ok(()) => self.poll_timer(cx),
            Err(end) => Err(end),
        };
        match worked {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        }
    }

    /// Does what can be done without waiting.
    fn poll_work(&mut self, cx: &mut Context<'_>, read: bool) -> Result<(), ConnectionEnd> {
        loop {
            let read = read && self.closing.is_none();
            let more_frames = if read { self.dispatch()? } else { false };
            self.answers.poll(cx);
            self.queue_ready()?;
            let flushed = match self.outgoing.poll_flush(cx, &self.transport) {
                Poll::Ready(result) => result.map(|()| true)?,
                Poll::Pending => false,
            };
            if self.closing.is_some() {
                return match self.closing.take_if(|_| flushed) {
                    Some(end) => Err(end),
                    None => Ok(()),
                };
            }
            if !read || !self.has_room() {
                return Ok(());
            }
            if more_frames {
                continue;
            }
            match self.frames.poll_read(cx, &mut self.transport) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(ConnectionEnd::ByClient),
                Poll::Ready(Ok(_)) => {
                    self.last_used = Instant::now();
                    self.entry.used(self.last_used);
                }
                Poll::Ready(Err(e)) => return Err(e.into()),
            }
        }
    }

    fn has_room(&self) -> bool {
        self.answers
            .has_room(self.shared.config.max_in_flight_requests)
            && !self.outgoing.is_full()
    }

    /// Calls the service with the frames that are here. `true`: there may be more of them, but
    /// answers must leave first.
    fn dispatch(&mut self) -> Result<bool, ConnectionEnd> {
        loop {
            if !self.has_room() {
                return Ok(true);
            }
            let Some(mut frame) = self.frames.next_frame()? else {
                return Ok(false);
            };
            let frame_bytes = frame.bytes.len();
            let header = decode_header(&mut frame.bytes).map_err(ConnectionEnd::Header)?;
            let answer = self.shared.service.call(Request {
                header,
                body: frame.bytes,
                connection: Arc::clone(&self.info),
                received: self.last_used,
            });
            self.answers
                .push(answer, frame_bytes, frame.charge, &self.shared.budget);
        }
    }

    /// Hands the answers that are next in order to the socket's queue.
    fn queue_ready(&mut self) -> Result<(), ConnectionEnd> {
        while self.closing.is_none() {
            match self.answers.pop_ready() {
                None => break,
                Some(Ok(Some(response))) => self.outgoing.push(response)?,
                Some(Ok(None)) => {}
                Some(Err(end)) => self.closing = Some(end),
            }
        }
        Ok(())
    }

    /// Ends an idle connection, and one whose half-received frame is in others' way.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Result<(), ConnectionEnd> {
        while let Some(due) = self.next_due() {
            let timer = self.timer.get_or_insert_with(|| Timer::new(due));
            if due < timer.due {
                timer.reset(due);
            }
            if timer.sleep.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            let now = Instant::now();
            self.check_time(now)?;
            // Never due at once, so that the loop ends.
            let due = self.next_due().unwrap_or(now);
            if let Some(timer) = &mut self.timer {
                timer.reset(due.max(now + MIN_TIMER));
            }
        }
        Ok(())
    }

    fn next_due(&mut self) -> Option<Instant> {
        let config = &self.shared.config;
        let idle = config.max_idle.map(|idle| self.last_used + idle);
        let progress = self.frames.progress_due(config.progress_window);
        idle.into_iter().chain(progress).min()
    }

    fn check_time(&mut self, now: Instant) -> Result<(), ConnectionEnd> {
        let config = &self.shared.config;
        self.frames
            .check_progress(now, config.progress_window, config.min_progress_bytes)?;
        if config
            .max_idle
            .is_some_and(|idle| now >= self.last_used + idle)
        {
            // Sent bytes count as use, and a client that waits for an answer is not idle.
            let waits = !self.answers.is_empty() && self.closing.is_none();
            if !waits && !self.outgoing.take_progress() {
                return Err(ConnectionEnd::Idle);
            }
            self.last_used = now;
        }
        Ok(())
    }
}

/// The shortest time a timer is set for.
const MIN_TIMER: std::time::Duration = std::time::Duration::from_millis(1);

impl Timer {
    fn new(due: Instant) -> Timer {
        Timer {
            due,
            sleep: Box::pin(tokio::time::sleep_until(due.into())),
        }
    }

    fn reset(&mut self, due: Instant) {
        self.due = due;
        self.sleep.as_mut().reset(due.into());
    }
}

/// Logs why a connection ended, as loud as the operator needs to hear it.
fn log_end(info: &ConnectionInfo, end: &ConnectionEnd) {
    let peer = info.peer;
    let listener = &*info.listener;
    match end {
        ConnectionEnd::ByClient
        | ConnectionEnd::Stopped
        | ConnectionEnd::Idle
        | ConnectionEnd::Io(_) => {
            debug!(%peer, listener, reason = %ErrorChain(end), "connection closed");
        }
        ConnectionEnd::MadeRoom => {
            info!(%peer, listener, reason = %end, "connection closed");
        }
        ConnectionEnd::FrameSize { .. }
        | ConnectionEnd::Header(_)
        | ConnectionEnd::Service(_)
        | ConnectionEnd::Stalled => {
            warn!(%peer, listener, reason = %ErrorChain(end), "connection closed");
        }
        ConnectionEnd::NoAnswer | ConnectionEnd::ResponseTooLarge(_) | ConnectionEnd::ShortFile => {
            error!(%peer, listener, reason = %end, "connection closed");
        }
    }
}
