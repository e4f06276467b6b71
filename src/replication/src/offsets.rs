//! Looking up offsets: by time, by name, by leader epoch.

use ottla_log::ReadError;
use ottla_metadata::{LeaderEpoch, Millis, NO_EPOCH, Offset};
use ottla_partition::LeaderNeeded;

use crate::error::{ListOffsetsError, PartitionError};
use crate::fetch::Isolation;
use crate::manager::{ReplicaManager, wall_clock};
use crate::replica::Replica;

/// What is asked for (ListOffsets).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetTarget {
    /// -1: where the next record will be, as far as the asker may see.
    Latest,
    /// -2, and -4 without tiered storage: the log start offset.
    Earliest,
    /// -3: the record with the largest timestamp.
    MaxTimestamp,
    /// -5: the last offset in tiered storage, of which there is none.
    LatestTiered,
    /// The first record that is not older.
    Timestamp(Millis),
}

/// A question about one partition.
#[derive(Clone, Copy, Debug)]
pub struct OffsetQuery<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// What is asked for.
    pub target: OffsetTarget,
    /// What a consumer may see; `None` for replicas and debuggers, who see everything.
    pub isolation: Option<Isolation>,
    /// Whether only the leader may answer: all but debuggers want that.
    pub leader_only: bool,
    /// The leadership the client believes in.
    pub current_leader_epoch: Option<LeaderEpoch>,
}

/// An offset found, or -1 in every field that has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAnswer {
    /// The offset.
    pub offset: Offset,
    /// The record's timestamp, if one was searched for.
    pub timestamp: Millis,
    /// The leader epoch of the offset.
    pub leader_epoch: LeaderEpoch,
}

impl OffsetAnswer {
    const NONE: OffsetAnswer = OffsetAnswer {
        offset: -1,
        timestamp: -1,
        leader_epoch: NO_EPOCH,
    };

    fn at(offset: Offset, leader_epoch: Option<LeaderEpoch>) -> OffsetAnswer {
        let leader_epoch = leader_epoch.unwrap_or(NO_EPOCH);
        OffsetAnswer {
            offset,
            leader_epoch,
            ..OffsetAnswer::NONE
        }
    }
}

/// The end of a leader epoch (OffsetForLeaderEpoch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch known that is not above the one asked for; -1 for none.
    pub epoch: LeaderEpoch,
    /// Where it ends; -1 for none.
    pub end_offset: Offset,
}

impl OffsetTarget {
    /// Whether the answer may take reading of the log, which belongs on the blocking pool.
    pub fn may_block(self) -> bool {
        match self {
            OffsetTarget::Latest | OffsetTarget::Earliest | OffsetTarget::LatestTiered => false,
            OffsetTarget::MaxTimestamp | OffsetTarget::Timestamp(_) => true,
        }
    }
}

impl ReplicaManager {
    /// Looks up an offset (`Partition.fetchOffsetForTimestamp`). Blocks if
    /// [`OffsetTarget::may_block`].
    ///
    /// # Errors
    /// See [`ListOffsetsError`].
    pub fn list_offset(&self, query: OffsetQuery<'_>) -> Result<OffsetAnswer, ListOffsetsError> {
        let replica = self.online(query.topic, query.partition)?;
        let (bound, is_settled) = self.visible_end(&replica, &query)?;
        match query.target {
            OffsetTarget::Latest if !is_settled => Err(ListOffsetsError::NotAvailable),
            OffsetTarget::Latest => {
                let epoch = replica.state().brain.leader_epoch();
                Ok(OffsetAnswer::at(bound, Some(epoch)))
            }
            OffsetTarget::Earliest => {
                let start = replica.log().log_start_offset();
                Ok(OffsetAnswer::at(
                    start,
                    replica.log().epoch_of_offset(start),
                ))
            }
            OffsetTarget::LatestTiered => Ok(OffsetAnswer::NONE),
            OffsetTarget::MaxTimestamp | OffsetTarget::Timestamp(_) => {
                let found = self.search(&replica, query.target, bound)?;
                match found {
                    None if !is_settled => Err(ListOffsetsError::NotAvailable),
                    found => Ok(found.unwrap_or(OffsetAnswer::NONE)),
                }
            }
        }
    }

