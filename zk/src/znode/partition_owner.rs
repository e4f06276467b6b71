//! `/consumers/<group>/owners/<topic>/<p>`: which thread of a group reads a partition, as plain text.

use super::{Malformed, Znode};

/// The owner of a partition: `<consumer id>-<number of the thread>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOwner(pub String);

impl Znode for PartitionOwner {
    fn decode(data: &[u8]) -> Result<PartitionOwner, Malformed> {
        match std::str::from_utf8(data) {
            Ok(text) => Ok(PartitionOwner(text.to_owned())),
            Err(_) => Err(Malformed("the owner is not text".to_owned())),
        }
    }

    fn encode(&self) -> Vec<u8> {
        self.0.clone().into_bytes()
    }
}
