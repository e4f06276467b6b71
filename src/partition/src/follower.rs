//! The state of a replica that follows.

use ottla_metadata::BrokerId;

/// A follower knows whom it follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follower {
    /// The leader, if the partition has one.
    pub leader: Option<BrokerId>,
}
