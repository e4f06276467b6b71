//! What may be asked of a group without changing it.

use bytes::Bytes;

use crate::records::CommittedOffset;
use crate::{MemberId, Text};

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
    pub group: crate::GroupId,
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