    /// ListOffsets v0: at most `max` boundaries of segments that are not newer than `timestamp` (-1
    /// latest, -2 earliest), newest first. The query's target does not count. May block.
    ///
    /// # Errors
    /// The partition cannot be used.
    pub fn legacy_offsets(
        &self,
        query: OffsetQuery<'_>,
        timestamp: Millis,
        max: usize,
    ) -> Result<Vec<Offset>, PartitionError> {
        let replica = self.online(query.topic, query.partition)?;
        let (visible_end, _) = self.visible_end(&replica, &query)?;
        let mut offsets = replica
            .log()
            .legacy_offsets_before(timestamp, max, wall_clock())
            .map_err(|error| {
                self.storage_failed(&replica, &error);
                PartitionError::Offline
            })?;
        if query.isolation.is_some() && offsets.iter().any(|offset| *offset > visible_end) {
            offsets.retain(|offset| *offset < visible_end);
            offsets.insert(0, visible_end);
        }
        Ok(offsets)
    }

    /// Where a leader epoch ends (`Partition.lastOffsetForLeaderEpoch`).
    ///
    /// # Errors
    /// The partition cannot be used.
    pub fn epoch_end(
        &self,
        topic: &str,
        partition: i32,
        current_leader_epoch: Option<LeaderEpoch>,
        epoch: LeaderEpoch,
    ) -> Result<EpochEnd, PartitionError> {
        let replica = self.online(topic, partition)?;
        replica
            .state()
            .brain
            .check_epoch(current_leader_epoch, LeaderNeeded::Yes)?;
        let (epoch, end_offset) = replica.log().epoch_end_offset(epoch);
        Ok(EpochEnd { epoch, end_offset })
    }

    /// The end of what the asker may see, and whether it is to be trusted: a new leader learns
    /// only from its followers how far the log is committed.
    fn visible_end(
        &self,
        replica: &Replica,
        query: &OffsetQuery<'_>,
    ) -> Result<(Offset, bool), PartitionError> {
        let needed = if query.leader_only {
            LeaderNeeded::Yes
        } else {
            LeaderNeeded::No
        };
        let state = replica.state();
        state
            .brain
            .check_epoch(query.current_leader_epoch, needed)?;
        let high_watermark = state.brain.high_watermark();
        let is_settled = query.isolation.is_none()
            || state
                .brain
                .leader()
                .is_none_or(|leader| high_watermark >= leader.epoch_start);
        let end = match query.isolation {
            None => replica.log().log_end_offset(),
            Some(Isolation::ReadUncommitted) => high_watermark,
            Some(Isolation::ReadCommitted) => {
                replica.log().last_stable_offset().min(high_watermark)
            }
        };
        Ok((end, is_settled))
    }

    fn search(
        &self,
        replica: &Replica,
        target: OffsetTarget,
        bound: Offset,
    ) -> Result<Option<OffsetAnswer>, ListOffsetsError> {
        let found = match target {
            OffsetTarget::Timestamp(timestamp) => {
                replica.log().offset_for_timestamp(timestamp, bound)
            }
            _ => replica.log().offset_of_max_timestamp(),
        };
        if let Err(ReadError::Storage(error)) = &found {
            self.storage_failed(replica, error);
        }
        let found = found?.filter(|found| found.offset < bound);
        Ok(found.map(|found| OffsetAnswer {
            offset: found.offset,
            timestamp: found.timestamp,
            leader_epoch: found.leader_epoch.unwrap_or(NO_EPOCH),
        }))
    }
}
