//! The brain: one event in, actions out.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::{BrokerId, TopicName, TopicPartition};

use crate::alterations::Altering;
use crate::batch::Batch;
use crate::context::{Context, Ending, Pending};
use crate::elections::Election;
use crate::reassignment::Reassigning;
use crate::{
    Action, AlterationRefused, ElectionRefused, Event, Fence, Loaded, NotController, Read,
    ShutdownRefused, StateNode, StateWrite, StoreOutcome, TermEvent, WaiterId,
};

/// What the controller needs to know of the broker's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether topics get ids (`inter.broker.protocol.version` ≥ 2.8-IV0).
    pub topic_ids: bool,
    /// Whether unclean leaders are marked as recovering (≥ 3.2-IV0).
    pub leader_recovery: bool,
    /// `delete.topic.enable`.
    pub delete_topics: bool,
}

/// The controller of a cluster, or a broker that may become it (`KafkaController`).
///
/// It decides from its context what every partition needs and asks for it; nothing is believed
/// before the store has confirmed it, and brokers hear only of what is stored. Each partition has at
/// most one write under way, and nothing is decided about it meanwhile. A conflict or an unknown
/// outcome re-reads the node and decides anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Controller {
    id: BrokerId,
    settings: Settings,
    role: Role,
}

#[derive(Clone, Debug, PartialEq)]
enum Role {
    /// Somebody else leads, or nobody.
    Standby,
    /// Elected, the context is being read.
    Loading(Fence),
    /// Elected.
    Active(Box<Active>),
}

/// A controller at work.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Active {
    pub(crate) id: BrokerId,
    pub(crate) fence: Fence,
    pub(crate) settings: Settings,
    pub(crate) context: Context,
    /// Controlled shutdowns that wait until leadership has moved.
    pub(crate) shutdowns: Vec<(WaiterId, BrokerId)>,
    /// AlterPartition requests that wait for their writes.
    pub(crate) alterations: Vec<Altering>,
    /// Elections that were asked for.
    pub(crate) elections: Vec<Election>,
    /// Reassignments that were asked for and are not stored yet.
    pub(crate) reassignments: Vec<Reassigning>,
    /// Set when a younger controller has left traces.
    pub(crate) overtaken: bool,
}

/// What one step has to look at and to do.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Partitions to look at.
    pub(crate) dirty: BTreeSet<TopicPartition>,
    /// Topics whose deletion to look at.
    pub(crate) deletions: BTreeSet<TopicName>,
    /// Requests.
    pub(crate) batch: Batch,
    /// State writes.
    pub(crate) writes: Vec<StateWrite>,
    /// State nodes to read.
    pub(crate) read_states: BTreeSet<TopicPartition>,
    /// State nodes to read and to watch.
    pub(crate) watch_states: BTreeSet<TopicPartition>,
    /// Topics whose nodes may have to be rewritten.
    pub(crate) rewrites: BTreeSet<TopicName>,
    /// Entries of `/admin/reassign_partitions` that have served.
    pub(crate) drops: BTreeMap<TopicPartition, Vec<BrokerId>>,
    /// Topic nodes to read.
    pub(crate) read_topics: BTreeSet<TopicName>,
    /// Everything else, in order.
    pub(crate) actions: Vec<Action>,
}

impl Controller {
    /// A broker that is not the controller.
    pub fn new(id: BrokerId, settings: Settings) -> Controller {
        Controller {
            id,
            settings,
            role: Role::Standby,
        }
    }

    /// Whether this broker is the controller, its context loaded or not.
    pub fn is_elected(&self) -> bool {
        self.term().is_some()
    }

    /// The epoch of the term, if elected.
    pub fn term(&self) -> Option<i32> {
        match &self.role {
            Role::Standby => None,
            Role::Loading(fence) => Some(fence.epoch),
            Role::Active(active) => Some(active.fence.epoch),
        }
    }

