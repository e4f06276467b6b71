//! The state of a partition on one broker, and the questions one may ask of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_metadata::{BrokerId, LeaderEpoch, Millis, NO_EPOCH, Offset};
use smallvec::SmallVec;

use crate::follower::{Follower, Truncation};
use crate::leader::Leader;
use crate::{EpochError, RefusedAppend, WaitError};

/// Brokers that hold replicas, usually three.
pub type Replicas = SmallVec<[BrokerId; 4]>;

/// Settings that the decisions depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `min.insync.replicas` of the topic; capped by the number of replicas where it is used.
    pub min_insync_replicas: usize,
    /// `replica.lag.time.max.ms`.
    pub lag_max_ms: Millis,
    /// `replica.lag.max.messages` (0.8.2 and before), if set.
    pub lag_max_messages: Option<i64>,
    /// How a follower makes its log the leader's, by `inter.broker.protocol.version`.
    pub truncation: Truncation,
    /// `replica.fetch.backoff.ms`.
    pub fetch_backoff_ms: Millis,
}

/// What the replica is. A field exists only in the role that needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes appends.
    Leader(Box<Leader>),
    /// It copies a leader, or waits for one to be named.
    Follower(Follower),
    /// Its log directory has failed.
    Offline,
}

/// One replica of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub(crate) local: BrokerId,
    pub(crate) rules: Rules,
    pub(crate) live: Arc<BTreeSet<BrokerId>>,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) partition_epoch: i32,
    pub(crate) replicas: Replicas,
    pub(crate) log_end: Offset,
    pub(crate) high_watermark: Offset,
    pub(crate) role: Role,
}

impl Partition {
    /// A replica on broker `local` that no controller has spoken of yet.
    pub fn new(local: BrokerId, rules: Rules, log_end: Offset, checkpoint: Offset) -> Partition {
        Partition {
            local,
            rules,
            live: Arc::default(),
            leader_epoch: NO_EPOCH,
            partition_epoch: -1,
            replicas: Replicas::new(),
            log_end: log_end.max(0),
            high_watermark: checkpoint.clamp(0, log_end.max(0)),
            role: Role::Follower(Follower::idle()),
        }
    }

    /// Epoch of the leadership in force, [`NO_EPOCH`] before the first.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// Version of the stored state, `-1` before the first leadership.
    pub fn partition_epoch(&self) -> i32 {
        self.partition_epoch
    }

    /// Everything below is committed.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// The role.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// Assigned replicas.
    pub fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// The leader's state, if this replica leads.
    pub fn leader(&self) -> Option<&Leader> {
        match &self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower(_) | Role::Offline => None,
        }
    }

    /// The lowest log start offset of the live replicas, if this one leads and all have told.
    pub fn low_watermark(&self) -> Option<Offset> {
        self.leader()?.low_watermark(&self.live)
    }

    /// How many replicas must be in sync: never more than there are (KAFKA-15583).
    pub fn effective_min_isr(&self) -> usize {
        self.rules
            .min_insync_replicas
            .min(self.replicas.len().max(1))
    }

    /// Whether a request that carries `requested` as its current leader epoch may use this replica.
    ///
    /// # Errors
    /// As `Partition.getLocalLog`: the epoch is judged before the role.
    pub fn check_epoch(
        &self,
        requested: Option<LeaderEpoch>,
        leader_needed: LeaderNeeded,
    ) -> Result<(), EpochError> {
        let current = self.leader_epoch;
        match (&self.role, requested) {
            (Role::Offline, _) => Err(EpochError::Offline),
            (_, Some(requested)) if requested < current => {
                Err(EpochError::Fenced { requested, current })
            }
            (_, Some(requested)) if requested > current => {
                Err(EpochError::Unknown { requested, current })
            }
            (Role::Follower(_), _) if leader_needed == LeaderNeeded::Yes => {
                Err(EpochError::NotLeader)
            }
            (Role::Leader(_) | Role::Follower(_), _) => Ok(()),
        }
    }

    /// Whether a producer may append now, and under which leader epoch.
    ///
    /// # Errors
    /// Not the leader, or acks=all with too small an ISR.
    pub fn admit(&self, all_acks: bool) -> Result<LeaderEpoch, RefusedAppend> {
        let leader = match &self.role {
            Role::Leader(leader) => leader,
            Role::Follower(_) => return Err(RefusedAppend::NotLeader),
            Role::Offline => return Err(RefusedAppend::Offline),
        };
        let (in_sync, required) = (leader.isr.settled().len(), self.effective_min_isr());
        if all_acks && in_sync < required {
            return Err(RefusedAppend::NotEnoughReplicas { in_sync, required });
        }
        Ok(self.leader_epoch)
    }

    /// Whether acks=all for everything below `required` can be answered now, and how
    /// (`Partition.checkEnoughReplicasReachOffset`).
    pub fn committed(&self, required: Offset) -> Option<Result<(), WaitError>> {
        match &self.role {
            Role::Leader(leader) if self.high_watermark >= required => {
                Some(enough(leader.isr.maximal().len(), self.effective_min_isr()))
            }
            Role::Leader(_) => None,
            Role::Follower(_) => Some(Err(WaitError::LeadershipLost)),
            Role::Offline => Some(Err(WaitError::Offline)),
        }
    }

    /// The earliest instant at which a [`Event::Tick`] changes something for a waiter.
    pub fn deadline(&self) -> Option<Millis> {
        let leader = self.leader()?;
        [leader.committed.deadline(), leader.deleted.deadline()]
            .into_iter()
            .flatten()
            .min()
    }
}

pub(crate) fn enough(maximal: usize, required: usize) -> Result<(), WaitError> {
    if maximal >= required {
        Ok(())
    } else {
        Err(WaitError::NotEnoughReplicasAfterAppend)
    }
}

/// Whether an operation can only be served by the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaderNeeded {
    /// Only the leader.
    Yes,
    /// Any replica that is online.
    No,
}
