//! Replication quotas (KIP-73): which replicas are throttled, and whether the rate is exceeded.
//!
//! A rate is judged over the last seconds, so that after a burst nothing flows until the average is
//! back below the limit (`ReplicationQuotaManager` over `SimpleRate`). Time is an argument.

use std::collections::VecDeque;

use ottla_config::{ServerConfig, TopicConfig};
use ottla_metadata::{BrokerId, Millis, TopicPartition};
use parking_lot::Mutex;

/// The bytes of the last samples against a limit.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    /// Bytes per second; `None` for no limit.
    limit: Option<u64>,
    sample_ms: Millis,
    samples: usize,
    /// When each sample began, and its bytes, oldest first.
    taken: VecDeque<(Millis, u64)>,
}

impl Throttle {
    pub(crate) fn new(limit: Option<u64>, samples: usize, sample_ms: Millis) -> Throttle {
        Throttle {
            limit,
            sample_ms: sample_ms.max(1),
            samples: samples.max(1),
            taken: VecDeque::new(),
        }
    }

    pub(crate) fn set_limit(&mut self, limit: Option<u64>) {
        self.limit = limit;
    }

    /// So many bytes went through.
    pub(crate) fn record(&mut self, now: Millis, bytes: u64) {
        self.forget(now);
        match self.taken.back_mut() {
            Some((began, sum)) if now < began.saturating_add(self.sample_ms) => {
                *sum = sum.saturating_add(bytes);
            }
            _ => self.taken.push_back((now, bytes)),
        }
    }

    /// When bytes may flow again, if the limit is exceeded now.
    pub(crate) fn exceeded_until(&mut self, now: Millis) -> Option<Millis> {
        let limit = self.limit?;
        self.forget(now);
        let (oldest, _) = self.taken.front().copied()?;
        let total: u128 = self.taken.iter().map(|(_, bytes)| u128::from(*bytes)).sum();
        let elapsed = now.saturating_sub(oldest).max(self.sample_ms);
        if total * 1000 <= u128::from(limit) * u128::from(elapsed.unsigned_abs()) {
            return None;
        }
        let needed = (total * 1000)
            .checked_div(u128::from(limit))
            .and_then(|ms| Millis::try_from(ms.saturating_add(1)).ok())
            .unwrap_or(Millis::MAX);
        let flows = oldest.saturating_add(needed);
        // When the oldest sample is forgotten the sum is another one.
        Some(flows.min(self.expiry(oldest)).max(now.saturating_add(1)))
    }

    fn expiry(&self, began: Millis) -> Millis {
        let kept = Millis::try_from(self.samples).unwrap_or(Millis::MAX);
        began.saturating_add(self.sample_ms.saturating_mul(kept))
    }

    fn forget(&mut self, now: Millis) {
        while self
            .taken
            .front()
            .is_some_and(|(began, _)| self.expiry(*began) <= now)
        {
            self.taken.pop_front();
        }
    }
}

/// The two quotas of a broker.
pub(crate) struct Throttles {
    /// What leaders here send.
    pub(crate) leader: Mutex<Throttle>,
    /// What followers here fetch.
    pub(crate) follower: Mutex<Throttle>,
}

/// The settings of the two quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleSettings {
    /// `leader.replication.throttled.rate`, bytes per second.
    pub leader_rate: Option<u64>,
    /// `follower.replication.throttled.rate`, bytes per second.
    pub follower_rate: Option<u64>,
    /// `replication.quota.window.num`.
    pub samples: usize,
    /// `replication.quota.window.size.seconds`, in milliseconds.
    pub sample_ms: Millis,
}

impl ThrottleSettings {
    /// What the configuration says.
    pub fn of(config: &ServerConfig) -> ThrottleSettings {
        let replication = &config.replication;
        ThrottleSettings {
            leader_rate: replication.leader_throttled_rate,
            follower_rate: replication.follower_throttled_rate,
            samples: replication.quota_samples,
            sample_ms: crate::convert::millis(replication.quota_sample),
        }
    }
}

/// No limits, eleven samples of a second.
impl Default for ThrottleSettings {
    fn default() -> ThrottleSettings {
        ThrottleSettings {
            leader_rate: None,
            follower_rate: None,
            samples: 11,
            sample_ms: 1000,
        }
    }
}

