//! Admitting what a producer sent: Kafka's `LogValidator` and the lock-free half of
//! `UnifiedLog.append`.
//!
//! 1. `scan`: frames, sizes and checksums of all entries.
//! 2. `check`: every record of every entry, walked without being copied. Says whether the bytes can
//!    stay as they are.
//! 3. `in_place` keeps them and patches the header; `rebuild` writes them anew in the topic's
//!    format and codec.

mod check;
mod errors;
mod in_place;
mod rebuild;
mod scan;

use bytes::Bytes;

use self::check::check_entry;
pub use self::errors::MAX_RECORD_ERRORS;
use self::rebuild::Target;
use self::scan::Scan;
use crate::append_set::AppendSet;
use crate::batches::batches;
use crate::error::InvalidRecords;
use crate::format::{Compression, Magic};
use crate::header::BatchHeader;
use crate::rules::{AppendRules, TargetCompression};

/// Everything of Kafka's `LogValidator` and `UnifiedLog.analyzeAndValidateRecords` that needs no
/// lock: checksums, sizes, structure, timestamps,
/// recompression and format conversion.
///
/// One v2 batch that can stay as it is costs no allocation. Stricter than Kafka in what no client
/// sends and nobody could read: the length of each record of a compressed batch must match its
/// fields, key and value of a message must lie inside it, and a coordinator's batch must announce
/// as many offsets as records.
///
/// # Errors
/// See [`InvalidRecords`].
pub fn validate(records: Bytes, rules: &AppendRules) -> Result<AppendSet, InvalidRecords> {
    let Some(scan) = scan::scan(&records, rules)? else {
        return Ok(AppendSet::empty());
    };
    let target = target(&scan, rules);
    let records = records.slice(..scan.valid_bytes);
    if let Some(size) = scan.only_entry_header() {
        return validate_one(records, &size, &scan, &target, rules);
    }
    if scan.first.magic() == Magic::V2 || scan.codec != Compression::None {
        return Err(InvalidRecords::batch(
            "compressed records and format v2 allow one batch per partition",
        ));
    }
    validate_messages(&records, &scan, &target, rules)
}

/// One entry: a v2 batch, a compressed message, or a lone message.
fn validate_one(
    records: Bytes,
    header: &BatchHeader,
    scan: &Scan,
    target: &Target,
    rules: &AppendRules,
) -> Result<AppendSet, InvalidRecords> {
    let checked = check_entry(&records, header, &scan.first, rules)?;
    if stays(scan, target) && checked.consecutive {
        in_place::one(records, header, &checked, rules)
    } else {
        rebuild::rebuild(&records, header, target, rules)
    }
}

/// Several uncompressed v0 or v1 messages.
fn validate_messages(
    records: &Bytes,
    scan: &Scan,
    target: &Target,
    rules: &AppendRules,
) -> Result<AppendSet, InvalidRecords> {
    for entry in batches(records) {
        let entry = entry?;
        let header = scan::header_of(entry)?;
        check_entry(entry, &header, &scan.first, rules)?;
    }
    if stays(scan, target) {
        in_place::messages(records, rules)
    } else {
        rebuild::rebuild(records, &scan.first, target, rules)
    }
}

/// Format and codec to store. An uncompressed control batch stays uncompressed.
fn target(scan: &Scan, rules: &AppendRules) -> Target {
    let (codec, level) = match rules.compression {
        TargetCompression::Codec { .. }
            if scan.first.is_control() && scan.codec == Compression::None =>
        {
            (Compression::None, 0)
        }
        TargetCompression::Codec { codec, level } => (codec, level),
        TargetCompression::Producer => (scan.codec, scan.codec.default_level()),
    };
    Target {
        magic: rules.target_magic,
        codec,
        level,
    }
}

/// Whether format and codec are the target's already. A compressed v0 message never is: its inner
/// offsets are absolute.
fn stays(scan: &Scan, target: &Target) -> bool {
    let compressed_v0 = target.magic == Magic::V0 && target.codec != Compression::None;
    scan.first.magic() == target.magic && scan.codec == target.codec && !compressed_v0
}
