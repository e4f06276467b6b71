//! What is on its way into the log.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use ottla_metadata::TopicPartition;

use crate::errors::GroupError;
use crate::events::{AppendId, AppendOutcome, EncodedRecord, WaiterId};
use crate::records::{Key, TooLong};
use crate::stored::Record;
use crate::{MemberId, RecordFormats, Text};

/// Why something is appended, and so what follows its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Purpose {
    /// A commit; the results are those of its partitions if all goes well.
    Commit {
        waiter: WaiterId,
        results: Vec<Result<(), GroupError>>,
    },
    /// The leader's assignment in this generation.
    Assignment { generation: i32 },
    /// A static member came back under another id in a stable group.
    Replacement(Box<Replacement>),
    /// The group became empty.
    Emptied,
    /// Tombstones.
    Removal(Option<Removal>),
}

/// Who waits for tombstones.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Removal {
    /// OffsetDelete; the results if all goes well.
    Offsets {
        waiter: WaiterId,
        results: Vec<Result<(), GroupError>>,
    },
    /// DeleteGroups.
    Group { waiter: WaiterId },
}

/// A static member's change of id, with all that is needed to take it back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Replacement {
    pub(crate) generation: i32,
    pub(crate) new_id: MemberId,
    pub(crate) old_id: MemberId,
    pub(crate) old_leader: MemberId,
    pub(crate) old_protocols: Vec<(Text, Bytes)>,
    pub(crate) old_rebalance_timeout_ms: i32,
    pub(crate) old_session_timeout_ms: i32,
    pub(crate) can_skip_assignment: bool,
}

/// One append under way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InFlight {
    pub(crate) id: AppendId,
    pub(crate) records: Vec<Record>,
    pub(crate) purpose: Purpose,
    pub(crate) outcome: Option<AppendOutcome>,
}

/// The appends under way, oldest first. Their ends take effect in this order, for a later record
/// overrules an earlier one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Appends {
    queue: VecDeque<InFlight>,
    next: u64,
    /// How many commits of a partition are under way.
    commits: BTreeMap<TopicPartition, usize>,
}

impl Appends {
    pub(crate) fn begin(
        &mut self,
        records: Vec<Record>,
        purpose: Purpose,
        outcome: Option<AppendOutcome>,
    ) -> AppendId {
        let id = AppendId(self.next);
        self.next += 1;
        for partition in committed(&records) {
            *self.commits.entry(partition.clone()).or_default() += 1;
        }
        self.queue.push_back(InFlight {
            id,
            records,
            purpose,
            outcome,
        });
        id
    }

    /// Notes an end; of an append that is not known it means nothing.
    pub(crate) fn end(&mut self, id: AppendId, outcome: AppendOutcome) {
        if let Some(append) = self.queue.iter_mut().find(|append| append.id == id) {
            append.outcome.get_or_insert(outcome);
        }
    }

    /// The oldest, if it has ended.
    pub(crate) fn take_ended(&mut self) -> Option<(InFlight, AppendOutcome)> {
        let outcome = self.queue.front()?.outcome?;
        let append = self.queue.pop_front()?;
        for partition in committed(&append.records) {
            if let Some(count) = self.commits.get_mut(partition) {
                *count -= 1;
                if *count == 0 {
                    self.commits.remove(partition);
                }
            }
        }
        Some((append, outcome))
    }

    /// Everything under way, forgotten.
    pub(crate) fn take_all(&mut self) -> VecDeque<InFlight> {
        self.commits.clear();
        std::mem::take(&mut self.queue)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn is_committing(&self, partition: &TopicPartition) -> bool {
        self.commits.contains_key(partition)
    }

    /// The partitions with a commit under way.
    pub(crate) fn committing(&self) -> impl Iterator<Item = &TopicPartition> {
        self.commits.keys()
    }

    pub(crate) fn purposes(&self) -> impl Iterator<Item = &Purpose> {
        self.queue.iter().map(|append| &append.purpose)
    }
}

fn committed(records: &[Record]) -> impl Iterator<Item = &TopicPartition> {
    records.iter().filter_map(|record| match record {
        Record::Offset(partition, Some(_)) => Some(partition),
        Record::Offset(_, None) | Record::Group(_) => None,
    })
}

/// A group's record as bytes.
pub(crate) fn encode(
    group: &str,
    record: &Record,
    formats: RecordFormats,
) -> Result<EncodedRecord, TooLong> {
    let (key, value) = match record {
        Record::Offset(partition, value) => {
            let key = Key::Offset {
                group,
                topic: &partition.topic,
                partition: partition.partition,
            };
            let value = value.as_ref().map(|value| value.encode(formats));
            (key, value)
        }
        Record::Group(value) => {
            let value = value.as_ref().map(|value| value.encode(formats));
            (Key::Group { group }, value)
        }
    };
    Ok(EncodedRecord {
        key: key.encode()?,
        value: value.transpose()?,
    })
}
