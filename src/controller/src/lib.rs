//! The controller brain.
mod request;

pub use request::{
    EPOCH_DURING_DELETE, LeaderAndIsr, LeaderAndIsrPartition, PartitionUpdate, ReplicaError,
    Request, RequestRefused, Sender, StopReplica, StopReplicaPartition, UpdateMetadata,
};
