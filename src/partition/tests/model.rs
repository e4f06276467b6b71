//! Random histories against a plain model: what is committed is on every stored in-sync replica,
//! the watermark never goes back while leadership lasts, and every waiter is told exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_metadata::BrokerId;
use ottla_partition::{
    Action, Actions, Event, Isr, Leadership, Partition, Replicas, Rules, StoreOutcome, Truncation,
    Waiter, WaiterId,
};
use proptest::prelude::*;

const BROKERS: [i32; 3] = [0, 1, 2];

#[derive(Clone, Debug)]
enum Op {
    Append(i64),
    Wait {
        ahead: i64,
        patience: i64,
    },
    Fetch {
        from: i32,
        back: i64,
    },
    /// The proposal reaches the store.
    Write,
    /// The leader hears of its proposal.
    Stored(u8),
    /// Somebody else shrinks the stored ISR within the leadership.
    Rewrite(u8),
    /// The controller repeats itself.
    Again,
    Live(u8),
    MinIsr(usize),
    Elect {
        leads: bool,
    },
    Tick(i64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1..4i64).prop_map(Op::Append),
        3 => (-2..4i64, 1..300i64).prop_map(|(ahead, patience)| Op::Wait { ahead, patience }),
        6 => (1..3i32, 0..4i64).prop_map(|(from, back)| Op::Fetch { from, back }),
        2 => Just(Op::Write),
        3 => (0..4u8).prop_map(Op::Stored),
        1 => (0..8u8).prop_map(Op::Rewrite),
        1 => Just(Op::Again),
        1 => (0..8u8).prop_map(Op::Live),
        1 => (1..4usize).prop_map(Op::MinIsr),
        1 => any::<bool>().prop_map(|leads| Op::Elect { leads }),
        2 => (1..120i64).prop_map(Op::Tick),
    ]
}

/// A proposal on its way to the store, or its answer on the way back.
#[derive(Clone)]
struct InFlight {
    isr: BTreeSet<i32>,
    epoch: i32,
    expected: i32,
    written: Option<i32>,
}

#[derive(Default)]
struct Model {
    now: i64,
    log_end: i64,
    watermark: i64,
    leads: bool,
    epoch: i32,
    version: i32,
    isr: BTreeSet<i32>,
    in_flight: Option<InFlight>,
    ends: BTreeMap<i32, i64>,
    waiting: BTreeMap<u64, i64>,
    next_waiter: u64,
    min_isr: usize,
    asked_again: bool,
}

impl Model {
    fn rules(&self) -> Rules {
        Rules {
            min_insync_replicas: self.min_isr,
            lag_max_ms: 100,
            lag_max_messages: None,
            truncation: Truncation::OnFetch,
            fetch_backoff_ms: 10,
        }
    }

    fn leadership(&self) -> Leadership {
        Leadership {
            leader_epoch: self.epoch,
            partition_epoch: self.version,
            replicas: BROKERS.map(BrokerId).into_iter().collect(),
            isr: self.isr.iter().copied().map(BrokerId).collect(),
        }
    }

    fn event(&mut self, op: &Op) -> Option<Event> {
        match op {
            Op::Append(count) if self.leads => {
                self.log_end += count;
                Some(Event::Appended {
                    log_end: self.log_end,
                })
            }
            Op::Wait { ahead, patience } => {
                let id = self.next_waiter;
                self.next_waiter += 1;
                let required = (self.log_end + ahead).max(0);
                self.waiting.insert(id, required);
                let deadline = self.now + patience;
                Some(Event::AwaitHighWatermark(Waiter {
                    id: WaiterId(id),
                    required,
                    deadline,
                }))
            }
            Op::Fetch { from, back } => {
                let at = (self.log_end - back).max(self.ends.get(from).copied().unwrap_or(0));
                if self.leads {
                    self.ends.insert(*from, at);
                }
                Some(Event::FollowerFetched {
                    from: BrokerId(*from),
                    at,
                    log_start: 0,
                })
            }
            Op::Stored(kind) => {
                if *kind < 2 {
                    self.write();
                }
                let in_flight = self.in_flight.clone()?;
                let outcome = match (kind, in_flight.written) {
                    (3, _) => StoreOutcome::Unknown,
                    (_, Some(partition_epoch)) => StoreOutcome::Stored { partition_epoch },
                    (0, None) => StoreOutcome::Conflict,
                    (1, None) => StoreOutcome::Changed {
                        isr: self.isr.iter().copied().map(BrokerId).collect(),
                        partition_epoch: self.version,
                    },
                    (_, None) if in_flight.expected < self.version => StoreOutcome::Conflict,
                    (_, None) => StoreOutcome::Refused,
                };
                match outcome {
                    // Asked again, which the store knows.
                    StoreOutcome::Unknown => self.asked_again = true,
                    // Until the controller's next word.
                    StoreOutcome::Conflict => {}
                    _ => self.in_flight = None,
                }
                Some(Event::IsrStored {
                    leader_epoch: in_flight.epoch,
                    expected: in_flight.expected,
                    outcome,
                })
            }
            Op::Write => {
                self.write();
                None
            }
            Op::Rewrite(bits) if self.leads => {
                self.isr.retain(|id| *id == 0 || bits >> id & 1 == 1);
                self.version += 1;
                None
            }
            Op::Again if self.leads => {
                let known = self.in_flight.as_ref();
                if known.is_some_and(|in_flight| in_flight.expected < self.version) {
                    self.in_flight = None;
                }
                Some(Event::MadeLeader {
                    leadership: self.leadership(),
                    log_start: 0,
                    log_end: self.log_end,
                })
            }
            Op::Live(bits) => {
                let live = BROKERS
                    .into_iter()
                    .filter(|id| *id == 0 || bits >> id & 1 == 1);
                Some(Event::LiveBrokers(Arc::new(live.map(BrokerId).collect())))
            }
            Op::MinIsr(min) => {
                self.min_isr = *min;
                Some(Event::RulesChanged(self.rules()))
            }
            Op::Elect { leads } => {
                (self.epoch, self.version, self.leads) = (self.epoch + 1, self.version + 1, *leads);
                (self.in_flight, self.ends) = (None, BTreeMap::new());
                self.isr.insert(0);
                let (leadership, log_end) = (self.leadership(), self.log_end);
                Some(if *leads {
                    Event::MadeLeader {
                        leadership,
                        log_start: 0,
                        log_end,
                    }
                } else {
                    Event::MadeFollower {
                        leadership,
                        leader: Some(BrokerId(1)),
                        log_end,
                        latest_epoch: Some(self.epoch - 1),
                    }
                })
            }
            Op::Tick(ms) => {
                self.now += ms;
                Some(Event::Tick)
            }
            Op::Append(_) | Op::Rewrite(_) | Op::Again => None,
        }
    }

