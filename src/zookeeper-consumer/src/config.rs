//! How a consumer is set up.

use std::time::Duration;

use ottla_client::{ConsumerOptions, OffsetSpec};
use ottla_zk::ZkConfig;
use ottla_zk::znode::Subscription;

use crate::assignment::AssignmentStrategy;
use crate::error::ConsumerError;
use crate::filter::TopicFilter;
use crate::rebalance::Patience;

/// `auto.offset.reset`: where a group begins that has no offset, or one that is not in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// `smallest`.
    Smallest,
    /// `largest`.
    #[default]
    Largest,
}

impl Reset {
    pub(crate) fn spec(self) -> OffsetSpec {
        match self {
            Reset::Smallest => OffsetSpec::Earliest,
            Reset::Largest => OffsetSpec::Latest,
        }
    }
}

/// A consumer's settings.
#[derive(Clone)]
pub struct ConsumerConfig {
    /// Where ZooKeeper is.
    pub zookeeper: ZkConfig,
    /// `group.id`.
    pub group: String,
    /// What to read, in one stream.
    pub subscription: Subscription,
    /// `client.id`.
    pub client_id: String,
    /// `auto.offset.reset`.
    pub reset: Reset,
    /// `auto.commit.interval.ms`; none without `auto.commit.enable`.
    pub auto_commit: Option<Duration>,
    /// `partition.assignment.strategy`.
    pub strategy: AssignmentStrategy,
    /// `rebalance.max.retries`.
    pub rebalance_tries: u32,
    /// `rebalance.backoff.ms`.
    pub rebalance_backoff: Duration,
    /// How records are fetched. `reset` is ours.
    pub fetch: ConsumerOptions,
}

impl ConsumerConfig {
    /// The old consumer's defaults.
    pub fn new(connect: &str, group: &str, subscription: Subscription) -> ConsumerConfig {
        ConsumerConfig {
            zookeeper: ZkConfig {
                session_timeout: Duration::from_millis(6_000),
                connection_timeout: Duration::from_millis(6_000),
                ..ZkConfig::new(connect)
            },
            group: group.to_owned(),
            subscription,
            client_id: group.to_owned(),
            reset: Reset::default(),
            auto_commit: Some(Duration::from_secs(60)),
            strategy: AssignmentStrategy::default(),
            rebalance_tries: 4,
            rebalance_backoff: Duration::from_millis(2_000),
            fetch: ConsumerOptions {
                max_wait: Duration::from_millis(100),
                ..ConsumerOptions::default()
            },
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConsumerError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let relative = matches!(self.group.as_str(), "" | "." | "..");
        if relative || !self.group.chars().all(legal) {
            return Err(ConsumerError::BadGroup {
                group: self.group.clone(),
            });
        }
        TopicFilter::of(&self.subscription)?;
        Ok(())
    }

    pub(crate) fn patience(&self) -> Patience {
        let backoff_ms = self.rebalance_backoff.as_millis();
        Patience {
            tries: self.rebalance_tries,
            backoff_ms: backoff_ms.try_into().unwrap_or(i64::MAX),
        }
    }
}
