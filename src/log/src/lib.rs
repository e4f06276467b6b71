//! Storage: the logs of a broker in Kafka 3.9's directory and file formats.
//!
//! The crate knows bytes, offsets, epochs and producers. It does not know leaders, followers,
//! clients or sockets, and nothing in it is asynchronous: what may block says so, and the caller
//! chooses the thread.

mod answers;
mod config;
mod dirs;
mod error;
mod log;
mod manager;

pub use answers::{
    AbortedTransaction, ActiveProducer, Appended, DirStatus, LogSlice, ReplicaStatus,
    TimestampOffset,
};
pub use config::{CleanupPolicy, LogConfig, LogManagerConfig};
pub use dirs::{Identity, LogDirs};
pub use error::{AppendError, LogDirError, LogError, ReadError, StorageError};
pub use log::Log;
pub use manager::LogManager;
