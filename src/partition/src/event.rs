//! What goes into a partition and what comes out of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_metadata::{BrokerId, LeaderEpoch, Millis, Offset};
use smallvec::SmallVec;

use crate::partition::{Replicas, Rules};
use crate::{WaitError, WaiterId};

/// A leadership as the controller decided it, the common part of "you lead" and "you follow".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// Epoch of the leadership.
    pub leader_epoch: LeaderEpoch,
    /// Version of the stored state ("partition epoch", `zkVersion` of the state znode).
    pub partition_epoch: i32,
    /// Assigned replicas.
    pub replicas: Replicas,
    /// In-sync replicas as stored.
    pub isr: Replicas,
}

/// Somebody who waits for an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// The token that comes back in [`Action::Answer`].
    pub id: WaiterId,
    /// The watermark that must be reached: one past the last offset waited for.
    pub required: Offset,
    /// When to give up.
    pub deadline: Millis,
}

/// How the attempt to store an ISR ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreOutcome {
    /// Stored, and the state has this version now.
    Stored {
        /// The new partition epoch.
        partition_epoch: i32,
    },
    /// Not stored: under the same leadership somebody else has stored this, which is taken over.
    Changed {
        /// The in-sync replicas that are stored.
        isr: Replicas,
        /// The partition epoch.
        partition_epoch: i32,
    },
    /// Surely not stored, and the stored state is still the one we know: the proposal is dropped.
    Refused,
    /// Somebody else changed the stored state. The proposal stays in force for the watermark, since
    /// its members may count already, until the controller sends the leadership anew.
    Conflict,
    /// It may have happened. The same conditional write is asked for again.
    Unknown,
}

/// An epoch and where it ends, as OffsetForLeaderEpoch answers: the largest known epoch that is not
/// above the one asked for; `-1` stands for "unknown" in both places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// One past its last offset.
    pub end_offset: Offset,
}

