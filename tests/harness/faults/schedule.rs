//! Which faults in which order: drawn from a seed, so that a run can be had again.

use std::time::Duration;

use super::{Fault, Target};

/// One fault of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub fault: Fault,
    /// What happens besides while it lasts.
    pub also: Option<Fault>,
    /// How long each of them lasts.
    pub hold: Duration,
    /// Afterwards: wait until all replicas are in sync, or go on at once with the next fault.
    pub settle: bool,
}

impl Step {
    /// A fault that lasts so long, and after which the cluster may settle.
    pub fn new(fault: Fault, hold_ms: u64) -> Step {
        Step {
            fault,
            also: None,
            hold: Duration::from_millis(hold_ms),
            settle: true,
        }
    }

    /// A second fault begins when half of the first has passed.
    #[must_use]
    pub fn with(mut self, also: Fault) -> Step {
        self.also = Some(also);
        self
    }

    /// The next fault follows at once.
    #[must_use]
    pub fn unsettled(mut self) -> Step {
        self.settle = false;
        self
    }
}

/// Which faults are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// Those of processes and of the wires to ZooKeeper, which end in proxies.
    Processes,
    /// Those of processes and of the network, which is one of namespaces.
    All,
}

/// SplitMix64: small, and the same everywhere and for ever.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn fault(&mut self, partitions: i32, brokers: i32, faults: Faults) -> Fault {
        let partition = self.below(u64::from(partitions.unsigned_abs())) as i32;
        let broker = self.below(u64::from(brokers.unsigned_abs())) as i32;
        let target = match self.below(8) {
            0..=2 => Target::Leader(partition),
            3 | 4 => Target::Follower(partition),
            5 | 6 => Target::Controller,
            _ => Target::Broker(broker),
        };
        let kinds = match faults {
            Faults::Processes => 22,
            Faults::All => 31,
        };
        match self.below(kinds) {
            0..=5 => Fault::Kill(target),
            6..=8 => Fault::Freeze(target),
            9 | 10 => Fault::Expire(target),
            11 | 12 => Fault::Stop(target),
            13 => Fault::KillAll,
            14 | 15 => Fault::ZooKeeperDown,
            16 => Fault::ZooKeeperFrozen,
            17 => Fault::KillWithWatchdog(target),
            18 => Fault::PowerLoss(target),
            19 => Fault::NewDisk(target),
            20 | 21 => match faults {
                Faults::Processes => Fault::LoseAnswers(target),
                Faults::All => Fault::Silence(target),
            },
            22..=24 => Fault::CutFromBrokers(target),
            25..=27 => Fault::CutFromZooKeeper(target),
            _ => Fault::Unplug(target),
        }
    }
}

/// The endless schedule of a seed, for a topic of so many partitions on so many brokers.
pub fn schedule(
    seed: u64,
    partitions: i32,
    brokers: i32,
    faults: Faults,
) -> impl Iterator<Item = Step> {
    let mut random = Random::new(seed);
    std::iter::repeat_with(move || {
        let fault = random.fault(partitions, brokers, faults);
        let also = (random.below(3) == 0).then(|| random.fault(partitions, brokers, faults));
        let hold = match random.below(4) {
            0 => random.below(300),
            1 | 2 => 500 + random.below(2500),
            _ => 3000 + random.below(5000),
        };
        Step {
            fault,
            also,
            hold: Duration::from_millis(hold),
            settle: random.below(3) > 0,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_schedule() {
        let of = |seed, faults| -> Vec<Step> { schedule(seed, 3, 3, faults).take(200).collect() };
        assert_eq!(of(1, Faults::All), of(1, Faults::All));
        assert_ne!(of(1, Faults::All), of(2, Faults::All));
        assert!(of(1, Faults::All).iter().any(|s| s.fault.needs_network()));
        let processes = of(1, Faults::Processes);
        assert!(!processes.iter().any(|s| s.fault.needs_network()));
    }
}
