//! JoinGroup.

use ottla_metadata::Millis;

use crate::MemberId;
use crate::appends::{Purpose, Replacement};
use crate::errors::{GroupError, JoinRefused};
use crate::events::{Join, Response};
use crate::group::{Group, Phase, Step};
use crate::member::Member;
use crate::settings::Settings;
use crate::stored::Record;

/// How long a new member waits for its first answer (`NewMemberJoinTimeoutMs`).
const NEW_MEMBER_TIMEOUT_MS: Millis = 5 * 60 * 1000;

/// What is wrong with a join whatever the group.
pub(crate) fn refuse_always(settings: &Settings, join: &Join) -> Result<(), GroupError> {
    let allowed = settings.min_session_timeout_ms..=settings.max_session_timeout_ms;
    if allowed.contains(&join.session_timeout_ms) {
        Ok(())
    } else {
        Err(GroupError::InvalidSessionTimeout)
    }
}

/// The answer to a join refused.
pub(crate) fn refusal(error: GroupError, member_id: MemberId) -> Response {
    Response::Join(Err(JoinRefused { error, member_id }))
}

impl Group {
    pub(crate) fn join(&mut self, step: &mut Step<'_>, join: Join) {
        let sent = join.member.member_id.clone();
        let nobody = MemberId::default();
        if let Err(error) = refuse_always(step.settings, &join) {
            return step.answer(join.waiter, refusal(error, sent));
        }
        if self.phase == Phase::Dead {
            return step.answer(
                join.waiter,
                refusal(GroupError::CoordinatorNotAvailable, sent),
            );
        }
        if !self.has_room_for(step.settings, &sent) {
            // Who rejoins a full group last has to go.
            self.members.remove(&sent);
            self.pending.remove(&sent);
            step.answer(
                join.waiter,
                refusal(GroupError::GroupMaxSizeReached, nobody),
            );
        } else if !self.fits(&join) {
            step.answer(
                join.waiter,
                refusal(GroupError::InconsistentGroupProtocol, sent),
            );
        } else if sent.is_empty() {
            self.join_new(step, join);
        } else {
            self.join_known(step, join);
        }
        self.complete_join_if_due(step);
    }

    /// While members are awaited it counts who came, for the group may be larger than it should
    /// be (`GroupCoordinator.acceptJoiningMember`).
    fn has_room_for(&self, settings: &Settings, id: &str) -> bool {
        let max = settings.max_size;
        match self.phase {
            Phase::Empty | Phase::Dead => true,
            Phase::Preparing { .. } => {
                let joined = |member: &Member| member.joining.is_some();
                self.members.get(id).is_some_and(joined) || self.members.joining() < max
            }
            Phase::Completing { .. } | Phase::Stable { .. } => {
                self.members.contains(id) || self.members.len() < max
            }
        }
    }

    fn fits(&self, join: &Join) -> bool {
        if self.is_empty() {
            !join.protocol_type.is_empty() && !join.protocols.is_empty()
        } else {
            self.protocol_type.as_ref() == Some(&join.protocol_type)
                && self.members.share_one_of(&join.protocols)
        }
    }

    fn join_new(&mut self, step: &mut Step<'_>, join: Join) {
        let name = join.member.instance_id.as_ref().unwrap_or(&join.client_id);
        let id = MemberId::from(format!("{name}-{}", join.uuid));
        if self.members.contains(&id) {
            // Only a broken source of UUIDs brings us here.
            return step.answer(join.waiter, refusal(GroupError::UnknownServerError, id));
        }
        let instance = join.member.instance_id.as_ref();
        let old = instance.and_then(|instance| self.members.of_instance(instance).cloned());
        if let Some(old) = old {
            self.replace_static(step, join, &old, &id);
        } else if instance.is_none() && join.member_id_required {
            let lapses = step.after(Millis::from(join.session_timeout_ms));
            self.pending.insert(id.clone(), lapses);
            step.answer(join.waiter, refusal(GroupError::MemberIdRequired, id));
        } else {
            self.add_member(step, join, &id);
        }
    }