    /// Whether this broker is the controller and has loaded its context.
    pub fn is_active(&self) -> bool {
        matches!(self.role, Role::Active(_))
    }

    /// Whether this controller is moving the partition to other replicas.
    pub fn is_reassigning(&self, tp: &TopicPartition) -> bool {
        let Role::Active(active) = &self.role else {
            return false;
        };
        let partition = active.context.partition(tp);
        partition.is_some_and(|partition| partition.assignment.is_reassigning())
    }

    /// Takes one event and answers what to do, in order.
    pub fn step(&mut self, event: Event) -> Vec<Action> {
        let actions = match event {
            Event::Elected(fence) => {
                let mut actions = self.resign();
                self.role = Role::Loading(fence);
                actions.push(Action::Load(fence));
                actions
            }
            Event::Deposed => self.resign(),
            Event::InTerm(epoch, event) => match (&mut self.role, event) {
                (Role::Loading(fence), TermEvent::Loaded(loaded)) if fence.epoch == epoch => {
                    let (mut active, actions) =
                        Active::new(self.id, *fence, self.settings, *loaded);
                    let overtaken = std::mem::take(&mut active.overtaken);
                    self.role = Role::Active(Box::new(active));
                    self.give_up_if(overtaken, actions)
                }
                (Role::Active(active), event) if active.fence.epoch == epoch => {
                    let actions = active.step(event);
                    let overtaken = active.overtaken;
                    self.give_up_if(overtaken, actions)
                }
                (_, TermEvent::ControlledShutdown { waiter, .. }) => {
                    vec![Action::AnswerShutdown(
                        waiter,
                        Err(ShutdownRefused::NotController),
                    )]
                }
                (_, TermEvent::AlterPartition { waiter, .. }) => {
                    vec![Action::AnswerAlteration(
                        waiter,
                        Err(AlterationRefused::NotController),
                    )]
                }
                (
                    _,
                    TermEvent::ElectLeaders {
                        waiter, partitions, ..
                    },
                ) => {
                    let refused = |tp| (tp, Err(ElectionRefused::NotController));
                    let answers = partitions.into_iter().map(refused).collect();
                    vec![Action::AnswerElection(waiter, answers)]
                }
                (_, TermEvent::Reassign { waiter, .. }) => {
                    vec![Action::AnswerReassignment(waiter, Err(NotController))]
                }
                (_, TermEvent::ListReassignments { waiter, .. }) => {
                    vec![Action::AnswerListing(waiter, Err(NotController))]
                }
                // Older than the context that is being loaded, or of another term.
                _ => Vec::new(),
            },
        };
        if cfg!(debug_assertions) {
            self.check();
        }
        actions
    }

    /// Writes nothing more; whoever waits hears why.
    fn resign(&mut self) -> Vec<Action> {
        match std::mem::replace(&mut self.role, Role::Standby) {
            Role::Active(active) => {
                let shutdowns = active.shutdowns.iter().map(|(waiter, _)| {
                    Action::AnswerShutdown(*waiter, Err(ShutdownRefused::NotController))
                });
                let alterations = active.alterations.iter().map(|altering| {
                    let refused = Err(AlterationRefused::NotController);
                    Action::AnswerAlteration(altering.waiter, refused)
                });
                let elections = active.elections.iter().filter_map(Election::abandoned);
                let reassignments = active.reassignments.iter();
                let reassignments = reassignments.filter_map(Reassigning::abandoned);
                shutdowns
                    .chain(alterations)
                    .chain(elections)
                    .chain(reassignments)
                    .collect()
            }
            Role::Standby | Role::Loading(_) => Vec::new(),
        }
    }

    /// A controller that was overtaken does nothing of what it meant to do.
    fn give_up_if(&mut self, overtaken: bool, actions: Vec<Action>) -> Vec<Action> {
        if !overtaken {
            return actions;
        }
        let mut actions = self.resign();
        actions.push(Action::Resign);
        actions
    }

