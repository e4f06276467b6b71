//! The controller of a cluster, as a pure function: state and event in, state and actions out.
//!
//! It is Kafka's controller (`KafkaController`) with its partition and replica state machines, leader
//! elections, topic creation, growth and deletion, partition reassignment, and broker failure handling.
//! It does no I/O, has no clock (no rule of it depends on time yet) and draws no lots; `ottla-cluster` drives it.
//!
//! Where Kafka runs procedures that block on ZooKeeper, this brain compares what is with what
//! should be: an event changes the context and marks partitions, and each marked partition is
//! *attended*: replicas that cannot serve are stopped, a leadership that cannot stand is replaced
//! by a conditional, fenced write, and only a leadership that stands is told to brokers. So an
//! event that arrives while a write is under way is never lost and never acts on a half-done change.

mod alterations;
mod assignment;
mod batch;
mod brokers;
mod check;
mod context;
mod controller;
mod deletion;
mod election;
mod elections;
mod event;
mod partitions;
mod reassignment;
mod request;
mod state;
#[cfg(test)]
mod tests;
mod topics;

pub use alterations::{
    AlterationAnswer, AlterationError, AlterationRefused, IsrAlteration, TopicKey,
};
pub use assignment::{Candidate, PlacementError, Start, place};
pub use controller::{Controller, Settings};
pub use event::{
    Action, Answered, ElectionAnswers, ElectionKind, ElectionRefused, Event, Fence, Loaded, Read,
    ShutdownRefused, StateWrite, StoreOutcome, TermEvent, TopicRead, UncleanElection, WaiterId,
};
pub use reassignment::{NotController, ReassignmentAnswers, ReassignmentError};
pub use request::{
    EPOCH_DURING_DELETE, LeaderAndIsr, LeaderAndIsrPartition, PartitionUpdate, ReplicaAnswers,
    ReplicaError, Request, RequestRefused, Sender, StopReplica, StopReplicaPartition,
    UpdateMetadata,
};
pub use state::{Assignment, LeaderIsr, PartitionState, ReplicaState, StateNode, TopicNode};
