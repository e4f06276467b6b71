//! What a member does when: a state machine without ZooKeeper, brokers or a clock.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::{Millis, TopicPartition};

use crate::assignment::{AssignmentStrategy, ConsumerThread, assign};
use crate::group::GroupView;

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A new session has begun: nothing of ours is in ZooKeeper.
    SessionOpened,
    /// The session has ended, and with it our membership and all that we owned.
    SessionLost,
    /// Members, topics or brokers are not what they were when they were read last.
    Changed,
    /// [`Action::Register`] is done.
    Registered,
    /// The answer to [`Action::Read`]; none if there are no brokers.
    Read(Option<GroupView>),
    /// [`Action::Release`] is done.
    Released,
    /// [`Action::Claim`] is done: these are ours, the others are still somebody else's.
    Claimed(BTreeSet<TopicPartition>),
    /// [`Action::Start`] is done: these are being read, of the others the offset is not known yet.
    Started(BTreeSet<TopicPartition>),
    /// An action came to nothing. It may have been done in part.
    Failed,
    /// The deadline has come.
    Tick,
}

/// What is to be done, in the order given. All of it may be done twice without harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Stop reading all partitions and forget what was read of them: others may own them.
    Forget,
    /// Become a member.
    Register,
    /// Read group, topics and brokers, and watch them.
    Read,
    /// Stop reading these, commit their offsets, and only then give them up.
    Release(BTreeSet<TopicPartition>),
    /// Claim these.
    Claim(BTreeMap<TopicPartition, ConsumerThread>),
    /// Read these from where the group is.
    Start(BTreeSet<TopicPartition>),
    /// Tell that something stays in the way of our share.
    Complain,
    /// Fail: the first rebalance of this member has not come to an end within its tries.
    GiveUp,
}

/// Where a member stands between two events.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Without a session, or given up.
    Out,
    Registering,
    Reading,
    Releasing,
    Claiming,
    Starting,
    /// Nothing to do until something changes.
    Settled,
    /// To be tried again.
    BackingOff {
        until: Millis,
    },
}

/// How often and how soon a rebalance is tried again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// `rebalance.max.retries`.
    pub(crate) tries: u32,
    /// `rebalance.backoff.ms`.
    pub(crate) backoff_ms: Millis,
}

/// What is known of a partition that may be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// It was claimed or given up, and the outcome is not known.
    Perhaps,
    /// It is ours, and is not read yet.
    Idle,
    /// It is ours and is read.
    Reading,
}

/// A member of a group. All that it owns in ZooKeeper is in `owned`; and except after the loss of a
/// session that it has not heard of yet, it owns all that is there and not in doubt.
#[derive(Clone, Debug)]
pub(crate) struct Rebalance {
    consumer: String,
    strategy: AssignmentStrategy,
    patience: Patience,
    phase: Phase,
    owned: BTreeMap<TopicPartition, Held>,
    /// Our share by the last view.
    share: BTreeMap<TopicPartition, ConsumerThread>,
    tries: u32,
    /// Whether some rebalance of ours came to its end.
    has_settled: bool,
    /// Whether the last view is older than the last change.
    changed: bool,
}

impl Rebalance {
    pub(crate) fn new(
        consumer: &str,
        strategy: AssignmentStrategy,
        patience: Patience,
    ) -> Rebalance {
        Rebalance {
            consumer: consumer.to_owned(),
            strategy,
            patience,
            phase: Phase::Out,
            owned: BTreeMap::new(),
            share: BTreeMap::new(),
            tries: 0,
            has_settled: false,
            changed: false,
        }
    }

