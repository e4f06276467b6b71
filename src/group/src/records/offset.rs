//! `OffsetCommitValue`: written in versions 1 to 3, read in 0 to 4.

use bytes::Bytes;
use ottla_metadata::{Millis, Offset};

use super::read::Reader;
use super::write::{TooLong, Writer};
use super::{DecodeError, malformed};
use crate::{RecordFormats, Text};

const WHAT: &str = "OffsetCommitValue";
const NONE: i64 = -1;

/// An offset as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to consume.
    pub offset: Offset,
    /// Leader epoch of the last record consumed; `None` when not known.
    pub leader_epoch: Option<i32>,
    /// Whatever the client wanted kept with it.
    pub metadata: Text,
    /// When it was committed, by the broker's or the client's clock.
    pub commit_timestamp: Millis,
    /// When it expires, if the client said so.
    pub expire_timestamp: Option<Millis>,
}

impl CommittedOffset {
    /// Reads a value of any version.
    ///
    /// # Errors
    /// [`DecodeError`]
    pub fn decode(bytes: &[u8]) -> Result<CommittedOffset, DecodeError> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16().ok_or(malformed(WHAT))?;
        if !(0..=4).contains(&version) {
            return Err(DecodeError::UnknownVersion {
                what: WHAT,
                version,
            });
        }
        read(&mut reader, version).ok_or(malformed(WHAT))
    }

    /// Writes the value in the version that Kafka would choose: 1 if the client set an expiry or
    /// the formats are old, which loses the leader epoch.
    ///
    /// # Errors
    /// Metadata of more than 32767 bytes has no place.
    pub fn encode(&self, formats: RecordFormats) -> Result<Bytes, TooLong> {
        let version = match formats {
            _ if self.expire_timestamp.is_some() => 1,
            RecordFormats::Before0_10_1 | RecordFormats::From0_10_1 => 1,
            RecordFormats::From2_1Iv0 => 2,
            RecordFormats::From2_1Iv1 | RecordFormats::From2_3 => 3,
        };
        let mut writer = Writer::new(version);
        writer.i64(self.offset);
        if version == 3 {
            writer.i32(self.leader_epoch.unwrap_or(-1));
        }
        writer.str(&self.metadata)?;
        writer.i64(self.commit_timestamp);
        if version == 1 {
            writer.i64(self.expire_timestamp.unwrap_or(NONE));
        }
        Ok(writer.finish())
    }
}

fn read(reader: &mut Reader<'_>, version: i16) -> Option<CommittedOffset> {
    reader.set_flexible(version >= 4);
    let offset = reader.i64()?;
    let leader_epoch = if version >= 3 { reader.i32()? } else { -1 };
    let metadata = reader.text()?;
    let commit_timestamp = reader.i64()?;
    let expire_timestamp = if version == 1 { reader.i64()? } else { NONE };
    reader.tags()?;
    Some(CommittedOffset {
        offset,
        leader_epoch: (leader_epoch >= 0).then_some(leader_epoch),
        metadata,
        commit_timestamp,
        expire_timestamp: (expire_timestamp != NONE).then_some(expire_timestamp),
    })
}
