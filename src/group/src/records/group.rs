//! `GroupMetadataValue`: written in versions 0 to 3, read in 0 to 4.

use bytes::Bytes;
use ottla_metadata::Millis;

use super::read::Reader;
use super::write::{TooLong, Writer};
use super::{DecodeError, malformed};
use crate::{MemberId, RecordFormats, Text};

const WHAT: &str = "GroupMetadataValue";
const NO_TIMESTAMP: Millis = -1;

/// A group as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredGroup {
    /// The protocol type; empty of none.
    pub protocol_type: Text,
    /// The generation.
    pub generation: i32,
    /// The protocol chosen.
    pub protocol: Option<Text>,
    /// The leader's member id.
    pub leader: Option<MemberId>,
    /// Since when the group is in its state; `None` in versions 0 and 1.
    pub state_timestamp: Option<Millis>,
    /// The members.
    pub members: Vec<StoredMember>,
}

/// A member as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMember {
    /// Its id.
    pub member_id: MemberId,
    /// Its instance id.
    pub instance_id: Option<Text>,
    /// The client's name for itself.
    pub client_id: Text,
    /// Where it came from.
    pub client_host: Text,
    /// How long a rebalance waits for it; the session timeout in version 0.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// Its metadata for the protocol chosen.
    pub subscription: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

impl StoredGroup {
    /// Reads a value of any version.
    ///
    /// # Errors
    /// [`DecodeError`]
    pub fn decode(bytes: &[u8]) -> Result<StoredGroup, DecodeError> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16().ok_or(malformed(WHAT))?;
        if !(0..=4).contains(&version) {
            return Err(DecodeError::UnknownVersion {
                what: WHAT,
                version,
            });
        }
        reader.set_flexible(version >= 4);
        read_group(&mut reader, version).ok_or(malformed(WHAT))
    }

    /// Writes the value in the version that the formats allow.
    ///
    /// # Errors
    /// Texts of more than 32767 bytes have no place.
    pub fn encode(&self, formats: RecordFormats) -> Result<Bytes, TooLong> {
        let version = match formats {
            RecordFormats::Before0_10_1 => 0,
            RecordFormats::From0_10_1 => 1,
            RecordFormats::From2_1Iv0 | RecordFormats::From2_1Iv1 => 2,
            RecordFormats::From2_3 => 3,
        };
        let mut writer = Writer::new(version);
        writer.str(&self.protocol_type)?;
        writer.i32(self.generation);
        writer.nullable_str(self.protocol.as_deref())?;
        writer.nullable_str(self.leader.as_deref())?;
        if version >= 2 {
            writer.i64(self.state_timestamp.unwrap_or(NO_TIMESTAMP));
        }
        writer.count(self.members.len())?;
        for member in &self.members {
            write_member(&mut writer, version, member)?;
        }
        Ok(writer.finish())
    }
}

fn write_member(writer: &mut Writer, version: i16, member: &StoredMember) -> Result<(), TooLong> {
    writer.str(&member.member_id)?;
    if version >= 3 {
        writer.nullable_str(member.instance_id.as_deref())?;
    }
    writer.str(&member.client_id)?;
    writer.str(&member.client_host)?;
    if version >= 1 {
        writer.i32(member.rebalance_timeout_ms);
    }
    writer.i32(member.session_timeout_ms);
    writer.bytes(&member.subscription)?;
    writer.bytes(&member.assignment)
}

fn read_group(reader: &mut Reader<'_>, version: i16) -> Option<StoredGroup> {
    let protocol_type = reader.text()?;
    let generation = reader.i32()?;
    let protocol = reader.nullable_text()?;
    let leader = reader.nullable_text()?;
    let state_timestamp = if version >= 2 {
        reader.i64()?
    } else {
        NO_TIMESTAMP
    };
    let mut members = Vec::new();
    for _ in 0..reader.count()? {
        members.push(read_member(reader, version)?);
    }
    reader.tags()?;
    Some(StoredGroup {
        protocol_type,
        generation,
        protocol,
        leader,
        state_timestamp: (state_timestamp != NO_TIMESTAMP).then_some(state_timestamp),
        members,
    })
}

fn read_member(reader: &mut Reader<'_>, version: i16) -> Option<StoredMember> {
    let member_id = reader.text()?;
    let instance_id = if version >= 3 {
        reader.nullable_text()?
    } else {
        None
    };
    let client_id = reader.text()?;
    let client_host = reader.text()?;
    let rebalance_timeout = if version >= 1 {
        Some(reader.i32()?)
    } else {
        None
    };
    let session_timeout_ms = reader.i32()?;
    let member = StoredMember {
        member_id,
        instance_id,
        client_id,
        client_host,
        rebalance_timeout_ms: rebalance_timeout.unwrap_or(session_timeout_ms),
        session_timeout_ms,
        subscription: reader.bytes()?,
        assignment: reader.bytes()?,
    };
    reader.tags()?;
    Some(member)
}