    /// When the next [`Event::Tick`] is due.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        match self.phase {
            Phase::BackingOff { until } => Some(until),
            _ => None,
        }
    }

    pub(crate) fn step(&mut self, now: Millis, event: Event) -> Vec<Action> {
        match (event, &self.phase) {
            (Event::SessionOpened, _) => {
                self.doubt_all();
                self.tries = 0;
                self.phase = Phase::Registering;
                vec![Action::Forget, Action::Register]
            }
            (Event::SessionLost, _) => {
                self.doubt_all();
                self.phase = Phase::Out;
                vec![Action::Forget]
            }
            (Event::Changed, Phase::Settled) => {
                self.tries = 0;
                self.read()
            }
            (Event::Changed, _) => {
                self.changed = true;
                Vec::new()
            }
            (Event::Registered, Phase::Registering) => self.read(),
            (Event::Read(None), Phase::Reading) => {
                // As in Kafka, what is owned stays owned until brokers are there again.
                self.settle()
            }
            (Event::Read(Some(group)), Phase::Reading) => self.compare(now, &group),
            (Event::Released, Phase::Releasing) => {
                let share = &self.share;
                self.owned
                    .retain(|partition, _| share.contains_key(partition));
                self.claim(now)
            }
            (Event::Claimed(won), Phase::Claiming) => {
                self.owned.retain(|_, held| *held != Held::Perhaps);
                self.owned
                    .extend(won.into_iter().map(|partition| (partition, Held::Idle)));
                self.start(now)
            }
            (Event::Started(partitions), Phase::Starting) => {
                for partition in &partitions {
                    if let Some(held) = self.owned.get_mut(partition) {
                        *held = Held::Reading;
                    }
                }
                self.finish(now)
            }
            (Event::Failed, Phase::Out | Phase::Settled | Phase::BackingOff { .. }) => Vec::new(),
            (Event::Failed, _) => self.retry(now),
            (Event::Tick, Phase::BackingOff { until }) if now >= *until => {
                // A registration that somebody has removed is made anew by the way.
                self.phase = Phase::Registering;
                vec![Action::Register]
            }
            // Late: what was asked for belonged to a session before this one.
            (
                Event::Registered
                | Event::Read(_)
                | Event::Released
                | Event::Claimed(_)
                | Event::Started(_)
                | Event::Tick,
                _,
            ) => Vec::new(),
        }
    }

    /// A session is lost, and with it what it had claimed. But news of it comes late: the last
    /// claim may have been made by the session after it already.
    fn doubt_all(&mut self) {
        for held in self.owned.values_mut() {
            *held = Held::Perhaps;
        }
    }

    fn read(&mut self) -> Vec<Action> {
        self.changed = false;
        self.phase = Phase::Reading;
        vec![Action::Read]
    }

    /// Gives up first, then claims: nobody waits for us longer than for one commit.
    fn compare(&mut self, now: Millis, group: &GroupView) -> Vec<Action> {
        if !group.members.contains_key(&self.consumer) {
            return self.retry(now);
        }
        self.share = assign(self.strategy, group);
        self.share
            .retain(|_, thread| thread.consumer == self.consumer);
        let lost = |partition: &&TopicPartition| !self.share.contains_key(*partition);
        let lost: BTreeSet<TopicPartition> = self.owned.keys().filter(lost).cloned().collect();
        if lost.is_empty() {
            return self.claim(now);
        }
        for partition in &lost {
            // Should the release fail and the next view give it back, it has to be claimed and
            // started again.
            self.owned.insert(partition.clone(), Held::Perhaps);
        }
        self.phase = Phase::Releasing;
        vec![Action::Release(lost)]
    }

    fn claim(&mut self, now: Millis) -> Vec<Action> {
        let mut gained = self.share.clone();
        gained.retain(|partition, _| match self.owned.get(partition) {
            None | Some(Held::Perhaps) => true,
            Some(Held::Idle | Held::Reading) => false,
        });
        if gained.is_empty() {
            return self.start(now);
        }
        for partition in gained.keys() {
            self.owned.insert(partition.clone(), Held::Perhaps);
        }
        self.phase = Phase::Claiming;
        vec![Action::Claim(gained)]
    }

    /// What is ours is read at once, whatever is still somebody else's.
    fn start(&mut self, now: Millis) -> Vec<Action> {
        let idle: BTreeSet<TopicPartition> = self.idle().cloned().collect();
        if idle.is_empty() {
            return self.finish(now);
        }
        self.phase = Phase::Starting;
        vec![Action::Start(idle)]
    }

    fn idle(&self) -> impl Iterator<Item = &TopicPartition> {
        let idle = self.owned.iter().filter(|(_, held)| **held == Held::Idle);
        idle.map(|(partition, _)| partition)
    }

    fn finish(&mut self, now: Millis) -> Vec<Action> {
        if self.owned.len() < self.share.len() {
            return self.retry(now);
        }
        if self.idle().next().is_some() {
            // Ours, but its broker is away: that is no failure of the rebalance.
            self.has_settled = true;
            return self.back_off(now);
        }
        self.settle()
    }

    fn settle(&mut self) -> Vec<Action> {
        self.has_settled = true;
        self.tries = 0;
        if self.changed {
            return self.read();
        }
        self.phase = Phase::Settled;
        Vec::new()
    }

    fn retry(&mut self, now: Millis) -> Vec<Action> {
        self.tries = self.tries.saturating_add(1);
        if self.tries < self.patience.tries {
            return self.back_off(now);
        }
        if !self.has_settled {
            self.phase = Phase::Out;
            return vec![Action::GiveUp];
        }
        // Kafka's member would go on without any partition until something else changes.
        self.tries = 0;
        self.back_off(now);
        vec![Action::Complain]
    }

    fn back_off(&mut self, now: Millis) -> Vec<Action> {
        let until = now.saturating_add(self.patience.backoff_ms);
        self.phase = Phase::BackingOff { until };
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
