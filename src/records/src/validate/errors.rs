//! Faults of single records, collected so that the producer learns of all of them (KIP-467).

use crate::error::InvalidRecords;

/// The most record errors an answer lists. A small compressed batch can hold millions of bad
/// records, and each costs a text of a hundred bytes.
pub const MAX_RECORD_ERRORS: usize = 1000;

/// Why a record is refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RecordFault {
    /// A compacted topic needs keys.
    NoKey,
    /// The timestamp is too far from the broker's clock.
    Timestamp {
        timestamp: i64,
        earliest: i64,
        latest: i64,
    },
    /// The producer claims LogAppendTime.
    TimestampType,
    /// An inner message of another format than the outer one.
    InnerMagic,
}

impl RecordFault {
    fn text(self) -> String {
        match self {
            RecordFault::NoKey => "records of a compacted topic need a key".to_owned(),
            RecordFault::Timestamp {
                timestamp,
                earliest,
                latest,
            } => {
                format!("timestamp {timestamp} is out of range, {earliest} to {latest} is accepted")
            }
            RecordFault::TimestampType => {
                "only a broker sets timestamps of type LogAppendTime".to_owned()
            }
            RecordFault::InnerMagic => {
                "inner message is of another format than the compressed message".to_owned()
            }
        }
    }

    fn is_timestamp(self) -> bool {
        match self {
            RecordFault::Timestamp { .. } | RecordFault::TimestampType => true,
            RecordFault::NoKey | RecordFault::InnerMagic => false,
        }
    }
}

/// The faults of one entry.
#[derive(Debug, Default)]
pub(super) struct RecordErrors {
    listed: Vec<(i32, String)>,
    count: usize,
    timestamp: bool,
}

impl RecordErrors {
    #[cold]
    pub(super) fn push(&mut self, index: i32, fault: RecordFault) {
        self.count += 1;
        self.timestamp |= fault.is_timestamp();
        if self.listed.len() < MAX_RECORD_ERRORS {
            self.listed.push((index, fault.text()));
        }
    }

    /// One wrong timestamp makes the whole batch's error one of timestamps.
    pub(super) fn finish(self) -> Result<(), InvalidRecords> {
        if self.count == 0 {
            return Ok(());
        }
        let record_errors = self.listed;
        if self.timestamp {
            return Err(InvalidRecords::InvalidTimestamp {
                message: format!(
                    "{} records are refused, some for their timestamps",
                    self.count
                ),
                record_errors,
            });
        }
        let first = record_errors.first().map_or("", |(_, text)| text);
        Err(InvalidRecords::Invalid {
            message: format!("{} records are refused: {first}", self.count),
            record_errors,
        })
    }
}
