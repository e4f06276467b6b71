//! The members of a group: who they are, what they support, and who of them waits.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ottla_metadata::{Millis, TopicName};

use crate::errors::GroupError;
use crate::events::{JoinedMember, MemberRef, WaiterId};
use crate::records::{StoredMember, subscribed_topics};
use crate::{MemberId, Text};

/// One member (`MemberMetadata`).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) instance_id: Option<Text>,
    pub(crate) client_id: Text,
    pub(crate) client_host: Text,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// By preference, with the member's metadata for each.
    pub(crate) protocols: Vec<(Text, Bytes)>,
    pub(crate) assignment: Bytes,
    /// When its session ends, unless it waits.
    pub(crate) session_ends: Millis,
    /// It has not had its first answer to a join: it cannot send heartbeats, and may be gone.
    pub(crate) is_new: bool,
    pub(crate) joining: Option<WaiterId>,
    pub(crate) syncing: Option<WaiterId>,
}

impl Member {
    /// When it is thrown out if it stays silent. Who waits for us is not silent; but new members
    /// time out even so, lest retries of lost joins fill the group.
    pub(crate) fn expires_at(&self) -> Option<Millis> {
        let waits = self.joining.is_some() || self.syncing.is_some();
        (self.is_new || !waits).then_some(self.session_ends)
    }

    pub(crate) fn renew(&mut self, now: Millis) {
        let timeout = Millis::from(self.session_timeout_ms.max(0));
        self.session_ends = now.saturating_add(timeout);
    }

    fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| **name == *protocol)
    }

    /// The metadata for a protocol; empty if it does not support it.
    pub(crate) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| Some(&**name) == protocol)
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }
}

/// All members, their leader, and who of them is which instance.
///
/// There is a leader whenever there are members.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Members {
    by_id: BTreeMap<MemberId, Member>,
    by_instance: BTreeMap<Text, MemberId>,
    leader: Option<MemberId>,
    joining: usize,
}

impl Members {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Member> {
        self.by_id.get(id)
    }

