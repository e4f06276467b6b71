//! One group: its state, and the events that change it.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::{Millis, TopicName};

use crate::appends::{Appends, Purpose};
use crate::errors::{GroupError, JoinRefused};
use crate::events::{Action, Event, Now, Response};
use crate::member::Members;
use crate::queries::GroupState;
use crate::settings::Settings;
use crate::stored::Stored;
use crate::{GroupId, MemberId, Text};

/// A classic consumer group (`GroupMetadata` and `GroupCoordinator`).
///
/// What is stored of it (`stored`) changes by replay alone; the rest lives in memory and starts
/// anew from what is stored when the group is loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub(crate) id: GroupId,
    pub(crate) phase: Phase,
    /// Since when the group is in its state, by the wall clock; `None` if it was loaded from a
    /// record that did not say.
    pub(crate) since: Option<Millis>,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<Text>,
    pub(crate) protocol: Option<Text>,
    pub(crate) members: Members,
    /// Member ids given out, not yet joined with, and when they lapse.
    pub(crate) pending: BTreeMap<MemberId, Millis>,
    /// The topics of this generation's consumers; `None` if that is not known.
    pub(crate) subscribed: Option<BTreeSet<TopicName>>,
    pub(crate) stored: Stored,
    pub(crate) appends: Appends,
}

/// What the group is about; a field exists only where it is needed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Phase {
    Empty,
    Preparing {
        deadline: Millis,
        /// While it waits for the first members of a generation that begins with none.
        initial: Option<InitialDelay>,
    },
    Completing {
        syncs: Syncs,
        /// Whether the leader's assignment is on its way into the log.
        storing: bool,
    },
    Stable {
        syncs: Syncs,
    },
    Dead,
}

/// The first wait of a rebalance that began with an empty group (KIP-134).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InitialDelay {
    pub(crate) delay_ms: Millis,
    pub(crate) remaining_ms: Millis,
    pub(crate) new_member_added: bool,
}

/// Members that have not yet asked for their assignment, and until when they may.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Syncs {
    pub(crate) missing: BTreeSet<MemberId>,
    pub(crate) deadline: Millis,
}

impl Syncs {
    pub(crate) fn deadline(&self) -> Option<Millis> {
        (!self.missing.is_empty()).then_some(self.deadline)
    }
}

/// The surroundings of one step.
pub(crate) struct Step<'a> {
    pub(crate) now: Now,
    pub(crate) settings: &'a Settings,
    pub(crate) actions: Vec<Action>,
}

impl Step<'_> {
    pub(crate) fn answer(&mut self, waiter: crate::WaiterId, response: Response) {
        self.actions.push(Action::Answer { waiter, response });
    }

    /// A point in the future.
    pub(crate) fn after(&self, wait: Millis) -> Millis {
        self.now.mono.saturating_add(wait)
    }
}

impl Group {
    /// A group that nobody knows yet.
    pub fn new(id: GroupId, now: Now) -> Group {
        Group {
            since: Some(now.wall),
            ..Group::with_stored(id, Stored::default())
        }
    }

    pub(crate) fn with_stored(id: GroupId, stored: Stored) -> Group {
        Group {
            id,
            phase: Phase::Empty,
            since: None,
            generation: 0,
            protocol_type: None,
            protocol: None,
            members: Members::default(),
            pending: BTreeMap::new(),
            subscribed: None,
            stored,
            appends: Appends::default(),
        }
    }

    /// Takes an event in and says what is to be done.
    pub fn step(&mut self, now: Now, settings: &Settings, event: Event) -> Vec<Action> {
        let mut step = Step {
            now,
            settings,
            actions: Vec::new(),
        };
        match event {
            Event::Join(join) => self.join(&mut step, join),
            Event::Sync(sync) => self.sync(&mut step, sync),
            Event::Heartbeat {
                waiter,
                member,
                generation,
            } => {
                let result = self.heartbeat(&step, &member, generation);
                step.answer(waiter, Response::Heartbeat(result));
            }
            Event::Leave { waiter, members } => self.leave(&mut step, waiter, &members),
            Event::Commit(commit) => self.commit(&mut step, commit),
            Event::DeleteOffsets { waiter, partitions } => {
                self.delete_offsets(&mut step, waiter, partitions);
            }
            Event::DeleteGroup { waiter } => self.delete(&mut step, waiter),
            Event::TopicsDeleted(topics) => self.topics_deleted(&mut step, &topics),
            Event::ExpireOffsets => self.expire_offsets(&mut step),
            Event::Appended { append, outcome } => {
                self.appends.end(append, outcome);
                self.finish_appends(&mut step);
            }
            Event::Tick => self.tick(&mut step),
            Event::Unload => self.unload(&mut step),
        }
        self.bury_if_never_used();
        self.check();
        step.actions
    }

