//! The partitions of this broker: drives `ottla-partition` on `ottla-log`.
//!
//! [`ReplicaManager`] is the door: produce, fetch, offset look-ups, deletion of records, and what
//! the controller says. Nothing here knows the requests of clients, ZooKeeper or who the controller
//! is; `fetcher` asks other brokers for what their leaders have. Appends and reads happen inside the call; what has to wait (followers, a flush, data that
//! is not there yet) comes back as [`Completion::Pending`]. Nobody polls: whoever waits is woken
//! by the step that makes the wait pointless.
//!
//! A replica that moves to another log directory (`relocation`) gets another log while it is in use;
//! everybody asks for it anew, and whoever holds the leadership's lock sees no exchange.
//!
//! A partition's state is behind one short lock that is never held across an await or a disk
//! access of the hot path; `replica.rs` says which lock covers what.

mod apply;
mod completion;
mod convert;
mod delete_records;
mod error;
mod fetch;
mod fetch_peers;
mod fetch_wait;
mod fetcher;
mod flush;
mod lookout;
mod manager;
mod offsets;
mod produce;
mod readers;
mod registry;
mod relocation;
mod replica;
mod settings;
mod throttle;
mod wait;

pub use apply::{Assignment, ReplicaStop};
pub use completion::Completion;
pub use convert::{log_config, log_manager_config, record_rules};
pub use delete_records::RecordDeletion;
pub use error::{
    DeleteRecordsError, FetchError, ListOffsetsError, MoveRefused, PartitionError, ProduceError,
    ReplicaError,
};
pub use fetch::{
    ConsumerPlace, DivergingEpoch, FetchOrigin, FetchPartition, FetchResults, FetchSpec,
    FetchedPartition, Isolation,
};
pub use lookout::{Known, Lookout, Watch};
pub use manager::{IsrProposal, IsrStore, Options, ReplicaManager, StoredFormat, TopicConfigs};
pub use offsets::{EpochEnd, OffsetAnswer, OffsetQuery, OffsetTarget};
pub use produce::{Produce, ProduceOptions, ProduceResults, Produced, RequiredAcks};
pub use settings::{FollowSettings, MoveSettings, Settings};
pub use throttle::ThrottleSettings;

pub use ottla_partition::{Leadership, Replicas, StoreOutcome};
