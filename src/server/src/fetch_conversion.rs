//! Converting records for clients that cannot read the stored format. It takes memory and time, so
//! it happens on the blocking pool and only so often at once.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use ottla_log::LogSlice;
use ottla_protocol::ErrorCode;
use ottla_records::{ConvertError, Magic, down_convert};

use crate::context::Context;

/// A slice of a log to be converted.
pub(crate) struct Conversion {
    /// The place of the partition in the answer.
    place: usize,
    records: LogSlice,
    target: Magic,
    fetch_offset: i64,
}

/// The places and what they are to be replaced with.
pub(crate) type Converted = Vec<(usize, Result<Bytes, ErrorCode>)>;

impl Conversion {
    /// `None` when there is not one whole batch to convert. The client is sent the cut batch as it
    /// is then: offset and size are the same in all formats, so it sees that its limit is too low.
    pub(crate) fn new(
        place: usize,
        records: &LogSlice,
        target: Magic,
        fetch_offset: i64,
    ) -> Option<Conversion> {
        let is_whole = records.first_entry_size <= records.len;
        is_whole.then(|| Conversion {
            place,
            records: records.clone(),
            target,
            fetch_offset,
        })
    }

    fn run(self) -> Result<Bytes, ErrorCode> {
        let mut stored = vec![0; self.records.len];
        let read = self
            .records
            .file
            .read_exact_at(&mut stored, self.records.position);
        read.map_err(|error| {
            tracing::error!(%error, "cannot read records to convert");
            ErrorCode::UnknownServerError
        })?;
        let converted = down_convert(&stored, self.target, self.fetch_offset);
        converted.map(Bytes::from).map_err(|error| code(&error))
    }
}

/// Converts one after the other.
pub(crate) async fn convert_all(context: &Context, conversions: Vec<Conversion>) -> Converted {
    let mut converted = Vec::with_capacity(conversions.len());
    for conversion in conversions {
        let place = conversion.place;
        let permit = Arc::clone(&context.conversions).acquire_owned().await;
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            conversion.run()
        });
        converted.push((
            place,
            work.await.unwrap_or(Err(ErrorCode::UnknownServerError)),
        ));
    }
    converted
}

fn code(error: &ConvertError) -> ErrorCode {
    match error {
        ConvertError::UnsupportedCompression => ErrorCode::UnsupportedCompressionType,
        ConvertError::Read(_) => ErrorCode::CorruptMessage,
        ConvertError::Build(_) => ErrorCode::UnknownServerError,
    }
}
