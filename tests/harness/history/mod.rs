//! What clients saw of a topic, and the proof that nothing acknowledged was lost.
//!
//! [`History`] collects what happened: every record sent and its answer, every record fetched and
//! every high watermark seen. [`verify`] compares that with the partitions as they are at the end
//! and finds every [`Violation`]; [`compare_replicas`] compares the logs on the disks of all brokers.
//! Both are plain functions over plain data. [`Writer`] and [`Reader`] are the clients that fill a
//! history.

mod event;
mod reader;
mod replica;
mod verify;
mod violation;
mod writer;

#[cfg(test)]
mod tests;

pub use event::{Answer, Event, FinalLog, Guarantee, History, RecordId, Watermark};
pub use reader::{Reader, Source, read_to_the_end};
pub use replica::{ReplicaLog, compare_replicas, read_replica};
pub use verify::{Summary, failures, summary, verify};
pub use violation::Violation;
pub use writer::{Writer, WriterSpec};
