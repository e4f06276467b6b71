//! Somebody who waits for one or more partitions.

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The shared part of a request that waits: one slot per partition it waits for.
pub(crate) struct Wait<R> {
    slots: Mutex<Slots<R>>,
    done: Notify,
}

struct Slots<R> {
    results: Vec<Option<R>>,
    missing: usize,
}

/// One slot of a [`Wait`], held by the partition that will fill it.
pub(crate) struct Ticket<R> {
    pub(crate) wait: std::sync::Arc<Wait<R>>,
    pub(crate) slot: usize,
}

impl<R> Wait<R> {
    pub(crate) fn new() -> Wait<R> {
        let slots = Slots {
            results: Vec::new(),
            missing: 0,
        };
        Wait {
            slots: Mutex::new(slots),
            done: Notify::new(),
        }
    }

    /// Opens a slot.
    pub(crate) fn open(self: &std::sync::Arc<Self>) -> Ticket<R> {
        let mut slots = self.slots.lock();
        slots.results.push(None);
        slots.missing += 1;
        Ticket {
            wait: std::sync::Arc::clone(self),
            slot: slots.results.len() - 1,
        }
    }

    /// Returns when every slot is filled.
    pub(crate) async fn filled(&self) {
        while self.slots.lock().missing > 0 {
            self.done.notified().await; // a permit is kept, so a fill between the two is not missed
        }
    }

    pub(crate) fn is_filled(&self) -> bool {
        self.slots.lock().missing == 0
    }

    /// What the slots hold, in the order they were opened. Unfilled ones are `None`.
    pub(crate) fn take(&self) -> Vec<Option<R>> {
        std::mem::take(&mut self.slots.lock().results)
    }
}

impl<R> Ticket<R> {
    /// Fills the slot. Only the first time counts.
    pub(crate) fn fill(self, result: R) {
        let mut slots = self.wait.slots.lock();
        let Some(slot @ None) = slots.results.get_mut(self.slot) else {
            return;
        };
        *slot = Some(result);
        slots.missing -= 1;
        let is_last = slots.missing == 0;
        drop(slots);
        if is_last {
            self.wait.done.notify_one();
        }
    }
}