    /// When to send [`Event::Tick`] next, by the monotonic clock.
    pub fn deadline(&self) -> Option<Millis> {
        let phase = match &self.phase {
            Phase::Empty | Phase::Dead => None,
            Phase::Preparing { deadline, .. } => Some(*deadline),
            Phase::Completing { syncs, .. } | Phase::Stable { syncs } => syncs.deadline(),
        };
        let sessions = self.members.iter().filter_map(|(_, m)| m.expires_at());
        let pending = self.pending.values().copied();
        phase.into_iter().chain(sessions).chain(pending).min()
    }

    /// Its state.
    pub fn state(&self) -> GroupState {
        match self.phase {
            Phase::Empty => GroupState::Empty,
            Phase::Preparing { .. } => GroupState::PreparingRebalance,
            Phase::Completing { .. } => GroupState::CompletingRebalance,
            Phase::Stable { .. } => GroupState::Stable,
            Phase::Dead => GroupState::Dead,
        }
    }

    /// Its generation.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// Whether it is gone, so that its driver should forget it.
    pub fn is_dead(&self) -> bool {
        self.phase == Phase::Dead
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.phase == Phase::Empty
    }

    pub(crate) fn enter(&mut self, step: &Step<'_>, phase: Phase) {
        self.phase = phase;
        self.since = Some(step.now.wall);
    }

    pub(crate) fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some("consumer")
    }

    /// Whatever waits too long: ids given out, silent members, missing syncs, missing joins.
    fn tick(&mut self, step: &mut Step<'_>) {
        let now = step.now.mono;
        let lapsed = self.pending.len();
        self.pending.retain(|_, lapses| *lapses > now);
        if self.pending.len() < lapsed {
            self.complete_join_if_due(step);
        }
        for id in self.members.ids() {
            let expired = |at: Millis| at <= now;
            let member = self.members.get(&id);
            if member.and_then(|m| m.expires_at()).is_some_and(expired) {
                self.remove_member(step, &id);
            }
        }
        self.drop_missing_syncs_if_due(step);
        self.complete_join_if_due(step);
    }

    /// Sends everybody who waits to another coordinator (`GroupCoordinator.onGroupUnloaded`).
    fn unload(&mut self, step: &mut Step<'_>) {
        for id in self.members.ids() {
            self.refuse_joining(step, &id, &id, GroupError::NotCoordinator);
            self.answer_syncing(step, &id, Err(GroupError::NotCoordinator));
            self.members.remove(&id);
        }
        for append in self.appends.take_all() {
            if let Some((waiter, response)) = append.refusal(GroupError::NotCoordinator) {
                step.answer(waiter, response);
            }
        }
        self.pending.clear();
        self.enter(step, Phase::Dead);
    }

    /// A group that came to be by a request that was refused or has gone leaves no trace.
    fn bury_if_never_used(&mut self) {
        let unused = self.generation == 0 && self.stored.group().is_none();
        if self.is_empty() && unused && self.holds_nothing() {
            self.phase = Phase::Dead;
        }
    }

    /// No ids given out, nothing under way, no offsets.
    pub(crate) fn holds_nothing(&self) -> bool {
        self.pending.is_empty() && self.appends.is_empty() && !self.stored.has_offsets()
    }

    /// Answers a member's join with an error, if it waits in one.
    pub(crate) fn refuse_joining(
        &mut self,
        step: &mut Step<'_>,
        id: &str,
        member_id: &MemberId,
        error: GroupError,
    ) {
        if let Some(waiter) = self.members.take_joining(id) {
            let refused = JoinRefused {
                error,
                member_id: member_id.clone(),
            };
            step.answer(waiter, Response::Join(Err(refused)));
        }
    }

    /// Panics on what no input may cause.
    fn check(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        self.members.check();
        let overlap = self.pending.keys().any(|id| self.members.contains(id));
        assert!(!overlap, "a pending member is not yet one");
        let joins = self.members.joining();
        let syncs = self.members.iter().any(|(_, m)| m.syncing.is_some());
        assert!(
            !syncs || matches!(self.phase, Phase::Completing { .. }),
            "syncs wait only for the leader's"
        );
        match &self.phase {
            Phase::Empty | Phase::Dead => assert!(self.members.is_empty()),
            Phase::Preparing { .. } => {}
            Phase::Completing {
                syncs: Syncs { missing, .. },
                storing,
            } => {
                assert!(!self.members.is_empty() && joins == 0);
                assert!(missing.iter().all(|id| self.members.contains(id)));
                assert!(
                    !missing.is_empty() || *storing,
                    "somebody can end the wait for the assignment"
                );
            }
            Phase::Stable { syncs } => {
                assert!(!self.members.is_empty());
                assert!(syncs.missing.iter().all(|id| self.members.contains(id)));
                let returns = |purpose: &Purpose| matches!(purpose, Purpose::Replacement(_));
                let returning = self.appends.purposes().filter(|p| returns(p)).count();
                assert!(joins <= returning, "only returning static members wait");
            }
        }
    }
}