    /// What must hold after every step, whatever came in. Panics with the rule that is broken.
    pub fn check(&self) {
        if let Role::Active(active) = &self.role {
            crate::check::check(active);
        }
    }
}

impl Active {
    /// Begins a term: every live replica hears what it is (`onControllerFailover`).
    fn new(
        id: BrokerId,
        fence: Fence,
        settings: Settings,
        loaded: Loaded,
    ) -> (Active, Vec<Action>) {
        let mut active = Active {
            id,
            fence,
            settings,
            context: Context {
                brokers: loaded.brokers,
                unclean: loaded.unclean,
                ..Context::default()
            },
            shutdowns: Vec::new(),
            alterations: Vec::new(),
            elections: Vec::new(),
            reassignments: Vec::new(),
            overtaken: false,
        };
        let mut step = Step::default();
        for id in active.context.brokers.keys() {
            step.batch.greet(*id);
        }
        for read in loaded.topics {
            active.topic_read(&mut step, read);
        }
        for (tp, read) in loaded.states {
            active.state_loaded(&tp, read);
        }
        for (tp, zxid) in &loaded.written {
            active.notice_bounces(tp, *zxid);
        }
        active.resume_reassignments(&mut step);
        active.deletions_listed(&mut step, loaded.deletions);
        let actions = active.finish(step);
        (active, actions)
    }

    /// A state node found while loading.
    fn state_loaded(&mut self, tp: &TopicPartition, read: Read<StateNode>) {
        let epoch = self.fence.epoch;
        let Some(partition) = self.context.partition_mut(tp) else {
            return;
        };
        match read {
            Read::Found(node) => {
                self.overtaken |= node.state.controller_epoch > epoch;
                partition.learn(node);
                partition.state = crate::PartitionState::Offline;
                for state in partition.replicas.values_mut() {
                    *state = crate::ReplicaState::Offline;
                }
            }
            Read::Garbled => partition.pending = Pending::Stuck,
            Read::Missing => {}
        }
    }

    fn step(&mut self, event: TermEvent) -> Vec<Action> {
        let mut step = Step::default();
        match event {
            TermEvent::Loaded(_) => {}
            TermEvent::Brokers(brokers) => self.brokers_changed(&mut step, brokers),
            TermEvent::TopicsListed(names) => self.topics_listed(&mut step, names),
            TermEvent::TopicsRead(reads) => self.topics_read(&mut step, reads),
            TermEvent::DeletionsListed(names) => self.deletions_listed(&mut step, names),
            TermEvent::IsrNotified { nodes, partitions } => {
                self.isr_notified(&mut step, nodes, partitions);
            }
            TermEvent::LogDirNotified { nodes, brokers } => {
                self.log_dirs_failed(&mut step, nodes, brokers);
            }
            TermEvent::StatesRead(reads) => self.states_read(&mut step, reads),
            TermEvent::StatesStored(outcomes) => self.states_stored(&mut step, outcomes),
            TermEvent::TopicStored(topic, outcome) => self.topic_stored(&mut step, &topic, outcome),
            TermEvent::TopicRemoved(topic, outcome) => {
                self.topic_removed(&mut step, topic, outcome)
            }
            TermEvent::LeaderAndIsrAnswered(answer) => self.leadership_answered(&mut step, answer),
            TermEvent::StopReplicaAnswered(answer) => self.deletion_answered(&mut step, answer),
            TermEvent::Unclean(unclean) => self.unclean_changed(&mut step, unclean),
            TermEvent::AlterPartition {
                waiter,
                broker,
                broker_epoch,
                partitions,
            } => self.alter_partitions(&mut step, waiter, broker, broker_epoch, partitions),
            TermEvent::ElectPreferred(partitions) => self.elect_preferred(partitions),
            TermEvent::ElectLeaders {
                waiter,
                kind,
                partitions,
            } => self.elect_leaders(waiter, kind, partitions),
            TermEvent::BalanceLeaders { percentage } => self.balance_leaders(percentage),
            TermEvent::Reassign { waiter, partitions } => self.reassign(waiter, partitions),
            TermEvent::ListReassignments { waiter, partitions } => {
                self.list_reassignments(&mut step, waiter, partitions);
            }
            TermEvent::ReassignmentsRead(entries) => self.reassignments_read(entries),
            TermEvent::ControlledShutdown {
                waiter,
                broker,
                broker_epoch,
            } => self.controlled_shutdown(&mut step, waiter, broker, broker_epoch),
        }
        self.finish(step)
    }

