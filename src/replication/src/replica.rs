//! One replica: brain, log, and those who wait for them.
//!
//! Two locks. `leadership` is held for reading while records are validated and appended, and for
//! writing while the role changes, so that nothing is appended under a leadership that has ended.
//! `state` is the short one: it covers the brain and the waiters, and nothing of the hot path does
//! I/O under it.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ottla_log::{Log, StorageError};
use ottla_metadata::{Millis, Offset, TopicId, TopicPartition};
use ottla_partition::{Action, Actions, Event, Partition, WaitError, Waiter, WaiterId};
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::flush::Flush;
use crate::manager::TopicRules;
use crate::readers::Readers;
use crate::wait::Ticket;

/// A partition whose log lies here.
pub(crate) struct Replica {
    pub(crate) partition: TopicPartition,
    pub(crate) topic_id: TopicId,
    log: ArcSwap<Log>,
    pub(crate) rules: ArcSwap<TopicRules>,
    pub(crate) leadership: RwLock<()>,
    state: Mutex<State>,
}

/// What the short lock covers.
pub(crate) struct State {
    pub(crate) brain: Partition,
    pub(crate) readers: Readers,
    pub(crate) flush: Flush,
    /// Epoch of the controller that decided the leadership in force.
    pub(crate) controller_epoch: i32,
    waiting: HashMap<WaiterId, Ticket<Result<(), WaitError>>>,
    next_waiter: u64,
}

/// An ISR that the brain wants stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) isr: ottla_partition::Replicas,
    pub(crate) controller_epoch: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) expected: i32,
}

/// Which watermark somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watermark {
    /// Committed: on every in-sync replica.
    High,
    /// Deleted: on every live replica.
    Low,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    pub(crate) watermark: Watermark,
    pub(crate) required: Offset,
    pub(crate) deadline: Millis,
}

/// What is left to do once the lock is released.
#[must_use]
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    /// To be handed to the store of ISRs.
    pub(crate) proposal: Option<Proposal>,
    /// The disk failed while an action was carried out.
    pub(crate) failed: Option<StorageError>,
    /// A follower's log is to be cut.
    pub(crate) cut: Option<Cut>,
    /// The leader's log starts here.
    pub(crate) log_start: Option<Offset>,
}

/// How a follower's log is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The end goes.
    To(Offset),
    /// All of it goes.
    AllAndStartAt(Offset),
}

impl Replica {
    pub(crate) fn new(
        log: Arc<Log>,
        topic_id: TopicId,
        rules: Arc<TopicRules>,
        brain: Partition,
    ) -> Replica {
        let state = State {
            brain,
            readers: Readers::default(),
            flush: Flush::default(),
            controller_epoch: 0,
            waiting: HashMap::new(),
            next_waiter: 0,
        };
        Replica {
            partition: log.partition().clone(),
            topic_id,
            log: ArcSwap::new(log),
            rules: ArcSwap::new(rules),
            leadership: RwLock::new(()),
            state: Mutex::new(state),
        }
    }

    /// The log. It is another one after the replica has moved to another directory; who holds
    /// `leadership` sees no exchange.
    pub(crate) fn log(&self) -> arc_swap::Guard<Arc<Log>> {
        self.log.load()
    }

    /// The replica has moved. To be called with `leadership` held for writing.
    pub(crate) fn put_log(&self, log: Arc<Log>) {
        self.log.store(log);
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Gives the brain one event and carries out what it decides.
    pub(crate) fn step(&self, state: &mut State, now: Millis, event: Event) -> Aftermath {
        let mut actions = Actions::new();
        state.brain.step(now, event, &mut actions);
        let mut aftermath = Aftermath::default();
        for action in actions {
            self.act(state, action, &mut aftermath);
        }
        aftermath
    }

    fn act(&self, state: &mut State, action: Action, aftermath: &mut Aftermath) {
        match action {
            Action::AssignEpoch { epoch, start } => {
                aftermath.failed = self.log().assign_epoch(epoch, start).err();
            }
            Action::AdvanceHighWatermark(offset) => {
                self.log().set_high_watermark(offset);
                state.readers.committed(offset);
            }
            Action::TruncateTo(offset) => aftermath.cut = Some(Cut::To(offset)),
            Action::TruncateFullyAndStartAt(offset) => {
                aftermath.cut = Some(Cut::AllAndStartAt(offset));
            }
            Action::AdvanceLogStart(offset) => aftermath.log_start = Some(offset),
            Action::StoreIsr {
                isr,
                leader_epoch,
                expected,
            } => {
                aftermath.proposal = Some(Proposal {
                    isr,
                    controller_epoch: state.controller_epoch,
                    leader_epoch,
                    expected,
                });
            }
            Action::Answer { waiter, result } => {
                if let Some(ticket) = state.waiting.remove(&waiter) {
                    ticket.fill(result);
                }
            }
        }
    }

    /// Has `ticket` filled when the watermark is reached, or when that is hopeless.
    pub(crate) fn wait_for(
        &self,
        state: &mut State,
        now: Millis,
        waits: Waits,
        ticket: Ticket<Result<(), WaitError>>,
    ) -> Aftermath {
        let id = WaiterId(state.next_waiter);
        state.next_waiter += 1;
        state.waiting.insert(id, ticket);
        let Waits {
            watermark,
            required,
            deadline,
        } = waits;
        let waiter = Waiter {
            id,
            required,
            deadline,
        };
        let event = match watermark {
            Watermark::High => Event::AwaitHighWatermark(waiter),
            Watermark::Low => Event::AwaitLowWatermark(waiter),
        };
        self.step(state, now, event)
    }
}

impl Aftermath {
    /// Takes what another step left to do; a partition has one proposal at a time.
    pub(crate) fn add(&mut self, other: Aftermath) {
        self.proposal = other.proposal.or(self.proposal.take());
        self.failed = other.failed.or(self.failed.take());
        self.cut = other.cut.or(self.cut);
        self.log_start = other.log_start.or(self.log_start);
    }
}
