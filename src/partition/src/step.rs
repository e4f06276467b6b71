//! What events do to a partition.

use ottla_metadata::{BrokerId, LeaderEpoch, Millis, Offset};

use crate::WaitError;
use crate::event::{Action, Actions, Event, Leadership, StoreOutcome, Waiter};
use crate::follower::Follower;
use crate::leader::{Isr, Leader};
use crate::partition::{Partition, Replicas, Role, enough};

impl Partition {
    /// Applies one event. What must be done about it is appended to `actions`, in order.
    pub fn step(&mut self, now: Millis, event: Event, actions: &mut Actions) {
        if matches!(self.role, Role::Offline) {
            return self.refuse_offline(&event, actions);
        }
        match event {
            Event::Appended { log_end } => self.appended(now, log_end, actions),
            Event::AwaitHighWatermark(waiter) => self.await_high_watermark(waiter, actions),
            Event::AwaitLowWatermark(waiter) => self.await_low_watermark(waiter, actions),
            Event::LogStartAdvanced { log_start } => self.log_start_advanced(log_start, actions),
            Event::FollowerFetched {
                from,
                at,
                log_start,
            } => {
                self.follower_fetched(now, from, at, log_start, actions);
            }
            Event::LeaderAnswered {
                leader_epoch,
                answer,
            } => self.leader_answered(now, leader_epoch, answer, actions),
            Event::Truncated {
                log_start,
                log_end,
                latest_epoch,
            } => self.truncated(log_start, log_end, latest_epoch, actions),
            Event::MadeLeader {
                leadership,
                log_start,
                log_end,
            } => {
                self.made_leader(now, leadership, log_start, log_end, actions);
            }
            Event::MadeFollower {
                leadership,
                leader,
                log_end,
                latest_epoch,
            } => {
                self.made_follower(leadership, leader, log_end, latest_epoch, actions);
            }
            Event::WentOffline => self.end_role(Role::Offline, WaitError::Offline, actions),
            Event::IsrStored {
                leader_epoch,
                expected,
                outcome,
            } => {
                self.isr_stored(now, leader_epoch, expected, outcome, actions);
            }
            Event::LiveBrokers(live) => {
                self.live = live;
                self.raise_high_watermark(now, actions);
                self.complete_deletions(actions);
            }
            Event::RulesChanged(rules) => {
                self.rules = rules;
                self.raise_high_watermark(now, actions);
            }
            Event::Tick => self.tick(now, actions),
        }
        self.check();
    }

    /// What no input may break. Cheap enough to stay on; the order of waiters only in debug builds.
    fn check(&self) {
        assert!(
            (0..=self.log_end).contains(&self.high_watermark),
            "high watermark {} beyond log end {}",
            self.high_watermark,
            self.log_end
        );
        if let Role::Leader(leader) = &self.role {
            debug_assert!(leader.committed.is_sorted() && leader.deleted.is_sorted());
            debug_assert!(
                leader
                    .committed
                    .lowest()
                    .is_none_or(|o| o > self.high_watermark)
            );
            debug_assert!(!leader.followers.contains_key(&self.local));
        }
    }

    fn refuse_offline(&self, event: &Event, actions: &mut Actions) {
        if let Event::AwaitHighWatermark(waiter) | Event::AwaitLowWatermark(waiter) = event {
            let result = Err(WaitError::Offline);
            actions.push(Action::Answer {
                waiter: waiter.id,
                result,
            });
        }
    }

    fn appended(&mut self, now: Millis, log_end: Offset, actions: &mut Actions) {
        if self.leader().is_some() {
            self.log_end = self.log_end.max(log_end);
            self.raise_high_watermark(now, actions);
        }
    }

    fn raise_high_watermark(&mut self, now: Millis, actions: &mut Actions) {
        let required = self.effective_min_isr();
        let Role::Leader(leader) = &self.role else {
            return;
        };
        if leader.isr.settled().len() < required {
            return;
        }
        let end = leader.common_end(now, self.log_end, &self.rules, &self.live);
        if end > self.high_watermark {
            self.set_high_watermark(end, actions);
        }
    }

