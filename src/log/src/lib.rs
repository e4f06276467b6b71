//! Storage: the logs of a broker in Kafka 3.9's directory and file formats.
//!
//! The crate knows bytes, offsets, epochs and producers. It does not know leaders, followers,
//! clients or sockets, and nothing in it is asynchronous: what may block says so, and the caller
//! chooses the thread.
//!
//! | to see | read |
//! |---|---|
//! | who may use a directory | `dirs`, `dir_lock`, `meta_properties` |
//! | how all logs are loaded, kept and stopped | `manager` |
//! | how a replica moves to another directory | `manager/future` |
//! | the life of an append | `log/append`, `log/roll`, `producers`, `log/flush` |
//! | the life of a read | `log/read`, `log/tail`, `segment`, `scan` |
//! | what a crash leaves, and what becomes of it | `log/load`, `log/recover`; tested by `tests/crash` |
//! | file formats | `indexes` over `entry_file`, `txn_index`, `producer_snapshot`, `checkpoint`, `epochs`, `names` |
//! | every touch of the disk | `io` |
//!
//! What holds:
//! - An append that was answered is in the page cache: it survives the process. It survives the
//!   machine once [`Log::flush_to`] has returned, and everything below the recovery point does.
//! - Indexes, epochs and snapshots may be behind the batches at any time. Recovery builds them anew
//!   from the segment that holds the recovery point on, so they are synced only before the recovery
//!   point passes them.
//! - A failed operation takes its log directory offline for good; a sync is never repeated. Only a
//!   shortage of descriptors or memory fails the operation alone ([`StorageError::Exhausted`]).
//! - A descriptor with unsynced batches behind it is not closed before a sync.
//! - An idle partition costs about 3 KiB, no descriptor, no mapping and no thread.
//! - Readers never wait for the disk write of an append.

mod answers;
mod background;
mod boot;
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
pub use dir_lock::{WatchdogLock, lock_holder};
pub use dirs::{Identity, LogDirs};
pub use epochs::Epochs;
pub use error::{AppendError, LogDirError, LogError, MoveError, ReadError, StorageError};
pub use log::Log;
pub use manager::LogManager;
