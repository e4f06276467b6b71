//! What the leader's answers do to a follower.

use ottla_metadata::{BrokerId, LeaderEpoch, Millis, NO_EPOCH, Offset};

use crate::event::{Action, Actions, EpochEnd, LeaderAnswer};
use crate::follower::{FetchState, Follower, Truncation};
use crate::partition::{Partition, Role};

/// The first delay before a leader that was asked too early is asked again.
const SHORTEST_DELAY_MS: Millis = 10;

impl Partition {
    /// Begins to follow `leader`, or nobody. Under an epoch that is followed already the state
    /// stays as it is (`AbstractFetcherThread.partitionFetchState`).
    pub(crate) fn follow(
        &mut self,
        leader: Option<BrokerId>,
        is_new_epoch: bool,
        latest_epoch: Option<LeaderEpoch>,
        actions: &mut Actions,
    ) {
        if let Role::Follower(old) = &self.role {
            if !is_new_epoch && old.leader == leader && old.fetch != FetchState::Idle {
                return;
            }
        }
        let mut follower = Follower {
            leader,
            ..Follower::idle()
        };
        if leader.is_some() {
            follower.fetch = match (self.rules.truncation, latest_epoch) {
                (Truncation::ToHighWatermark, _) | (_, None) => {
                    actions.push(Action::TruncateTo(self.high_watermark));
                    FetchState::Truncating { complete: true }
                }
                (Truncation::ByEpochRequest, Some(epoch)) => FetchState::Comparing { epoch },
                (Truncation::OnFetch, Some(_)) => FetchState::Fetching {
                    last_epoch: latest_epoch,
                    lag: None,
                },
            };
        }
        self.role = Role::Follower(follower);
    }

    /// Takes an answer in, if it belongs to this leadership and to what was asked last.
    pub(crate) fn leader_answered(
        &mut self,
        now: Millis,
        leader_epoch: LeaderEpoch,
        answer: LeaderAnswer,
        actions: &mut Actions,
    ) {
        let Role::Follower(follower) = &self.role else {
            return;
        };
        if leader_epoch != self.leader_epoch {
            return;
        }
        match (follower.fetch, answer) {
            (FetchState::Comparing { .. }, LeaderAnswer::EpochEnd { leader, local }) => {
                self.truncate_by(leader, local, actions);
            }
            (FetchState::Fetching { .. }, LeaderAnswer::Diverging { at, leader, local })
                if at == self.log_end =>
            {
                self.truncate_by(leader, local, actions);
            }
            (
                FetchState::Fetching { .. },
                LeaderAnswer::Records {
                    at,
                    log_end,
                    latest_epoch,
                    leader_high_watermark,
                    leader_log_start,
                },
            ) if at == self.log_end => {
                let lag = leader_high_watermark.saturating_sub(log_end).max(0);
                self.enter(FetchState::Fetching {
                    last_epoch: latest_epoch,
                    lag: Some(lag),
                });
                self.appended_as_follower(log_end, leader_high_watermark, actions);
                if leader_log_start > 0 && leader_log_start <= self.high_watermark {
                    actions.push(Action::AdvanceLogStart(leader_log_start));
                }
            }
            (FetchState::Fetching { .. }, LeaderAnswer::OutOfRange { at })
                if at == self.log_end =>
            {
                self.enter(FetchState::OutOfRange);
            }
            (
                FetchState::OutOfRange,
                LeaderAnswer::Offsets {
                    start,
                    end,
                    latest_epoch,
                },
            ) => self.reset_to(now, start, end, latest_epoch, actions),
            (
                FetchState::Comparing { .. } | FetchState::Fetching { .. } | FetchState::OutOfRange,
                LeaderAnswer::Fenced,
            ) => self.enter(FetchState::Parked),
            (_, LeaderAnswer::NotYet) => self.delay_a_little(now),
            (_, LeaderAnswer::Failed) => self.delay(now),
            _ => {}
        }
    }

