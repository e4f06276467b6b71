//! `/latest_producer_id_block`: the last block of producer ids that a broker took
//! (`ProducerIdBlockZNode`).

use ottla_metadata::BrokerId;
use serde_json::json;

use super::{Malformed, Znode, json};

/// How many ids a block has.
pub const PRODUCER_ID_BLOCK_SIZE: i64 = 1000;

/// A block of producer ids; both ends are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// Who took it.
    pub broker: BrokerId,
    /// The first id.
    pub first: i64,
    /// The last id.
    pub last: i64,
}

impl ProducerIdBlock {
    /// The block that `broker` takes after `previous`; `None` when the ids are used up.
    pub fn after(previous: Option<ProducerIdBlock>, broker: BrokerId) -> Option<ProducerIdBlock> {
        let first = match previous {
            None => 0,
            Some(block) => block.last.checked_add(1)?,
        };
        let last = first.checked_add(PRODUCER_ID_BLOCK_SIZE - 1)?;
        Some(ProducerIdBlock {
            broker,
            first,
            last,
        })
    }
}

impl Znode for ProducerIdBlock {
    fn decode(data: &[u8]) -> Result<ProducerIdBlock, Malformed> {
        let fields = json::object(data)?;
        let block = ProducerIdBlock {
            broker: BrokerId(fields.int("broker")?),
            first: fields.long_in_string("block_start")?,
            last: fields.long_in_string("block_end")?,
        };
        if block.first < 0 || block.last < block.first {
            return Err(Malformed(format!(
                "{} to {} is no block of producer ids",
                block.first, block.last
            )));
        }
        Ok(block)
    }

    fn encode(&self) -> Vec<u8> {
        json::text(&json!({
            "version": 1,
            "broker": self.broker.0,
            "block_start": self.first.to_string(),
            "block_end": self.last.to_string(),
        }))
    }
}
