//! How far the group is in the partitions we own.

use std::collections::BTreeMap;

use ottla_metadata::{Offset, TopicPartition};
use ottla_zk::{WriteError, Zk};

/// How often a commit whose answer was lost is repeated.
const ATTEMPTS: u32 = 3;

/// The next offsets, as far as we have come and as ZooKeeper has them.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    consumed: BTreeMap<TopicPartition, Offset>,
    committed: BTreeMap<TopicPartition, Offset>,
}

impl Offsets {
    /// Begins with a partition; `stored` if that is what ZooKeeper has.
    pub(crate) fn begin(&mut self, partition: &TopicPartition, next: Offset, stored: bool) {
        self.consumed.insert(partition.clone(), next);
        match stored {
            true => self.committed.insert(partition.clone(), next),
            false => self.committed.remove(partition),
        };
    }

    /// Everything before `next` was processed. Of a partition that is not ours, it does not count.
    pub(crate) fn consumed(&mut self, partition: &TopicPartition, next: Offset) {
        if let Some(consumed) = self.consumed.get_mut(partition) {
            *consumed = next;
        }
    }

    pub(crate) fn next(&self, partition: &TopicPartition) -> Option<Offset> {
        self.consumed.get(partition).copied()
    }

    pub(crate) fn partitions(&self) -> Vec<TopicPartition> {
        self.consumed.keys().cloned().collect()
    }

    pub(crate) fn forget(&mut self, partition: &TopicPartition) {
        self.consumed.remove(partition);
        self.committed.remove(partition);
    }

    /// Stores what has changed since the last commit.
    pub(crate) async fn commit(&mut self, zk: &Zk, group: &str) -> Result<(), WriteError> {
        for (partition, next) in &self.consumed {
            if self.committed.get(partition) == Some(next) {
                continue;
            }
            let (topic, number) = (&partition.topic, partition.partition);
            let mut attempt = 1;
            loop {
                match zk.write_consumer_offset(group, topic, number, *next).await {
                    Ok(()) => break,
                    Err(WriteError::Unknown { .. }) if attempt < ATTEMPTS => attempt += 1,
                    Err(error) => return Err(error),
                }
            }
            self.committed.insert(partition.clone(), *next);
        }
        Ok(())
    }
}
