//! Responses as lists of parts, so that records go from the page cache to the socket uncopied.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

/// A stretch of a response.
#[derive(Clone, Debug)]
pub enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// `len` bytes of `file` from `position`. They must exist when the response is built and stay
    /// unchanged until it is sent; deleting the file's name in between does no harm.
    File {
        /// The open file.
        file: Arc<File>,
        /// Where the stretch begins, in bytes.
        position: u64,
        /// How many bytes.
        len: u64,
    },
}

impl Part {
    /// The number of bytes that the part puts on the wire.
    pub fn len(&self) -> u64 {
        match self {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::File { len, .. } => *len,
        }
    }

    /// Whether the part puts nothing on the wire.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A whole response, header included, without the 4-byte size that goes before it on the wire
/// (`network` writes that).
#[derive(Clone, Debug, Default)]
pub struct ResponseBody {
    /// What to send, in order.
    pub parts: SmallVec<[Part; 4]>,
}

impl ResponseBody {
    /// The number of bytes of all parts.
    pub fn len(&self) -> u64 {
        self.parts.iter().map(Part::len).sum()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(Part::is_empty)
    }
}

impl From<Bytes> for ResponseBody {
    fn from(bytes: Bytes) -> ResponseBody {
        ResponseBody {
            parts: smallvec![Part::Bytes(bytes)],
        }
    }
}
