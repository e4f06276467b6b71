//! Producer ids, handed out from blocks that the cluster grants.
//!
//! The next block is fetched when nine tenths of the current one are gone (Kafka's
//! `ProducerIdManager`), so that as a rule nobody waits for ZooKeeper.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ottla_cluster::StoreError;
use parking_lot::Mutex;

use crate::cluster_port::ClusterPort;

/// What is left of the blocks. Cheap to clone; clones share the blocks.
#[derive(Clone, Default)]
pub(crate) struct ProducerIds {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    blocks: Mutex<Blocks>,
    /// Held by whoever fetches a block: one at a time.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Blocks {
    ranges: VecDeque<RangeInclusive<i64>>,
    /// With fewer ids the next block is fetched.
    reserve: i64,
    is_fetching: bool,
}

impl Blocks {
    fn take(&mut self) -> Option<i64> {
        loop {
            if let Some(id) = self.ranges.front_mut()?.next() {
                return Some(id);
            }
            self.ranges.pop_front();
        }
    }

    fn left(&self) -> i64 {
        self.ranges.iter().map(size).fold(0, i64::saturating_add)
    }

    fn put(&mut self, block: RangeInclusive<i64>) {
        self.reserve = size(&block) / 10;
        self.ranges.push_back(block);
    }
}

fn size(block: &RangeInclusive<i64>) -> i64 {
    if block.is_empty() {
        return 0;
    }
    block.end().saturating_sub(*block.start()).saturating_add(1)
}

impl ProducerIds {
    /// The next id if there is one, fetching a block ahead of need.
    pub(crate) fn try_next(&self, cluster: &Arc<dyn ClusterPort>) -> Option<i64> {
        let mut blocks = self.shared.blocks.lock();
        let id = blocks.take()?;
        if blocks.left() < blocks.reserve && !blocks.is_fetching {
            blocks.is_fetching = true;
            let (ids, cluster) = (self.clone(), Arc::clone(cluster));
            tokio::spawn(async move {
                if let Err(error) = ids.fetch(&cluster).await {
                    tracing::warn!(%error, "no block of producer ids fetched ahead");
                }
                ids.shared.blocks.lock().is_fetching = false;
            });
        }
        Some(id)
    }

    /// The next id, waiting for a block if there is none.
    ///
    /// # Errors
    /// The cluster grants no block.
    pub(crate) async fn next(&self, cluster: &Arc<dyn ClusterPort>) -> Result<i64, StoreError> {
        loop {
            if let Some(id) = self.try_next(cluster) {
                return Ok(id);
            }
            self.fetch(cluster).await?;
        }
    }

    async fn fetch(&self, cluster: &Arc<dyn ClusterPort>) -> Result<(), StoreError> {
        let _alone = self.shared.fetching.lock().await;
        let is_low = |blocks: &Blocks| blocks.left() <= blocks.reserve;
        if !is_low(&self.shared.blocks.lock()) {
            return Ok(()); // somebody else has fetched meanwhile
        }
        let block = cluster.allocate_producer_ids().await?;
        tracing::info!(
            first = block.start(),
            last = block.end(),
            "new block of producer ids"
        );
        self.shared.blocks.lock().put(block);
        Ok(())
    }
}
