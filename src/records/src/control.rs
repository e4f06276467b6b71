//! Control records: what a control batch says.

use crate::cursor::RecordCursor;
use crate::error::{InvalidRecord, ReadError};
use crate::wire;

const ABORT: i16 = 0;
const COMMIT: i16 = 1;
/// Version of keys and values written here.
const VERSION: i16 = 0;

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

impl ControlRecord {
    /// Reads key (version, type) and, for the end of a transaction, value (version, coordinator
    /// epoch). Later versions may only be longer.
    pub(crate) fn parse(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<ControlRecord, InvalidRecord> {
        let id = key
            .and_then(|key| wire::i16_at(key, 2))
            .ok_or(InvalidRecord::ControlRecord)?;
        let epoch = || {
            value
                .and_then(|value| wire::i32_at(value, 2))
                .ok_or(InvalidRecord::ControlRecord)
        };
        match id {
            ABORT => Ok(ControlRecord::Abort {
                coordinator_epoch: epoch()?,
            }),
            COMMIT => Ok(ControlRecord::Commit {
                coordinator_epoch: epoch()?,
            }),
            other => Ok(ControlRecord::Other(other)),
        }
    }

    /// Key of the record.
    pub(crate) fn key(self) -> [u8; 4] {
        let id = match self {
            ControlRecord::Abort { .. } => ABORT,
            ControlRecord::Commit { .. } => COMMIT,
            ControlRecord::Other(id) => id,
        };
        let ([v0, v1], [t0, t1]) = (VERSION.to_be_bytes(), id.to_be_bytes());
        [v0, v1, t0, t1]
    }

    /// Value of the record.
    pub(crate) fn value(self) -> [u8; 6] {
        let epoch = match self {
            ControlRecord::Abort { coordinator_epoch }
            | ControlRecord::Commit { coordinator_epoch } => coordinator_epoch,
            ControlRecord::Other(_) => 0,
        };
        let ([v0, v1], [e0, e1, e2, e3]) = (VERSION.to_be_bytes(), epoch.to_be_bytes());
        [v0, v1, e0, e1, e2, e3]
    }
}

/// The control record of a whole entry; `None` if the entry is not a control batch.
///
/// # Errors
/// The record cannot be read, or its key holds no version and type.
pub fn control_record(batch: &[u8]) -> Result<Option<ControlRecord>, ReadError> {
    let mut cursor = RecordCursor::new(batch)?;
    if !cursor.header().is_control() {
        return Ok(None);
    }
    match cursor.next()? {
        Some(record) => Ok(Some(ControlRecord::parse(record.key, record.value)?)),
        // Compaction may have emptied the batch.
        None => Ok(None),
    }
}
