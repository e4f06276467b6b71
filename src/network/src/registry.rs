//! The open connections: how many, from where, and how to reach them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Instant;

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What a connection is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Go on.
    Serve,
    /// Take no more requests; end when all answers are sent.
    Drain,
    /// End now, because the broker stops.
    Stop,
    /// End now, to make room.
    MakeRoom,
}

/// A connection as others see it.
pub(crate) struct Control {
    order: AtomicU8,
    waker: AtomicWaker,
    /// When bytes last came, in milliseconds since the registry was made.
    last_used_ms: AtomicU64,
    /// May be closed to make room.
    evictable: bool,
}

impl Control {
    /// The present order; the waker is woken when it changes.
    pub(crate) fn order(&self, waker: &Waker) -> Order {
        self.waker.register(waker);
        match self.order.load(Ordering::Acquire) {
            0 => Order::Serve,
            1 => Order::Drain,
            2 => Order::Stop,
            _ => Order::MakeRoom,
        }
    }

    fn give(&self, order: Order) {
        let number = match order {
            Order::Serve => 0,
            Order::Drain => 1,
            Order::Stop => 2,
            Order::MakeRoom => 3,
        };
        self.order.fetch_max(number, Ordering::AcqRel);
        self.waker.wake();
    }
}

/// All open connections.
pub(crate) struct Registry {
    started: Instant,
    connections: Mutex<Connections>,
    /// Told when the last connection ends.
    emptied: Notify,
}

#[derive(Default)]
struct Connections {
    next_id: u64,
    by_id: HashMap<u64, Arc<Control>>,
    by_ip: HashMap<IpAddr, usize>,
}

impl Registry {
    pub(crate) fn new() -> Arc<Registry> {
        Arc::new(Registry {
            started: Instant::now(),
            connections: Mutex::default(),
            emptied: Notify::new(),
        })
    }

    /// Enters a connection, unless its address already has `max_per_ip`.
    pub(crate) fn enter(
        self: &Arc<Registry>,
        ip: IpAddr,
        max_per_ip: usize,
        evictable: bool,
    ) -> Option<Entry> {
        let control = Arc::new(Control {
            order: AtomicU8::new(0),
            waker: AtomicWaker::new(),
            last_used_ms: AtomicU64::new(0),
            evictable,
        });
        let mut connections = self.connections.lock();
        let count = connections.by_ip.entry(ip).or_default();
        if *count >= max_per_ip {
            if *count == 0 {
                connections.by_ip.remove(&ip);
            }
            return None;
        }
        *count += 1;
        let id = connections.next_id;
        connections.next_id += 1;
        connections.by_id.insert(id, Arc::clone(&control));
        drop(connections);
        let entry = Entry {
            id,
            ip,
            control,
            registry: Arc::clone(self),
        };
        entry.used(Instant::now());
        Some(entry)
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.lock().by_id.len()
    }

    /// Closes the connection that was used least recently, if one may be closed.
    pub(crate) fn make_room(&self) {
        let connections = self.connections.lock();
        let least_recent = connections
            .by_id
            .values()
            .filter(|c| c.evictable && c.order.load(Ordering::Acquire) == 0)
            .min_by_key(|c| c.last_used_ms.load(Ordering::Relaxed));
        if let Some(control) = least_recent {
            control.give(Order::MakeRoom);
        }
    }

    pub(crate) fn give_all(&self, order: Order) {
        for control in self.connections.lock().by_id.values() {
            control.give(order);
        }
    }

    /// Waits until no connection is open.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// A connection's place in the registry; left when dropped.
pub(crate) struct Entry {
    pub(crate) id: u64,
    ip: IpAddr,
    pub(crate) control: Arc<Control>,
    registry: Arc<Registry>,
}

impl Entry {
    /// Notes that bytes came.
    pub(crate) fn used(&self, now: Instant) {
        let since_start = now.saturating_duration_since(self.registry.started);
        let ms = u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX);
        self.control.last_used_ms.store(ms, Ordering::Relaxed);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut connections = self.registry.connections.lock();
        connections.by_id.remove(&self.id);
        if let Some(count) = connections.by_ip.get_mut(&self.ip) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                connections.by_ip.remove(&self.ip);
            }
        }
        if connections.by_id.is_empty() {
            self.registry.emptied.notify_waiters();
        }
    }
}
