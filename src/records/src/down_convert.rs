//! Converting stored records for fetches of old clients.

use crate::error::ConvertError;
use crate::format::Magic;

/// What is sent when nothing survives conversion, in bytes: enough for a client to see that there is an entry it cannot hold.
pub const OVERFLOW_MIN_BYTES: usize = 12;

/// The records of a slice of a log, converted to at most `target`, as Kafka sends them (`LazyDownConversionRecords`).
///
/// The size is fixed first: that of `records`, or of the first converted batch if that is larger. Converted batches that pass it are cut off
/// (clients see a partial tail), and what is missing is filled with a fake entry that is announced larger than the bytes left.
/// Control batches and headers are dropped. Of uncompressed v2 batches, records below `fetch_offset` are dropped.
///
/// # Errors
/// The first batch is compressed with zstd, or cannot be read. Later ones only end the conversion: the client will come back for them.
pub fn down_convert(
    records: &[u8],
    target: Magic,
    fetch_offset: i64,
) -> Result<Vec<u8>, ConvertError> {
    let _ = (records, target, fetch_offset);
    todo!()
}