    pub(crate) fn set_high_watermark(&mut self, offset: Offset, actions: &mut Actions) {
        self.high_watermark = offset;
        actions.push(Action::AdvanceHighWatermark(offset));
        let required = self.effective_min_isr();
        if let Role::Leader(leader) = &mut self.role {
            if !leader.committed.is_empty() {
                let result = enough(leader.isr.maximal().len(), required);
                leader.committed.complete(offset, result, actions);
            }
        }
    }

    fn await_high_watermark(&mut self, waiter: Waiter, actions: &mut Actions) {
        match (self.committed(waiter.required), &mut self.role) {
            (Some(result), _) => actions.push(Action::Answer {
                waiter: waiter.id,
                result,
            }),
            (None, Role::Leader(leader)) => leader.committed.insert(waiter),
            // `committed` answers for every other role.
            (None, Role::Follower(_) | Role::Offline) => {}
        }
    }

    fn await_low_watermark(&mut self, waiter: Waiter, actions: &mut Actions) {
        let result = Err(WaitError::LeadershipLost);
        match &mut self.role {
            Role::Leader(leader) => leader.deleted.insert(waiter),
            _ => actions.push(Action::Answer {
                waiter: waiter.id,
                result,
            }),
        }
        self.complete_deletions(actions);
    }

    fn log_start_advanced(&mut self, log_start: Offset, actions: &mut Actions) {
        if let Role::Leader(leader) = &mut self.role {
            leader.log_start = leader.log_start.max(log_start);
        }
        // A log can only start beyond the watermark when the watermark was lost in a crash.
        if log_start > self.high_watermark && log_start <= self.log_end {
            self.set_high_watermark(log_start, actions);
        }
        self.complete_deletions(actions);
    }

    fn complete_deletions(&mut self, actions: &mut Actions) {
        let low = self.low_watermark();
        if let (Some(low), Role::Leader(leader)) = (low, &mut self.role) {
            leader.deleted.complete(low, Ok(()), actions);
        }
    }

    fn follower_fetched(
        &mut self,
        now: Millis,
        from: BrokerId,
        at: Offset,
        log_start: Offset,
        actions: &mut Actions,
    ) {
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        if !leader.fetched(now, from, at, log_start, self.log_end) {
            return;
        }
        if let Some(isr) = leader.expansion(
            from,
            self.high_watermark,
            self.log_end,
            &self.rules,
            &self.live,
        ) {
            self.propose(isr, actions);
        }
        self.raise_high_watermark(now, actions);
        self.complete_deletions(actions);
    }

    fn propose(&mut self, isr: Replicas, actions: &mut Actions) {
        let (leader_epoch, expected) = (self.leader_epoch, self.partition_epoch);
        if let Role::Leader(leader) = &mut self.role {
            let settled = leader.isr.settled().clone();
            leader.isr = Isr::Proposed {
                settled,
                proposed: isr.clone(),
            };
            actions.push(Action::StoreIsr {
                isr,
                leader_epoch,
                expected,
            });
        }
    }

    /// Whether a leadership is news: a newer leader epoch, or the same one with a state stored later.
    fn is_news(&self, leadership: &Leadership) -> bool {
        let epoch = leadership.leader_epoch.cmp(&self.leader_epoch);
        epoch.is_gt() || (epoch.is_eq() && leadership.partition_epoch >= self.partition_epoch)
    }

