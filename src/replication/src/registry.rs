//! Which partitions live here. Readers take an atomically swapped snapshot and look up by borrowed
//! name, without a lock or an allocation; writers copy it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use ottla_metadata::{TopicName, TopicPartition};
use parking_lot::Mutex;

use crate::replica::Replica;

/// A replica that is assigned to this broker.
#[derive(Clone)]
pub(crate) enum Hosted {
    /// It can be used.
    Online(Arc<Replica>),
    /// Its log directory had failed before the controller spoke of it.
    Offline,
}

type Topics = HashMap<TopicName, Arc<BTreeMap<i32, Hosted>>>;

/// All of them, by topic and partition.
#[derive(Default)]
pub(crate) struct Registry {
    topics: ArcSwap<Topics>,
    writer: Mutex<()>,
}

impl Registry {
    pub(crate) fn get(&self, topic: &str, partition: i32) -> Option<Hosted> {
        self.topics.load().get(topic)?.get(&partition).cloned()
    }

    pub(crate) fn online(&self) -> Vec<Arc<Replica>> {
        let topics = self.topics.load();
        let hosted = topics.values().flat_map(|partitions| partitions.values());
        hosted.filter_map(online).collect()
    }

    pub(crate) fn of_topic(&self, topic: &str) -> Vec<Arc<Replica>> {
        let topics = self.topics.load();
        let partitions = topics.get(topic).into_iter().flat_map(|p| p.values());
        partitions.filter_map(online).collect()
    }

    /// Changes several entries in one swap: `None` removes.
    pub(crate) fn change(&self, changes: Vec<(TopicPartition, Option<Hosted>)>) {
        if changes.is_empty() {
            return;
        }
        let _one_writer = self.writer.lock();
        let mut topics = Topics::clone(&self.topics.load());
        for (TopicPartition { topic, partition }, hosted) in changes {
            // Copied when the topic is first changed; then nobody else has the copy.
            let partitions = Arc::make_mut(topics.entry(Arc::clone(&topic)).or_default());
            match hosted {
                Some(hosted) => partitions.insert(partition, hosted),
                None => partitions.remove(&partition),
            };
            if partitions.is_empty() {
                topics.remove(&topic);
            }
        }
        self.topics.store(Arc::new(topics));
    }
}

fn online(hosted: &Hosted) -> Option<Arc<Replica>> {
    match hosted {
        Hosted::Online(replica) => Some(Arc::clone(replica)),
        Hosted::Offline => None,
    }
}
