//! What is appended, and what follows when an append ends.

use crate::appends::{InFlight, Purpose, Removal, Replacement, encode};
use crate::errors::{AppendFailure, GroupError};
use crate::events::{Action, AppendOutcome, Response, WaiterId};
use crate::group::{Group, Phase, Step};
use crate::join::refusal;
use crate::stored::Record;
use crate::{MemberId, RecordFormats};

impl Group {
    /// Asks for an append. What has no place in the formats fails at once.
    pub(crate) fn append(&mut self, step: &mut Step<'_>, records: Vec<Record>, purpose: Purpose) {
        match self.encode_all(&records, step.settings.record_formats) {
            Some(encoded) => {
                let append = self.appends.begin(records, purpose, None);
                step.actions.push(Action::Append {
                    group: self.id.clone(),
                    append,
                    records: encoded,
                });
            }
            None => {
                let failed = AppendOutcome::Failed(AppendFailure::TooLarge);
                self.appends.begin(records, purpose, Some(failed));
                self.finish_appends(step);
            }
        }
    }

    fn encode_all(
        &self,
        records: &[Record],
        formats: RecordFormats,
    ) -> Option<Vec<crate::EncodedRecord>> {
        let encoded = records.iter().map(|r| encode(&self.id, r, formats));
        encoded.collect::<Result<_, _>>().ok()
    }

    /// What has ended takes effect, in the order of the log.
    pub(crate) fn finish_appends(&mut self, step: &mut Step<'_>) {
        while let Some((append, outcome)) = self.appends.take_ended() {
            match outcome {
                AppendOutcome::Stored { offset } => {
                    for record in append.records {
                        self.stored.replay(offset, record);
                    }
                    self.stored_well(step, append.purpose);
                }
                AppendOutcome::Failed(failure) => self.not_stored(step, append, failure),
            }
        }
    }

    fn stored_well(&mut self, step: &mut Step<'_>, purpose: Purpose) {
        match purpose {
            Purpose::Commit { waiter, results } => step.answer(waiter, Response::Commit(results)),
            Purpose::Assignment { generation } => self.assign(step, generation),
            Purpose::Replacement(replacement) => self.replaced(step, &replacement),
            Purpose::Emptied => {}
            Purpose::Removal(removal) => {
                if matches!(removal, Some(Removal::Group { .. })) && self.is_empty() {
                    self.pending.clear();
                }
                self.bury_if_removed(step);
                match removal {
                    Some(Removal::Offsets { waiter, results }) => {
                        step.answer(waiter, Response::DeleteOffsets(Ok(results)));
                    }
                    Some(Removal::Group { waiter }) => {
                        step.answer(waiter, Response::DeleteGroup(Ok(())));
                    }
                    None => {}
                }
            }
        }
    }

    fn not_stored(&mut self, step: &mut Step<'_>, append: InFlight, failure: AppendFailure) {
        match &append.purpose {
            Purpose::Assignment { generation } => {
                if self.is_completing(*generation) {
                    self.clear_assignments(step, failure.of_group_store());
                    self.rebalance(step);
                }
            }
            Purpose::Replacement(replacement) => {
                self.take_back(step, replacement, failure.of_group_store());
            }
            // If the broker dies now, the members of before come back and time out.
            Purpose::Emptied => {}
            Purpose::Commit { .. } | Purpose::Removal(_) => {
                let error = failure.of_offset_commit();
                if let Some((waiter, response)) = append.refusal(error) {
                    step.answer(waiter, response);
                }
            }
        }
    }

    fn is_completing(&self, generation: i32) -> bool {
        matches!(self.phase, Phase::Completing { .. }) && self.generation == generation
    }

    fn is_stable(&self, generation: i32) -> bool {
        matches!(self.phase, Phase::Stable { .. }) && self.generation == generation
    }

    /// The assignment is stored: everybody who waits for it gets it.
    fn assign(&mut self, step: &mut Step<'_>, generation: i32) {
        if !self.is_completing(generation) {
            return;
        }
        for stored in self.stored.group().into_iter().flat_map(|g| &g.members) {
            if let Some(member) = self.members.get_mut(&stored.member_id) {
                member.assignment = stored.assignment.clone();
            }
        }
        for id in self.members.ids() {
            self.answer_syncing(step, &id, Ok(()));
        }
        if let Phase::Completing { syncs, .. } = &mut self.phase {
            let syncs = std::mem::take(syncs);
            self.enter(step, Phase::Stable { syncs });
        }
    }

    /// A static member's new id is stored. If a rebalance has begun meanwhile, the member waits for
    /// its end.
    fn replaced(&mut self, step: &mut Step<'_>, replacement: &Replacement) {
        let id = &replacement.new_id;
        if !self.is_stable(replacement.generation) {
            return;
        }
        let Some(waiter) = self.members.take_joining(id) else {
            return;
        };
        let mut joined = self.joined(id);
        if replacement.can_skip_assignment {
            joined.skip_assignment = self.members.is_leader(id);
        } else {
            // An old client that finds itself the leader would assign, which a stable group would
            // not hear of.
            joined.leader = replacement.old_leader.clone();
            joined.members.clear();
        }
        step.answer(waiter, Response::Join(Ok(joined)));
    }

    /// A static member's new id could not be stored: the old one counts again.
    fn take_back(&mut self, step: &mut Step<'_>, replacement: &Replacement, error: GroupError) {
        let id = &replacement.new_id;
        if !self.is_stable(replacement.generation) || !self.members.contains(id) {
            return;
        }
        if let Some(waiter) = self.members.take_joining(id) {
            step.answer(waiter, refusal(error, MemberId::default()));
        }
        if let Some(member) = self.members.get_mut(id) {
            member.protocols.clone_from(&replacement.old_protocols);
            member.rebalance_timeout_ms = replacement.old_rebalance_timeout_ms;
            member.session_timeout_ms = replacement.old_session_timeout_ms;
            member.renew(step.now.mono);
        }
        self.rename_member(id, &replacement.old_id);
    }

    /// After tombstones: an empty group of which nothing is left is dead.
    fn bury_if_removed(&mut self, step: &Step<'_>) {
        if self.is_empty() && self.stored.group().is_none() && self.holds_nothing() {
            self.enter(step, Phase::Dead);
        }
    }
}

impl InFlight {
    /// The answer to who waits for the append alone, if it fails.
    pub(crate) fn refusal(self, error: GroupError) -> Option<(WaiterId, Response)> {
        match self.purpose {
            Purpose::Commit { waiter, results } => {
                let refused = results.into_iter().map(|result| result.and(Err(error)));
                Some((waiter, Response::Commit(refused.collect())))
            }
            Purpose::Removal(Some(Removal::Offsets { waiter, .. })) => {
                Some((waiter, Response::DeleteOffsets(Err(error))))
            }
            Purpose::Removal(Some(Removal::Group { waiter })) => {
                Some((waiter, Response::DeleteGroup(Err(error))))
            }
            Purpose::Assignment { .. }
            | Purpose::Replacement(_)
            | Purpose::Emptied
            | Purpose::Removal(None) => None,
        }
    }
}
