//! Which replica a consumer should read from (KIP-392, `ReplicaManager.findPreferredReadReplica`).

use ottla_metadata::{BrokerId, Offset};

use crate::partition::Partition;

impl Partition {
    /// The replica nearer to a consumer at `at` than this leader, if there is one
    /// (`RackAwareReplicaSelector`): of the in-sync replicas in the consumer's rack that have the
    /// offset, the one that has come furthest. `None`: read here.
    pub fn nearest_replica(
        &self,
        at: Offset,
        is_near: impl Fn(BrokerId) -> bool,
    ) -> Option<BrokerId> {
        let leader = self.leader()?;
        if is_near(self.local) {
            return None;
        }
        let in_sync = leader.isr.settled();
        let candidates = leader.followers.iter().filter_map(|(id, progress)| {
            let log_end = progress.log_end?;
            let has_offset = log_end >= at && progress.log_start.unwrap_or(-1) <= at;
            let fits = has_offset && in_sync.contains(id) && is_near(*id);
            fits.then_some((log_end, progress.last_caught_up_ms, *id))
        });
        candidates.max().map(|(_, _, id)| id)
    }
}
