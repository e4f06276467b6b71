//! The state of a replica that leads: ISR, progress of the followers, and those who wait.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::{BrokerId, Millis, Offset};

use crate::partition::{Replicas, Rules};
use crate::waiters::Waiters;

/// Longer ago than any clock shows.
const NEVER: Millis = Millis::MIN;

/// How far a follower has come (`Replica.updateFetchStateOrThrow`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FollowerProgress {
    /// Its log end offset, unknown until its first fetch from this leader.
    pub log_end: Option<Offset>,
    /// Its log start offset, if it ever said.
    pub log_start: Option<Offset>,
    /// The last time at which it had everything that the leader had.
    pub last_caught_up_ms: Millis,
    leader_end_at_last_fetch: Offset,
    last_fetch_ms: Millis,
}

impl FollowerProgress {
    fn new(caught_up_ms: Millis) -> FollowerProgress {
        FollowerProgress {
            last_caught_up_ms: caught_up_ms,
            last_fetch_ms: NEVER,
            ..FollowerProgress::default()
        }
    }

    /// A follower that reaches what the leader had at the follower's previous fetch was caught up
    /// then, though the leader has gone on since.
    fn fetched(&mut self, now: Millis, at: Offset, log_start: Offset, leader_end: Offset) {
        if at >= leader_end {
            self.last_caught_up_ms = self.last_caught_up_ms.max(now);
        } else if at >= self.leader_end_at_last_fetch {
            self.last_caught_up_ms = self.last_caught_up_ms.max(self.last_fetch_ms);
        }
        self.log_end = Some(at);
        if log_start >= 0 {
            self.log_start = Some(log_start);
        }
        self.leader_end_at_last_fetch = leader_end;
        self.last_fetch_ms = now;
    }

    /// Whether it keeps up by both lag rules: time, and records when that old rule is set.
    fn keeps_up(&self, now: Millis, leader_end: Offset, rules: &Rules) -> bool {
        let Some(log_end) = self.log_end else {
            return now.saturating_sub(self.last_caught_up_ms) <= rules.lag_max_ms;
        };
        let recent =
            log_end >= leader_end || now.saturating_sub(self.last_caught_up_ms) <= rules.lag_max_ms;
        recent && is_near(log_end, leader_end, rules)
    }
}

/// The old rule of `replica.lag.max.messages`.
fn is_near(log_end: Offset, leader_end: Offset, rules: &Rules) -> bool {
    rules
        .lag_max_messages
        .is_none_or(|max| leader_end.saturating_sub(log_end) <= max)
}

/// The in-sync replicas: as stored, or with a change on its way to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Isr {
    /// What is stored.
    Settled(Replicas),
    /// One change is in flight; it either adds replicas or removes some.
    Proposed {
        /// What is stored, as far as we know.
        settled: Replicas,
        /// What we asked to be stored.
        proposed: Replicas,
    },
}

impl Isr {
    /// The ISR as stored.
    pub fn settled(&self) -> &Replicas {
        match self {
            Isr::Settled(settled) | Isr::Proposed { settled, .. } => settled,
        }
    }

    /// Everybody who may be in the ISR already: nobody of them may miss a committed record.
    pub fn maximal(&self) -> &Replicas {
        match self {
            Isr::Settled(settled) => settled,
            Isr::Proposed { settled, proposed } if proposed.len() < settled.len() => settled,
            Isr::Proposed { proposed, .. } => proposed,
        }
    }
}

/// A leader's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Log end offset at which this leadership began.
    pub epoch_start: Offset,
    /// Log start offset of the local log.
    pub log_start: Offset,
    /// In-sync replicas.
    pub isr: Isr,
    /// The other assigned replicas.
    pub followers: BTreeMap<BrokerId, FollowerProgress>,
    pub(crate) committed: Waiters,
    pub(crate) deleted: Waiters,
}

