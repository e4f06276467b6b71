//! The state of a replica that follows: whom, and how far it has come in making its log the
//! leader's (`AbstractFetcherThread`, `PartitionFetchState`).

use ottla_metadata::{BrokerId, LeaderEpoch, Millis, Offset};

use crate::partition::{Partition, Role};

/// How a follower finds out where its log and the leader's part, by
/// `inter.broker.protocol.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncation {
    /// Before 0.11.0-IV2: everything above the high watermark is dropped, unseen.
    ToHighWatermark,
    /// Before 2.7-IV1: the leader is asked where our epochs end (KIP-101, KIP-279).
    ByEpochRequest,
    /// The leader tells in the answer to a fetch (KIP-595).
    OnFetch,
}

/// A follower knows whom it follows and what it has to ask next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follower {
    /// The leader, if the partition has one.
    pub leader: Option<BrokerId>,
    /// What it is at.
    pub fetch: FetchState,
    /// After a failure nothing is asked before this instant.
    pub delayed_until: Option<Millis>,
    /// How often in a row the leader did not know yet that it is one.
    pub too_early: u32,
}

/// What a follower is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchState {
    /// There is nobody to fetch from.
    Idle,
    /// The leader has to say where `epoch` ends, our latest one.
    Comparing {
        /// Our latest epoch.
        epoch: LeaderEpoch,
    },
    /// The driver cuts the log; [`crate::Event::Truncated`] ends it.
    Truncating {
        /// Whether the histories agree up to there. If not, they have to be compared again.
        complete: bool,
    },
    /// Fetches at the end of the log.
    Fetching {
        /// Epoch of the last record we have.
        last_epoch: Option<LeaderEpoch>,
        /// How far behind the leader's high watermark the last answer left us.
        lag: Option<i64>,
    },
    /// The leader has nothing at our end: it has to say where its log starts and ends.
    OutOfRange,
    /// Waits for the controller's next word: the leader is in a later epoch than we know of.
    Parked,
}

/// What to ask the leader, always under the leader epoch in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowerRequest {
    /// OffsetForLeaderEpoch.
    EpochEnd {
        /// The epoch asked for.
        epoch: LeaderEpoch,
    },
    /// Fetch.
    Fetch {
        /// From where on.
        at: Offset,
        /// Epoch of the last record below it; only where the leader is to compare
        /// ([`Truncation::OnFetch`]).
        last_epoch: Option<LeaderEpoch>,
    },
    /// ListOffsets of both ends.
    LeaderOffsets,
}

/// When a follower asks, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRequest {
    /// Nothing until something happens to it.
    Nothing,
    /// Nothing before this instant.
    At(Millis),
    /// This, at once.
    Now(FollowerRequest),
}

impl Follower {
    pub(crate) fn idle() -> Follower {
        Follower {
            leader: None,
            fetch: FetchState::Idle,
            delayed_until: None,
            too_early: 0,
        }
    }

    /// Whether the last answer brought everything that was committed; such a replica is not
    /// throttled, or it would drop out of the ISR (`isReplicaInSync`).
    pub fn is_caught_up(&self) -> bool {
        matches!(self.fetch, FetchState::Fetching { lag: Some(lag), .. } if lag <= 0)
    }
}

impl Partition {
    /// The follower's state, if this replica follows.
    pub fn follower(&self) -> Option<&Follower> {
        match &self.role {
            Role::Follower(follower) => Some(follower),
            Role::Leader(_) | Role::Offline => None,
        }
    }

    /// What a follower asks its leader next. Nothing for other roles.
    pub fn next_request(&self, now: Millis) -> NextRequest {
        let Some(follower) = self.follower() else {
            return NextRequest::Nothing;
        };
        let request = match follower.fetch {
            FetchState::Idle | FetchState::Truncating { .. } | FetchState::Parked => {
                return NextRequest::Nothing;
            }
            FetchState::Comparing { epoch } => FollowerRequest::EpochEnd { epoch },
            FetchState::Fetching { last_epoch, .. } => FollowerRequest::Fetch {
                at: self.log_end,
                last_epoch: last_epoch.filter(|_| self.rules.truncation == Truncation::OnFetch),
            },
            FetchState::OutOfRange => FollowerRequest::LeaderOffsets,
        };
        match follower.delayed_until {
            Some(until) if until > now => NextRequest::At(until),
            _ => NextRequest::Now(request),
        }
    }

    /// Whether the answer to a fetch at `at` under `leader_epoch` may still be appended. The driver
    /// asks before it touches the log, under the lock that keeps the role as it is.
    pub fn expects_records(&self, leader_epoch: LeaderEpoch, at: Offset) -> bool {
        let fetches = self
            .follower()
            .is_some_and(|follower| matches!(follower.fetch, FetchState::Fetching { .. }));
        fetches && leader_epoch == self.leader_epoch && at == self.log_end
    }
}