    /// For changes of anything but `joining` and the instance id.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.by_id.get_mut(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&MemberId, &Member)> {
        self.by_id.iter()
    }

    pub(crate) fn ids(&self) -> Vec<MemberId> {
        self.by_id.keys().cloned().collect()
    }

    pub(crate) fn leader(&self) -> Option<&MemberId> {
        self.leader.as_ref()
    }

    pub(crate) fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    /// Names the leader, if it is a member.
    pub(crate) fn set_leader(&mut self, id: &MemberId) {
        if self.contains(id) {
            self.leader = Some(id.clone());
        }
    }

    pub(crate) fn of_instance(&self, instance: &str) -> Option<&MemberId> {
        self.by_instance.get(instance)
    }

    /// Adds a member whose id and instance id are not there yet; the first becomes the leader.
    pub(crate) fn add(&mut self, id: &MemberId, member: Member) {
        if let Some(instance) = &member.instance_id {
            self.by_instance.insert(instance.clone(), id.clone());
        }
        self.joining += usize::from(member.joining.is_some());
        self.by_id.insert(id.clone(), member);
        self.leader.get_or_insert_with(|| id.clone());
    }

    /// Removes a member; whoever is first becomes the leader in its place.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.by_id.remove(id)?;
        self.joining -= usize::from(member.joining.is_some());
        if let Some(instance) = &member.instance_id {
            self.by_instance.remove(instance);
        }
        if self.is_leader(id) {
            self.leader = self.by_id.keys().next().cloned();
        }
        Some(member)
    }

    /// Gives a static member another id; it stays the leader if it was.
    pub(crate) fn rename(&mut self, old: &str, new: &MemberId) {
        let Some(member) = self.by_id.remove(old) else {
            return;
        };
        if let Some(instance) = &member.instance_id {
            self.by_instance.insert(instance.clone(), new.clone());
        }
        if self.is_leader(old) {
            self.leader = Some(new.clone());
        }
        self.by_id.insert(new.clone(), member);
    }

    /// Lets a member wait in a join; whoever waited in its place is returned.
    pub(crate) fn wait_for_join(&mut self, id: &str, waiter: WaiterId) -> Option<WaiterId> {
        let member = self.by_id.get_mut(id)?;
        let before = member.joining.replace(waiter);
        self.joining += usize::from(before.is_none());
        before
    }

    /// Ends a member's wait in a join.
    pub(crate) fn take_joining(&mut self, id: &str) -> Option<WaiterId> {
        let waiter = self.by_id.get_mut(id)?.joining.take()?;
        self.joining -= 1;
        Some(waiter)
    }

    pub(crate) fn joining(&self) -> usize {
        self.joining
    }

    pub(crate) fn all_join(&self) -> bool {
        self.joining == self.by_id.len()
    }

    /// How long a rebalance waits: as long as the most patient member.
    pub(crate) fn rebalance_timeout(&self) -> Millis {
        let longest = self
            .by_id
            .values()
            .map(|member| member.rebalance_timeout_ms);
        Millis::from(longest.max().unwrap_or(0).max(0))
    }

    /// Keeps the leader if it joined, else makes one who joined the leader. False if nobody joined.
    pub(crate) fn elect_joined_leader(&mut self) -> bool {
        let joined = |member: &Member| member.joining.is_some();
        let leader = self.leader.as_ref().and_then(|id| self.by_id.get(id));
        if leader.is_some_and(joined) {
            return true;
        }
        match self.by_id.iter().find(|(_, member)| joined(member)) {
            Some((id, _)) => {
                self.leader = Some(id.clone());
                true
            }
            None => false,
        }
    }

    /// Whether everybody supports at least one of the protocols.
    pub(crate) fn share_one_of(&self, protocols: &[(Text, Bytes)]) -> bool {
        protocols.iter().any(|(name, _)| self.all_support(name))
    }

    fn all_support(&self, protocol: &str) -> bool {
        self.by_id.values().all(|member| member.supports(protocol))
    }

    /// The protocol that most members would choose among those that all support. Of equals, the
    /// one that the first member prefers.
    pub(crate) fn select_protocol(&self) -> Option<Text> {
        let first = self.by_id.values().next()?;
        let candidates: Vec<&Text> = first
            .protocols
            .iter()
            .map(|(name, _)| name)
            .filter(|name| self.all_support(name))
            .collect();
        let mut votes = vec![0usize; candidates.len()];
        for member in self.by_id.values() {
            let vote = member
                .protocols
                .iter()
                .find_map(|(name, _)| candidates.iter().position(|candidate| *candidate == name));
            if let Some(count) = vote.and_then(|vote| votes.get_mut(vote)) {
                *count += 1;
            }
        }
        let most = votes.iter().max()?;
        let chosen = votes.iter().position(|count| count == most)?;
        candidates.get(chosen).map(|name| Text::clone(name))
    }

    /// Whether the ids name a member: an instance id must be known and belong to the member id
    /// (`GroupCoordinator.validateCurrentMember`).
    pub(crate) fn identify(&self, member: &MemberRef) -> Result<(), GroupError> {
        if let Some(instance) = &member.instance_id {
            match self.of_instance(instance) {
                Some(current) if *current != member.member_id => {
                    return Err(GroupError::FencedInstanceId);
                }
                Some(_) => {}
                None => return Err(GroupError::UnknownMemberId),
            }
        }
        if self.contains(&member.member_id) {
            Ok(())
        } else {
            Err(GroupError::UnknownMemberId)
        }
    }

    /// The members as the leader gets them.
    pub(crate) fn for_leader(&self, protocol: Option<&str>) -> Vec<JoinedMember> {
        let describe = |(id, member): (&MemberId, &Member)| JoinedMember {
            member_id: id.clone(),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol),
        };
        self.by_id.iter().map(describe).collect()
    }

    /// The members as they are stored, with the assignments that `assignment` knows.
    pub(crate) fn to_store(
        &self,
        protocol: Option<&str>,
        assignment: impl Fn(&MemberId, &Member) -> Bytes,
    ) -> Vec<StoredMember> {
        let store = |(id, member): (&MemberId, &Member)| StoredMember {
            member_id: id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: assignment(id, member),
        };
        self.by_id.iter().map(store).collect()
    }

    /// What all members together subscribe to by the consumer protocol; `None` if it is not known.
    pub(crate) fn subscriptions(&self, protocol: &str) -> Option<BTreeSet<TopicName>> {
        let mut topics = BTreeSet::new();
        for member in self.by_id.values() {
            topics.append(&mut subscribed_topics(&member.metadata(Some(protocol)))?);
        }
        Some(topics)
    }

    /// Panics on what no input may cause.
    pub(crate) fn check(&self) {
        let leads = self.leader.as_ref().is_some_and(|id| self.contains(id));
        assert_eq!(leads, !self.is_empty(), "the leader is a member");
        let joining = self.by_id.values().filter(|m| m.joining.is_some()).count();
        assert_eq!(joining, self.joining, "joins are counted");
        let statics = self.by_id.values().filter(|m| m.instance_id.is_some());
        assert_eq!(
            statics.count(),
            self.by_instance.len(),
            "instances are known"
        );
        for (instance, id) in &self.by_instance {
            let member = self.by_id.get(id);
            assert_eq!(
                member.and_then(|member| member.instance_id.as_ref()),
                Some(instance)
            );
        }
    }
}
