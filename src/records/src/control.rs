//! Control records: what a control batch says.

use crate::error::ReadError;

/// The one record of a control batch (`ControlRecordType`, `EndTransactionMarker`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// The producer's transaction was aborted.
    Abort {
        /// Epoch of the transaction coordinator that decided.
        coordinator_epoch: i32,
    },
    /// The producer's transaction was committed.
    Commit {
        /// Epoch of the transaction coordinator that decided.
        coordinator_epoch: i32,
    },
    /// A type without meaning here (those of KRaft, or of the future), by id.
    Other(i16),
}

/// The control record of a whole entry; `None` if the entry is not a control batch.
///
/// # Errors
/// The record cannot be read, or its key holds no version and type.
pub fn control_record(batch: &[u8]) -> Result<Option<ControlRecord>, ReadError> {
    let _ = batch;
    todo!()
}
