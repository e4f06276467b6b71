//! Those who wait for an offset.

use std::collections::VecDeque;

use ottla_metadata::{Millis, Offset};

use crate::WaitError;
use crate::event::{Action, Actions, Waiter};

/// Stands for somebody who waits; the driver knows for whom. Unique per partition object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub u64);

/// A queue ordered by the offset waited for. Waiters come in almost that order, since offsets grow
/// with every append, so that both ends are cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiters {
    queue: VecDeque<Waiter>,
}

impl Waiters {
    pub(crate) fn insert(&mut self, waiter: Waiter) {
        let behind = |queue: &VecDeque<Waiter>, at: usize| {
            at > 0
                && queue
                    .get(at - 1)
                    .is_some_and(|w| w.required > waiter.required)
        };
        let mut at = self.queue.len();
        while behind(&self.queue, at) {
            at -= 1;
        }
        self.queue.insert(at, waiter);
    }

    /// Answers everybody who waited for `reached` or less.
    pub(crate) fn complete(
        &mut self,
        reached: Offset,
        result: Result<(), WaitError>,
        actions: &mut Actions,
    ) {
        while self.queue.front().is_some_and(|w| w.required <= reached) {
            if let Some(waiter) = self.queue.pop_front() {
                actions.push(Action::Answer {
                    waiter: waiter.id,
                    result,
                });
            }
        }
    }

    /// Answers those whose deadline is `now` or past.
    pub(crate) fn expire(&mut self, now: Millis, actions: &mut Actions) {
        self.queue.retain(|waiter| {
            let late = waiter.deadline <= now;
            if late {
                let result = Err(WaitError::TimedOut);
                actions.push(Action::Answer {
                    waiter: waiter.id,
                    result,
                });
            }
            !late
        });
    }

    /// Answers everybody.
    pub(crate) fn fail(&mut self, error: WaitError, actions: &mut Actions) {
        for waiter in self.queue.drain(..) {
            actions.push(Action::Answer {
                waiter: waiter.id,
                result: Err(error),
            });
        }
    }

    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.queue.iter().map(|w| w.deadline).min()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The lowest offset waited for.
    pub(crate) fn lowest(&self) -> Option<Offset> {
        self.queue.front().map(|w| w.required)
    }

    pub(crate) fn is_sorted(&self) -> bool {
        self.queue.iter().is_sorted_by_key(|w| w.required)
    }
}
