//! The task that keeps this broker registered, stands for controller and owns the brain.
//!
//! It waits for one event at a time: the session, an answer of a broker, a watch, a change of
//! configuration. While ZooKeeper is away it waits inside whatever it was doing; nothing else of
//! the broker depends on it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ottla_controller::{Action, Controller, Event, Fence, TermEvent, UncleanElection};
use ottla_metadata::{TopicName, TopicPartition};
use ottla_zk::{SessionEvent, WatchEvent, WatchEvents, ZkError};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::commands::{Commands, Ordered, Waiters};
use crate::configs::ConfigFollower;
use crate::convert::{TermOver, chain};
use crate::outbox::{Answer, Outboxes};
use crate::shared::{NO_TERM, Shared};
use crate::unclean::unclean_election;

/// Pause before something that failed for a reason other than a lost session is tried again.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long giving up `/controller` may take when the broker stops.
const RESIGN_PATIENCE: Duration = Duration::from_secs(2);

/// When leadership is first looked at after an election (`scheduleAutoLeaderRebalanceTask`).
const FIRST_BALANCE: Duration = Duration::from_secs(5);

/// What the task owns.
pub(crate) struct Driver {
    pub(crate) shared: Arc<Shared>,
    pub(crate) brain: Controller,
    pub(crate) outboxes: Outboxes,
    pub(crate) configs: ConfigFollower,
    /// Actions to carry out, in order.
    pub(crate) actions: VecDeque<Action>,
    /// The right to write, as of our last election.
    pub(crate) fence: Option<Fence>,
    /// The generation of the session in which we registered; 0 for none.
    pub(crate) registered_in: u64,
    /// The unclean elections that the brain knows of.
    pub(crate) unclean: UncleanElection,
    /// Who waits for the brain.
    pub(crate) waiters: Waiters,
    /// When to try again to register or to be elected.
    pub(crate) retry_at: Option<Instant>,
    /// When to see whether leadership is spread as it should be; none while not controller.
    pub(crate) balance_at: Option<Instant>,
}

/// What the task waits for.
pub(crate) struct Inputs {
    pub(crate) sessions: watch::Receiver<SessionEvent>,
    pub(crate) watches: WatchEvents,
    pub(crate) answers: mpsc::Receiver<Answer>,
    pub(crate) commands: Commands,
    pub(crate) configs_version: watch::Receiver<u64>,
}

