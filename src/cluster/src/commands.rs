//! What handlers of requests want of the controller, and who waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use ottla_controller::{
    AlterationAnswer, AlterationRefused, Assignment, ElectionAnswers, ElectionKind, IsrAlteration,
    NotController, ReassignmentAnswers, ShutdownRefused, TermEvent, WaiterId,
};
use ottla_metadata::{BrokerId, TopicPartition};
use tokio::sync::{mpsc, oneshot};
use tokio::time::error::Elapsed;

use crate::GrantError;
use crate::shared::Shared;
use crate::wait::{patience, within};

/// Commands that may wait for the controller's task; who asks for more waits.
pub(crate) const COMMANDS: usize = 256;
/// How long a broker's command may take before it hears that this is no controller, which it
/// takes as a reason to ask again: ZooKeeper may be away for long.
const PATIENCE: Duration = Duration::from_secs(25);

/// What a leader hears of the changes that it wants.
pub(crate) type Altered = Result<Vec<AlterationAnswer>, AlterationRefused>;
/// What a broker that leaves hears: what it still leads.
pub(crate) type ShutDown = Result<BTreeSet<TopicPartition>, ShutdownRefused>;

/// What becomes of a reassignment.
pub(crate) type Reassigned = Result<ReassignmentAnswers, NotController>;
/// The reassignments under way.
pub(crate) type Listed = Result<BTreeMap<TopicPartition, Assignment>, NotController>;

/// A command, with the way back.
pub(crate) enum Command {
    /// Leaders' changes of in-sync replicas.
    AlterPartition {
        broker: BrokerId,
        broker_epoch: i64,
        partitions: Vec<IsrAlteration>,
        answer: oneshot::Sender<Altered>,
    },
    /// A broker leaves in good order.
    ControlledShutdown {
        broker: BrokerId,
        broker_epoch: i64,
        answer: oneshot::Sender<ShutDown>,
    },
    /// Leaders are to be elected.
    ElectLeaders {
        kind: ElectionKind,
        partitions: BTreeSet<TopicPartition>,
        answer: oneshot::Sender<ElectionAnswers>,
    },
    /// Partitions are to be moved to other replicas, or not to be moved any more.
    Reassign {
        partitions: BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
        answer: oneshot::Sender<Reassigned>,
    },
    /// Somebody wants to know what is being moved.
    ListReassignments {
        partitions: Option<BTreeSet<TopicPartition>>,
        answer: oneshot::Sender<Listed>,
    },
}

/// A command with the controller epoch of the term in which it was given. In a later term it is not
/// carried out: whoever gave it has asked others since, and acts by what they said.
pub(crate) type Ordered = (i32, Command);

/// Who waits for the brain. Dropped ways back tell that this is no controller any more.
#[derive(Default)]
pub(crate) struct Waiters {
    next: u64,
    altered: BTreeMap<WaiterId, oneshot::Sender<Altered>>,
    shut_down: BTreeMap<WaiterId, oneshot::Sender<ShutDown>>,
    elected: BTreeMap<WaiterId, oneshot::Sender<ElectionAnswers>>,
    reassigned: BTreeMap<WaiterId, oneshot::Sender<Reassigned>>,
    listed: BTreeMap<WaiterId, oneshot::Sender<Listed>>,
}

impl Waiters {
    /// Keeps the way back; the event to feed.
    pub(crate) fn admit(&mut self, command: Command) -> TermEvent {
        self.next = self.next.wrapping_add(1);
        let waiter = WaiterId(self.next);
        match command {
            Command::AlterPartition {
                broker,
                broker_epoch,
                partitions,
                answer,
            } => {
                self.altered.insert(waiter, answer);
                TermEvent::AlterPartition {
                    waiter,
                    broker,
                    broker_epoch,
                    partitions,
                }
            }
            Command::ControlledShutdown {
                broker,
                broker_epoch,
                answer,
            } => {
                self.shut_down.insert(waiter, answer);
                TermEvent::ControlledShutdown {
                    waiter,
                    broker,
                    broker_epoch,
                }
            }
            Command::ElectLeaders {
                kind,
                partitions,
                answer,
            } => {
                self.elected.insert(waiter, answer);
                TermEvent::ElectLeaders {
                    waiter,
                    kind,
                    partitions,
                }
            }
            Command::Reassign { partitions, answer } => {
                self.reassigned.insert(waiter, answer);
                TermEvent::Reassign { waiter, partitions }
            }
            Command::ListReassignments { partitions, answer } => {
                self.listed.insert(waiter, answer);
                TermEvent::ListReassignments { waiter, partitions }
            }
        }
    }

