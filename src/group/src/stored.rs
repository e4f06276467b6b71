//! What is stored of a group: changed by replay and nothing else.

use std::collections::BTreeMap;

use ottla_metadata::{Offset, TopicName, TopicPartition};

use crate::records::{CommittedOffset, StoredGroup};

/// A record of a group, taken out of its bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    /// An offset, or its tombstone.
    Offset(TopicPartition, Option<CommittedOffset>),
    /// The group itself, or its tombstone.
    Group(Option<StoredGroup>),
}

/// The hard state of a group. What an older record says than the one known changes nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stored {
    group: Option<(Offset, StoredGroup)>,
    offsets: BTreeMap<TopicName, BTreeMap<i32, (Offset, CommittedOffset)>>,
}

impl Stored {
    pub(crate) fn replay(&mut self, at: Offset, record: Record) {
        match record {
            Record::Offset(partition, value) => {
                self.replay_offset(at, &partition.topic, partition.partition, value);
            }
            Record::Group(value) => self.replay_group(at, value),
        }
    }

    pub(crate) fn replay_offset(
        &mut self,
        at: Offset,
        topic: &str,
        partition: i32,
        value: Option<CommittedOffset>,
    ) {
        let Some(value) = value else {
            return self.forget_offset(at, topic, partition);
        };
        if !self.offsets.contains_key(topic) {
            self.offsets.insert(TopicName::from(topic), BTreeMap::new());
        }
        let Some(partitions) = self.offsets.get_mut(topic) else {
            return;
        };
        let known = partitions.get(&partition).map(|(known, _)| *known);
        if known.is_none_or(|known| known <= at) {
            partitions.insert(partition, (at, value));
        }
    }

    fn forget_offset(&mut self, at: Offset, topic: &str, partition: i32) {
        let Some(partitions) = self.offsets.get_mut(topic) else {
            return;
        };
        if partitions
            .get(&partition)
            .is_some_and(|(known, _)| *known <= at)
        {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.offsets.remove(topic);
            }
        }
    }

    pub(crate) fn replay_group(&mut self, at: Offset, value: Option<StoredGroup>) {
        if self.group.as_ref().is_none_or(|(known, _)| *known <= at) {
            self.group = value.map(|value| (at, value));
        }
    }

    pub(crate) fn group(&self) -> Option<&StoredGroup> {
        self.group.as_ref().map(|(_, group)| group)
    }

    pub(crate) fn offset(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.offsets
            .get(topic)?
            .get(&partition)
            .map(|(_, offset)| offset)
    }

    /// All offsets, by topic and partition.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = (&TopicName, i32, &CommittedOffset)> {
        self.offsets.iter().flat_map(|(topic, partitions)| {
            partitions
                .iter()
                .map(move |(partition, (_, offset))| (topic, *partition, offset))
        })
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.group.is_none() && self.offsets.is_empty()
    }

    pub(crate) fn has_offsets(&self) -> bool {
        !self.offsets.is_empty()
    }
}
