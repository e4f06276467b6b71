//! Watches as events.
//!
//! A watch of ZooKeeper fires once and says only "look again". It is armed by the read whose answer
//! it guards, so nothing can happen between the two unseen, and armed again by the next read. All
//! this works with servers from 3.4 on.

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use ottla_metadata::{BrokerId, TopicName, TopicPartition};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use zookeeper_client::{EventType, OneshotWatcher, WatchedEvent};

/// Armed watches on their way to the pump; a reader waits when it is full.
const PUMP_QUEUE: usize = 256;

/// Whether a read also arms a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// The next change after the answer becomes a [`WatchEvent`].
    Arm,
    /// Just read.
    No,
}

/// Something that was read with [`Watch::Arm`] has changed since. What it is now must be read,
/// which arms the watch again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchEvent {
    /// `/controller` was created, changed or deleted.
    ControllerChanged,
    /// Children of `/brokers/ids`.
    BrokersChanged,
    /// Data of `/brokers/ids/<id>`, or it was created or deleted.
    BrokerChanged(BrokerId),
    /// Children of `/brokers/topics`.
    TopicsChanged,
    /// Data of `/brokers/topics/<topic>`, or it was created or deleted.
    TopicChanged(TopicName),
    /// Data of a partition's state.
    PartitionStateChanged(TopicPartition),
    /// Children of `/admin/delete_topics`.
    DeleteTopicsChanged,
    /// Children of `/config/changes`.
    ConfigChangesChanged,
    /// Children of `/isr_change_notification`.
    IsrChangesChanged,
    /// Children of `/log_dir_event_notification`.
    LogDirEventsChanged,
    /// `/admin/reassign_partitions` was created, changed or deleted.
    ReassignmentChanged,
    /// `/admin/preferred_replica_election` was created, changed or deleted.
    PreferredElectionChanged,
    /// `/feature` was created, changed or deleted.
    FeatureChanged,
    /// Children of `/consumers/<group>/ids`.
    ConsumersChanged(Arc<str>),
}

/// Those who want to hear of changes.
#[derive(Default)]
pub(crate) struct Subscribers {
    queues: Mutex<Vec<Weak<Queue>>>,
}

/// What one subscriber has not taken yet: each event once, so its size is bounded by the number of
/// different watches.
#[derive(Default)]
struct Queue {
    pending: Mutex<BTreeSet<WatchEvent>>,
    more: Notify,
}

impl Subscribers {
    pub(crate) fn subscribe(&self) -> WatchEvents {
        let queue = Arc::new(Queue::default());
        let mut queues = self.queues.lock();
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(&queue));
        WatchEvents { queue }
    }

    fn publish(&self, event: &WatchEvent) {
        for queue in self.queues.lock().iter().filter_map(Weak::upgrade) {
            queue.pending.lock().insert(event.clone());
            queue.more.notify_one();
        }
    }
}

/// The changes seen by watches. Several changes of one thing may come as one event.
pub struct WatchEvents {
    queue: Arc<Queue>,
}

impl WatchEvents {
    /// Waits for the next event. Safe to drop and call again.
    pub async fn next(&mut self) -> WatchEvent {
        loop {
            if let Some(event) = self.try_next() {
                return event;
            }
            self.queue.more.notified().await;
        }
    }

    /// An event that is already there.
    pub fn try_next(&mut self) -> Option<WatchEvent> {
        self.queue.pending.lock().pop_first()
    }
}

/// Which watches of a generation are in place.
pub(crate) type Armed = Arc<Mutex<HashSet<WatchEvent>>>;

/// What the end of a session means for the watches that were armed with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// Nothing: a new generation begins, which is announced elsewhere.
    Silent,
    /// Anything may have changed, so all of them fire.
    Fire,
}

/// The watches armed with one connection. It ends with the session, since the watches do.
#[derive(Clone)]
pub(crate) struct WatchPump {
    armed: Armed,
    bytes: Arc<AtomicUsize>,
    queue: mpsc::Sender<Placed>,
}

/// A watch that a read has armed, and the bytes it takes.
type Placed = (WatchEvent, usize, OneshotWatcher);
type Fired = Pin<Box<dyn Future<Output = (WatchEvent, usize, WatchedEvent)> + Send>>;

impl WatchPump {
    pub(crate) fn start(subscribers: Arc<Subscribers>, armed: Armed, at_end: AtEnd) -> WatchPump {
        let (queue, placed) = mpsc::channel(PUMP_QUEUE);
        let pump = WatchPump {
            armed,
            bytes: Arc::default(),
            queue,
        };
        tokio::spawn(run(
            placed,
            Arc::clone(&pump.armed),
            Arc::clone(&pump.bytes),
            subscribers,
            at_end,
        ));
        pump
    }

    /// Whether a read needs no watch of its own since one is in place. It is enough: if that watch
    /// has fired already, its event has not been published yet and is still to come.
    pub(crate) fn is_armed(&self, event: &WatchEvent) -> bool {
        self.armed.lock().contains(event)
    }

    /// Sets bytes aside for a watch, if all of this connection's stay within the limit.
    pub(crate) fn reserve(&self, bytes: usize, limit: usize) -> bool {
        let add = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= limit);
        self.bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .is_ok()
    }

    /// Gives back what no watch was armed with.
    pub(crate) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Takes over a watch that a read has armed, with the bytes that were reserved for it.
    pub(crate) async fn add(&self, event: WatchEvent, bytes: usize, watcher: OneshotWatcher) {
        self.armed.lock().insert(event.clone());
        // The pump is gone only when the session is.
        let _ = self.queue.send((event, bytes, watcher)).await;
    }
}

async fn run(
    mut placed: mpsc::Receiver<Placed>,
    armed: Armed,
    taken: Arc<AtomicUsize>,
    subscribers: Arc<Subscribers>,
    at_end: AtEnd,
) {
    let mut watches: FuturesUnordered<Fired> = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            added = placed.recv() => match added {
                Some((event, bytes, watcher)) => {
                    watches.push(Box::pin(async move { (event, bytes, watcher.changed().await) }));
                }
                // Nobody can read with this session any more.
                None => return,
            },
            Some((event, bytes, fired)) = watches.next() => {
                if fired.event_type == EventType::Session && at_end == AtEnd::Silent {
                    return;
                }
                taken.fetch_sub(bytes, Ordering::Relaxed);
                // First disarmed, then published: whoever reads from here on arms anew.
                armed.lock().remove(&event);
                subscribers.publish(&event);
            }
        }
    }
}
