//! Second look: every record, walked without being copied (`LogValidator.validateBatch` and
//! `validateRecord`).

use super::errors::{RecordErrors, RecordFault};
use crate::body::{Body, next_body};
use crate::codec::Inflater;
use crate::control::{ControlRecord, control_record};
use crate::cursor::{inner_message, wrapped, wrapper_base};
use crate::error::{InvalidRecord, InvalidRecords};
use crate::format::{Compression, Magic, NO_TIMESTAMP, TimestampType, v2};
use crate::header::BatchHeader;
use crate::message::{self, Message};
use crate::rules::{AppendRules, AppendSource};
use crate::source::{Slice, Source};

/// What a sound entry holds.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) record_count: u32,
    /// Largest timestamp of its records, -1 for none.
    pub(super) max_timestamp: i64,
    /// The records' offsets count up from 0. Not looked at in uncompressed entries, as in Kafka.
    pub(super) consecutive: bool,
    pub(super) control: Option<ControlRecord>,
}

/// Checks one whole entry whose checksum is known to be right.
pub(super) fn check_entry(
    entry: &[u8],
    header: &BatchHeader,
    first: &BatchHeader,
    rules: &AppendRules,
) -> Result<Checked, InvalidRecords> {
    if header.magic() != first.magic() {
        return Err(InvalidRecords::batch(
            "entries of different formats in one partition",
        ));
    }
    check_header(header, rules)?;
    let mut walk = Walk::new(header, rules);
    match (header.magic(), header.compression()) {
        (Magic::V2, Compression::None) => walk.batch(&mut Slice(records_of(entry)))?,
        (Magic::V2, codec) => {
            walk.batch(&mut Inflater::new(codec, Magic::V2, records_of(entry)))?
        }
        (Magic::V0 | Magic::V1, Compression::None) => {
            let message = Message::parse(entry)?;
            walk.record(header.max_timestamp(), message.key.is_some());
        }
        (Magic::V0 | Magic::V1, _) => walk.wrapper(&Message::parse(entry)?)?,
    }
    let mut checked = walk.finish()?;
    if header.is_control() {
        checked.control = control_record(entry)?;
    }
    Ok(checked)
}

fn records_of(batch: &[u8]) -> &[u8] {
    batch.get(v2::RECORDS_AT..).unwrap_or(&[])
}

/// Kafka asks the first question of clients only; no honest batch fails it.
fn check_header(header: &BatchHeader, rules: &AppendRules) -> Result<(), InvalidRecords> {
    if let Some(count) = header.record_count() {
        let offsets = i64::from(header.last_offset_delta()) + 1;
        if count <= 0 || offsets != i64::from(count) {
            return Err(InvalidRecords::batch(format!(
                "batch announces {count} records and {offsets} offsets"
            )));
        }
    }
    let producer = header.producer();
    if rules.source == AppendSource::Client {
        if header.is_control() {
            return Err(InvalidRecords::batch(
                "clients may not write control batches",
            ));
        }
        if producer.is_some_and(|producer| producer.base_sequence < 0) {
            return Err(InvalidRecords::batch(
                "batch with a producer id needs a sequence",
            ));
        }
    }
    if rules.target_magic < Magic::V2 {
        for (asked, feature) in [
            (header.is_transactional(), "transactional batches"),
            (producer.is_some(), "idempotent batches"),
            (header.is_control(), "control batches"),
        ] {
            if asked {
                return Err(InvalidRecords::UnsupportedForFormat { feature });
            }
        }
    }
    Ok(())
}

/// The state of going through an entry's records.
struct Walk<'a> {
    header: &'a BatchHeader,
    rules: &'a AppendRules,
    /// The timestamps that CreateTime admits, both ends included.
    earliest: i64,
    latest: i64,
    index: i32,
    max_timestamp: i64,
    consecutive: bool,
    errors: RecordErrors,
}

