//! The task that keeps this broker registered, stands for controller and owns the brain.
//!
//! It waits for one event at a time: the session, an answer of a broker, a watch, a change of
//! configuration. While ZooKeeper is away it waits inside whatever it was doing; nothing else of
//! the broker depends on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ottla_controller::{Action, Controller, Event, Fence, TermEvent, UncleanElection};
use ottla_metadata::{ConfigImage, TopicName};
use ottla_zk::znode::BrokerRegistration;
use ottla_zk::{Election, RegisterError, SessionEvent, Watch, WatchEvent, WatchEvents, ZkError};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::configs::ConfigFollower;
use crate::convert::{TermOver, chain};
use crate::outbox::{Answer, Outboxes};
use crate::shared::Shared;

/// Pause before something that failed for a reason other than a lost session is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long giving up `/controller` may take when the broker stops.
const RESIGN_PATIENCE: Duration = Duration::from_secs(2);
/// The config key that decides about unclean elections.
const UNCLEAN: &str = "unclean.leader.election.enable";

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
    registered_in: u64,
    /// The unclean elections that the brain knows of.
    pub(crate) unclean: UncleanElection,
    /// When to try again to register or to be elected.
    retry_at: Option<Instant>,
}

/// What the task waits for.
pub(crate) struct Inputs {
    pub(crate) sessions: watch::Receiver<SessionEvent>,
    pub(crate) watches: WatchEvents,
    pub(crate) answers: mpsc::Receiver<Answer>,
    pub(crate) configs_version: watch::Receiver<u64>,
}

