//! Going through the records of an entry.

use crate::body::{Body, next_body};
use crate::codec::Inflater;
use crate::error::{CorruptBatch, InvalidRecord, ReadError};
use crate::format::{Compression, Magic, NO_SEQUENCE, TimestampType, increment_sequence, v2};
use crate::header::BatchHeader;
use crate::message::{self, Message};
use crate::record::{Headers, RecordRef};
use crate::source::{Slice, Source};
use crate::wire;

/// Reads the records of one entry one by one, decompressing as it goes; memory does not grow with
/// the batch.
#[derive(Debug)]
pub struct RecordCursor<'a> {
    header: BatchHeader,
    state: State<'a>,
}

#[derive(Debug)]
enum State<'a> {
    /// Records of a v2 batch.
    Batch {
        content: Content<'a>,
        left: i32,
        /// Bytes of the record handed out last.
        lent: usize,
    },
    /// A message without compression, until it has been handed out.
    Message(Option<Message<'a>>),
    /// Messages inside a compressed one.
    Wrapper {
        content: Inflater<'a>,
        /// What inner offsets are relative to: 0 in v0.
        base: i64,
        lent: usize,
        progress: Progress,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Progress {
    Start,
    Inside,
    End,
}

impl<'a> RecordCursor<'a> {
    /// A cursor before the first record of a whole entry of any format. Does not check the entry's
    /// checksum.
    ///
    /// # Errors
    /// The header is corrupt or announces an impossible number of records.
    pub fn new(batch: &'a [u8]) -> Result<RecordCursor<'a>, ReadError> {
        let header = BatchHeader::parse(batch)?.ok_or(CorruptBatch::FieldPastEnd)?;
        let state = match header.magic() {
            Magic::V0 | Magic::V1 => State::messages(batch, &header)?,
            Magic::V2 => State::Batch {
                content: Content::new(&header, batch)?,
                left: record_count(&header)?,
                lent: 0,
            },
        };
        Ok(RecordCursor { header, state })
    }

    /// Header of the entry.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The next record, `None` after the last.
    ///
    /// # Errors
    /// The records are malformed or do not decompress; the cursor then is at its end.
    #[allow(clippy::should_implement_trait)] // It lends.
    pub fn next(&mut self) -> Result<Option<RecordRef<'_>>, ReadError> {
        let header = &self.header;
        match &mut self.state {
            State::Batch {
                content,
                left,
                lent,
            } => next_of_batch(header, content, left, lent),
            State::Message(message) => Ok(message
                .take()
                .map(|message| message_record(&message, header, header.last_offset()))),
            State::Wrapper {
                content,
                base,
                lent,
                progress,
            } => next_of_wrapper(header, content, *base, lent, progress),
        }
    }
}

impl<'a> State<'a> {
    fn messages(entry: &'a [u8], header: &BatchHeader) -> Result<State<'a>, ReadError> {
        let message = Message::parse(entry)?;
        if header.compression() == Compression::None {
            return Ok(State::Message(Some(message)));
        }
        let inner = wrapped(&message)?;
        Ok(State::Wrapper {
            base: match header.magic() {
                Magic::V0 => 0,
                Magic::V1 | Magic::V2 => {
                    wrapper_base(header.last_offset(), last_inner_offset(header, inner)?)?
                }
            },
            content: Inflater::new(header.compression(), header.magic(), inner),
            lent: 0,
            progress: Progress::Start,
        })
    }
}

/// The number of records a v2 batch announces.
pub(crate) fn record_count(header: &BatchHeader) -> Result<i32, InvalidRecord> {
    match header.record_count() {
        Some(count) if count < 0 => Err(InvalidRecord::NegativeCount(count)),
        Some(count) => Ok(count),
        None => Ok(0),
    }
}

/// The compressed messages inside a message.
pub(crate) fn wrapped<'a>(message: &Message<'a>) -> Result<&'a [u8], InvalidRecord> {
    if message.header.compression() == Compression::Zstd {
        return Err(InvalidRecord::ZstdInLegacy);
    }
    message.value.ok_or(InvalidRecord::EmptyWrapper)
}

/// What the relative inner offsets of a v1 wrapper are relative to. Some old librdkafka sends 0 for
/// the wrapper, which then counts for nothing.
pub(crate) fn wrapper_base(wrapper: i64, last_inner: i64) -> Result<i64, InvalidRecord> {
    match wrapper.checked_sub(last_inner) {
        _ if wrapper == 0 => Ok(0),
        Some(base) if wrapper >= last_inner => Ok(base),
        Some(_) | None => Err(InvalidRecord::WrapperOffset {
            wrapper,
            last_inner,
        }),
    }
}

/// The relative offset of the last inner message, without which no inner offset is known.
fn last_inner_offset(header: &BatchHeader, inner: &[u8]) -> Result<i64, ReadError> {
    let mut source = Inflater::new(header.compression(), header.magic(), inner);
    let mut last = None;
    while let Some(len) = message::next_inner(&mut source)? {
        last = wire::i64_at(source.available(), 0);
        source.consume(len);
    }
    Ok(last.ok_or(InvalidRecord::EmptyWrapper)?)
}

fn next_of_batch<'c>(
    header: &BatchHeader,
    content: &'c mut Content<'_>,
    left: &mut i32,
    lent: &mut usize,
) -> Result<Option<RecordRef<'c>>, ReadError> {
    content.consume(std::mem::take(lent));
    // An error below leaves the cursor at its end.
    let now_left = std::mem::take(left);
    if now_left == 0 {
        return Ok(None);
    }
    let (prefix, len) = next_body(content)?;
    if now_left == 1 && content.require(prefix + len + 1)? {
        return Err(InvalidRecord::TrailingBytes.into());
    }
    let bytes = content
        .available()
        .get(prefix..prefix + len)
        .ok_or(InvalidRecord::Truncated)?;
    let body = Body::parse(bytes)?;
    *left = now_left - 1;
    *lent = prefix + len;
    Ok(Some(body_record(&body, header)))
}

