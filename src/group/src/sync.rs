//! SyncGroup, Heartbeat and LeaveGroup.

use bytes::Bytes;

use crate::MemberId;
use crate::appends::Purpose;
use crate::errors::GroupError;
use crate::events::{MemberRef, Response, Sync, Synced, WaiterId};
use crate::group::{Group, Phase, Step};
use crate::stored::Record;

/// What is wrong with a sync whatever the group.
pub(crate) fn refuse_always(sync: &Sync) -> Result<(), GroupError> {
    let named = sync.protocol_type.is_some() && sync.protocol_name.is_some();
    if sync.protocol_required && !named {
        return Err(GroupError::InconsistentGroupProtocol);
    }
    Ok(())
}

impl Group {
    pub(crate) fn sync(&mut self, step: &mut Step<'_>, sync: Sync) {
        if let Err(error) = self.admit_sync(&sync) {
            return step.answer(sync.waiter, Response::Sync(Err(error)));
        }
        let id = sync.member.member_id.clone();
        match &mut self.phase {
            Phase::Completing { syncs, .. } => {
                syncs.missing.remove(&id);
                self.answer_syncing(step, &id, Err(GroupError::RebalanceInProgress));
                if let Some(member) = self.members.get_mut(&id) {
                    member.syncing = Some(sync.waiter);
                }
                if self.members.is_leader(&id) {
                    self.store_assignment(step, sync.assignments);
                }
            }
            Phase::Stable { syncs } => {
                syncs.missing.remove(&id);
                if let Some(member) = self.members.get_mut(&id) {
                    member.renew(step.now.mono);
                    let synced = Synced {
                        protocol_type: self.protocol_type.clone(),
                        protocol_name: self.protocol.clone(),
                        assignment: member.assignment.clone(),
                    };
                    step.answer(sync.waiter, Response::Sync(Ok(synced)));
                }
            }
            // Refused above.
            Phase::Empty | Phase::Preparing { .. } | Phase::Dead => {}
        }
    }

    fn admit_sync(&self, sync: &Sync) -> Result<(), GroupError> {
        refuse_always(sync)?;
        self.admit(&sync.member, sync.generation)?;
        let differs = |given: &Option<crate::Text>, ours: &Option<crate::Text>| {
            given.is_some() && given != ours
        };
        if differs(&sync.protocol_type, &self.protocol_type)
            || differs(&sync.protocol_name, &self.protocol)
        {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        match self.phase {
            Phase::Empty => Err(GroupError::UnknownMemberId),
            Phase::Preparing { .. } => Err(GroupError::RebalanceInProgress),
            Phase::Completing { .. } | Phase::Stable { .. } => Ok(()),
            Phase::Dead => Err(GroupError::CoordinatorNotAvailable),
        }
    }

    /// What every request of a member must get right.
    pub(crate) fn admit(&self, member: &MemberRef, generation: i32) -> Result<(), GroupError> {
        if self.phase == Phase::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        self.members.identify(member)?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        Ok(())
    }

    /// Stores the leader's assignment; whom it forgot gets an empty one. A second sync of the
    /// leader changes nothing about the first.
    fn store_assignment(&mut self, step: &mut Step<'_>, assignments: Vec<(MemberId, Bytes)>) {
        match &mut self.phase {
            Phase::Completing { storing, .. } if !*storing => *storing = true,
            _ => return,
        }
        let given: std::collections::BTreeMap<MemberId, Bytes> = assignments.into_iter().collect();
        let members = self.members.to_store(self.protocol.as_deref(), |id, _| {
            given.get(id).cloned().unwrap_or_default()
        });
        let record = Record::Group(Some(self.to_store(members)));
        let purpose = Purpose::Assignment {
            generation: self.generation,
        };
        self.append(step, vec![record], purpose);
    }

    pub(crate) fn heartbeat(
        &mut self,
        step: &Step<'_>,
        member: &MemberRef,
        generation: i32,
    ) -> Result<(), GroupError> {
        self.admit(member, generation)?;
        if let Some(member) = self.members.get_mut(&member.member_id) {
            member.renew(step.now.mono);
        }
        match self.phase {
            Phase::Empty => Err(GroupError::UnknownMemberId),
            Phase::Preparing { .. } => Err(GroupError::RebalanceInProgress),
            Phase::Completing { .. } | Phase::Stable { .. } => Ok(()),
            Phase::Dead => Err(GroupError::CoordinatorNotAvailable),
        }
    }

    pub(crate) fn leave(&mut self, step: &mut Step<'_>, waiter: WaiterId, members: &[MemberRef]) {
        let result = if self.phase == Phase::Dead {
            Err(GroupError::CoordinatorNotAvailable)
        } else {
            Ok(members.iter().map(|m| self.leave_one(step, m)).collect())
        };
        step.answer(waiter, Response::Leave(result));
    }

    fn leave_one(&mut self, step: &mut Step<'_>, member: &MemberRef) -> Result<(), GroupError> {
        if member.member_id.is_empty() {
            let instance = member.instance_id.as_ref();
            let id = instance
                .and_then(|instance| self.members.of_instance(instance))
                .cloned()
                .ok_or(GroupError::UnknownMemberId)?;
            self.remove_member(step, &id);
        } else if self.pending.remove(&member.member_id).is_some() {
            self.complete_join_if_due(step);
        } else {
            self.members.identify(member)?;
            self.remove_member(step, &member.member_id);
        }
        Ok(())
    }
}
