//! What there is one of in a cluster: its id, the counter of generated broker ids, the blocks of
//! producer ids, the finalized features.

use ottla_metadata::BrokerId;

use crate::error::{Conflict, WriteError, ZkError};
use crate::node::{Versioned, stopped};
use crate::path;
use crate::watch::{Watch, WatchEvent};
use crate::zk::Zk;
use crate::znode::{ClusterId, Feature, ProducerIdBlock, Znode};

/// How often a compare-and-set is tried again when others are faster.
const CONTENTION_LIMIT: usize = 100;

impl Zk {
    /// The cluster's id, drawn and stored if this is the first broker ever. When several brokers
    /// start at once all get the id that was stored first.
    ///
    /// # Errors
    /// ZooKeeper failed, or the node is malformed.
    pub async fn get_or_create_cluster_id(&self) -> Result<ClusterId, ZkError> {
        let action = "storing the cluster id";
        let session = self.live()?;
        loop {
            if let Some(found) = self.read::<ClusterId>(path::CLUSTER_ID, None).await? {
                return Ok(found.value);
            }
            session.ensure("/cluster").await?;
            let drawn = ClusterId::random();
            match session.create(path::CLUSTER_ID, &drawn.encode()).await {
                Ok(()) => return Ok(drawn),
                // Somebody was faster, or we were and do not know it.
                Err(WriteError::Unknown { .. }) => {}
                Err(error) if error.conflict() == Some(Conflict::Exists) => {}
                Err(error) => return Err(stopped(error, action)),
            }
        }
    }

    /// The cluster's id, if a broker has ever started.
    ///
    /// # Errors
    /// ZooKeeper failed, or the node is malformed.
    pub async fn cluster_id(&self) -> Result<Option<ClusterId>, ZkError> {
        let found = self.read::<ClusterId>(path::CLUSTER_ID, None).await?;
        Ok(found.map(|found| found.value))
    }

    /// A number that no other broker gets: the generated broker id is `reserved.broker.max.id`
    /// plus this, so the first is 1001. The number is the version of `/brokers/seqid` after an
    /// unconditional write.
    ///
    /// # Errors
    /// ZooKeeper failed.
    pub async fn next_broker_sequence(&self) -> Result<i32, ZkError> {
        let action = "drawing a broker id";
        let session = self.live()?;
        loop {
            match session.set(path::BROKER_SEQ_ID, &[], None).await {
                Ok(stat) => return Ok(stat.version),
                // A number that was drawn and not heard of is skipped.
                Err(WriteError::Unknown { .. }) => {}
                Err(error) if error.conflict() == Some(Conflict::Missing) => {
                    session.ensure(path::BROKER_SEQ_ID).await?;
                }
                Err(error) => return Err(stopped(error, action)),
            }
        }
    }

    /// Takes the next block of producer ids for `broker`.
    ///
    /// # Errors
    /// ZooKeeper failed, the node is malformed, or all ids are used up ([`ZkError::Malformed`]).
    pub async fn allocate_producer_ids(
        &self,
        broker: BrokerId,
    ) -> Result<ProducerIdBlock, ZkError> {
        let action = "taking a block of producer ids";
        let at = path::PRODUCER_ID_BLOCK;
        let session = self.live()?;
        for _ in 0..CONTENTION_LIMIT {
            let found = session.get(at, None).await?;
            let malformed = |reason: String| crate::MalformedZnode {
                path: at.to_owned(),
                reason,
            };
            let previous = match &found {
                Some((data, _)) if !data.is_empty() => {
                    Some(ProducerIdBlock::decode(data).map_err(|e| malformed(e.0))?)
                }
                // Kafka creates the node without data.
                Some(_) | None => None,
            };
            let block = ProducerIdBlock::after(previous, broker)
                .ok_or_else(|| malformed("all producer ids are used up".to_owned()))?;
            let stored = match found {
                None => session.create(at, &block.encode()).await,
                Some((_, stat)) => {
                    let stored = session.set(at, &block.encode(), Some(stat.version)).await;
                    stored.map(|_| ())
                }
            };
            match stored {
                Ok(()) => return Ok(block),
                // If it was stored after all, the block is skipped: ids are plenty, and taking it
                // twice would be fatal.
                Err(WriteError::Unknown { .. }) => {}
                Err(error) if error.conflict().is_some() => {}
                Err(error) => return Err(stopped(error, action)),
            }
        }
        Err(ZkError::Contended {
            path: at.to_owned(),
            action,
        })
    }

    /// The finalized features; the version of the node is their epoch.
    ///
    /// # Errors
    /// ZooKeeper failed, or the node is malformed.
    pub async fn feature(&self, watch: Watch) -> Result<Option<Versioned<Feature>>, ZkError> {
        let event = (watch == Watch::Arm).then_some(WatchEvent::FeatureChanged);
        self.read(path::FEATURE, event).await
    }
}
