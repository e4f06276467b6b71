//! What a run is made of.

use ottla_metadata::Millis;
use ottla_partition::{Rules, Truncation};

use crate::network::Weather;
use crate::port::MILLI;
use crate::random::Random;

/// What may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Processes are killed, stopped for a while and started again.
    pub processes: bool,
    /// Links are cut, and messages held up.
    pub network: bool,
    /// ZooKeeper sessions expire.
    pub sessions: bool,
    /// Power fails, and with it goes what was not flushed.
    pub power: bool,
    /// Topics come, grow and go, leaders are moved.
    pub admin: bool,
}

impl Faults {
    /// None of them.
    pub const NONE: Faults = Faults {
        processes: false,
        network: false,
        sessions: false,
        power: false,
        admin: false,
    };

    /// All of them.
    pub const ALL: Faults = Faults {
        processes: true,
        network: true,
        sessions: true,
        power: true,
        admin: true,
    };
}

/// How long and how hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How often trouble is followed by healing.
    pub rounds: u32,
    /// How long the trouble of a round lasts, in virtual milliseconds.
    pub trouble_ms: Millis,
    /// How long it may take afterwards until all is well again.
    pub healing_ms: Millis,
    /// Brokers; drawn from the seed if `None`.
    pub brokers: Option<i32>,
    /// What may go wrong; each seed draws from it.
    pub faults: Faults,
    /// Whether the trace is kept. A run that ends in a violation is repeated with it anyway.
    pub traced: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            rounds: 3,
            trouble_ms: 8_000,
            healing_ms: 60_000,
            brokers: None,
            faults: Faults::ALL,
            traced: false,
        }
    }
}

/// The cluster that a seed draws.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) brokers: i32,
    pub(crate) faults: Faults,
    pub(crate) min_isr: usize,
    pub(crate) replication: usize,
    pub(crate) truncation: Truncation,
    /// AlterPartition, or state nodes written by leaders.
    pub(crate) alter_partition: bool,
    pub(crate) unclean: bool,
    pub(crate) watchdog: bool,
    pub(crate) lag_max: Millis,
    pub(crate) session_timeout: Millis,
    pub(crate) flush_every: Millis,
    pub(crate) checkpoint_every: Millis,
    pub(crate) calm: Weather,
    pub(crate) rough: Weather,
    pub(crate) mistakes: Mistakes,
}

/// Mistakes of old releases that are not in the brains, but can be made by what drives them. Tests
/// make them to see that they would be noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// Leaders answer OffsetForLeaderEpoch without the epoch (before KIP-279).
    pub epochless_answers: bool,
    /// The controller's writes do not check the controller epoch (before KAFKA-6082).
    pub unfenced_writes: bool,
    /// A broker whose id is in `/controller` believes that it is the controller, and stands no more
    /// (KAFKA-13407).
    pub trusts_controller_node: bool,
    /// A leader whose write of an ISR is refused does not look why (KAFKA-2729).
    pub trusts_cached_version: bool,
}

impl Cluster {
    pub(crate) fn draw(seed: u64, options: &Options) -> Cluster {
        let mut random = Random::stream(seed, "cluster");
        let brokers = i32::try_from(random.between(3, 6)).unwrap_or(3);
        let faults = options.faults;
        Cluster {
            brokers: options.brokers.unwrap_or(brokers),
            faults: Faults {
                processes: faults.processes,
                network: faults.network && !random.one_in(4),
                sessions: faults.sessions && !random.one_in(3),
                power: faults.power && random.one_in(3),
                admin: faults.admin && !random.one_in(3),
            },
            min_isr: if random.one_in(4) { 1 } else { 2 },
            replication: if random.one_in(4) { 2 } else { 3 },
            truncation: match random.one_in(3) {
                true => Truncation::ByEpochRequest,
                false => Truncation::OnFetch,
            },
            alter_partition: !random.one_in(3),
            unclean: random.one_in(8),
            watchdog: random.one_in(2),
            lag_max: random.between(800, 2_500),
            session_timeout: random.between(1_000, 3_000),
            flush_every: random.between(200, 3_000),
            checkpoint_every: random.between(100, 2_000),
            calm: Weather {
                delay: 2 * MILLI,
                stall_one_in: i64::MAX,
                stall: 0,
            },
            rough: Weather {
                delay: random.between(2, 20) * MILLI,
                stall_one_in: random.between(30, 400),
                stall: random.between(50, 1_500) * MILLI,
            },
            mistakes: Mistakes::default(),
        }
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            min_insync_replicas: self.min_isr,
            lag_max_ms: self.lag_max,
            lag_max_messages: None,
            truncation: self.truncation,
            fetch_backoff_ms: 100,
        }
    }

    pub(crate) fn settings(&self) -> ottla_controller::Settings {
        ottla_controller::Settings {
            topic_ids: true,
            leader_recovery: true,
            delete_topics: true,
        }
    }
}
