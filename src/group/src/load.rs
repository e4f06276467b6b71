//! From what is stored to a group that works.

use ottla_metadata::Millis;

use crate::events::{Action, Now};
use crate::group::{Group, Phase, Step, Syncs};
use crate::member::Member;
use crate::records::{StoredGroup, StoredMember};
use crate::settings::Settings;
use crate::stored::Stored;
use crate::{GroupId, Text};

impl Group {
    /// A group as its records left it: stable with the members stored, whose sessions start now,
    /// otherwise empty. One that is larger than allowed begins a rebalance at once.
    pub(crate) fn load(
        id: GroupId,
        stored: Stored,
        now: Now,
        settings: &Settings,
    ) -> (Group, Vec<Action>) {
        let mut group = Group::with_stored(id, stored);
        let mut step = Step {
            now,
            settings,
            actions: Vec::new(),
        };
        if let Some(stored) = group.stored.group().cloned() {
            group.take_over(&step, &stored);
        } else {
            group.since = Some(now.wall);
        }
        if group.members.len() > settings.max_size {
            group.rebalance(&mut step);
        }
        (group, step.actions)
    }

    fn take_over(&mut self, step: &Step<'_>, stored: &StoredGroup) {
        self.generation = stored.generation.max(0);
        self.since = stored.state_timestamp;
        self.protocol_type = Some(&stored.protocol_type)
            .filter(|name| !name.is_empty())
            .cloned();
        self.protocol.clone_from(&stored.protocol);
        for member in &stored.members {
            self.restore_member(step, member);
        }
        if let Some(leader) = &stored.leader {
            self.members.set_leader(leader);
        }
        if !self.members.is_empty() {
            // Kafka never stores members without these, but nobody vouches for the record.
            self.protocol_type.get_or_insert_default();
            self.protocol.get_or_insert_default();
            self.phase = Phase::Stable {
                syncs: Syncs::default(),
            };
        }
        self.refresh_subscriptions();
    }

    /// Takes a stored member in unless its id or its instance is there already.
    fn restore_member(&mut self, step: &Step<'_>, stored: &StoredMember) {
        let instance = stored.instance_id.as_ref();
        let twice = instance.is_some_and(|instance| self.members.of_instance(instance).is_some());
        if twice || self.members.contains(&stored.member_id) {
            return;
        }
        let protocol: Text = self.protocol.clone().unwrap_or_default();
        let session = Millis::from(stored.session_timeout_ms.max(0));
        let member = Member {
            instance_id: stored.instance_id.clone(),
            client_id: stored.client_id.clone(),
            client_host: stored.client_host.clone(),
            rebalance_timeout_ms: stored.rebalance_timeout_ms,
            session_timeout_ms: stored.session_timeout_ms,
            protocols: vec![(protocol, stored.subscription.clone())],
            assignment: stored.assignment.clone(),
            session_ends: step.after(session),
            is_new: false,
            joining: None,
            syncing: None,
        };
        self.members.add(&stored.member_id, member);
    }
}
