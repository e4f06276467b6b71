//! Followers' fetchers: per leader `num.replica.fetchers` tasks with a connection each.
//!
//! What to ask and what an answer means is decided by each partition's brain; here is who asks, on
//! which connection, and in which words. A task is told of changes through its [`Inbox`]. It ends
//! when it has nothing left to follow.

mod answers;
mod exchange;
mod link;
mod questions;
mod requests;
mod session;
mod task;
mod versions;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ottla_metadata::{BrokerId, TopicPartition};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};

use self::task::Task;
use crate::manager::ReplicaManager;
use crate::replica::Replica;

/// A leader and the number of the connection to it.
type FetcherKey = (BrokerId, usize);

/// All fetchers of this broker.
#[derive(Default)]
pub(crate) struct Fetchers {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: HashMap<FetcherKey, Running>,
    /// Who fetches each partition.
    places: HashMap<TopicPartition, (FetcherKey, Arc<Replica>)>,
    /// Nobody is placed any more.
    is_leaving: bool,
    is_stopped: bool,
}

struct Running {
    inbox: Arc<Inbox>,
    task: AbortHandle,
}

/// What a fetcher has to be told. The last word on a partition counts.
#[derive(Default)]
struct Inbox {
    changes: Mutex<BTreeMap<TopicPartition, Option<Arc<Replica>>>>,
    told: Notify,
}

impl Inbox {
    fn put(&self, partition: &TopicPartition, replica: Option<Arc<Replica>>) {
        self.changes.lock().insert(partition.clone(), replica);
    }

    fn take(&self) -> BTreeMap<TopicPartition, Option<Arc<Replica>>> {
        std::mem::take(&mut *self.changes.lock())
    }

    fn is_empty(&self) -> bool {
        self.changes.lock().is_empty()
    }

    /// Whether there is something to fetch that was not fetched before.
    fn has_arrivals(&self) -> bool {
        self.changes.lock().values().any(Option::is_some)
    }
}

/// Which of a leader's connections fetches a partition (`AbstractFetcherManager.getFetcherId`).
fn connection_of(partition: &TopicPartition, connections: usize) -> usize {
    let hash = partition.topic.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    let mixed = hash.wrapping_mul(31).wrapping_add(partition.partition);
    // Java's Utils.abs: the sign bit goes.
    let positive = mixed & i32::MAX;
    usize::try_from(positive).unwrap_or(0) % connections.max(1)
}

impl Fetchers {
    /// Has `replica` fetched from `leader` from now on, or from nobody. Whoever calls also calls
    /// [`Fetchers::wake`].
    pub(crate) fn place(
        &self,
        manager: &Arc<ReplicaManager>,
        replica: &Arc<Replica>,
        leader: Option<BrokerId>,
        connections: usize,
    ) {
        let partition = &replica.partition;
        let to = leader.map(|leader| (leader, connection_of(partition, connections)));
        let mut state = self.state.lock();
        if state.is_stopped {
            return;
        }
        let to = to.filter(|_| !state.is_leaving);
        let from = match to {
            Some(key) => {
                let place = (key, Arc::clone(replica));
                state.places.insert(partition.clone(), place)
            }
            None => state.places.remove(partition),
        };
        let from = from.map(|(key, _)| key);
        if let Some(old) = from.filter(|from| Some(*from) != to) {
            if let Some(running) = state.running.get(&old) {
                running.inbox.put(partition, None);
            }
        }
        if let Some(key) = to {
            let running = state
                .running
                .entry(key)
                .or_insert_with(|| start(manager, key));
            running.inbox.put(partition, Some(Arc::clone(replica)));
        }
    }

    /// Has every fetcher with news look at them.
    pub(crate) fn wake(&self) {
        for running in self.state.lock().running.values() {
            if !running.inbox.is_empty() {
                running.inbox.told.notify_one();
            }
        }
    }

    /// Goes on with what is fetched, and begins nothing.
    pub(crate) fn leave(&self) {
        self.state.lock().is_leaving = true;
    }

