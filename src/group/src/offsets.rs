//! Offsets: OffsetCommit, OffsetDelete, DeleteGroups, expiry (KIP-211).

use std::collections::BTreeSet;

use ottla_metadata::{Millis, TopicName, TopicPartition};

use crate::Text;
use crate::appends::{Purpose, Removal};
use crate::errors::GroupError;
use crate::events::{Commit, CommitOffset, Response, WaiterId};
use crate::group::{Group, Phase, Step};
use crate::records::CommittedOffset;
use crate::settings::Settings;
use crate::stored::Record;

/// How many tombstones go into one batch, so that the largest group's fit.
const TOMBSTONES_PER_BATCH: usize = 1000;

impl Group {
    pub(crate) fn commit(&mut self, step: &mut Step<'_>, commit: Commit) {
        if let Err(error) = self.admit_commit(step, &commit) {
            let results = commit.offsets.iter().map(|_| Err(error)).collect();
            return step.answer(commit.waiter, Response::Commit(results));
        }
        let mut records = Vec::with_capacity(commit.offsets.len());
        let mut results = Vec::with_capacity(commit.offsets.len());
        for offset in commit.offsets {
            if offset.metadata.encode_utf16().count() > step.settings.offset_metadata_max {
                results.push(Err(GroupError::OffsetMetadataTooLarge));
                continue;
            }
            results.push(Ok(()));
            let partition = offset.partition.clone();
            let value = to_commit(step, offset, commit.retention_ms);
            records.push(Record::Offset(partition, Some(value)));
        }
        let waiter = commit.waiter;
        if records.is_empty() {
            step.answer(waiter, Response::Commit(results));
        } else {
            self.append(step, records, Purpose::Commit { waiter, results });
        }
    }

    /// Who may commit (`GroupCoordinator.validateOffsetCommit`): members of this generation, and
    /// anybody without a generation while there are no members. A member's session is renewed.
    fn admit_commit(&mut self, step: &Step<'_>, commit: &Commit) -> Result<(), GroupError> {
        let names_itself = commit.generation >= 0
            || !commit.member.member_id.is_empty()
            || commit.member.instance_id.is_some();
        match self.phase {
            Phase::Dead => return Err(GroupError::CoordinatorNotAvailable),
            Phase::Empty if commit.generation < 0 => return Ok(()),
            _ if !names_itself => return Err(GroupError::UnknownMemberId),
            _ => self.admit(&commit.member, commit.generation)?,
        }
        if let Phase::Completing { .. } = self.phase {
            return Err(GroupError::RebalanceInProgress);
        }
        if let Some(member) = self.members.get_mut(&commit.member.member_id) {
            member.renew(step.now.mono);
        }
        Ok(())
    }

    pub(crate) fn delete_offsets(
        &mut self,
        step: &mut Step<'_>,
        waiter: WaiterId,
        partitions: Vec<TopicPartition>,
    ) {
        let refused = match self.phase {
            Phase::Empty => None,
            Phase::Dead => Some(GroupError::GroupIdNotFound),
            _ if self.is_of_consumers() => None,
            _ => Some(GroupError::NonEmptyGroup),
        };
        if let Some(error) = refused {
            return step.answer(waiter, Response::DeleteOffsets(Err(error)));
        }
        let check = |partition: &TopicPartition| match self.reads(&partition.topic) {
            true => Err(GroupError::GroupSubscribedToTopic),
            false => Ok(()),
        };
        let results: Vec<_> = partitions.iter().map(check).collect();
        let allowed = partitions.into_iter().zip(&results);
        let gone: BTreeSet<TopicPartition> = allowed
            .filter(|(partition, result)| result.is_ok() && self.knows(partition))
            .map(|(partition, _)| partition)
            .collect();
        if gone.is_empty() {
            return step.answer(waiter, Response::DeleteOffsets(Ok(results)));
        }
        self.remove_offsets(step, gone, Some(Removal::Offsets { waiter, results }));
    }

    /// Whether members read the topic, to be safe if it is not known.
    fn reads(&self, topic: &str) -> bool {
        let subscribed = self.subscribed.as_ref();
        !self.is_empty() && subscribed.is_none_or(|topics| topics.contains(topic))
    }

    fn knows(&self, partition: &TopicPartition) -> bool {
        let stored = self.stored.offset(&partition.topic, partition.partition);
        stored.is_some() || self.appends.is_committing(partition)
    }