impl Leader {
    /// A leadership that begins: nothing is known of the followers, those in sync get the benefit
    /// of the doubt from now on (`Replica.resetReplicaState`).
    pub(crate) fn new(
        now: Millis,
        local: BrokerId,
        replicas: &Replicas,
        isr: Replicas,
        log_start: Offset,
        log_end: Offset,
    ) -> Leader {
        let mut leader = Leader {
            epoch_start: log_end,
            log_start,
            isr: Isr::Settled(isr),
            followers: BTreeMap::new(),
            committed: Waiters::default(),
            deleted: Waiters::default(),
        };
        leader.assign(now, local, replicas);
        leader
    }

    /// Takes over a changed assignment; replicas that stay keep their progress.
    pub(crate) fn assign(&mut self, now: Millis, local: BrokerId, replicas: &Replicas) {
        let in_sync = self.isr.settled();
        let old = std::mem::take(&mut self.followers);
        self.followers = replicas
            .iter()
            .filter(|id| **id != local)
            .map(|id| {
                let fresh = FollowerProgress::new(if in_sync.contains(id) { now } else { NEVER });
                (*id, old.get(id).copied().unwrap_or(fresh))
            })
            .collect();
    }

    /// The offset below which every replica that counts has everything
    /// (`Partition.maybeIncrementLeaderHW`). A replica counts if it may be in the ISR, or is about
    /// to come in: caught up and alive.
    pub(crate) fn common_end(
        &self,
        now: Millis,
        log_end: Offset,
        rules: &Rules,
        live: &BTreeSet<BrokerId>,
    ) -> Offset {
        let maximal = self.isr.maximal();
        self.followers
            .iter()
            .filter(|(id, progress)| {
                maximal.contains(id)
                    || (live.contains(id) && progress.keeps_up(now, log_end, rules))
            })
            .map(|(_, progress)| progress.log_end.unwrap_or(0))
            .fold(log_end, Offset::min)
    }

    /// The lowest log start offset of all live replicas (`Partition.lowWatermarkIfLeader`); `None`
    /// while one of them has not told its own.
    pub fn low_watermark(&self, live: &BTreeSet<BrokerId>) -> Option<Offset> {
        self.followers
            .iter()
            .filter(|(id, _)| live.contains(id))
            .try_fold(self.log_start, |low, (_, progress)| {
                Some(low.min(progress.log_start?))
            })
    }

    pub(crate) fn fetched(
        &mut self,
        now: Millis,
        from: BrokerId,
        at: Offset,
        log_start: Offset,
        log_end: Offset,
    ) -> bool {
        let progress = self.followers.get_mut(&from);
        progress
            .map(|p| p.fetched(now, at, log_start, log_end))
            .is_some()
    }

    /// Proposes to take `from` into the ISR if it has earned it (`Partition.needsExpandIsr`), and
    /// would not have to leave at once by the rule of lag in records.
    pub(crate) fn expansion(
        &self,
        from: BrokerId,
        high_watermark: Offset,
        log_end: Offset,
        rules: &Rules,
        live: &BTreeSet<BrokerId>,
    ) -> Option<Replicas> {
        let Isr::Settled(isr) = &self.isr else {
            return None;
        };
        let end = self.followers.get(&from)?.log_end?;
        let earned =
            end >= high_watermark && end >= self.epoch_start && is_near(end, log_end, rules);
        if isr.contains(&from) || !earned || !live.contains(&from) {
            return None;
        }
        let mut larger = isr.clone();
        larger.push(from);
        Some(larger)
    }

    /// Proposes to drop those who do not keep up (`Partition.getOutOfSyncReplicas`), and those who
    /// are no replicas and so never will.
    pub(crate) fn shrinkage(
        &self,
        now: Millis,
        local: BrokerId,
        log_end: Offset,
        rules: &Rules,
    ) -> Option<Replicas> {
        let Isr::Settled(isr) = &self.isr else {
            return None;
        };
        let keeps_up = |id: &BrokerId| {
            let follower = self.followers.get(id);
            *id == local || follower.is_some_and(|p| p.keeps_up(now, log_end, rules))
        };
        let smaller: Replicas = isr.iter().copied().filter(keeps_up).collect();
        (smaller.len() < isr.len()).then_some(smaller)
    }
}
