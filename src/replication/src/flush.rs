//! Appends that must reach the disk before they count (`flush.messages`).
//!
//! A flush runs on the blocking pool, one at a time per partition: what is appended meanwhile is
//! covered by the next one, so that many producers share one sync. The brain hears of an append
//! only when it is durable, so neither the high watermark nor an acknowledgement runs ahead.

use std::sync::Arc;

use ottla_metadata::Offset;
use ottla_partition::{Event, WaitError};

use crate::manager::ReplicaManager;
use crate::replica::{Replica, State};
use crate::wait::Ticket;

/// What a partition still has to flush, and who waits for it.
#[derive(Default)]
pub(crate) struct Flush {
    running: bool,
    /// Appends up to here asked for a flush.
    wanted: Offset,
    /// The end of what was appended during a flush without asking for one.
    held_back: Offset,
    waiting: Vec<(Offset, Ticket<Result<(), WaitError>>)>,
}

impl Flush {
    /// Whether the brain may hear now that the log ends at `end`. If not, it will after the flush
    /// that is running.
    pub(crate) fn admits(&mut self, end: Offset) -> bool {
        if self.running {
            self.held_back = self.held_back.max(end);
        }
        !self.running
    }

    /// Somebody waits until everything below `offset` is durable.
    pub(crate) fn enter(&mut self, offset: Offset, ticket: Ticket<Result<(), WaitError>>) {
        self.waiting.push((offset, ticket));
    }

    /// Everything below `offset` is durable. Answers what the brain may hear of now; the flush
    /// goes on while more is wanted.
    fn durable(&mut self, offset: Offset) -> Offset {
        let waiting = std::mem::take(&mut self.waiting);
        for (required, ticket) in waiting {
            if required <= offset {
                ticket.fill(Ok(()));
            } else {
                self.waiting.push((required, ticket));
            }
        }
        self.running = self.wanted > offset;
        if self.running {
            offset
        } else {
            offset.max(self.held_back)
        }
    }

    fn fail(&mut self) {
        self.running = false;
        for (_, ticket) in self.waiting.drain(..) {
            ticket.fill(Err(WaitError::Offline));
        }
    }
}

impl ReplicaManager {
    /// Sees to it that everything below `offset` reaches the disk.
    pub(crate) fn flush(
        self: &Arc<Self>,
        replica: &Arc<Replica>,
        state: &mut State,
        offset: Offset,
    ) {
        state.flush.wanted = state.flush.wanted.max(offset);
        if state.flush.running {
            return;
        }
        state.flush.running = true;
        let (manager, replica) = (Arc::clone(self), Arc::clone(replica));
        self.runtime()
            .spawn_blocking(move || manager.run_flushes(&replica));
    }

    fn run_flushes(&self, replica: &Replica) {
        loop {
            let wanted = replica.state().flush.wanted;
            if let Err(error) = replica.log().flush_to(wanted) {
                replica.state().flush.fail();
                return self.storage_failed(replica, &error);
            }
            let mut state = replica.state();
            let log_end = state.flush.durable(wanted);
            let aftermath = replica.step(&mut state, self.now(), Event::Appended { log_end });
            let more = state.flush.running;
            drop(state);
            self.finish(replica, aftermath);
            if !more {
                return;
            }
        }
    }
}
