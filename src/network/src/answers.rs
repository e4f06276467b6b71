//! The outstanding answers of one connection, in request order.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use ottla_protocol::{Part, ResponseBody};

use crate::budget::{Budget, Charge};
use crate::error::ConnectionEnd;
use crate::service::{Answer, PendingAnswer};

/// An idle connection keeps room for so many answers at most.
const KEPT_SLOTS: usize = 8;

/// With more bytes in answers that wait for an earlier one, no further request is taken.
const MAX_READY_BYTES: usize = 1024 * 1024;

/// The answers that were not yet handed to the socket.
#[derive(Default)]
pub(crate) struct Answers {
    queue: VecDeque<Slot>,
    /// How many of them wait for a future.
    pending: usize,
    /// How many requests wait for their answers without being covered by the budget.
    uncharged: usize,
    /// Bytes in memory of the answers that are ready.
    ready_bytes: usize,
}

struct Slot {
    state: State,
    /// Held as long as the answer is pending.
    charge: Charge,
    uncharged: bool,
}

enum State {
    Ready(Option<ResponseBody>),
    Pending(PendingAnswer),
    Close(ConnectionEnd),
}

impl Answers {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether another request may be taken.
    pub(crate) fn has_room(&self, max_in_flight: usize) -> bool {
        self.queue.is_empty()
            || (self.queue.len() < max_in_flight
                && self.uncharged == 0
                && self.ready_bytes <= MAX_READY_BYTES)
    }

    /// Queues the answer to a request whose frame of `frame_bytes` was charged `charge`.
    pub(crate) fn push(
        &mut self,
        answer: Answer,
        frame_bytes: usize,
        mut charge: Charge,
        budget: &Budget,
    ) {
        let state = match answer {
            Answer::Now(response) => {
                self.ready_bytes += memory(&response);
                State::Ready(Some(response))
            }
            Answer::None => State::Ready(None),
            Answer::Close(reason) => State::Close(ConnectionEnd::Service(reason)),
            Answer::Later(future) => {
                self.pending += 1;
                State::Pending(future)
            }
        };
        let mut uncharged = false;
        if matches!(state, State::Pending(_)) {
            let missing = frame_bytes.saturating_sub(charge.covered());
            uncharged = missing > 0 && !charge.try_add(budget, missing);
            self.uncharged += usize::from(uncharged);
        } else {
            charge = Charge::default();
        }
        self.queue.push_back(Slot {
            state,
            charge,
            uncharged,
        });
    }

    /// Drives all pending answers; each may make progress while earlier ones still wait.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        if self.pending == 0 {
            return;
        }
        for slot in &mut self.queue {
            let State::Pending(future) = &mut slot.state else {
                continue;
            };
            if let Poll::Ready(response) = future.as_mut().poll(cx) {
                slot.state = match response {
                    Some(response) => {
                        self.ready_bytes += memory(&response);
                        State::Ready(Some(response))
                    }
                    None => State::Close(ConnectionEnd::NoAnswer),
                };
                slot.charge = Charge::default();
                self.uncharged -= usize::from(std::mem::take(&mut slot.uncharged));
                self.pending -= 1;
            }
        }
    }

    /// Takes the oldest answer if it is there. `Some(Ok(None))`: nothing is to be sent for it.
    pub(crate) fn pop_ready(&mut self) -> Option<Result<Option<ResponseBody>, ConnectionEnd>> {
        if matches!(self.queue.front()?.state, State::Pending(_)) {
            return None;
        }
        let state = self.queue.pop_front()?.state;
        if self.queue.is_empty() && self.queue.capacity() > KEPT_SLOTS {
            self.queue = VecDeque::new();
        }
        match state {
            State::Ready(response) => {
                let memory = response.as_ref().map_or(0, memory);
                self.ready_bytes = self.ready_bytes.saturating_sub(memory);
                Some(Ok(response))
            }
            State::Close(end) => Some(Err(end)),
            // Ruled out above.
            State::Pending(_) => None,
        }
    }
}

/// Bytes of a response that are in memory, as opposed to in files.
fn memory(response: &ResponseBody) -> usize {
    let parts = response.parts.iter();
    parts
        .map(|part| match part {
            Part::Bytes(bytes) => bytes.len(),
            Part::File { .. } => 0,
        })
        .sum()
}