    /// The proposal reaches the store, which takes it if the state is what the leader knows.
    fn write(&mut self) {
        if let Some(in_flight) = &mut self.in_flight
            && in_flight.written.is_none()
            && in_flight.expected == self.version
        {
            self.version += 1;
            self.isr = in_flight.isr.clone();
            in_flight.written = Some(self.version);
        }
    }

    fn apply(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::AdvanceHighWatermark(offset) => {
                    assert!(*offset > self.watermark, "the watermark went back");
                    self.watermark = *offset;
                }
                Action::StoreIsr {
                    isr,
                    leader_epoch,
                    expected,
                } => {
                    let isr: BTreeSet<i32> = isr.iter().map(|id| id.0).collect();
                    if let Some(known) = &self.in_flight {
                        assert!(self.asked_again, "two proposals in flight");
                        let asked = (&known.isr, known.epoch, known.expected);
                        assert_eq!(asked, (&isr, *leader_epoch, *expected));
                        continue;
                    }
                    self.in_flight = Some(InFlight {
                        isr,
                        epoch: *leader_epoch,
                        expected: *expected,
                        written: None,
                    });
                }
                Action::Answer { waiter, result } => {
                    let required = self.waiting.remove(&waiter.0).expect("told twice");
                    assert!(result.is_err() || required <= self.watermark);
                }
                Action::AssignEpoch { epoch, start } => {
                    assert_eq!((*epoch, *start), (self.epoch, self.log_end));
                }
                Action::TruncateTo(_)
                | Action::TruncateFullyAndStartAt(_)
                | Action::AdvanceLogStart(_) => unreachable!("nobody told this replica anything"),
            }
        }
    }

    fn compare(&self, partition: &Partition) {
        assert_eq!(partition.high_watermark(), self.watermark);
        let Some(leader) = partition.leader() else {
            assert!(!self.leads && self.waiting.is_empty());
            return;
        };
        let settled: &Replicas = leader.isr.settled();
        if partition.partition_epoch() == self.version {
            assert_eq!(
                settled.iter().map(|id| id.0).collect::<BTreeSet<_>>(),
                self.isr
            );
        }
        assert!(
            self.waiting
                .values()
                .all(|required| *required > self.watermark)
        );
        assert_eq!(
            matches!(leader.isr, Isr::Proposed { .. }),
            self.in_flight.is_some()
        );
    }

    /// Nothing newly committed may be missing on a replica that could be elected.
    fn check_committed(&self, before: i64, partition: &Partition) {
        if self.leads && self.watermark > before {
            for id in self.isr.iter().filter(|id| **id != 0) {
                assert!(
                    self.ends.get(id).copied().unwrap_or(0) >= self.watermark,
                    "lost on {id}"
                );
            }
            let settled = partition
                .leader()
                .map_or(0, |leader| leader.isr.settled().len());
            assert!(settled >= self.min_isr.min(BROKERS.len()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn histories(ops in prop::collection::vec(op(), 1..80)) {
        let mut model = Model { min_isr: 1, isr: BTreeSet::from([0]), ..Model::default() };
        let mut partition = Partition::new(BrokerId(0), model.rules(), 0, 0);
        let first = Op::Elect { leads: true };
        for op in std::iter::once(&first).chain(&ops) {
            let before = model.watermark;
            model.asked_again = false;
            let Some(event) = model.event(op) else { continue };
            let mut actions = Actions::new();
            partition.step(model.now, event, &mut actions);
            model.apply(&actions);
            model.compare(&partition);
            model.check_committed(before, &partition);
        }
        let mut again = partition.clone();
        again.step(model.now, Event::Tick, &mut Actions::new());
    }
}
