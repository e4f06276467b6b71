//! When the controller is told of in-sync replicas that were changed behind its back
//! (`ZkAlterPartitionManager.maybePropagateIsrChanges`).

use std::collections::BTreeSet;
use std::time::Duration;

use ottla_metadata::TopicPartition;
use tokio::time::Instant;

/// How often it is looked whether there is something to tell.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_millis(2500);
/// Further changes are waited for this long.
const LINGER: Duration = Duration::from_secs(5);
/// The controller is told at least this often.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Changes that the controller has not been told of.
pub(super) struct Notices {
    changed: BTreeSet<TopicPartition>,
    last_change: Instant,
    last_told: Instant,
}

impl Notices {
    pub(super) fn new(now: Instant) -> Notices {
        Notices {
            changed: BTreeSet::new(),
            last_change: now,
            last_told: now,
        }
    }

    pub(super) fn changed(&mut self, now: Instant, partition: TopicPartition) {
        self.changed.insert(partition);
        self.last_change = now;
    }

    /// What is to be told now, if anything.
    pub(super) fn due(&self, now: Instant) -> Option<Vec<TopicPartition>> {
        let quiet = now.saturating_duration_since(self.last_change) > LINGER;
        let late = now.saturating_duration_since(self.last_told) > MAX_DELAY;
        let due = !self.changed.is_empty() && (quiet || late);
        due.then(|| self.changed.iter().cloned().collect())
    }

    /// The controller was told.
    pub(super) fn told(&mut self, now: Instant, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.changed.remove(partition);
        }
        self.last_told = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_when_they_cease_and_at_least_once_a_minute() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let tp = |number| TopicPartition::new("t", number);
        let mut notices = Notices::new(start);
        assert_eq!(notices.due(at(70_000)), None);
        notices.changed(at(1000), tp(0));
        notices.changed(at(3000), tp(1));
        assert_eq!(notices.due(at(8000)), None);
        let due = notices.due(at(8001)).unwrap();
        assert_eq!(due, [tp(0), tp(1)]);
        notices.told(at(8001), &due);
        assert_eq!(notices.due(at(30_000)), None);
        // Never a quiet moment.
        for second in 9..=69 {
            notices.changed(at(second * 1000), tp(2));
            let late = second * 1000 > 8001 + 60_000;
            assert_eq!(notices.due(at(second * 1000)).is_some(), late, "{second}");
        }
    }
}
