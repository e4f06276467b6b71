//! Storage: the logs of a broker in Kafka 3.9's directory and file formats.
//!
//! The crate knows bytes, offsets, epochs and producers. It does not know leaders, followers,
//! clients or sockets, and nothing in it is asynchronous: what may block says so, and the caller
//! chooses the thread.

mod answers;
mod background;
mod checkpoint;
mod clock;
mod config;
mod dir_lock;
mod dirs;
mod entry_file;
mod epochs;
mod error;
#[cfg(test)]
mod faults;
mod indexes;
mod io;
mod log;
mod manager;
mod meta_properties;
mod names;
mod partition_metadata;
mod place;
mod producer_snapshot;
mod producers;
mod scan;
mod segment;
#[cfg(test)]
mod tests;
mod trash;
mod txn_index;

pub use answers::{
    AbortedTransaction, ActiveProducer, Appended, DirStatus, LogSlice, ReplicaStatus,
    TimestampOffset,
};
pub use config::{CleanupPolicy, LogConfig, LogManagerConfig};
pub use dirs::{Identity, LogDirs};
pub use error::{AppendError, LogDirError, LogError, ReadError, StorageError};
pub use log::Log;
pub use manager::LogManager;