/// What came back from the leader, with the facts of our own log that judge it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaderAnswer {
    /// To [`crate::FollowerRequest::EpochEnd`].
    EpochEnd {
        /// Where the leader says that the epoch ends.
        leader: EpochEnd,
        /// Our own log's answer for `leader.epoch`.
        local: EpochEnd,
    },
    /// Records, perhaps none, which have been appended.
    Records {
        /// The offset of the fetch.
        at: Offset,
        /// The log end offset now.
        log_end: Offset,
        /// The latest epoch that the log knows now.
        latest_epoch: Option<LeaderEpoch>,
        /// The leader's high watermark.
        leader_high_watermark: Offset,
        /// The leader's log start offset, `-1` when it did not say.
        leader_log_start: Offset,
    },
    /// No records: the histories part below the fetch offset.
    Diverging {
        /// The offset of the fetch.
        at: Offset,
        /// Where the leader says that they part.
        leader: EpochEnd,
        /// Our own log's answer for `leader.epoch`.
        local: EpochEnd,
    },
    /// OFFSET_OUT_OF_RANGE.
    OutOfRange {
        /// The offset of the fetch.
        at: Offset,
    },
    /// To [`crate::FollowerRequest::LeaderOffsets`].
    Offsets {
        /// The leader's log start offset.
        start: Offset,
        /// The leader's log end offset.
        end: Offset,
        /// The latest epoch that our own log knows.
        latest_epoch: Option<LeaderEpoch>,
    },
    /// FENCED_LEADER_EPOCH.
    Fenced,
    /// NOT_LEADER_OR_FOLLOWER, UNKNOWN_LEADER_EPOCH and their like: the leader has not heard of its
    /// leadership yet. It will in a moment, since the controller tells all replicas at once.
    NotYet,
    /// Any other error, of the leader, of the network or of the records: again after the back-off.
    Failed,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The controller made this replica the leader. Older leaderships are dropped, an equal leader
    /// epoch only renews the ISR when its partition epoch is newer.
    MadeLeader {
        /// The leadership.
        leadership: Leadership,
        /// Log start offset of the local log.
        log_start: Offset,
        /// Log end offset of the local log, which is where the new epoch starts.
        log_end: Offset,
    },
    /// The controller made this replica a follower of `leader`, or of nobody.
    MadeFollower {
        /// The leadership.
        leadership: Leadership,
        /// Who leads, if anybody does.
        leader: Option<BrokerId>,
        /// Log end offset of the local log.
        log_end: Offset,
        /// The latest epoch that the local log knows.
        latest_epoch: Option<LeaderEpoch>,
    },
    /// The log directory failed; nothing but a new partition object brings the replica back.
    WentOffline,
    /// The leader's log grew.
    Appended {
        /// The new log end offset.
        log_end: Offset,
    },
    /// Somebody waits until the high watermark reaches `required` (acks=all).
    AwaitHighWatermark(Waiter),
    /// Somebody waits until the low watermark reaches `required` (DeleteRecords).
    AwaitLowWatermark(Waiter),
    /// The local log start offset rose.
    LogStartAdvanced {
        /// The new log start offset.
        log_start: Offset,
    },
    /// A replica fetched from this leader.
    FollowerFetched {
        /// Which replica.
        from: BrokerId,
        /// The offset it asked for, which is its log end offset.
        at: Offset,
        /// Its log start offset, `-1` when it did not say.
        log_start: Offset,
    },
    /// The leader answered this follower, or could not be asked.
    LeaderAnswered {
        /// The leader epoch under which it was asked; answers of other leaderships are dropped.
        leader_epoch: LeaderEpoch,
        /// What it said.
        answer: LeaderAnswer,
    },
    /// The log was cut as [`Action::TruncateTo`] or [`Action::TruncateFullyAndStartAt`] asked.
    Truncated {
        /// The log start offset now.
        log_start: Offset,
        /// The log end offset now.
        log_end: Offset,
        /// The latest epoch that the log knows now.
        latest_epoch: Option<LeaderEpoch>,
    },
    /// The proposed ISR was stored, or was not.
    IsrStored {
        /// The leader epoch under which the write was asked for.
        leader_epoch: LeaderEpoch,
        /// The partition epoch the write expected.
        expected: i32,
        /// How it ended.
        outcome: StoreOutcome,
    },
    /// The set of live brokers changed.
    LiveBrokers(Arc<BTreeSet<BrokerId>>),
    /// Settings changed.
    RulesChanged(Rules),
    /// Time passed: deadlines and lag are looked at.
    Tick,
}

/// Something the driver must do, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Enter `epoch` with this start offset into the leader-epoch file before anything is appended.
    AssignEpoch {
        /// The epoch that begins.
        epoch: LeaderEpoch,
        /// Its first offset.
        start: Offset,
    },
    /// Cut the follower's log to this end, then say [`Event::Truncated`]. Nothing is appended and
    /// the role does not change in between.
    TruncateTo(Offset),
    /// Drop the follower's log and start it anew at this offset, then say [`Event::Truncated`].
    TruncateFullyAndStartAt(Offset),
    /// The leader's log starts here: raise the local log start offset to it, if it is lower.
    AdvanceLogStart(Offset),
    /// The high watermark is this now: tell the log and wake readers. It goes back only when the
    /// log was cut below it.
    AdvanceHighWatermark(Offset),
    /// Store this ISR if the stored state still has the version `expected`.
    StoreIsr {
        /// The ISR proposed.
        isr: Replicas,
        /// The leader epoch to repeat in the state.
        leader_epoch: LeaderEpoch,
        /// The version expected.
        expected: i32,
    },
    /// Tell the waiter how it ended.
    Answer {
        /// Who waits.
        waiter: WaiterId,
        /// Reached, or why not.
        result: Result<(), WaitError>,
    },
}

/// Actions of one step. Steps of the hot path have at most one, so nothing is allocated.
pub type Actions = SmallVec<[Action; 2]>;
