//! Keys: `OffsetCommitKey` (0 and 1) and `GroupMetadataKey` (2).

use bytes::Bytes;

use super::read::Reader;
use super::write::{TooLong, Writer};
use super::{DecodeError, malformed};

const OFFSET_VERSION: i16 = 1;
const GROUP_VERSION: i16 = 2;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// A committed offset.
    Offset {
        /// Of which group.
        group: &'a str,
        /// Of which topic.
        topic: &'a str,
        /// Of which partition.
        partition: i32,
    },
    /// The group itself.
    Group {
        /// Which.
        group: &'a str,
    },
    /// Something of a version that this broker does not know.
    Unknown(i16),
}

impl Key<'_> {
    /// Reads a key; the version decides what it is.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`]
    pub fn decode(bytes: &[u8]) -> Result<Key<'_>, DecodeError> {
        read(bytes).ok_or(malformed("key"))
    }

    /// Writes a key.
    ///
    /// # Errors
    /// A group id of more than 32767 bytes has no place.
    pub fn encode(&self) -> Result<Bytes, TooLong> {
        let writer = match *self {
            Key::Offset {
                group,
                topic,
                partition,
            } => {
                let mut writer = Writer::new(OFFSET_VERSION);
                writer.str(group)?;
                writer.str(topic)?;
                writer.i32(partition);
                writer
            }
            Key::Group { group } => {
                let mut writer = Writer::new(GROUP_VERSION);
                writer.str(group)?;
                writer
            }
            Key::Unknown(version) => Writer::new(version),
        };
        Ok(writer.finish())
    }
}

fn read(bytes: &[u8]) -> Option<Key<'_>> {
    let mut reader = Reader::new(bytes);
    Some(match reader.i16()? {
        0 | OFFSET_VERSION => Key::Offset {
            group: reader.str()?,
            topic: reader.str()?,
            partition: reader.i32()?,
        },
        GROUP_VERSION => Key::Group {
            group: reader.str()?,
        },
        version => Key::Unknown(version),
    })
}
