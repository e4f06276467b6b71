//! The walk over a message's bytes along its layout.

use super::{Field, Kind, Layout};
use crate::DecodeError;
use crate::wire::{MemoryLimit, Reader};

/// An unknown tagged field is kept in a B-tree: the first entry of each costs a node, further ones
/// share nodes that are at least half full.
const FIRST_TAGGED_FIELD: usize = 448;
const FURTHER_TAGGED_FIELD: usize = 96;

impl Layout {
    /// Follows version `version` of the layout over `bytes` and returns how many bytes the message
    /// takes. `Ok` means: every length is covered by the bytes behind it, and the decoded structs
    /// take at most 1 MiB plus eight times the message's size. Nulls, texts and values are left to
    /// the decoder.
    pub fn check(&self, version: i16, bytes: &[u8]) -> Result<usize, DecodeError> {
        let mut walk = Walk {
            version,
            flexible: version >= self.flexible_from,
            memory: MemoryLimit::for_message(bytes.len()),
        };
        let mut reader = Reader::new(bytes);
        walk.fields(self.fields, &mut reader)?;
        Ok(reader.position())
    }
}

struct Walk {
    version: i16,
    flexible: bool,
    memory: MemoryLimit,
}

impl Walk {
    fn fields(&mut self, fields: &[Field], reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        for field in fields {
            if field.tag.is_none() && field.exists_in(self.version) {
                self.value(&field.kind, field.name, reader)?;
            }
        }
        if !self.flexible {
            return Ok(());
        }
        let mut unknown = 0usize;
        reader.tagged_fields(|tag, content| {
            let known = fields
                .iter()
                .find(|f| f.tag == Some(tag) && f.exists_in(self.version));
            let Some(field) = known else {
                unknown += 1;
                return self.memory.charge(match unknown {
                    1 => FIRST_TAGGED_FIELD,
                    _ => FURTHER_TAGGED_FIELD,
                });
            };
            self.value(&field.kind, field.name, content)?;
            match content.remaining() {
                0 => Ok(()),
                _ => Err(DecodeError::TaggedFieldSize { field: field.name }),
            }
        })
    }

    fn value(
        &mut self,
        kind: &Kind,
        name: &'static str,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        match kind {
            Kind::Fixed(width) => reader.take(*width, name).map(drop),
            Kind::String => {
                let len = reader.string_len(self.flexible, name)?;
                reader.take(len.unwrap_or(0), name).map(drop)
            }
            Kind::Bytes => {
                let len = reader.len(self.flexible, name)?;
                reader.take(len.unwrap_or(0), name).map(drop)
            }
            Kind::Struct(fields) => self.fields(fields, reader),
            Kind::NullableStruct(fields) => match reader.i8(name)? {
                1 => self.fields(fields, reader),
                _ => Ok(()),
            },
            Kind::Array { element, memory } => {
                let count = reader.len(self.flexible, name)?.unwrap_or(0);
                self.memory.charge(count.saturating_mul(*memory))?;
                if let Kind::Fixed(width) = element {
                    return reader.take(count.saturating_mul(*width), name).map(drop);
                }
                if count > reader.remaining() {
                    return Err(DecodeError::Truncated { field: name });
                }
                (0..count).try_for_each(|_| self.value(element, name, reader))
            }
        }
    }
}
