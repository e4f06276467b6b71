//! What may be asked of a group without changing it.

use bytes::Bytes;

use ottla_metadata::{TopicName, TopicPartition};

use crate::group::Group;
use crate::member::Member;
use crate::records::CommittedOffset;
use crate::{GroupId, MemberId, Text};

/// The states of a group, with Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupState {
    /// No members; there may be offsets.
    Empty,
    /// Members are awaited to join.
    PreparingRebalance,
    /// The leader's assignment is awaited.
    CompletingRebalance,
    /// Everybody may have its assignment.
    Stable,
    /// Gone, or never there.
    Dead,
}

impl GroupState {
    /// The name in the admin APIs.
    pub fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::PreparingRebalance => "PreparingRebalance",
            GroupState::CompletingRebalance => "CompletingRebalance",
            GroupState::Stable => "Stable",
            GroupState::Dead => "Dead",
        }
    }
}

/// A line of ListGroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// The group.
    pub group: GroupId,
    /// Its protocol type; empty of none.
    pub protocol_type: Text,
    /// Its state.
    pub state: GroupState,
}

/// A group in DescribeGroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its state.
    pub state: GroupState,
    /// Its protocol type; empty of none.
    pub protocol_type: Text,
    /// The protocol chosen; empty unless stable.
    pub protocol: Text,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member in DescribeGroups. Metadata and assignment are empty unless the group is stable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: MemberId,
    /// Its instance id.
    pub instance_id: Option<Text>,
    /// The client's name for itself.
    pub client_id: Text,
    /// Where it comes from.
    pub client_host: Text,
    /// Its metadata for the protocol chosen.
    pub metadata: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

/// What OffsetFetch finds of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchedOffset<'a> {
    /// Nothing committed: offset -1, leader epoch -1, empty metadata, no error.
    None,
    /// This is committed.
    Committed(&'a CommittedOffset),
    /// A commit is under way and the caller wants stable offsets: `UNSTABLE_OFFSET_COMMIT`.
    Unstable,
}

impl Description {
    /// How a group that is not there is described.
    pub fn dead() -> Description {
        Description {
            state: GroupState::Dead,
            protocol_type: Text::default(),
            protocol: Text::default(),
            members: Vec::new(),
        }
    }
}

impl Group {
    /// Its line in ListGroups.
    pub fn overview(&self) -> Overview {
        Overview {
            group: self.id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            state: self.state(),
        }
    }

    /// Its answer to DescribeGroups.
    pub fn describe(&self) -> Description {
        let state = self.state();
        let stable = state == GroupState::Stable;
        let protocol = self.protocol.clone().filter(|_| stable);
        let describe = |(id, member): (&MemberId, &Member)| DescribedMember {
            member_id: id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: member.metadata(protocol.as_deref()),
            assignment: Some(&member.assignment)
                .filter(|_| stable)
                .cloned()
                .unwrap_or_default(),
        };
        Description {
            state,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: self.members.iter().map(describe).collect(),
            protocol: protocol.unwrap_or_default(),
        }
    }

    /// A partition's offset; `stable` is `requireStable`.
    pub fn offset(&self, topic: &str, partition: i32, stable: bool) -> FetchedOffset<'_> {
        if stable
            && self
                .appends
                .is_committing(&TopicPartition::new(topic, partition))
        {
            return FetchedOffset::Unstable;
        }
        match self.stored.offset(topic, partition) {
            Some(offset) => FetchedOffset::Committed(offset),
            None => FetchedOffset::None,
        }
    }

    /// All committed offsets by topic and partition.
    pub fn offsets(&self) -> impl Iterator<Item = (&TopicName, i32, &CommittedOffset)> {
        self.stored.offsets()
    }
}