    /// Looks at everything that the event touched, then puts the actions in order: requests speak
    /// of what is stored, so they go before the new writes.
    fn finish(&mut self, mut step: Step) -> Vec<Action> {
        self.advance_reassignments(&mut step);
        self.attend_dirty(&mut step);
        while self.advance_elections(&mut step) {
            self.attend_dirty(&mut step);
        }
        // The controller's own decisions go first; what leaders want may call for more of them.
        self.attend_alterations(&mut step);
        self.attend_dirty(&mut step);
        while let Some(topic) = step.rewrites.pop_first() {
            self.store_rewrites(&mut step, &topic);
        }
        self.answer_shutdowns(&mut step);

        let mut actions = Vec::new();
        step.batch
            .flush(&self.context, self.id, self.fence.epoch, &mut actions);
        if !step.writes.is_empty() {
            actions.push(Action::StoreStates(self.fence, step.writes));
        }
        if !step.read_states.is_empty() {
            actions.push(Action::ReadStates(step.read_states.into_iter().collect()));
        }
        if !step.watch_states.is_empty() {
            actions.push(Action::WatchStates(step.watch_states.into_iter().collect()));
        }
        if !step.drops.is_empty() {
            actions.push(Action::DropReassignments(self.fence, step.drops));
        }
        if !step.read_topics.is_empty() {
            actions.push(Action::ReadTopics(step.read_topics.into_iter().collect()));
        }
        actions.append(&mut step.actions);
        actions
    }

    fn attend_dirty(&mut self, step: &mut Step) {
        while let Some(tp) = step.dirty.pop_first() {
            self.attend(step, &tp);
        }
        while let Some(topic) = step.deletions.pop_first() {
            self.attend_deletion(step, &topic);
        }
    }

    fn states_stored(&mut self, step: &mut Step, outcomes: Vec<(TopicPartition, StoreOutcome)>) {
        for (tp, outcome) in outcomes {
            let Some(partition) = self.context.partition_mut(&tp) else {
                continue;
            };
            let (write, decided) = match &partition.pending {
                Pending::Storing(write) => (write, true),
                Pending::Altering(write) => (write, false),
                _ => continue,
            };
            match outcome {
                StoreOutcome::Stored(version) => {
                    let state = write.state.clone();
                    partition.learn(StateNode { state, version });
                    partition.pending = Pending::Nothing;
                    // A leader that changed its in-sync replicas knows; replicas need not hear.
                    partition.announce |= decided;
                    partition.renew &= !decided;
                    match std::mem::replace(&mut partition.ending, Ending::No) {
                        Ending::No => {}
                        Ending::HandOver => partition.handed_over = true,
                        Ending::Last => {
                            partition.complete();
                            step.rewrites.insert(tp.topic.clone());
                        }
                    }
                    step.batch.update(&tp);
                    step.dirty.insert(tp);
                }
                StoreOutcome::Conflict | StoreOutcome::Unknown => {
                    partition.ending = Ending::No;
                    partition.pending = Pending::Reading;
                    step.read_states.insert(tp);
                }
                StoreOutcome::Refused => {
                    partition.ending = Ending::No;
                    partition.pending = Pending::Stuck;
                }
            }
        }
    }
}