/// One thing that happened.
enum Input {
    Session(SessionEvent),
    Answer(Answer),
    Watch(WatchEvent),
    Configs,
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
            registered_in,
            retry_at: None,
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
        self.outboxes.stop().await;
    }

    /// Takes one input and does all that follows from it. False when there will be no more.
    async fn turn(&mut self, inputs: &mut Inputs) -> bool {
        let Some(input) = inputs.next(self.retry_at).await else {
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
            Input::Watch(event) => {
                let mut events = BTreeSet::from([event]);
                events.extend(std::iter::from_fn(|| watches.try_next()));
                self.watches_fired(events).await
            }
            Input::Configs => {
                self.configs_changed();
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
        let before = self.shared.is_controller.swap(active, Ordering::AcqRel);
        if active && !before {
            tracing::info!(epoch = self.brain.term(), "this broker is the controller");
        } else if before && !active {
            tracing::info!("this broker is no longer the controller");
        }
        if !self.brain.is_elected() {
            self.outboxes.clear();
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

    async fn session_changed(&mut self, event: SessionEvent) -> Result<(), ZkError> {
        match event {
            SessionEvent::Connected { generation, .. } => {
                if generation != self.registered_in {
                    self.depose();
                    self.shared.broker_epoch.store(-1, Ordering::Release);
                }
                self.join().await
            }
            SessionEvent::Expired { .. } => {
                self.depose();
                Ok(())
            }
            SessionEvent::Disconnected { .. } => {
                tracing::warn!("ZooKeeper is away; leaders and followers go on as they are");
                Ok(())
            }
            SessionEvent::Closed => Ok(()),
        }
    }

    /// Makes sure that we are registered, and stands for controller if there is none.
    async fn join(&mut self) -> Result<(), ZkError> {
        let generation = self.shared.zk.session().borrow().generation();
        if self.registered_in != generation || !self.is_registered().await? {
            self.register().await?;
        }
        if self.registered_in == generation && !self.brain.is_elected() {
            self.elect().await?;
        }
        Ok(())
    }

    /// Whether our node is there and ours; watches it.
    async fn is_registered(&mut self) -> Result<bool, ZkError> {
        let node = self.shared.zk.broker(self.shared.id(), Watch::Arm).await?;
        let epoch = self.shared.broker_epoch.load(Ordering::Acquire);
        Ok(node.is_some_and(|node| node.stat.czxid == epoch))
    }

    async fn register(&mut self) -> Result<(), ZkError> {
        let registration = registration(&self.shared.registration);
        let id = self.shared.id();
        match self.shared.zk.register_broker(id, &registration).await {
            Ok(registered) => {
                tracing::info!(broker = %id, epoch = registered.epoch, "registered again");
                self.registered_in = registered.generation;
                self.shared
                    .broker_epoch
                    .store(registered.epoch, Ordering::Release);
                self.is_registered().await?;
                Ok(())
            }
            Err(RegisterError::Zk(error)) => Err(error),
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "the broker cannot be registered; trying again"
                );
                self.registered_in = 0;
                self.retry_at = Some(Instant::now() + RETRY_PAUSE);
                Ok(())
            }
        }
    }

    async fn elect(&mut self) -> Result<(), ZkError> {
        match self.shared.zk.elect(self.shared.id(), now_ms()).await {
            Ok(Election::Won(fence)) => {
                let fence = Fence {
                    epoch: fence.epoch,
                    version: fence.zk_version,
                };
                self.fence = Some(fence);
                self.unclean = self.unclean_election();
                self.step(Event::Elected(fence));
                Ok(())
            }
            Ok(Election::Lost { controller }) => {
                tracing::info!(%controller, "another broker is the controller");
                Ok(())
            }
            Err(RegisterError::Zk(error)) => Err(error),
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "cannot stand for controller; trying again"
                );
                self.retry_at = Some(Instant::now() + RETRY_PAUSE);
                Ok(())
            }
        }
    }

    async fn watches_fired(&mut self, events: BTreeSet<WatchEvent>) -> Result<(), ZkError> {
        let mut topics: Vec<TopicName> = Vec::new();
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
                // Followed elsewhere, or armed by nobody.
                WatchEvent::ConfigChangesChanged
                | WatchEvent::PartitionStateChanged(_)
                | WatchEvent::ReassignmentChanged
                | WatchEvent::FeatureChanged => {}
            }
        }
        if brokers && self.brain.is_active() {
            self.read_brokers().await?;
        }
        if !topics.is_empty() && self.brain.is_active() {
            self.read_topics(topics).await?;
        }
        Ok(())
    }

    /// `/controller` was created, changed or deleted: it is ours, or we are not the controller.
    async fn controller_changed(&mut self) -> Result<(), ZkError> {
        if let Some(epoch) = self.brain.term() {
            let now = self.shared.zk.controller(Watch::Arm).await?;
            let ours = now.epoch == epoch
                && now
                    .holder
                    .is_some_and(|holder| holder.value.broker == self.shared.id());
            if ours {
                return Ok(());
            }
            self.depose();
        }
        if self.retry_at.is_none() && self.registered_in != 0 {
            self.elect().await?;
        }
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
    async fn next(&mut self, retry_at: Option<Instant>) -> Option<Input> {
        let retry = async {
            match retry_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = self.sessions.changed() => {
                changed.ok()?;
                Some(Input::Session(*self.sessions.borrow_and_update()))
            }
            answer = self.answers.recv() => answer.map(Input::Answer),
            event = self.watches.next() => Some(Input::Watch(event)),
            changed = self.configs_version.changed() => changed.ok().map(|()| Input::Configs),
            () = retry => Some(Input::Retry),
        }
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Our node's content.
pub(crate) fn registration(registration: &crate::Registration) -> BrokerRegistration {
    use ottla_config::MetadataVersion;
    use ottla_zk::znode::RegistrationVersion;

    let version = registration.version;
    BrokerRegistration {
        version: if version >= MetadataVersion::V2_7_IV0 {
            RegistrationVersion::V5
        } else if version >= MetadataVersion::V0_10_0_IV1 {
            RegistrationVersion::V4
        } else {
            RegistrationVersion::V2
        },
        endpoints: registration.endpoints.clone(),
        rack: registration.rack.clone(),
        jmx_port: -1,
        timestamp_ms: now_ms(),
    }
}

/// Where unclean elections are allowed, with the precedence of broker configurations.
fn unclean_election(
    configs: &ConfigImage,
    own: ottla_metadata::BrokerId,
    file: bool,
) -> UncleanElection {
    let value =
        |map: &BTreeMap<String, String>| map.get(UNCLEAN)?.trim().to_ascii_lowercase().parse().ok();
    let own = configs.brokers.get(&own).and_then(|map| value(map));
    UncleanElection {
        default: own
            .or_else(|| value(&configs.broker_defaults))
            .unwrap_or(file),
        topics: configs
            .topics
            .iter()
            .filter_map(|(name, map)| Some((Arc::clone(name), value(map)?)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use ottla_metadata::BrokerId;

    use super::*;

    #[test]
    fn precedence_of_unclean_election() {
        let map = |value: &str| Arc::new(BTreeMap::from([(UNCLEAN.to_owned(), value.to_owned())]));
        let mut configs = ConfigImage::default();
        assert!(unclean_election(&configs, BrokerId(1), true).default);
        configs.broker_defaults = map("false");
        assert!(!unclean_election(&configs, BrokerId(1), true).default);
        configs.brokers.insert(BrokerId(1), map("True"));
        configs.topics.insert("t".into(), map("false"));
        configs.topics.insert("u".into(), map("nonsense"));
        let unclean = unclean_election(&configs, BrokerId(1), false);
        assert!(unclean.default && !unclean.allows("t") && unclean.allows("u"));
    }
}
