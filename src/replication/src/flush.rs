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

    /// The log ends at `log_end` after a cut, or what comes after it will be another leader's:
    /// what asked for a flush or waits for one beyond it is gone.
    pub(crate) fn cut(&mut self, log_end: Offset) {
        self.lower(log_end);
        let waiting = std::mem::take(&mut self.waiting);
        for (required, ticket) in waiting {
            if required <= log_end {
                self.waiting.push((required, ticket));
            } else {
                ticket.fill(Err(WaitError::LeadershipLost));
            }
        }
    }

    fn lower(&mut self, log_end: Offset) {
        self.wanted = self.wanted.min(log_end);
        self.held_back = self.held_back.min(log_end);
    }

    /// Everything below `offset` of a log that ends at `log_end` is durable. Answers what the brain
    /// may hear of now; the flush goes on while more is wanted.
    fn durable(&mut self, offset: Offset, log_end: Offset) -> Offset {
        self.lower(log_end);
        let offset = offset.min(log_end);
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
            // The log may have been cut since: then it ends before, and the flush covered less.
            // Its end is read under the lock, so that the brain hears of a later cut afterwards.
            let log = replica.log();
            let reached = wanted.min(log.recovery_point());
            let log_end = state.flush.durable(reached, log.log_end_offset());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(flush: &mut Flush, (offset, log_end): (Offset, Offset), heard: Offset, more: bool) {
        assert_eq!(flush.durable(offset, log_end), heard);
        assert_eq!(flush.running, more);
    }

    fn running(wanted: Offset, held_back: Offset) -> Flush {
        Flush {
            running: true,
            wanted,
            held_back,
            ..Flush::default()
        }
    }

    #[test]
    fn the_brain_hears_of_what_is_durable_and_then_of_the_rest() {
        let mut flush = running(8, 0);
        assert!(!flush.admits(10));
        check(&mut flush, (5, 10), 5, true);
        check(&mut flush, (8, 10), 10, false);
        assert!(flush.admits(11));
    }

    #[test]
    fn nothing_beyond_a_cut_counts() {
        // The log was cut, and whoever cut it has not said so yet.
        check(&mut running(10, 12), (10, 4), 4, false);
        // It has, and a new leadership has appended up to 6, which this flush did not cover.
        let mut flush = running(10, 12);
        flush.cut(4);
        flush.wanted = 6;
        check(&mut flush, (4, 6), 4, true);
        check(&mut flush, (6, 6), 6, false);
        // What an earlier leadership held back is not heard of later.
        let mut flush = running(3, 12);
        flush.cut(4);
        check(&mut flush, (3, 9), 4, false);
    }

    #[test]
    fn who_waits_for_what_was_cut_is_told() {
        let wait = Arc::new(crate::wait::Wait::new());
        let mut flush = running(10, 0);
        flush.enter(3, wait.open());
        flush.enter(10, wait.open());
        flush.cut(4);
        check(&mut flush, (4, 4), 4, false);
        let outcomes = wait.take().into_iter().collect::<Vec<_>>();
        assert_eq!(
            outcomes,
            [Some(Ok(())), Some(Err(WaitError::LeadershipLost))]
        );
    }
}