    /// Ends all fetchers for good.
    pub(crate) fn stop(&self) {
        let mut state = self.state.lock();
        state.is_stopped = true;
        state.places.clear();
        for (_, running) in state.running.drain() {
            running.task.abort();
        }
    }

    /// A fetcher with nothing to do asks whether it may end. News that came meanwhile keep it.
    fn retire(&self, key: FetcherKey, inbox: &Inbox) -> bool {
        let mut state = self.state.lock();
        let may_end = inbox.is_empty();
        if may_end {
            state.running.remove(&key);
        }
        may_end
    }

    /// Begins a new fetcher in the place of one that failed; whatever that one knew or was told
    /// meanwhile, the places say what is to be fetched.
    fn replace(&self, manager: &Arc<ReplicaManager>, key: FetcherKey, failed: &Arc<Inbox>) {
        let mut state = self.state.lock();
        let running = state.running.get(&key);
        if !running.is_some_and(|running| Arc::ptr_eq(&running.inbox, failed)) {
            return;
        }
        state.running.remove(&key);
        let places = state.places.values().filter(|(at, _)| *at == key);
        let replicas: Vec<_> = places.map(|(_, replica)| Arc::clone(replica)).collect();
        if replicas.is_empty() {
            return;
        }
        let running = start(manager, key);
        for replica in replicas {
            let partition = replica.partition.clone();
            running.inbox.put(&partition, Some(replica));
        }
        running.inbox.told.notify_one();
        state.running.insert(key, running);
    }
}

impl Drop for Fetchers {
    fn drop(&mut self) {
        self.stop();
    }
}

fn start(manager: &Arc<ReplicaManager>, key: FetcherKey) -> Running {
    let inbox = Arc::new(Inbox::default());
    let task = Task::new(manager, key, Arc::clone(&inbox));
    let task = manager.runtime().spawn(task.run());
    let running = Running {
        inbox: Arc::clone(&inbox),
        task: task.abort_handle(),
    };
    let pause = manager.settings.following.backoff;
    let manager_later = Arc::downgrade(manager);
    let again = move || {
        if let Some(manager) = manager_later.upgrade() {
            manager.fetchers.replace(&manager, key, &inbox);
        }
    };
    manager.runtime().spawn(watch_over(task, key, pause, again));
    running
}

/// A fetcher that failed must not take its partitions along: they would be followed no more.
async fn watch_over(task: JoinHandle<()>, key: FetcherKey, pause: Duration, again: impl FnOnce()) {
    match task.await {
        Err(error) if error.is_panic() => {
            tracing::error!(leader = key.0.0, %error, "a fetcher failed, another one begins");
            tokio::time::sleep(pause).await;
            again();
        }
        // It had nothing left to follow, or was ended.
        Ok(()) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `"t".hashCode()` and its like give in Java.
    #[test]
    fn connections_as_kafka_chooses_them() {
        for (topic, partition, connections, expected) in [
            ("t", 0, 1, 0),
            ("t", 0, 4, 3596 % 4),
            ("t", 3, 4, 3599 % 4),
            ("ab", 1, 7, (3105 * 31 + 1) % 7),
        ] {
            let partition = TopicPartition::new(topic, partition);
            assert_eq!(connection_of(&partition, connections), expected);
        }
    }

    #[tokio::test]
    async fn only_a_fetcher_that_failed_is_replaced() {
        let failed = || tokio::spawn(async { panic!("as a test wants it") });
        let aborted = || {
            let task = tokio::spawn(std::future::pending());
            task.abort();
            task
        };
        for (task, expected) in [
            (failed(), true),
            (aborted(), false),
            (tokio::spawn(async {}), false),
        ] {
            let mut replaced = false;
            let key = (BrokerId(1), 0);
            watch_over(task, key, Duration::ZERO, || replaced = true).await;
            assert_eq!(replaced, expected);
        }
    }
}
