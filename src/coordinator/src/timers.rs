//! One task for everything that happens by itself: sessions and rebalances that run out, and the
//! expiry of offsets.

use std::sync::Arc;
use std::time::Instant;

use ottla_metadata::Millis;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::millis;
use crate::coordinator::Coordinator;

/// When the task wakes next, and how to wake it earlier.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    /// By the monotonic clock; `None` while no deadline is known.
    next: Mutex<Option<Millis>>,
    earlier: Notify,
}

impl Timer {
    /// Notes a deadline.
    pub(crate) fn arm(&self, deadline: Option<Millis>) {
        let Some(deadline) = deadline else {
            return;
        };
        let mut next = self.next.lock();
        if next.is_none_or(|next| deadline < next) {
            *next = Some(deadline);
            self.earlier.notify_one();
        }
    }
}

impl Coordinator {
    /// Keeps deadlines and expires offsets until dropped.
    pub async fn run(self: Arc<Self>) {
        let period = millis(self.retention_check_interval).max(1);
        let mut expiry = self.clock.now().mono.saturating_add(period);
        loop {
            let next = *self.timer.next.lock();
            let until = next.unwrap_or(expiry).min(expiry);
            match self.clock.instant(until).map(until_then) {
                Some(pause) => {
                    drop(tokio::time::timeout_at(pause, self.timer.earlier.notified()).await)
                }
                None => self.timer.earlier.notified().await,
            }
            let now = self.clock.now();
            let is_due = self.timer.next.lock().take_if(|next| *next <= now.mono);
            if is_due.is_some() {
                self.on_all(|groups| groups.tick(now));
            }
            if expiry <= now.mono {
                expiry = now.mono.saturating_add(period);
                self.on_all(|groups| groups.expire_offsets(now));
            }
        }
    }
}

fn until_then(instant: Instant) -> tokio::time::Instant {
    tokio::time::Instant::from_std(instant)
}
