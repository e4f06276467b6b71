//! Offsets of consumers that keep them in ZooKeeper.

use ottla_metadata::Offset;

use crate::error::{WriteResult, ZkError};
use crate::path;
use crate::zk::Zk;
use crate::znode::{ConsumerOffset, Znode};

impl Zk {
    /// A group's position in a partition, if it has stored one.
    ///
    /// # Errors
    /// ZooKeeper failed, or the node is malformed.
    pub async fn consumer_offset(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
    ) -> Result<Option<Offset>, ZkError> {
        let at = path::consumer_offset(group, topic, partition);
        let found = self.read::<ConsumerOffset>(&at, None).await?;
        Ok(found.map(|offset| offset.value.0))
    }

    /// Stores a group's position in a partition, creating the nodes on the way. The last writer
    /// wins, so repeating it after `Unknown` is safe.
    ///
    /// # Errors
    /// The outcomes of a write.
    pub async fn write_consumer_offset(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
        offset: Offset,
    ) -> WriteResult<()> {
        let at = path::consumer_offset(group, topic, partition);
        let data = ConsumerOffset(offset).encode();
        let session = self.live_for_write()?;
        session.put(&at, &data).await
    }
}