    fn join_known(&mut self, step: &mut Step<'_>, join: Join) {
        let id = join.member.member_id.clone();
        if self.pending.contains_key(&id) && join.member.instance_id.is_none() {
            return self.add_member(step, join, &id);
        }
        if let Err(error) = self.members.identify(&join.member) {
            return step.answer(join.waiter, refusal(error, id));
        }
        let same = self
            .members
            .get(&id)
            .is_some_and(|member| member.protocols == join.protocols);
        let answer_now = match self.phase {
            Phase::Preparing { .. } | Phase::Empty | Phase::Dead => false,
            // It may have missed the answer to its join.
            Phase::Completing { .. } => same,
            // The leader joins when what it assigns has changed.
            Phase::Stable { .. } => same && !self.members.is_leader(&id),
        };
        if answer_now {
            step.answer(join.waiter, Response::Join(Ok(self.joined(&id))));
        } else {
            self.update_member(step, &join, &id);
            self.rebalance(step);
        }
    }

    fn add_member(&mut self, step: &mut Step<'_>, join: Join, id: &MemberId) {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        if let Phase::Preparing {
            initial: Some(delay),
            ..
        } = &mut self.phase
        {
            // Kafka extends the first wait in a group's first generation only.
            delay.new_member_added |= self.generation == 0;
        }
        self.pending.remove(id);
        let member = Member {
            instance_id: join.member.instance_id,
            client_id: join.client_id,
            client_host: join.client_host,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            session_timeout_ms: join.session_timeout_ms,
            protocols: join.protocols,
            assignment: Default::default(),
            session_ends: step.after(NEW_MEMBER_TIMEOUT_MS),
            is_new: true,
            joining: Some(join.waiter),
            syncing: None,
        };
        self.members.add(id, member);
        self.rebalance(step);
    }

    /// Takes over what a member says of itself, and lets it wait.
    fn update_member(&mut self, step: &mut Step<'_>, join: &Join, id: &MemberId) {
        if let Some(member) = self.members.get_mut(id) {
            member.protocols.clone_from(&join.protocols);
            member.rebalance_timeout_ms = join.rebalance_timeout_ms;
            member.session_timeout_ms = join.session_timeout_ms;
        }
        if let Some(before) = self.members.wait_for_join(id, join.waiter) {
            let refused = refusal(GroupError::RebalanceInProgress, id.clone());
            step.answer(before, refused);
        }
    }

    /// A static member is back without its member id: it gets a new one in place of the old
    /// (`GroupCoordinator.updateStaticMemberAndRebalance`).
    fn replace_static(&mut self, step: &mut Step<'_>, join: Join, old: &MemberId, new: &MemberId) {
        let Some(before) = self.members.get(old).cloned() else {
            return;
        };
        let replacement = Replacement {
            generation: self.generation,
            new_id: new.clone(),
            old_id: old.clone(),
            old_leader: self.members.leader().cloned().unwrap_or_default(),
            old_protocols: before.protocols,
            old_rebalance_timeout_ms: before.rebalance_timeout_ms,
            old_session_timeout_ms: before.session_timeout_ms,
            can_skip_assignment: join.can_skip_assignment,
        };
        self.refuse_joining(step, old, old, GroupError::FencedInstanceId);
        self.answer_syncing(step, old, Err(GroupError::FencedInstanceId));
        self.rename_member(old, new);
        if let Some(member) = self.members.get_mut(new) {
            member.renew(step.now.mono);
        }
        self.update_member(step, &join, new);
        match self.phase {
            Phase::Stable { .. } if self.protocol == self.members.select_protocol() => {
                let protocol = self.protocol.as_deref();
                let members = self.members.to_store(protocol, |_, m| m.assignment.clone());
                let record = Record::Group(Some(self.to_store(members)));
                self.append(
                    step,
                    vec![record],
                    Purpose::Replacement(Box::new(replacement)),
                );
            }
            // The leader may have the old id already, so its assignment would not fit.
            Phase::Stable { .. } | Phase::Completing { .. } => self.rebalance(step),
            Phase::Preparing { .. } | Phase::Empty | Phase::Dead => {}
        }
    }

    pub(crate) fn rename_member(&mut self, old: &str, new: &MemberId) {
        self.members.rename(old, new);
        if let Phase::Completing { syncs, .. } | Phase::Stable { syncs } = &mut self.phase {
            if syncs.missing.remove(old) {
                syncs.missing.insert(new.clone());
            }
        }
    }
}