    /// The log was cut as asked.
    pub(crate) fn truncated(
        &mut self,
        log_start: Offset,
        log_end: Offset,
        latest_epoch: Option<LeaderEpoch>,
        actions: &mut Actions,
    ) {
        let Role::Follower(follower) = &self.role else {
            return;
        };
        let FetchState::Truncating { complete } = follower.fetch else {
            return;
        };
        let next = match (self.rules.truncation, latest_epoch) {
            (Truncation::ByEpochRequest, Some(epoch)) if !complete => {
                FetchState::Comparing { epoch }
            }
            _ => FetchState::Fetching {
                last_epoch: latest_epoch,
                lag: None,
            },
        };
        self.enter(next);
        self.log_end = log_end.max(0);
        // A log that starts anew may start beyond the watermark: the leader has nothing older.
        let watermark = self
            .high_watermark
            .clamp(log_start.clamp(0, self.log_end), self.log_end);
        if watermark != self.high_watermark {
            self.set_high_watermark(watermark, actions);
        }
    }

    fn enter(&mut self, fetch: FetchState) {
        if let Role::Follower(follower) = &mut self.role {
            follower.fetch = fetch;
            follower.delayed_until = None;
            follower.too_early = 0;
        }
    }

    fn delay(&mut self, now: Millis) {
        self.delay_for(now, self.rules.fetch_backoff_ms);
    }

    /// Longer each time, up to the back-off. The back-off itself would be the time without a quorum
    /// after a failover.
    fn delay_a_little(&mut self, now: Millis) {
        if let Role::Follower(follower) = &mut self.role {
            let doubled = SHORTEST_DELAY_MS << follower.too_early.min(16);
            follower.too_early = follower.too_early.saturating_add(1);
            let pause = doubled.min(self.rules.fetch_backoff_ms);
            self.delay_for(now, pause);
        }
    }

    fn delay_for(&mut self, now: Millis, pause: Millis) {
        let until = now.saturating_add(pause);
        if let Role::Follower(follower) = &mut self.role {
            if follower.delayed_until.is_none_or(|earlier| earlier <= now) {
                follower.delayed_until = Some(until);
            }
        }
    }

    /// The watermark follows the leader's, never beyond what is here.
    fn appended_as_follower(
        &mut self,
        log_end: Offset,
        leader_high_watermark: Offset,
        actions: &mut Actions,
    ) {
        self.log_end = self.log_end.max(log_end);
        let watermark = leader_high_watermark.min(self.log_end);
        if watermark > self.high_watermark {
            self.set_high_watermark(watermark, actions);
        }
    }

    /// Cuts by what the leader said of our latest epoch, or of where we part
    /// (`AbstractFetcherThread.getOffsetTruncationState`). `local` is our own answer for the epoch
    /// that the leader named.
    fn truncate_by(&mut self, leader: EpochEnd, local: EpochEnd, actions: &mut Actions) {
        let (to, complete) = if leader.end_offset < 0 {
            // The leader keeps no epochs, or none as old as ours.
            (self.high_watermark, true)
        } else if leader.epoch == NO_EPOCH || local.end_offset < 0 {
            // Version 0 names no epoch; or we kept none at that time (before KIP-279).
            (leader.end_offset, true)
        } else if local.epoch != leader.epoch {
            // We have nothing of that epoch. What we have of later ones is wrong; what we have of
            // earlier ones has to be compared.
            (local.end_offset, false)
        } else {
            (local.end_offset.min(leader.end_offset), true)
        };
        self.enter(FetchState::Truncating { complete });
        actions.push(Action::TruncateTo(to.clamp(0, self.log_end)));
    }

    /// Where to go on when the leader has nothing at our end
    /// (`AbstractFetcherThread.fetchOffsetAndTruncate`).
    fn reset_to(
        &mut self,
        now: Millis,
        start: Offset,
        end: Offset,
        latest_epoch: Option<LeaderEpoch>,
        actions: &mut Actions,
    ) {
        if end >= 0 && end < self.log_end {
            self.enter(FetchState::Truncating { complete: true });
            actions.push(Action::TruncateTo(end));
        } else if start > self.log_end {
            self.enter(FetchState::Truncating { complete: true });
            actions.push(Action::TruncateFullyAndStartAt(start));
        } else {
            // In range by now. If it was the epoch that the leader did not know, asking at once
            // would go in a circle.
            self.enter(FetchState::Fetching {
                last_epoch: latest_epoch,
                lag: None,
            });
            self.delay(now);
        }
    }
}