impl<'a> Walk<'a> {
    fn new(header: &'a BatchHeader, rules: &'a AppendRules) -> Walk<'a> {
        Walk {
            header,
            rules,
            // The defaults, which mean no bound.
            earliest: match rules.timestamp_before_max_ms {
                i64::MAX => i64::MIN,
                before => rules.now_ms.saturating_sub(before),
            },
            latest: rules.now_ms.saturating_add(rules.timestamp_after_max_ms),
            index: 0,
            max_timestamp: NO_TIMESTAMP,
            consecutive: true,
            errors: RecordErrors::default(),
        }
    }

    /// The records of a v2 batch.
    fn batch<S: Source>(&mut self, source: &mut S) -> Result<(), InvalidRecords> {
        let base = self.header.base_timestamp();
        let append_time = match self.header.timestamp_type() {
            TimestampType::Create => None,
            TimestampType::LogAppend => Some(self.header.max_timestamp()),
        };
        let compressed = self.header.compression() != Compression::None;
        for index in 0..self.header.record_count().unwrap_or(0) {
            let (prefix, len) = next_body(source)?;
            let bytes = source.available().get(prefix..prefix + len).unwrap_or(&[]);
            let body = Body::parse(bytes).map_err(invalid)?;
            let timestamp = append_time.unwrap_or_else(|| base.wrapping_add(body.timestamp_delta));
            self.record(timestamp, body.key.is_some());
            self.consecutive &= !compressed || body.offset_delta == index;
            source.consume(prefix + len);
        }
        if source.is_at_end()? {
            Ok(())
        } else {
            Err(invalid(InvalidRecord::TrailingBytes))
        }
    }

    /// The messages inside a compressed v0 or v1 message.
    fn wrapper(&mut self, outer: &Message<'_>) -> Result<(), InvalidRecords> {
        let magic = self.header.magic();
        let inner = wrapped(outer).map_err(invalid)?;
        let mut source = Inflater::new(self.header.compression(), magic, inner);
        let mut offsets: Option<(i64, i64)> = None;
        while let Some(len) = message::next_inner(&mut source)? {
            let entry = source.available().get(..len).unwrap_or(&[]);
            let message = inner_message(entry)?;
            let offset = message.header.last_offset();
            let (first, last) = offsets.get_or_insert((offset, offset.wrapping_sub(1)));
            self.consecutive &= offset == last.wrapping_add(1);
            offsets = Some((*first, offset));
            if message.header.magic() == magic {
                message::check_crc(entry)?;
                self.record(self.timestamp_inside(&message), message.key.is_some());
            } else {
                self.fault(RecordFault::InnerMagic);
            }
            source.consume(len);
        }
        let (first, last) = offsets.ok_or(invalid(InvalidRecord::EmptyWrapper))?;
        if magic == Magic::V1 {
            let base = wrapper_base(self.header.last_offset(), last).map_err(invalid)?;
            self.consecutive &= base.wrapping_add(first) == 0;
        }
        Ok(())
    }

    fn timestamp_inside(&self, message: &Message<'_>) -> i64 {
        match self.header.timestamp_type() {
            TimestampType::Create => message.header.max_timestamp(),
            TimestampType::LogAppend => self.header.max_timestamp(),
        }
    }

    #[inline(always)]
    fn record(&mut self, timestamp: i64, has_key: bool) {
        if self.rules.compacted && !has_key {
            return self.fault(RecordFault::NoKey);
        }
        if self.rules.timestamp_type == TimestampType::Create && timestamp != NO_TIMESTAMP {
            if timestamp < self.earliest || timestamp > self.latest {
                return self.fault(RecordFault::Timestamp {
                    timestamp,
                    earliest: self.earliest,
                    latest: self.latest,
                });
            }
        } else if self.header.timestamp_type() == TimestampType::LogAppend {
            return self.fault(RecordFault::TimestampType);
        }
        self.index += 1;
        self.max_timestamp = self.max_timestamp.max(timestamp);
    }

    #[cold]
    fn fault(&mut self, fault: RecordFault) {
        self.errors.push(self.index, fault);
        self.index += 1;
    }

    fn finish(self) -> Result<Checked, InvalidRecords> {
        self.errors.finish()?;
        Ok(Checked {
            record_count: u32::try_from(self.index).unwrap_or(0),
            max_timestamp: self.max_timestamp,
            consecutive: self.consecutive,
            control: None,
        })
    }
}

fn invalid(error: InvalidRecord) -> InvalidRecords {
    InvalidRecords::batch(error.to_string())
}
