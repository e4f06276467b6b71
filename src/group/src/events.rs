//! What happens to a group, and what the group asks for.

use std::collections::BTreeSet;

use bytes::Bytes;
use ottla_metadata::{Millis, Offset, TopicName, TopicPartition};

use crate::errors::{AppendFailure, GroupError, JoinRefused};
use crate::{GroupId, MemberId, Text};

/// The time of an event, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic reading; all deadlines are of this clock.
    pub mono: Millis,
    /// Milliseconds since the Unix epoch; stored timestamps are of this clock.
    pub wall: Millis,
}

/// Whoever waits for an answer; the driver knows what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaiterId(pub u64);

/// One append that a group asked for; unique within the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppendId(pub u64);

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// JoinGroup; answered with [`Response::Join`], perhaps much later.
    Join(Join),
    /// SyncGroup; answered with [`Response::Sync`], perhaps later.
    Sync(Sync),
    /// Heartbeat; answered at once with [`Response::Heartbeat`].
    Heartbeat {
        /// Who waits.
        waiter: WaiterId,
        /// Who lives.
        member: MemberRef,
        /// The member's generation.
        generation: i32,
    },
    /// LeaveGroup of one or more members; answered at once with [`Response::Leave`].
    Leave {
        /// Who waits.
        waiter: WaiterId,
        /// Who goes. An empty member id with an instance id is a removal by an administrator.
        members: Vec<MemberRef>,
    },
    /// OffsetCommit; answered with [`Response::Commit`] once it is stored.
    Commit(Commit),
    /// OffsetDelete; answered with [`Response::DeleteOffsets`].
    DeleteOffsets {
        /// Who waits.
        waiter: WaiterId,
        /// Whose offsets are to go.
        partitions: Vec<TopicPartition>,
    },
    /// DeleteGroups of this group; answered with [`Response::DeleteGroup`].
    DeleteGroup {
        /// Who waits.
        waiter: WaiterId,
    },
    /// Topics are gone: their offsets go too.
    TopicsDeleted(BTreeSet<TopicName>),
    /// Time for expired offsets to go (every `offsets.retention.check.interval.ms`).
    ExpireOffsets,
    /// An append ended. Ends may be told in any order; they take effect in the order of the appends.
    Appended {
        /// Which.
        append: AppendId,
        /// How.
        outcome: AppendOutcome,
    },
    /// A deadline may have passed.
    Tick,
    /// This broker no longer leads the partition: everybody who waits is sent away
    /// (`NOT_COORDINATOR`) and the group is dead.
    Unload,
}

/// How an append ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// Stored and replicated as `offsets.commit.required.acks` asks.
    Stored {
        /// Offset of the batch in the log.
        offset: Offset,
    },
    /// Not stored, or not known to be.
    Failed(AppendFailure),
}

/// A member as a request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRef {
    /// `memberId`; empty when unknown.
    pub member_id: MemberId,
    /// `groupInstanceId` of a static member (KIP-345).
    pub instance_id: Option<Text>,
}

/// JoinGroup.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// Who waits.
    pub waiter: WaiterId,
    /// Who joins; the member id is empty at the first join.
    pub member: MemberRef,
    /// A random UUID as text, from which a new member id is made.
    pub uuid: Text,
    /// Whether a dynamic member is first sent back with its new id: versions 4 and later (KIP-394).
    pub member_id_required: bool,
    /// Whether the client understands `skipAssignment`: versions 9 and later (KIP-814).
    pub can_skip_assignment: bool,
    /// The client's name for itself, from the request header.
    pub client_id: Text,
    /// Where it comes from, in Java's form `/127.0.0.1`.
    pub client_host: Text,
    /// `rebalanceTimeoutMs`; the session timeout in version 0.
    pub rebalance_timeout_ms: i32,
    /// `sessionTimeoutMs`.
    pub session_timeout_ms: i32,
    /// `protocolType`: "consumer", "connect", ...
    pub protocol_type: Text,
    /// Protocols by preference, each with the member's metadata for it. The bytes are kept as long
    /// as the member is there, so they should not be a slice of a big request.
    pub protocols: Vec<(Text, Bytes)>,
}

