//! Who reads what, as the old consumer computes it (Kafka's `kafka.consumer.PartitionAssignor`).
//!
//! Java's order of texts and its hash of them are part of the agreement between the members.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use ottla_metadata::{TopicName, TopicPartition};

use crate::group::GroupView;

/// A thread of a member, which owns partitions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerThread {
    /// The member's id.
    pub consumer: String,
    /// Its number, from 0.
    pub thread: i32,
}

impl fmt::Display for ConsumerThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.consumer, self.thread)
    }
}

impl ConsumerThread {
    /// Threads are ordered as texts, so that 10 comes before 2, and texts as Java orders them.
    pub(crate) fn sort_key(&self) -> Vec<u16> {
        self.to_string().encode_utf16().collect()
    }
}

/// `partition.assignment.strategy`; one for all members of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssignmentStrategy {
    /// Each topic by itself: its partitions in ranges.
    #[default]
    Range,
    /// All partitions of all topics, dealt in turn.
    RoundRobin,
}

impl FromStr for AssignmentStrategy {
    type Err = ();

    fn from_str(name: &str) -> Result<AssignmentStrategy, ()> {
        match name {
            "range" => Ok(AssignmentStrategy::Range),
            "roundrobin" => Ok(AssignmentStrategy::RoundRobin),
            _ => Err(()),
        }
    }
}

/// The owner of every partition that a member of the group wants.
pub fn assign(
    strategy: AssignmentStrategy,
    group: &GroupView,
) -> BTreeMap<TopicPartition, ConsumerThread> {
    match strategy {
        AssignmentStrategy::Range => range(group),
        AssignmentStrategy::RoundRobin => round_robin(group),
    }
}

fn range(group: &GroupView) -> BTreeMap<TopicPartition, ConsumerThread> {
    let mut owners = BTreeMap::new();
    for (topic, threads) in group.threads_by_topic() {
        let partitions = group.partitions.get(&topic);
        let mut left = partitions.into_iter().flatten();
        let count = partitions.map_or(0, BTreeSet::len);
        // There is no topic without a thread.
        let (each, more) = (count / threads.len().max(1), count % threads.len().max(1));
        for (position, thread) in threads.iter().enumerate() {
            let share = each + usize::from(position < more);
            for partition in left.by_ref().take(share) {
                owners.insert(at(&topic, *partition), thread.clone());
            }
        }
    }
    owners
}

fn round_robin(group: &GroupView) -> BTreeMap<TopicPartition, ConsumerThread> {
    let by_topic = group.threads_by_topic();
    let readers: BTreeMap<&TopicName, BTreeSet<&ConsumerThread>> = by_topic
        .iter()
        .map(|(topic, threads)| (topic, threads.iter().collect()))
        .collect();
    let all: BTreeSet<&ConsumerThread> = by_topic.values().flatten().collect();
    let mut all: Vec<&ConsumerThread> = all.into_iter().collect();
    all.sort_by_cached_key(|thread| thread.sort_key());

    let of_topic = |(topic, numbers): (&TopicName, &BTreeSet<i32>)| {
        let topic = topic.clone();
        let numbers: Vec<i32> = numbers.iter().copied().collect();
        numbers.into_iter().map(move |number| at(&topic, number))
    };
    let mut partitions: Vec<TopicPartition> = group.partitions.iter().flat_map(of_topic).collect();
    // The text of a partition is that of 1.0 and 1.1; releases before put it into brackets and
    // have another order. Among equals Kafka's is that of a hash map; they are of different topics.
    partitions.sort_by_cached_key(|tp| java_hash(&format!("{}-{}", tp.topic, tp.partition)));

    let mut owners = BTreeMap::new();
    let mut turn = all.iter().cycle();
    for partition in partitions {
        let Some(readers) = readers.get(&partition.topic) else {
            continue;
        };
        // One round finds a reader, since a topic has at least one.
        let next = turn
            .by_ref()
            .take(all.len())
            .find(|t| readers.contains(**t));
        if let Some(thread) = next {
            owners.insert(partition, (*thread).clone());
        }
    }
    owners
}

fn at(topic: &TopicName, partition: i32) -> TopicPartition {
    TopicPartition {
        topic: topic.clone(),
        partition,
    }
}

/// Java's `String.hashCode`.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

#[cfg(test)]
mod tests;
