//! One partition of `__consumer_offsets` that this broker leads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ottla_group::{Action, AppendId, AppendOutcome, Event, GroupId, Groups, Response, WaiterId};
use ottla_metadata::LeaderEpoch;
use ottla_replication::Completion;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use crate::coordinator::Coordinator;
use crate::error::Unavailable;

/// A partition's groups. The lock is held while an event is carried out, appends to the local log
/// included, so that the log has the order of the brain's decisions; never across an await.
pub(crate) struct Shard {
    pub(crate) partition: i32,
    state: Mutex<State>,
}

pub(crate) struct State {
    /// Of the leadership that the shard lives by.
    pub(crate) epoch: LeaderEpoch,
    pub(crate) phase: Phase,
    waiters: BTreeMap<WaiterId, oneshot::Sender<Response>>,
    next_waiter: u64,
}

pub(crate) enum Phase {
    /// Its log is being read.
    Loading,
    /// Open.
    Serving(Groups),
    /// The leadership is over, or the log cannot be read.
    Gone,
}

impl Shard {
    pub(crate) fn new(partition: i32, epoch: LeaderEpoch) -> Shard {
        Shard {
            partition,
            state: Mutex::new(State {
                epoch,
                phase: Phase::Loading,
                waiters: BTreeMap::new(),
                next_waiter: 0,
            }),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    pub(crate) fn groups(&mut self) -> Result<&mut Groups, Unavailable> {
        match &mut self.phase {
            Phase::Serving(groups) => Ok(groups),
            Phase::Loading => Err(Unavailable::Loading),
            Phase::Gone => Err(Unavailable::NotCoordinator),
        }
    }

    /// A place for somebody who will wait.
    pub(crate) fn open(&mut self) -> (WaiterId, oneshot::Receiver<Response>) {
        let waiter = WaiterId(self.next_waiter);
        self.next_waiter = self.next_waiter.wrapping_add(1);
        let (sender, receiver) = oneshot::channel();
        self.waiters.insert(waiter, sender);
        (waiter, receiver)
    }

    fn answer(&mut self, waiter: WaiterId, response: Response) {
        if let Some(sender) = self.waiters.remove(&waiter) {
            // Whoever has closed its connection does not listen any more.
            let _ = sender.send(response);
        }
    }
}

impl Coordinator {
    /// Does what the brain asked for, in its order, and what follows from that.
    pub(crate) fn carry_out(
        self: &Arc<Self>,
        shard: &Arc<Shard>,
        state: &mut State,
        actions: Vec<Action>,
    ) {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            match action {
                Action::Answer { waiter, response } => state.answer(waiter, response),
                Action::Append {
                    group,
                    append,
                    records,
                } => {
                    let wall = self.clock.now().wall;
                    let appender = &self.appender;
                    match appender.append(&self.replicas, shard.partition, &records, wall) {
                        Completion::Ready(outcome) => {
                            queue.extend(self.appended(state, &group, append, outcome));
                        }
                        Completion::Pending(outcome) => {
                            let (this, shard) = (Arc::clone(self), Arc::clone(shard));
                            self.runtime.spawn(async move {
                                let outcome = outcome.await;
                                let mut state = shard.state();
                                let actions = this.appended(&mut state, &group, append, outcome);
                                this.carry_out(&shard, &mut state, actions);
                            });
                        }
                    }
                }
            }
        }
        if let Phase::Serving(groups) = &state.phase {
            self.timer.arm(groups.deadline());
        }
    }

    /// Tells the brain how an append ended; nobody is interested when the leadership is over.
    fn appended(
        &self,
        state: &mut State,
        group: &GroupId,
        append: AppendId,
        outcome: AppendOutcome,
    ) -> Vec<Action> {
        let event = Event::Appended { append, outcome };
        match &mut state.phase {
            Phase::Serving(groups) => groups.step(self.clock.now(), group, event),
            Phase::Loading | Phase::Gone => Vec::new(),
        }
    }

    /// Ends the shard: whoever waits is sent away.
    pub(crate) fn unload(self: &Arc<Self>, shard: &Arc<Shard>, state: &mut State) {
        if let Phase::Serving(groups) = &mut state.phase {
            let actions = groups.unload(self.clock.now());
            self.carry_out(shard, state, actions);
        }
        state.phase = Phase::Gone;
        // Those whom the brain has forgotten hear of it by losing the sender.
        state.waiters.clear();
    }
}
