//! The broker as a member of its cluster: registration, controllership, the cluster image.
mod cluster;
mod error;
mod local;
mod options;

pub use cluster::{Bootstrap, Cluster, CreatedTopic, Registered};
pub use error::{
    AlterConfigError, CreatePartitionsError, CreateTopicError, DeleteTopicError, InvalidAssignment,
    StartError, StoreError,
};
pub use local::{ConfigEntity, LocalReplicas, ReplicaAnswers};
pub use options::{ConnectOptions, NewPartitions, NewTopic, Registration, Settings, WaitOptions};
pub use ottla_controller::{
    EPOCH_DURING_DELETE, LeaderAndIsr, LeaderAndIsrPartition, ReplicaError, RequestRefused, Sender,
    StopReplica, StopReplicaPartition,
};