    fn made_leader(
        &mut self,
        now: Millis,
        leadership: Leadership,
        log_start: Offset,
        log_end: Offset,
        actions: &mut Actions,
    ) {
        if !self.is_news(&leadership) {
            return;
        }
        let log_end = match self.role {
            Role::Leader(_) => log_end.max(self.log_end), // a leader's log never shrinks
            Role::Follower(_) | Role::Offline => log_end.max(0),
        };
        let Leadership {
            leader_epoch,
            partition_epoch,
            replicas,
            isr,
        } = leadership;
        let is_new_epoch = leader_epoch > self.leader_epoch;
        if is_new_epoch {
            actions.push(Action::AssignEpoch {
                epoch: leader_epoch,
                start: log_end,
            });
        }
        match &mut self.role {
            Role::Leader(leader) if !is_new_epoch => {
                // What is proposed on the state that we know stays proposed: it may be stored yet.
                if partition_epoch > self.partition_epoch {
                    leader.isr = Isr::Settled(isr);
                }
                leader.assign(now, self.local, &replicas);
            }
            role => {
                let mut leader = Leader::new(now, self.local, &replicas, isr, log_start, log_end);
                if let Role::Leader(old) = role {
                    leader.committed = std::mem::take(&mut old.committed);
                    leader.deleted = std::mem::take(&mut old.deleted);
                }
                *role = Role::Leader(Box::new(leader));
            }
        }
        self.leader_epoch = leader_epoch;
        self.partition_epoch = partition_epoch;
        self.replicas = replicas;
        self.log_end = log_end;
        let clamped = self
            .high_watermark
            .clamp(log_start.clamp(0, log_end), log_end);
        if clamped != self.high_watermark {
            self.set_high_watermark(clamped, actions);
        }
        self.raise_high_watermark(now, actions);
        self.complete_deletions(actions);
    }

    fn made_follower(
        &mut self,
        leadership: Leadership,
        leader: Option<BrokerId>,
        log_end: Offset,
        latest_epoch: Option<LeaderEpoch>,
        actions: &mut Actions,
    ) {
        if !self.is_news(&leadership) {
            return;
        }
        let is_new_epoch = leadership.leader_epoch > self.leader_epoch;
        self.leader_epoch = leadership.leader_epoch;
        self.partition_epoch = leadership.partition_epoch;
        self.replicas = leadership.replicas;
        self.log_end = log_end.max(0);
        if self.leader().is_some() {
            let idle = Role::Follower(Follower::idle());
            self.end_role(idle, WaitError::LeadershipLost, actions);
        }
        if self.high_watermark > self.log_end {
            self.set_high_watermark(self.log_end, actions);
        }
        self.follow(leader, is_new_epoch, latest_epoch, actions);
    }

    fn end_role(&mut self, next: Role, error: WaitError, actions: &mut Actions) {
        if let Role::Leader(mut old) = std::mem::replace(&mut self.role, next) {
            old.committed.fail(error, actions);
            old.deleted.fail(error, actions);
        }
    }

    fn isr_stored(
        &mut self,
        now: Millis,
        leader_epoch: LeaderEpoch,
        expected: i32,
        outcome: StoreOutcome,
        actions: &mut Actions,
    ) {
        // An answer to a question of an earlier leadership or proposal says nothing about this one.
        if leader_epoch != self.leader_epoch || expected != self.partition_epoch {
            return;
        }
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let Isr::Proposed { settled, proposed } = &leader.isr else {
            return;
        };
        match outcome {
            StoreOutcome::Stored { partition_epoch } => {
                leader.isr = Isr::Settled(proposed.clone());
                self.partition_epoch = partition_epoch;
                self.raise_high_watermark(now, actions);
            }
            StoreOutcome::Changed {
                isr,
                partition_epoch,
            } => {
                leader.isr = Isr::Settled(isr);
                self.partition_epoch = partition_epoch;
                self.raise_high_watermark(now, actions);
            }
            StoreOutcome::Refused => {
                leader.isr = Isr::Settled(settled.clone());
                self.raise_high_watermark(now, actions);
            }
            StoreOutcome::Conflict => {}
            StoreOutcome::Unknown => {
                let isr = proposed.clone();
                actions.push(Action::StoreIsr {
                    isr,
                    leader_epoch,
                    expected,
                });
            }
        }
    }

    fn tick(&mut self, now: Millis, actions: &mut Actions) {
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        leader.committed.expire(now, actions);
        leader.deleted.expire(now, actions);
        if let Some(isr) = leader.shrinkage(now, self.local, self.log_end, &self.rules) {
            self.propose(isr, actions);
        }
        self.raise_high_watermark(now, actions);
    }
}