fn next_of_wrapper<'c>(
    header: &BatchHeader,
    content: &'c mut Inflater<'_>,
    base: i64,
    lent: &mut usize,
    progress: &mut Progress,
) -> Result<Option<RecordRef<'c>>, ReadError> {
    content.consume(std::mem::take(lent));
    let was = std::mem::replace(progress, Progress::End);
    if was == Progress::End {
        return Ok(None);
    }
    let Some(len) = message::next_inner(content)? else {
        return match was {
            Progress::Start => Err(InvalidRecord::EmptyWrapper.into()),
            Progress::Inside | Progress::End => Ok(None),
        };
    };
    let bytes = content
        .available()
        .get(..len)
        .ok_or(InvalidRecord::Truncated)?;
    let message = inner_message(bytes)?;
    *progress = Progress::Inside;
    *lent = len;
    let offset = base.wrapping_add(message.header.last_offset());
    Ok(Some(message_record(&message, header, offset)))
}

/// A message inside another: of format v0 or v1, and not compressed again.
pub(crate) fn inner_message(bytes: &[u8]) -> Result<Message<'_>, ReadError> {
    let message = Message::parse(bytes)?;
    if message.header.magic() == Magic::V2 {
        return Err(CorruptBatch::UnknownMagic(2).into());
    }
    if message.header.compression() != Compression::None {
        return Err(InvalidRecord::NestedCompression.into());
    }
    Ok(message)
}

fn body_record<'c>(body: &Body<'c>, header: &BatchHeader) -> RecordRef<'c> {
    let base_sequence = header.base_sequence();
    RecordRef {
        offset: header
            .base_offset()
            .unwrap_or(0)
            .wrapping_add(i64::from(body.offset_delta)),
        timestamp: match header.timestamp_type() {
            TimestampType::Create => header.base_timestamp().wrapping_add(body.timestamp_delta),
            TimestampType::LogAppend => header.max_timestamp(),
        },
        timestamp_type: header.timestamp_type(),
        sequence: if base_sequence >= 0 {
            increment_sequence(base_sequence, body.offset_delta)
        } else {
            NO_SEQUENCE
        },
        key: body.key,
        value: body.value,
        headers: Headers::new(body.header_count, body.headers),
    }
}

/// The record of a message. A wrapper (or the message itself) with LogAppendTime decides for v1; v0
/// has no timestamp.
fn message_record<'c>(message: &Message<'c>, outer: &BatchHeader, offset: i64) -> RecordRef<'c> {
    RecordRef {
        offset,
        timestamp: match (message.header.magic(), outer.timestamp_type()) {
            (Magic::V1, TimestampType::LogAppend) => outer.max_timestamp(),
            (Magic::V0 | Magic::V1 | Magic::V2, _) => message.header.max_timestamp(),
        },
        timestamp_type: outer.timestamp_type(),
        sequence: NO_SEQUENCE,
        key: message.key,
        value: message.value,
        headers: Headers::new(0, &[]),
    }
}

/// The records of a v2 batch, compressed or not.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    Slice(Slice<'a>),
    Inflater(Inflater<'a>),
}

impl<'a> Content<'a> {
    fn new(header: &BatchHeader, batch: &'a [u8]) -> Result<Content<'a>, InvalidRecord> {
        let bytes = batch
            .get(v2::RECORDS_AT..)
            .ok_or(InvalidRecord::Truncated)?;
        Ok(match header.compression() {
            Compression::None => Content::Slice(Slice(bytes)),
            Compression::Gzip | Compression::Snappy | Compression::Lz4 | Compression::Zstd => {
                Content::Inflater(Inflater::new(header.compression(), Magic::V2, bytes))
            }
        })
    }
}

impl Source for Content<'_> {
    #[inline]
    fn available(&self) -> &[u8] {
        match self {
            Content::Slice(slice) => slice.available(),
            Content::Inflater(inflater) => inflater.available(),
        }
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        match self {
            Content::Slice(slice) => slice.consume(n),
            Content::Inflater(inflater) => inflater.consume(n),
        }
    }

    fn refill(&mut self) -> Result<bool, ReadError> {
        match self {
            Content::Slice(slice) => slice.refill(),
            Content::Inflater(inflater) => inflater.refill(),
        }
    }
}
