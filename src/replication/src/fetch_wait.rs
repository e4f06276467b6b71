//! Long polling: a fetch that has too little to answer waits at every partition it reads.

use std::sync::Arc;

use ottla_metadata::Offset;
use tokio::time::Instant;

use crate::fetch::{FetchPartition, FetchResults, FetchSpec, HELD_BACK, Look, ReadBound};
use crate::manager::ReplicaManager;
use crate::readers::FetchWake;
use crate::replica::Replica;

impl ReplicaManager {
    pub(crate) async fn wait_for_data(
        self: Arc<Self>,
        spec: FetchSpec,
        mut look: Look,
    ) -> (FetchSpec, FetchResults) {
        let deadline = Instant::now() + spec.max_wait;
        loop {
            let missing = spec.min_bytes.saturating_sub(look.bytes).max(1);
            let wake = Arc::new(FetchWake::new(i64::try_from(missing).unwrap_or(i64::MAX)));
            let places = self.take_places(&spec, &look, &wake);
            let others = async {
                match &spec.lookout {
                    Some(lookout) => lookout.woken().await,
                    None => std::future::pending().await,
                }
            };
            let is_over = tokio::select! {
                biased;
                () = wake.woken() => false,
                () = others => true,
                () = tokio::time::sleep_until(deadline) => true,
            };
            drop(places);
            let mut news = wake.take_touched();
            if is_over {
                news.extend(look.unwatched());
            }
            self.look_at(&spec, &mut look, &news);
            if is_over || wake.has_enough() || spec.is_satisfied_by(&look) {
                self.count_throttled(&spec, &look);
                return (spec, look.results);
            }
        }
    }

    fn take_places(&self, spec: &FetchSpec, look: &Look, wake: &Arc<FetchWake>) -> Vec<Place> {
        let seen = look.bounds.iter().zip(&look.results);
        let seen = seen.map(|(bound, result)| Seen {
            bound: *bound,
            high_watermark: result.as_ref().map_or(-1, |fetched| fetched.high_watermark),
        });
        let partitions = spec.partitions.iter().zip(seen).enumerate();
        partitions
            .filter_map(|(place, (wanted, seen))| {
                self.take_place(spec, (place, wanted), seen, wake)
            })
            .collect()
    }

    /// Enters the partition's list. If the bound has moved since the look, there is more to see
    /// already; if the partition has gone, a look will tell.
    fn take_place(
        &self,
        spec: &FetchSpec,
        (place, wanted): (usize, &FetchPartition),
        seen: Seen,
        wake: &Arc<FetchWake>,
    ) -> Option<Place> {
        if seen.bound == HELD_BACK {
            return None;
        }
        let Ok(replica) = self.online(&wanted.topic, wanted.partition) else {
            if seen.bound >= 0 {
                wake.look_again(place);
            }
            return None;
        };
        let bound = spec.bound();
        let tells_watermark = self.tells_watermark(spec, wanted, i64::MAX);
        let mut state = replica.state();
        if self.tells_watermark(spec, wanted, state.brain.high_watermark()) {
            wake.look_again(place);
        }
        let now = match bound {
            ReadBound::LogEnd => replica.log().log_end_offset(),
            ReadBound::HighWatermark => state.brain.high_watermark(),
            ReadBound::LastStable => replica
                .log()
                .last_stable_offset()
                .min(state.brain.high_watermark()),
        };
        if now != seen.bound {
            wake.look_again(place);
        }
        if state.brain.high_watermark() != seen.high_watermark {
            wake.touch(place);
        }
        let id = state
            .readers
            .enter(bound, tells_watermark, place, Arc::clone(wake));
        drop(state);
        Some(Place { replica, id })
    }
}

/// How far a look has seen.
#[derive(Clone, Copy)]
struct Seen {
    bound: Offset,
    high_watermark: Offset,
}

/// A place in a partition's list of readers, given up when dropped.
struct Place {
    replica: Arc<Replica>,
    id: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.replica.state().readers.leave(self.id);
    }
}