    pub(crate) fn delete(&mut self, step: &mut Step<'_>, waiter: WaiterId) {
        let error = match self.phase {
            Phase::Empty => {
                let all = self.all_offsets();
                let removal = Some(Removal::Group { waiter });
                return self.remove_offsets(step, all, removal);
            }
            Phase::Dead => GroupError::GroupIdNotFound,
            Phase::Preparing { .. } | Phase::Completing { .. } | Phase::Stable { .. } => {
                GroupError::NonEmptyGroup
            }
        };
        step.answer(waiter, Response::DeleteGroup(Err(error)));
    }

    fn all_offsets(&self) -> BTreeSet<TopicPartition> {
        let stored = self.stored.offsets();
        let stored =
            stored.map(|(topic, partition, _)| TopicPartition::new(topic.clone(), partition));
        stored.chain(self.appends.committing().cloned()).collect()
    }

    pub(crate) fn topics_deleted(&mut self, step: &mut Step<'_>, topics: &BTreeSet<TopicName>) {
        let mut gone = self.all_offsets();
        gone.retain(|partition| topics.contains(&partition.topic));
        if !gone.is_empty() {
            self.remove_offsets(step, gone, None);
        }
    }

    pub(crate) fn expire_offsets(&mut self, step: &mut Step<'_>) {
        let gone = self.expired_offsets(step.settings, step.now.wall);
        if !gone.is_empty() || self.is_empty() {
            self.remove_offsets(step, gone, None);
        }
    }

    /// Which offsets have expired (`GroupMetadata.removeExpiredOffsets`). The retention counts from
    /// when the group became empty, or from the commit if nobody may be reading the topic.
    fn expired_offsets(&self, settings: &Settings, now: Millis) -> BTreeSet<TopicPartition> {
        let (base, subscribed) = match (&self.protocol_type, &self.phase) {
            (Some(_), Phase::Empty) => (self.since, None),
            (Some(_), Phase::Stable { .. }) if self.is_of_consumers() => match &self.subscribed {
                Some(topics) => (None, Some(topics)),
                None => return BTreeSet::new(),
            },
            (Some(_), _) => return BTreeSet::new(),
            (None, _) => (None, None),
        };
        let retention = settings.offsets_retention_ms;
        let has_expired = |offset: &CommittedOffset| match offset.expire_timestamp {
            Some(at) => now >= at,
            None => now.saturating_sub(base.unwrap_or(offset.commit_timestamp)) >= retention,
        };
        self.stored
            .offsets()
            .filter(|(topic, _, offset)| {
                has_expired(offset) && !subscribed.is_some_and(|topics| topics.contains(*topic))
            })
            .map(|(topic, partition, _)| TopicPartition::new(topic.clone(), partition))
            .filter(|partition| !self.appends.is_committing(partition))
            .collect()
    }

    /// Writes tombstones, and the group's own if the group is empty and keeps nothing.
    fn remove_offsets(
        &mut self,
        step: &mut Step<'_>,
        gone: BTreeSet<TopicPartition>,
        removal: Option<Removal>,
    ) {
        let was_stored = self.generation > 0 || self.stored.group().is_some();
        let whole = matches!(removal, Some(Removal::Group { .. }));
        let ends = self.is_empty() && (whole || self.is_all(&gone));
        let mut records: Vec<Record> = gone
            .into_iter()
            .map(|partition| Record::Offset(partition, None))
            .collect();
        if ends && was_stored {
            records.push(Record::Group(None));
        }
        while records.len() > TOMBSTONES_PER_BATCH {
            let rest = records.split_off(TOMBSTONES_PER_BATCH);
            let batch = std::mem::replace(&mut records, rest);
            self.append(step, batch, Purpose::Removal(None));
        }
        match removal {
            Some(Removal::Group { waiter }) if records.is_empty() => {
                self.pending.clear();
                step.answer(waiter, Response::DeleteGroup(Ok(())));
            }
            removal if !records.is_empty() => {
                self.append(step, records, Purpose::Removal(removal));
            }
            _ => {}
        }
    }

    /// Whether the group would keep nothing without these offsets.
    fn is_all(&self, gone: &BTreeSet<TopicPartition>) -> bool {
        self.pending.is_empty() && self.appends.is_empty() && *gone == self.all_offsets()
    }
}

fn to_commit(step: &Step<'_>, offset: CommitOffset, retention_ms: Option<i64>) -> CommittedOffset {
    let now = step.now.wall;
    let metadata = if offset.metadata.is_empty() {
        Text::default()
    } else {
        Text::from(offset.metadata)
    };
    CommittedOffset {
        offset: offset.offset,
        leader_epoch: offset.leader_epoch,
        metadata,
        commit_timestamp: offset.timestamp.unwrap_or(now),
        expire_timestamp: retention_ms.map(|retention| now.saturating_add(retention)),
    }
}