/// One thing that happened.
enum Input {
    Session(SessionEvent),
    Answer(Answer),
    Command(Ordered),
    Watch(WatchEvent),
    Configs,
    Balance,
    Retry,
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        outboxes: Outboxes,
        configs: ConfigFollower,
        registered_in: u64,
    ) -> Driver {
        let settings = ottla_controller::Settings {
            topic_ids: shared.settings.version.topic_ids(),
            leader_recovery: shared.settings.version >= ottla_config::MetadataVersion::V3_2_IV0,
            delete_topics: shared.settings.delete_topics,
        };
        Driver {
            brain: Controller::new(shared.id(), settings),
            unclean: UncleanElection::default(),
            shared,
            outboxes,
            configs,
            actions: VecDeque::new(),
            fence: None,
            waiters: Waiters::default(),
            registered_in,
            retry_at: None,
            balance_at: None,
        }
    }

    /// Runs until stopped, then leaves the controllership to others.
    pub(crate) async fn run(mut self, mut inputs: Inputs, mut stop: watch::Receiver<bool>) {
        inputs.sessions.mark_changed();
        loop {
            // Whatever is under way when the stop comes is not needed any more.
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                go_on = self.turn(&mut inputs) => if !go_on { break },
            }
        }
        if self.brain.is_elected() && crate::wait::is_connected(&self.shared.zk) {
            let _ = tokio::time::timeout(RESIGN_PATIENCE, self.resign()).await;
        }
        self.depose();
        // Nobody hears answers any more: a delivery that waits to hand one over gives up.
        drop(inputs);
        self.outboxes.stop().await;
    }

    /// Takes one input and does all that follows from it. False when there will be no more.
    async fn turn(&mut self, inputs: &mut Inputs) -> bool {
        let Some(input) = inputs.next(self.retry_at, self.balance_at).await else {
            return false;
        };
        if matches!(input, Input::Session(SessionEvent::Closed)) {
            return false;
        }
        match self.take(input, &mut inputs.watches).await {
            Ok(()) => self.act().await,
            Err(error) => self.failed(&error),
        }
        true
    }

    async fn take(&mut self, input: Input, watches: &mut WatchEvents) -> Result<(), ZkError> {
        match input {
            Input::Session(event) => self.session_changed(event).await,
            Input::Answer((epoch, event)) => {
                self.step(Event::InTerm(epoch, event));
                Ok(())
            }
            Input::Command((epoch, command)) => {
                // In no term or another one, the way back is dropped.
                if self.brain.term() == Some(epoch) {
                    let event = self.waiters.admit(command);
                    self.step(Event::InTerm(epoch, event));
                }
                Ok(())
            }
            Input::Watch(event) => {
                let mut events = BTreeSet::from([event]);
                events.extend(std::iter::from_fn(|| watches.try_next()));
                self.watches_fired(events).await
            }
            Input::Configs => {
                self.configs_changed();
                Ok(())
            }
            Input::Balance => {
                self.balance();
                Ok(())
            }
            Input::Retry => {
                self.retry_at = None;
                self.join().await
            }
        }
    }

    /// Steps the brain and keeps what it wants done.
    pub(crate) fn step(&mut self, event: Event) {
        tracing::debug!(?event, "controller event");
        self.actions.extend(self.brain.step(event));
        let active = self.brain.is_active();
        let term = self.brain.term().filter(|_| active).unwrap_or(NO_TERM);
        let before = self.shared.term.swap(term, Ordering::AcqRel) != NO_TERM;
        if active && !before {
            tracing::info!(epoch = self.brain.term(), "this broker is the controller");
            let wanted = self.shared.settings.leader_balance;
            self.balance_at = wanted.map(|_| Instant::now() + FIRST_BALANCE);
        } else if before && !active {
            tracing::info!("this broker is no longer the controller");
        }
        if !self.brain.is_elected() {
            self.outboxes.clear();
            self.waiters.dismiss();
            self.balance_at = None;
        }
    }

    /// Feeds something of the current term.
    pub(crate) fn step_in_term(&mut self, event: TermEvent) {
        if let Some(epoch) = self.brain.term() {
            self.step(Event::InTerm(epoch, event));
        }
    }

    /// Stops being controller; whatever was still to be done is not done.
    pub(crate) fn depose(&mut self) {
        self.actions.clear();
        self.step(Event::Deposed);
    }

    /// Lets the brain see whether leadership is spread as it should be.
    fn balance(&mut self) {
        self.balance_at = None;
        if let Some(balance) = self.shared.settings.leader_balance {
            self.balance_at = Some(Instant::now() + balance.interval);
            self.step_in_term(TermEvent::BalanceLeaders {
                percentage: balance.percentage,
            });
        }
    }

    async fn watches_fired(&mut self, events: BTreeSet<WatchEvent>) -> Result<(), ZkError> {
        let mut topics: Vec<TopicName> = Vec::new();
        let mut states: Vec<TopicPartition> = Vec::new();
        let mut brokers = false;
        for event in events {
            match event {
                WatchEvent::ControllerChanged => self.controller_changed().await?,
                WatchEvent::BrokersChanged => brokers = true,
                WatchEvent::BrokerChanged(id) => {
                    if id == self.shared.id() {
                        self.join().await?;
                    }
                    brokers = true;
                }
                WatchEvent::TopicChanged(topic) => topics.push(topic),
                WatchEvent::TopicsChanged => self.list_topics().await?,
                WatchEvent::DeleteTopicsChanged => self.list_deletions().await?,
                WatchEvent::IsrChangesChanged => self.read_isr_changes().await?,
                WatchEvent::LogDirEventsChanged => self.read_log_dir_events().await?,
                WatchEvent::PreferredElectionChanged => self.read_preferred_election().await?,
                WatchEvent::ReassignmentChanged => self.read_reassignments().await?,
                WatchEvent::PartitionStateChanged(tp) => states.push(tp),
                // Followed elsewhere, or armed by nobody.
                WatchEvent::ConfigChangesChanged
                | WatchEvent::FeatureChanged
                | WatchEvent::ConsumersChanged(_) => {}
            }
        }
        if brokers && self.brain.is_active() {
            self.read_brokers().await?;
        }
        if !topics.is_empty() && self.brain.is_active() {
            self.read_topics(topics).await?;
        }
        self.watch_states(states).await?;
        Ok(())
    }

    fn configs_changed(&mut self) {
        let unclean = self.unclean_election();
        if unclean != self.unclean && self.brain.is_active() {
            self.unclean = unclean.clone();
            self.step_in_term(TermEvent::Unclean(unclean));
        }
    }

    pub(crate) fn unclean_election(&self) -> UncleanElection {
        let configs = self.shared.configs.load();
        unclean_election(
            &configs,
            self.shared.id(),
            self.shared.settings.unclean_election,
        )
    }

    /// Something failed that a new session does not mend by itself.
    fn failed(&mut self, error: &ZkError) {
        self.depose();
        match error {
            // The session's end is announced, and everything begins anew.
            ZkError::SessionExpired | ZkError::Closed => {}
            error => {
                tracing::error!(error = chain(error), "ZooKeeper failed; trying again");
                self.retry_at = Some(Instant::now() + RETRY_PAUSE);
            }
        }
    }

    /// Carries out actions, and those that follow from their results, until none is left.
    async fn act(&mut self) {
        while let Some(action) = self.actions.pop_front() {
            match self.carry_out(action).await {
                Ok(()) => {}
                Err(crate::carry_out::Stop::TermOver(TermOver)) => {
                    self.depose();
                    // Usually the session's end or the new controller is announced before that.
                    self.retry_at = Some(Instant::now() + RETRY_PAUSE);
                }
                Err(crate::carry_out::Stop::Failed(error)) => {
                    self.resign().await;
                    self.failed(&error);
                }
            }
        }
    }
}

impl Inputs {
    /// Waits for the next input; `None` when there will be no more. All of these lose nothing when
    /// they are dropped.
    ///
    /// Who asks can ask without end, so commands come after all that tells what has become of the
    /// cluster: the death of a broker must not wait behind them. The others are bounded by what
    /// happens: answers by requests, watches by changes, each of which is told once.
    async fn next(
        &mut self,
        retry_at: Option<Instant>,
        balance_at: Option<Instant>,
    ) -> Option<Input> {
        let reached = async |at: Option<Instant>| match at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        };
        tokio::select! {
            biased;
            changed = self.sessions.changed() => {
                changed.ok()?;
                Some(Input::Session(*self.sessions.borrow_and_update()))
            }
            answer = self.answers.recv() => answer.map(Input::Answer),
            () = reached(retry_at) => Some(Input::Retry),
            event = self.watches.next() => Some(Input::Watch(event)),
            changed = self.configs_version.changed() => changed.ok().map(|()| Input::Configs),
            () = reached(balance_at) => Some(Input::Balance),
            command = self.commands.recv() => command.map(Input::Command),
        }
    }
}