/// SyncGroup.
#[derive(Clone, Debug, PartialEq)]
pub struct Sync {
    /// Who waits.
    pub waiter: WaiterId,
    /// Which member.
    pub member: MemberRef,
    /// Its generation.
    pub generation: i32,
    /// Whether the protocol must be named: versions 5 and later (KIP-559).
    pub protocol_required: bool,
    /// `protocolType`, if given.
    pub protocol_type: Option<Text>,
    /// `protocolName`, if given.
    pub protocol_name: Option<Text>,
    /// The leader's assignment; kept, so not to be a slice of a big request.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// OffsetCommit.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// Who waits.
    pub waiter: WaiterId,
    /// Which member; empty ids of a consumer that only stores offsets here.
    pub member: MemberRef,
    /// Its generation; negative of a consumer that only stores offsets here.
    pub generation: i32,
    /// `retentionTimeMs` of versions 2 to 4; `None` for the broker's retention.
    pub retention_ms: Option<i64>,
    /// What is committed. The partitions exist; that is the server's check.
    pub offsets: Vec<CommitOffset>,
}

/// One offset of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffset {
    /// Of which partition.
    pub partition: TopicPartition,
    /// The next offset to consume.
    pub offset: Offset,
    /// Leader epoch of the last record consumed; `None` when not known.
    pub leader_epoch: Option<i32>,
    /// Whatever the client wants kept with it.
    pub metadata: String,
    /// `commitTimestamp` of version 1; `None` for now.
    pub timestamp: Option<Millis>,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Append the records as one batch to the group's partition and tell the end of it with
    /// [`Event::Appended`].
    Append {
        /// Whose.
        group: GroupId,
        /// Which append of the group.
        append: AppendId,
        /// Keys and values.
        records: Vec<EncodedRecord>,
    },
    /// Answer somebody.
    Answer {
        /// Whom.
        waiter: WaiterId,
        /// What.
        response: Response,
    },
}

/// A record as it goes into `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRecord {
    /// The key.
    pub key: Bytes,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
}

/// The answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// To [`Event::Join`].
    Join(Result<Joined, JoinRefused>),
    /// To [`Event::Sync`].
    Sync(Result<Synced, GroupError>),
    /// To [`Event::Heartbeat`].
    Heartbeat(Result<(), GroupError>),
    /// To [`Event::Leave`]: an error of the whole, or each member's outcome in order of the request.
    Leave(Result<Vec<Result<(), GroupError>>, GroupError>),
    /// To [`Event::Commit`]: each partition's outcome in order of the request.
    Commit(Vec<Result<(), GroupError>>),
    /// To [`Event::DeleteOffsets`]: an error of the whole, or each partition's outcome in order.
    DeleteOffsets(Result<Vec<Result<(), GroupError>>, GroupError>),
    /// To [`Event::DeleteGroup`].
    DeleteGroup(Result<(), GroupError>),
}

/// A join that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The member's id.
    pub member_id: MemberId,
    /// The generation.
    pub generation: i32,
    /// The group's protocol type.
    pub protocol_type: Option<Text>,
    /// The protocol chosen.
    pub protocol_name: Option<Text>,
    /// The leader's member id.
    pub leader: MemberId,
    /// The members; empty for everybody but the leader.
    pub members: Vec<JoinedMember>,
    /// Whether the leader must not assign (KIP-814).
    pub skip_assignment: bool,
}

/// A member as the leader gets to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: MemberId,
    /// Its instance id.
    pub instance_id: Option<Text>,
    /// Its metadata for the protocol chosen.
    pub metadata: Bytes,
}

/// A sync that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The group's protocol type.
    pub protocol_type: Option<Text>,
    /// The protocol chosen.
    pub protocol_name: Option<Text>,
    /// The member's assignment.
    pub assignment: Bytes,
}
