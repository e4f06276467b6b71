//! The layouts of the message structs, and the walk that makes their decoding safe.
//!
//! The decoders of [`messages`](crate::messages) reserve memory for as many elements as an array
//! announces before they look at what is there, so a few bytes from anybody could abort the
//! process. [`Layout::check`] walks a message first: it follows every length, proves that what
//! was announced is there, and bounds the memory that the decoded structs will take.

mod admin;
mod data;
mod group;
mod metadata;
mod replica;
#[cfg(any(test, feature = "testing"))]
mod sample;
mod security;
mod transaction;
mod walk;

#[cfg(test)]
mod tests;

use std::mem::size_of;

use kafka_protocol::protocol::Message;

/// A message struct that may be decoded after its layout was checked.
pub trait Guarded: Message {
    /// The layout of all its versions.
    const LAYOUT: Layout;
}

/// The layout of a message in all its versions.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The message's name.
    pub name: &'static str,
    flexible_from: i16,
    fields: &'static [Field],
}

/// One field: where it exists and what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    name: &'static str,
    since: i16,
    until: i16,
    /// Set for fields that stand in the tagged section.
    tag: Option<u32>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A number or id of this many bytes.
    Fixed(usize),
    String,
    /// Bytes or records.
    Bytes,
    Struct(&'static [Field]),
    /// A struct behind a byte that is negative for null.
    NullableStruct(&'static [Field]),
    /// An array of `element`, each of which takes `memory` bytes when decoded.
    Array {
        element: &'static Kind,
        memory: usize,
    },
}

/// No version of any API is flexible.
const NEVER: i16 = i16::MAX;

const fn layout(name: &'static str, flexible_from: i16, fields: &'static [Field]) -> Layout {
    Layout {
        name,
        flexible_from,
        fields,
    }
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        since: 0,
        until: i16::MAX,
        tag: None,
        kind,
    }
}

impl Field {
    /// The field exists from this version on.
    const fn since(self, version: i16) -> Field {
        Field {
            since: version,
            ..self
        }
    }

    /// The field exists up to and including this version.
    const fn until(self, version: i16) -> Field {
        Field {
            until: version,
            ..self
        }
    }

    /// The field stands in the tagged section under this number.
    const fn tagged(self, tag: u32) -> Field {
        Field {
            tag: Some(tag),
            ..self
        }
    }

    fn exists_in(&self, version: i16) -> bool {
        self.since <= version && version <= self.until
    }
}

/// A boolean or an 8-bit number.
const fn int8(name: &'static str) -> Field {
    field(name, Kind::Fixed(1))
}

const fn int16(name: &'static str) -> Field {
    field(name, Kind::Fixed(2))
}

const fn int32(name: &'static str) -> Field {
    field(name, Kind::Fixed(4))
}

const fn int64(name: &'static str) -> Field {
    field(name, Kind::Fixed(8))
}

const fn uuid(name: &'static str) -> Field {
    field(name, Kind::Fixed(16))
}

const fn string(name: &'static str) -> Field {
    field(name, Kind::String)
}

const fn bytes(name: &'static str) -> Field {
    field(name, Kind::Bytes)
}

const fn structure(name: &'static str, fields: &'static [Field]) -> Field {
    field(name, Kind::Struct(fields))
}

const fn nullable_structure(name: &'static str, fields: &'static [Field]) -> Field {
    field(name, Kind::NullableStruct(fields))
}

/// An array of numbers or ids of `N` bytes.
const fn array_of_fixed<const N: usize>(name: &'static str) -> Field {
    field(
        name,
        Kind::Array {
            element: &const { Kind::Fixed(N) },
            memory: N,
        },
    )
}

const fn array_of_strings(name: &'static str) -> Field {
    field(
        name,
        Kind::Array {
            element: &Kind::String,
            memory: size_of::<crate::StrBytes>(),
        },
    )
}

/// An array of the struct `T` of `messages`, whose element is `element` (made by [`elements`]).
const fn array<T>(name: &'static str, element: &'static Kind) -> Field {
    field(
        name,
        Kind::Array {
            element,
            memory: size_of::<T>(),
        },
    )
}

const fn elements(fields: &'static [Field]) -> Kind {
    Kind::Struct(fields)
}
