//! `/consumers/<group>/offsets/<topic>/<p>`: the next offset of a group, as plain text.

use ottla_metadata::Offset;

use super::{Malformed, Znode};

/// A group's position in a partition, as the ZooKeeper consumer and OffsetCommit v0 keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerOffset(pub Offset);

impl Znode for ConsumerOffset {
    fn decode(data: &[u8]) -> Result<ConsumerOffset, Malformed> {
        std::str::from_utf8(data)
            .ok()
            .and_then(|text| text.parse().ok())
            .map(ConsumerOffset)
            .ok_or_else(|| {
                let text = String::from_utf8_lossy(data);
                Malformed(format!("{text:?} is not an offset"))
            })
    }

    fn encode(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}
