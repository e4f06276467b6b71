//! What one partition decides on one broker: its role, its in-sync replicas, its high watermark,
//! and who may be told that a record is committed.
//!
//! Pure: state, time and event go in, [`Action`]s come out. No log, no socket, no clock and no
//! lock is known here; `ottla-replication` drives it and carries the actions out in order. The
//! rules are those of Kafka's `Partition` and `Replica` classes, with the 3.7 rule that the high
//! watermark stands still while the ISR is smaller than the minimum.
//!
//! - [`Partition`] is the state; [`Partition::step`] the only thing that changes it.
//! - [`Event`] and [`Action`] are what goes in and what comes out.
//! - A follower is asked for its [`NextRequest`], and told what the leader answered.
//! - Whoever waits is a [`WaiterId`], never a channel.

mod error;
mod event;
mod follow;
mod follower;
mod leader;
mod partition;
mod selector;
mod step;
mod waiters;

pub use error::{EpochError, RefusedAppend, WaitError};
pub use event::{Action, Actions, EpochEnd, Event, LeaderAnswer, Leadership, StoreOutcome, Waiter};
pub use follower::{FetchState, Follower, FollowerRequest, NextRequest, Truncation};
pub use leader::{FollowerProgress, Isr, Leader};
pub use partition::{LeaderNeeded, Partition, Replicas, Role, Rules};
pub use waiters::WaiterId;
