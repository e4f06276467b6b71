//! What is special about followers that fetch, and about consumers with a replica near them.

use ottla_metadata::{BrokerId, Offset};
use ottla_partition::Event;

use crate::fetch::{FetchOrigin, FetchPartition, FetchSpec, Look, Read, Turn};
use crate::manager::ReplicaManager;
use crate::replica::Replica;

impl ReplicaManager {
    /// Tells the brain how far a follower has come. One that has to truncate is not where it says.
    pub(crate) fn follower_fetched(
        &self,
        replica: &Replica,
        spec: &FetchSpec,
        wanted: &FetchPartition,
        turn: Turn,
        mut read: Read,
    ) -> Read {
        if let (FetchOrigin::Follower(from), Turn::First, None) =
            (spec.origin, turn, read.fetched.diverging)
        {
            let (at, log_start) = (wanted.fetch_offset, wanted.log_start_offset);
            let event = Event::FollowerFetched {
                from,
                at,
                log_start,
            };
            let mut state = replica.state();
            let aftermath = replica.step(&mut state, self.now(), event);
            read.fetched.high_watermark = state.brain.high_watermark();
            drop(state);
            self.finish(replica, aftermath);
        }
        read
    }

    /// Whether a follower gets nothing for now: it is throttled, the quota is exceeded, and it is
    /// not in sync, so that throttling does not shrink the ISR (`shouldLeaderThrottle`).
    pub(crate) fn holds_back(&self, replica: &Replica, spec: &FetchSpec) -> bool {
        let FetchOrigin::Follower(from) = spec.origin else {
            return false;
        };
        if !replica
            .rules
            .load()
            .throttled_leaders
            .has(&replica.partition)
        {
            return false;
        }
        let is_in_sync = replica
            .state()
            .brain
            .leader()
            .is_some_and(|leader| leader.isr.settled().contains(&from));
        let mut quota = self.throttles.leader.lock();
        !is_in_sync && quota.exceeded_until(self.now()).is_some()
    }

    /// Counts what is about to be sent to throttled followers, in sync or not.
    pub(crate) fn count_throttled(&self, spec: &FetchSpec, look: &Look) {
        if !matches!(spec.origin, FetchOrigin::Follower(_)) || look.bytes == 0 {
            return;
        }
        let mut bytes = 0;
        for (wanted, result) in spec.partitions.iter().zip(&look.results) {
            let records = result
                .as_ref()
                .ok()
                .and_then(|fetched| fetched.records.as_ref());
            let Some(records) = records else {
                continue;
            };
            let Ok(replica) = self.online(&wanted.topic, wanted.partition) else {
                continue;
            };
            let rules = replica.rules.load();
            if rules.throttled_leaders.has(&replica.partition) {
                bytes += records.len;
            }
        }
        if bytes > 0 {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            self.throttles.leader.lock().record(self.now(), bytes);
        }
    }

    /// The replica in its rack that a consumer should read from instead.
    pub(crate) fn nearest_replica(
        &self,
        replica: &Replica,
        spec: &FetchSpec,
        wanted: &FetchPartition,
    ) -> Option<BrokerId> {
        let place = spec.place.as_ref().filter(|_| self.settings.rack_aware)?;
        let image = self.image.load();
        let is_near = |id: BrokerId| {
            let broker = image.brokers.get(&id);
            broker.is_some_and(|broker| {
                broker.rack.as_deref() == Some(&*place.rack)
                    && broker.endpoint(&place.listener).is_some()
            })
        };
        replica
            .state()
            .brain
            .nearest_replica(wanted.fetch_offset, is_near)
    }

    /// Whether a follower is answered at once because it does not know the high watermark: its
    /// consumers see no further than it knows. Kafka did so in 2.4 and has left it since
    /// (KAFKA-9731), because it also cost those who had no consumers at followers.
    pub(crate) fn tells_watermark(
        &self,
        spec: &FetchSpec,
        wanted: &FetchPartition,
        high_watermark: Offset,
    ) -> bool {
        let is_follower = matches!(spec.origin, FetchOrigin::Follower(_));
        self.settings.rack_aware
            && is_follower
            && (0..high_watermark).contains(&wanted.known_high_watermark)
    }
}
