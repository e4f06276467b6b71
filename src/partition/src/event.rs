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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOutcome {
    /// Stored, and the state has this version now.
    Stored {
        /// The new partition epoch.
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
    /// The local log of a follower grew, was cut, or the leader told its high watermark.
    Followed {
        /// The log end offset now.
        log_end: Offset,
        /// The leader's high watermark.
        leader_high_watermark: Offset,
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
    /// The high watermark is this now: tell the log and wake readers.
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