    pub(crate) fn altered(&mut self, waiter: WaiterId, result: Altered) {
        if let Some(answer) = self.altered.remove(&waiter) {
            // Who asked may have given up.
            let _ = answer.send(result);
        }
    }

    pub(crate) fn shut_down(&mut self, waiter: WaiterId, result: ShutDown) {
        if let Some(answer) = self.shut_down.remove(&waiter) {
            let _ = answer.send(result);
        }
    }

    pub(crate) fn elected(&mut self, waiter: WaiterId, answers: ElectionAnswers) {
        if let Some(answer) = self.elected.remove(&waiter) {
            let _ = answer.send(answers);
        }
    }

    pub(crate) fn reassigned(&mut self, waiter: WaiterId, result: Reassigned) {
        if let Some(answer) = self.reassigned.remove(&waiter) {
            let _ = answer.send(result);
        }
    }

    pub(crate) fn listed(&mut self, waiter: WaiterId, result: Listed) {
        if let Some(answer) = self.listed.remove(&waiter) {
            let _ = answer.send(result);
        }
    }

    /// The term is over.
    pub(crate) fn dismiss(&mut self) {
        self.altered.clear();
        self.shut_down.clear();
        self.elected.clear();
        self.reassigned.clear();
        self.listed.clear();
    }
}

/// Gives a broker's command to the controller's task; `None` if this broker is no controller, was
/// none when the turn came, or does not get to it.
async fn command<T>(
    shared: &Shared,
    make: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Option<T> {
    let ordered = order(shared, make);
    tokio::time::timeout(PATIENCE, ordered).await.ok()?
}

/// The same for a client, which is told (`Err`) that it took too long: clients give up what they ask
/// of a controller that is none, after some attempts.
pub(crate) async fn client_command<T>(
    shared: &Shared,
    timeout: Duration,
    make: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Result<Option<T>, Elapsed> {
    let deadline = patience(&shared.zk, timeout);
    tokio::time::timeout_at(deadline, order(shared, make)).await
}

/// `None` if this broker is no controller, or was none when the turn came.
async fn order<T>(shared: &Shared, make: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
    let term = shared.term()?;
    let (answer, answered) = oneshot::channel();
    shared.commands.send((term, make(answer))).await.ok()?;
    answered.await.ok()
}

/// Changes in-sync replicas for leaders, as controller.
pub(crate) async fn alter_partition(
    shared: &Shared,
    broker: BrokerId,
    broker_epoch: i64,
    partitions: Vec<IsrAlteration>,
) -> Altered {
    let altered = command(shared, |answer| Command::AlterPartition {
        broker,
        broker_epoch,
        partitions,
        answer,
    });
    altered
        .await
        .unwrap_or(Err(AlterationRefused::NotController))
}

/// Moves leaderships off a broker, as controller.
pub(crate) async fn controlled_shutdown(
    shared: &Shared,
    broker: BrokerId,
    broker_epoch: i64,
) -> ShutDown {
    let shut_down = command(shared, |answer| Command::ControlledShutdown {
        broker,
        broker_epoch,
        answer,
    });
    shut_down
        .await
        .unwrap_or(Err(ShutdownRefused::NotController))
}

/// Grants a broker a block of producer ids, as controller.
pub(crate) async fn grant_producer_ids(
    shared: &Shared,
    broker: BrokerId,
    broker_epoch: i64,
) -> Result<RangeInclusive<i64>, GrantError> {
    if !shared.is_controller() {
        return Err(GrantError::NotController);
    }
    let image = shared.image.load_full();
    match image.brokers.get(&broker).map(|known| known.epoch) {
        None => Err(GrantError::UnknownBroker),
        Some(known) if known != broker_epoch => Err(GrantError::StaleBrokerEpoch),
        Some(_) => {
            let deadline = patience(&shared.zk, Duration::ZERO);
            let block = within(deadline, shared.zk.allocate_producer_ids(broker)).await;
            let block = block.map_err(|failed| GrantError::Store(failed.into_store()))?;
            Ok(block.first..=block.last)
        }
    }
}

/// The commands on their way to the controller's task.
pub(crate) type Commands = mpsc::Receiver<Ordered>;