impl Throttles {
    pub(crate) fn new(settings: ThrottleSettings) -> Throttles {
        let throttle =
            |limit| Mutex::new(Throttle::new(limit, settings.samples, settings.sample_ms));
        Throttles {
            leader: throttle(settings.leader_rate),
            follower: throttle(settings.follower_rate),
        }
    }
}

/// Which partitions of a topic are throttled on this broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Throttled {
    #[default]
    None,
    All,
    These(Vec<i32>),
}

impl Throttled {
    /// From `*` or pairs of partition and broker (`TopicConfigHandler.parseThrottledPartitions`).
    pub(crate) fn parse(items: &[String], broker: BrokerId) -> Throttled {
        if items.iter().any(|item| item.trim() == "*") {
            return Throttled::All;
        }
        let on_this_broker = |item: &String| {
            let (partition, id) = item.trim().split_once(':')?;
            let is_ours = id.trim().parse() == Ok(broker.0);
            partition.trim().parse().ok().filter(|_| is_ours)
        };
        let mut these: Vec<i32> = items.iter().filter_map(on_this_broker).collect();
        these.sort_unstable();
        match these.is_empty() {
            true => Throttled::None,
            false => Throttled::These(these),
        }
    }

    pub(crate) fn leaders(topic: &TopicConfig, broker: BrokerId) -> Throttled {
        Throttled::parse(&topic.leader_throttled_replicas, broker)
    }

    pub(crate) fn followers(topic: &TopicConfig, broker: BrokerId) -> Throttled {
        Throttled::parse(&topic.follower_throttled_replicas, broker)
    }

    pub(crate) fn has(&self, partition: &TopicPartition) -> bool {
        match self {
            Throttled::None => false,
            Throttled::All => true,
            Throttled::These(these) => these.binary_search(&partition.partition).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_paid_for() {
        let mut throttle = Throttle::new(Some(1000), 11, 1000);
        assert_eq!(throttle.exceeded_until(0), None);
        throttle.record(0, 1000);
        assert_eq!(throttle.exceeded_until(10), None, "a second's worth");
        throttle.record(10, 4000);
        assert_eq!(throttle.exceeded_until(10), Some(5001));
        assert_eq!(throttle.exceeded_until(4999), Some(5001));
        assert_eq!(throttle.exceeded_until(5001), None);
        throttle.record(5001, 5001);
        assert_eq!(throttle.exceeded_until(5002), Some(10_002));
        assert_eq!(throttle.exceeded_until(10_002), None);
    }

    #[test]
    fn old_samples_are_forgotten() {
        let mut throttle = Throttle::new(Some(10), 11, 1000);
        throttle.record(0, 1_000_000);
        assert_eq!(throttle.exceeded_until(1), Some(11_000));
        assert_eq!(throttle.exceeded_until(11_000), None);
        throttle.set_limit(Some(0));
        assert_eq!(
            throttle.exceeded_until(11_000),
            None,
            "nothing went through"
        );
        throttle.record(11_000, 1);
        assert_eq!(throttle.exceeded_until(11_000), Some(22_000));
        throttle.set_limit(None);
        assert_eq!(throttle.exceeded_until(11_000), None);
    }

    /// Whoever sends only when allowed keeps to the rate.
    #[test]
    fn the_rate_is_kept_in_the_long_run() {
        let mut throttle = Throttle::new(Some(2000), 11, 1000);
        let (mut now, mut sent) = (0, 0);
        while now < 600_000 {
            match throttle.exceeded_until(now) {
                Some(until) => now = until,
                None => {
                    throttle.record(now, 700);
                    sent += 700;
                    now += 7;
                }
            }
        }
        let rate = sent * 1000 / now;
        assert!((1800..=2300).contains(&rate), "{rate} bytes per second");
    }

    #[test]
    fn who_is_throttled() {
        let parse = |text: &str| {
            let items: Vec<String> = text.split(',').map(str::to_owned).collect();
            Throttled::parse(&items, BrokerId(1))
        };
        assert_eq!(parse(""), Throttled::None);
        assert_eq!(parse("*"), Throttled::All);
        assert_eq!(parse("3:1,0:2, 2:1"), Throttled::These(vec![2, 3]));
        assert_eq!(parse("0:2"), Throttled::None);
        let has = |partition| parse("3:1,0:2").has(&TopicPartition::new("t", partition));
        assert!(has(3) && !has(0));
    }
}
