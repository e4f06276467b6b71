//! Reading the records of an entry.

use bytes::Bytes;

use crate::body::take_header;
use crate::cursor::RecordCursor;
use crate::error::ReadError;
use crate::format::TimestampType;

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
    /// Headers that were checked when their record was parsed.
    pub(crate) fn new(count: i32, bytes: &'a [u8]) -> Headers<'a> {
        Headers { count, bytes }
    }

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
        let mut rest = self.bytes;
        // Checked when the record was parsed, so that none is lost here.
        (0..self.count).map_while(move |_| take_header(&mut rest).ok())
    }

    /// The headers as a v2 record holds them, after their count.
    pub(crate) fn encoded(&self) -> &'a [u8] {
        self.bytes
    }
}

impl RecordRef<'_> {
    /// A copy that owns its bytes.
    pub fn to_record(&self) -> Record {
        Record {
            offset: self.offset,
            timestamp: self.timestamp,
            timestamp_type: self.timestamp_type,
            sequence: self.sequence,
            key: self.key.map(Bytes::copy_from_slice),
            value: self.value.map(Bytes::copy_from_slice),
            headers: self
                .headers
                .iter()
                .map(|(key, value)| {
                    (
                        String::from_utf8_lossy(key).into_owned(),
                        value.map(Bytes::copy_from_slice),
                    )
                })
                .collect(),
        }
    }
}

/// Iterator of [`records`]. Ends after the first error.
#[derive(Debug)]
pub struct RecordIter<'a> {
    cursor: RecordCursor<'a>,
}

/// The records of one whole entry of any format. Does not check the entry's checksum;
/// [`crate::verify`] does.
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
