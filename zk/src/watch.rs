//! Watches as events.
//!
//! A watch of ZooKeeper fires once and says only "look again". It is armed by the read whose answer
//! it guards, so nothing can happen between the two unseen, and armed again by the next read. All
//! this works with servers from 3.4 on.

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::pin::Pin;
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

/// The watches armed in one session. It ends with the session, since the watches do.
#[derive(Clone)]
pub(crate) struct WatchPump {
    armed: Arc<Mutex<HashSet<WatchEvent>>>,
    queue: mpsc::Sender<(WatchEvent, OneshotWatcher)>,
}

type Fired = Pin<Box<dyn Future<Output = (WatchEvent, WatchedEvent)> + Send>>;

impl WatchPump {
    pub(crate) fn start(subscribers: Arc<Subscribers>) -> WatchPump {
        let (queue, armed_watches) = mpsc::channel(PUMP_QUEUE);
        let armed = Arc::new(Mutex::new(HashSet::new()));
        tokio::spawn(pump(Arc::clone(&armed), armed_watches, subscribers));
        WatchPump { armed, queue }
    }

    /// Whether a read needs no watch of its own since one is in place. It is enough: if that watch
    /// has fired already, its event has not been published yet and is still to come.
    pub(crate) fn is_armed(&self, event: &WatchEvent) -> bool {
        self.armed.lock().contains(event)
    }

    /// Takes over a watch that a read has armed.
    pub(crate) async fn add(&self, event: WatchEvent, watcher: OneshotWatcher) {
        self.armed.lock().insert(event.clone());
        // The pump is gone only when the session is.
        let _ = self.queue.send((event, watcher)).await;
    }
}

async fn pump(
    armed: Arc<Mutex<HashSet<WatchEvent>>>,
    mut queue: mpsc::Receiver<(WatchEvent, OneshotWatcher)>,
    subscribers: Arc<Subscribers>,
) {
    let mut watches: FuturesUnordered<Fired> = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            added = queue.recv() => match added {
                Some((event, watcher)) => {
                    watches.push(Box::pin(async move { (event, watcher.changed().await) }));
                }
                // Nobody can read with this session any more.
                None => return,
            },
            Some((event, fired)) = watches.next() => {
                if fired.event_type == EventType::Session {
                    // The session has ended, which is announced elsewhere.
                    return;
                }
                // First disarmed, then published: whoever reads from here on arms anew.
                armed.lock().remove(&event);
                subscribers.publish(&event);
            }
        }
    }
}
