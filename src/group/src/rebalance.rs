//! From one generation to the next.

use ottla_metadata::Millis;

use crate::appends::Purpose;
use crate::errors::GroupError;
use crate::events::{Joined, Response, Synced};
use crate::group::{Group, InitialDelay, Phase, Step, Syncs};
use crate::records::{StoredGroup, StoredMember};
use crate::stored::Record;

/// Even if all members would wait no time at all, a rebalance that nobody joined is not retried
/// faster than this.
const RETRY_MS: Millis = 100;

impl Group {
    /// Begins a rebalance unless one is awaiting joins already.
    pub(crate) fn rebalance(&mut self, step: &mut Step<'_>) {
        let phase = match self.phase {
            Phase::Preparing { .. } | Phase::Dead => return,
            Phase::Empty => {
                let delay = Millis::from(step.settings.initial_rebalance_delay_ms.max(0));
                let longest = self.members.rebalance_timeout();
                Phase::Preparing {
                    deadline: step.after(delay),
                    initial: Some(InitialDelay {
                        delay_ms: delay,
                        remaining_ms: (longest - delay).max(0),
                        new_member_added: false,
                    }),
                }
            }
            Phase::Completing { .. } => {
                self.clear_assignments(step, GroupError::RebalanceInProgress);
                self.awaiting_joins(step)
            }
            Phase::Stable { .. } => self.awaiting_joins(step),
        };
        self.enter(step, phase);
        self.complete_join_if_due(step);
    }

    fn awaiting_joins(&self, step: &Step<'_>) -> Phase {
        Phase::Preparing {
            deadline: step.after(self.members.rebalance_timeout()),
            initial: None,
        }
    }

    /// Takes all assignments back and tells those who wait for theirs.
    pub(crate) fn clear_assignments(&mut self, step: &mut Step<'_>, error: GroupError) {
        for id in self.members.ids() {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment.clear();
            }
            self.answer_syncing(step, &id, Err(error));
        }
    }

    /// Answers a member's sync, if it waits in one; its session starts anew.
    pub(crate) fn answer_syncing(
        &mut self,
        step: &mut Step<'_>,
        id: &str,
        result: Result<(), GroupError>,
    ) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let Some(waiter) = member.syncing.take() else {
            return;
        };
        member.renew(step.now.mono);
        let response = result.map(|()| Synced {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            assignment: member.assignment.clone(),
        });
        step.answer(waiter, Response::Sync(response));
    }

    /// Ends the wait for joins when all have joined or the time is over.
    pub(crate) fn complete_join_if_due(&mut self, step: &mut Step<'_>) {
        let everybody = self.members.all_join() && self.pending.is_empty();
        let Phase::Preparing { deadline, initial } = &mut self.phase else {
            return;
        };
        let over = *deadline <= step.now.mono;
        match initial {
            Some(delay) if over && delay.new_member_added && delay.remaining_ms > 0 => {
                let configured = Millis::from(step.settings.initial_rebalance_delay_ms.max(0));
                let next = configured.min(delay.remaining_ms);
                *deadline = step.after(next);
                *delay = InitialDelay {
                    delay_ms: next,
                    remaining_ms: (delay.remaining_ms - delay.delay_ms).max(0),
                    new_member_added: false,
                };
            }
            Some(_) if over => self.complete_join(step),
            None if over || everybody => self.complete_join(step),
            Some(_) | None => {}
        }
    }

    /// The next generation of those who joined (`GroupCoordinator.onCompleteJoin`).
    fn complete_join(&mut self, step: &mut Step<'_>) {
        for id in self.members.ids() {
            let stays = |member: &crate::member::Member| {
                member.joining.is_some() || member.instance_id.is_some()
            };
            if !self.members.get(&id).is_some_and(stays) {
                self.members.remove(&id);
            }
        }
        if !self.members.is_empty() && !self.members.elect_joined_leader() {
            // Only static members are left, none of which joined: wait for one to join or for
            // their sessions to end.
            self.phase = Phase::Preparing {
                deadline: step.after(self.members.rebalance_timeout().max(RETRY_MS)),
                initial: None,
            };
            return;
        }
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.protocol = self.members.select_protocol();
        self.refresh_subscriptions();
        if self.members.is_empty() {
            self.enter(step, Phase::Empty);
            let record = Record::Group(Some(self.to_store(Vec::new())));
            self.append(step, vec![record], Purpose::Emptied);
        } else {
            self.answer_joins(step);
        }
    }

    fn answer_joins(&mut self, step: &mut Step<'_>) {
        let ids = self.members.ids();
        let syncs = Syncs {
            missing: ids.iter().cloned().collect(),
            deadline: step.after(self.members.rebalance_timeout()),
        };
        self.enter(
            step,
            Phase::Completing {
                syncs,
                storing: false,
            },
        );
        for id in ids {
            if let Some(waiter) = self.members.take_joining(&id) {
                let joined = self.joined(&id);
                step.answer(waiter, Response::Join(Ok(joined)));
            }
            if let Some(member) = self.members.get_mut(&id) {
                member.renew(step.now.mono);
                member.is_new = false;
            }
        }
    }

    /// The answer to a member's join in the current generation.
    pub(crate) fn joined(&self, id: &crate::MemberId) -> Joined {
        let members = if self.members.is_leader(id) {
            self.members.for_leader(self.protocol.as_deref())
        } else {
            Vec::new()
        };
        Joined {
            member_id: id.clone(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            leader: self.members.leader().cloned().unwrap_or_default(),
            members,
            skip_assignment: false,
        }
    }

    /// Members that did not ask for their assignment in time go, and the rest rebalances.
    pub(crate) fn drop_missing_syncs_if_due(&mut self, step: &mut Step<'_>) {
        let (Phase::Completing { syncs, .. } | Phase::Stable { syncs }) = &mut self.phase else {
            return;
        };
        if syncs.deadline().is_none_or(|at| at > step.now.mono) {
            return;
        }
        for id in std::mem::take(&mut syncs.missing) {
            self.refuse_joining(step, &id, &id, GroupError::UnknownMemberId);
            self.members.remove(&id);
        }
        self.rebalance(step);
    }

    /// Removes a member, tells it if it waits, and does what follows in the group.
    pub(crate) fn remove_member(&mut self, step: &mut Step<'_>, id: &str) {
        let nobody = crate::MemberId::default();
        self.refuse_joining(step, id, &nobody, GroupError::UnknownMemberId);
        self.answer_syncing(step, id, Err(GroupError::UnknownMemberId));
        self.members.remove(id);
        if let Phase::Completing { syncs, .. } | Phase::Stable { syncs } = &mut self.phase {
            syncs.missing.remove(id);
        }
        match self.phase {
            Phase::Stable { .. } | Phase::Completing { .. } => self.rebalance(step),
            Phase::Preparing { .. } => self.complete_join_if_due(step),
            Phase::Empty | Phase::Dead => {}
        }
    }

    /// What the members of this generation subscribe to.
    pub(crate) fn refresh_subscriptions(&mut self) {
        self.subscribed = match &self.protocol {
            _ if !self.is_of_consumers() => None,
            Some(protocol) => self.members.subscriptions(protocol),
            None if self.members.is_empty() => Some(Default::default()),
            None => None,
        };
    }

    /// The group as it is stored.
    pub(crate) fn to_store(&self, members: Vec<StoredMember>) -> StoredGroup {
        StoredGroup {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.members.leader().cloned(),
            state_timestamp: self.since,
            members,
        }
    }
}
