//! What a classic consumer group decides: who is a member, which generation counts, who waits for
//! what, and which offsets are committed.
//!
//! Pure: state, time and event go in, [`Action`]s come out. No log, no socket, no clock and no
//! chance is known here; `ottla-coordinator` drives it and carries the actions out in order. The
//! rules are those of Kafka's `GroupCoordinator`, `GroupMetadata` and `GroupMetadataManager`.
//!
//! - [`Groups`] holds the groups of one partition of `__consumer_offsets`: it loads them by
//!   replaying records, answers for groups that do not exist, and forgets the dead.
//! - [`Group`] is one group; [`Event`] and [`Action`] are what goes in and what comes out.
//! - [`records`] has the stored forms, [`partition_for`] says where a group is stored.
//!
//! What is stored changes by replay alone, when loading and when an append has ended well; the
//! members, who waits, and all deadlines live in memory.

mod appends;
mod errors;
mod events;
mod group;
mod groups;
mod join;
mod load;
mod member;
mod offsets;
mod queries;
mod rebalance;
pub mod records;
mod settings;
mod store;
mod stored;
mod sync;

use std::sync::Arc;

pub use errors::{AppendFailure, GroupError, JoinRefused};
pub use events::{
    Action, AppendId, AppendOutcome, Commit, CommitOffset, EncodedRecord, Event, Join, Joined,
    JoinedMember, MemberRef, Now, Response, Sync, Synced, WaiterId,
};
pub use group::Group;
pub use groups::{Groups, partition_for};
pub use queries::{DescribedMember, Description, FetchedOffset, GroupState, Overview};
pub use settings::{RecordFormats, Settings};

/// Text that is shared instead of copied.
pub type Text = Arc<str>;

/// A group's id.
pub type GroupId = Arc<str>;

/// A member's id; empty before it has one.
pub type MemberId = Arc<str>;
