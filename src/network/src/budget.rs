//! The one bound over the frames of all connections.
//!
//! The bytes of a frame above 16 KiB are charged as they arrive, in steps, and stay charged until
//! the request is answered. When the budget is used up, connections wait with their half-received
//! frames, and those could hold all of it forever. Two rules prevent that:
//!
//! - One waiting connection at a time is given the overdraft: it may exceed the budget until its
//!   request is answered. So with clients that send, somebody always gets on, and at most
//!   the budget plus one frame (`socket.request.max.bytes`) is used.
//! - While somebody waits, a half-received frame that does not grow fast enough is given up and
//!   its connection closed. So clients that do not send cannot keep budget or overdraft.
//!
//! A waiting connection is not read from: the client feels it as a full socket.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) struct Budget {
    bytes: Arc<Semaphore>,
    overdraft: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget {
            bytes: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))),
            overdraft: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Whether somebody waits for bytes.
    pub(crate) fn is_contended(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    #[cfg(test)]
    pub(crate) fn available(&self) -> usize {
        self.bytes.available_permits()
    }
}

/// The bytes that one frame may take; given back when dropped.
#[derive(Default)]
pub(crate) struct Charge {
    bytes: Option<OwnedSemaphorePermit>,
    overdraft: Option<OwnedSemaphorePermit>,
}

/// A wait for more bytes.
pub(crate) type Waiting = Pin<Box<dyn Future<Output = Charge> + Send>>;

impl Charge {
    /// How many bytes of memory are paid for.
    pub(crate) fn covered(&self) -> usize {
        match (&self.overdraft, &self.bytes) {
            (Some(_), _) => usize::MAX,
            (None, Some(permit)) => permit.num_permits(),
            (None, None) => 0,
        }
    }

    /// Takes `more` bytes if they are there.
    pub(crate) fn try_add(&mut self, budget: &Budget, more: usize) -> bool {
        let Ok(more) = u32::try_from(more) else {
            return false;
        };
        match budget.bytes.clone().try_acquire_many_owned(more) {
            Ok(permit) => {
                self.merge(Charge {
                    bytes: Some(permit),
                    overdraft: None,
                });
                true
            }
            Err(_) => false,
        }
    }

    pub(crate) fn merge(&mut self, other: Charge) {
        match (&mut self.bytes, other.bytes) {
            (Some(mine), Some(others)) => mine.merge(others),
            (mine, others) => *mine = mine.take().or(others),
        }
        self.overdraft = self.overdraft.take().or(other.overdraft);
    }
}

/// Waits for `more` bytes, or for the overdraft if that comes first.
pub(crate) fn wait(budget: Arc<Budget>, more: usize) -> Waiting {
    Box::pin(async move {
        let _waiter = Waiter::new(&budget);
        // More than a u32 holds is more than a frame holds; the overdraft serves it.
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            bytes = budget.bytes.clone().acquire_many_owned(more) => Charge {
                bytes: bytes.ok(),
                overdraft: None,
            },
            overdraft = budget.overdraft.clone().acquire_owned() => Charge {
                bytes: None,
                overdraft: overdraft.ok(),
            },
        }
    })
}

/// Counts a waiting connection as long as it waits.
struct Waiter<'a>(&'a Budget);

impl Waiter<'_> {
    fn new(budget: &Budget) -> Waiter<'_> {
        budget.waiting.fetch_add(1, Ordering::Relaxed);
        Waiter(budget)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_waiter_gets_the_overdraft_and_the_next_the_bytes() {
        let budget = Budget::new(100);
        let mut first = Charge::default();
        assert!(first.try_add(&budget, 60));
        assert!(first.try_add(&budget, 40));
        assert_eq!(first.covered(), 100);
        assert!(!first.try_add(&budget, 1));

        let second = wait(budget.clone(), 50).await;
        assert_eq!(second.covered(), usize::MAX);
        let mut third = tokio::spawn(wait(budget.clone(), 50));
        tokio::task::yield_now().await;
        assert!(budget.is_contended());
        assert!(!third.is_finished());
        drop(first);
        assert_eq!((&mut third).await.unwrap().covered(), 50);
        assert!(!budget.is_contended());
        drop(second);
        // `third` gave its bytes back when its charge was dropped above.
        assert_eq!(budget.available(), 100);
    }
}
