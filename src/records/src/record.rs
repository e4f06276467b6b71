//! Reading the records of an entry.

use bytes::Bytes;

use crate::error::{InvalidRecord, ReadError};
use crate::format::TimestampType;
use crate::header::BatchHeader;

/// One record, owning its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Absolute offset.
    pub offset: i64,
    /// Milliseconds since the epoch, -1 for none.
    pub timestamp: i64,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// Sequence of the idempotent producer, -1 for none.
    pub sequence: i32,
    /// Key.
    pub key: Option<Bytes>,
    /// Value; none is a tombstone.
    pub value: Option<Bytes>,
    /// Headers in order; bytes of a name that are not UTF-8 are replaced.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// One record, borrowing its bytes.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// Absolute offset.
    pub offset: i64,
    /// Milliseconds since the epoch, -1 for none.
    pub timestamp: i64,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// Sequence of the idempotent producer, -1 for none.
    pub sequence: i32,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: Headers<'a>,
}

/// The headers of a record, checked but not yet taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    count: i32,
    bytes: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Number of headers.
    pub fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(0)
    }

    /// No headers.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Name and value of each header.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let _ = self.bytes;
        std::iter::empty()
    }
}

impl RecordRef<'_> {
    /// A copy that owns its bytes.
    pub fn to_record(&self) -> Record {
        todo!()
    }
}

/// Reads the records of one entry one by one, decompressing as it goes; memory does not grow with the batch.
#[derive(Debug)]
pub struct RecordCursor<'a> {
    batch: &'a [u8],
}

impl<'a> RecordCursor<'a> {
    /// A cursor before the first record of a whole entry of any format. Does not check the entry's checksum.
    ///
    /// # Errors
    /// The header is corrupt or announces an impossible number of records.
    pub fn new(batch: &'a [u8]) -> Result<RecordCursor<'a>, ReadError> {
        Ok(RecordCursor { batch })
    }

    /// Header of the entry.
    pub fn header(&self) -> &BatchHeader {
        todo!()
    }

    /// The next record, `None` after the last.
    ///
    /// # Errors
    /// The records are malformed or do not decompress; the cursor then is at its end.
    #[allow(clippy::should_implement_trait)] // lends
    pub fn next(&mut self) -> Result<Option<RecordRef<'_>>, ReadError> {
        let _ = self.batch;
        Err(InvalidRecord::Truncated.into())
    }
}

/// Iterator of [`records`]. Ends after the first error.
#[derive(Debug)]
pub struct RecordIter<'a> {
    cursor: RecordCursor<'a>,
}

/// The records of one whole entry of any format. Does not check the entry's checksum; [`crate::verify`] does.
///
/// # Errors
/// As [`RecordCursor::new`].
pub fn records(batch: &[u8]) -> Result<RecordIter<'_>, ReadError> {
    RecordCursor::new(batch).map(|cursor| RecordIter { cursor })
}

impl Iterator for RecordIter<'_> {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.cursor.next() {
            Ok(record) => record.map(|r| Ok(r.to_record())),
            Err(error) => Some(Err(error)),
        }
    }
}
