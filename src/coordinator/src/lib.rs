//! The group coordinator: drives `ottla-group` on the partitions of `__consumer_offsets` that this
//! broker leads.
//!
//! A partition led here is a **shard**: its groups behind one short lock. Leadership loads a shard
//! by replaying its log, its loss drops it; whoever waited is told to look for the coordinator
//! again. Within the lock an event is fed to the brain and its actions are carried out in order:
//! appends go to the log through `ottla-replication` with acks=all, in the order in which the brain
//! asked for them; when the high watermark has passed, the brain hears of it and the answers leave.
//!
//! | file | holds |
//! |---|---|
//! | `coordinator.rs` | the shards, coming and going |
//! | `requests.rs` | what handlers ask |
//! | `shard.rs` | one shard: events in, actions carried out, waiters |
//! | `append.rs` | records to batches, failures of the log to those that groups know |
//! | `load.rs` | a partition's log to groups |
//! | `timers.rs` | one task for all deadlines and for the expiry of offsets |
//!
//! Nothing here knows requests of the wire, ZooKeeper, or who the controller is.

mod append;
mod clock;
mod coordinator;
mod error;
mod load;
mod requests;
mod shard;
mod timers;

pub use coordinator::{Coordinator, OFFSETS_TOPIC, Options, Settings};
pub use error::Unavailable;
pub use ottla_group as group;
pub use requests::{Answer, CommittedPartition, Listing};
