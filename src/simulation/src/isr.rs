//! Storing ISRs, by both roads: into the state node (`inter.broker.protocol.version` below 2.7), or
//! through the controller (AlterPartition).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::task::Poll;

use ottla_controller::{AlterationAnswer, AlterationError, IsrAlteration, LeaderIsr, TopicKey};
use ottla_metadata::{BrokerId, TopicPartition};
use ottla_partition::{Event, StoreOutcome};

use crate::broker::{Broker, Proposal};
use crate::message::Body;
use crate::network::{Connection, Place};
use crate::port::{Either, either};
use crate::session::Zk;
use crate::zookeeper::{Node, Op, Path, Value};

type Shared = Rc<RefCell<Broker>>;

/// Pause before something is tried again, in milliseconds.
const PAUSE: i64 = 50;
/// How long changed ISRs wait for their notification.
const NOTIFY: i64 = 250;
/// How long the controller may take to answer.
const PATIENCE: i64 = 1_000;

impl Broker {
    fn isr_stored(&mut self, proposal: &Proposal, outcome: StoreOutcome) {
        let event = Event::IsrStored {
            leader_epoch: proposal.leader_epoch,
            expected: proposal.expected,
            outcome,
        };
        self.step(&proposal.partition, event);
    }
}

/// Writes state nodes directly; never ends.
pub(crate) async fn write_directly(broker: Shared, zk: Zk) {
    let changed: Rc<RefCell<BTreeSet<TopicPartition>>> = Rc::default();
    let (port, proposals) = (
        broker.borrow().port.clone(),
        broker.borrow().proposals.clone(),
    );
    port.spawn(notify(broker.clone(), zk.clone(), changed.clone()));
    loop {
        let proposal = proposals.take().await;
        let (broker, zk, changed) = (broker.clone(), zk.clone(), changed.clone());
        port.spawn(async move {
            let outcome = write(&broker, &zk, &proposal).await;
            if matches!(outcome, StoreOutcome::Stored { .. }) {
                changed.borrow_mut().insert(proposal.partition.clone());
            }
            broker.borrow_mut().isr_stored(&proposal, outcome);
        });
    }
}

/// `ReplicationUtils.updateLeaderAndIsr`: writes until it is known what became of it.
async fn write(broker: &Shared, zk: &Zk, proposal: &Proposal) -> StoreOutcome {
    let wanted = LeaderIsr {
        leader: Some(broker.borrow().id),
        leader_epoch: proposal.leader_epoch,
        isr: proposal.isr.clone(),
        controller_epoch: proposal.controller_epoch,
        recovering: false,
    };
    let port = broker.borrow().port.clone();
    let path = Path::State(proposal.partition.clone());
    let value = Value::State(wanted.clone());
    let set = Op::Set(path.clone(), value, Some(proposal.expected));
    loop {
        if let Ok(stats) = zk.multi(None, vec![set.clone()]).await {
            let partition_epoch = stats.first().map_or(-1, |stat| stat.0);
            return StoreOutcome::Stored { partition_epoch };
        }
        if broker.borrow().mistakes.trusts_cached_version {
            let _ = port.sleep(PAUSE).await;
            return StoreOutcome::Refused;
        }
        // Perhaps our own write, of which we have not heard.
        match zk.get(path.clone(), false).await {
            Ok(Some(Node {
                value: Value::State(now),
                version,
                ..
            })) => {
                if now == wanted {
                    return StoreOutcome::Stored {
                        partition_epoch: version,
                    };
                }
                if version > proposal.expected {
                    return taken_over(&wanted, now, version);
                }
            }
            Ok(_) => return StoreOutcome::Conflict,
            Err(_) => {}
        }
        let _ = port.sleep(PAUSE).await;
    }
}

/// Somebody else has written the state.
fn taken_over(wanted: &LeaderIsr, now: LeaderIsr, partition_epoch: i32) -> StoreOutcome {
    if (now.leader, now.leader_epoch) != (wanted.leader, wanted.leader_epoch) {
        return StoreOutcome::Conflict;
    }
    StoreOutcome::Changed {
        isr: now.isr.into_iter().collect(),
        partition_epoch,
    }
}

/// Tells the controller of changed ISRs.
async fn notify(broker: Shared, zk: Zk, changed: Rc<RefCell<BTreeSet<TopicPartition>>>) {
    let port = broker.borrow().port.clone();
    loop {
        std::future::poll_fn(|_| match changed.borrow().is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
        let _ = port.sleep(NOTIFY).await;
        let partitions = std::mem::take(&mut *changed.borrow_mut());
        let written = zk.multi(None, vec![Op::Notify(partitions.clone())]).await;
        if written.is_err() {
            changed.borrow_mut().extend(partitions);
            let _ = port.sleep(PAUSE).await;
        }
    }
}

/// Asks the controller; never ends. All that is pending goes into one request, and there is one at a
/// time.
pub(crate) async fn ask_controller(broker: Shared) {
    let (port, proposals) = (
        broker.borrow().port.clone(),
        broker.borrow().proposals.clone(),
    );
    let mut pending: BTreeMap<TopicPartition, Proposal> = BTreeMap::new();
    let mut open: Option<(BrokerId, Connection)> = None;
    loop {
        if pending.is_empty() {
            let proposal = proposals.take().await;
            pending.insert(proposal.partition.clone(), proposal);
        }
        while let Some(proposal) = proposals.try_take() {
            pending.insert(proposal.partition.clone(), proposal);
        }
        let (id, epoch, controller) = {
            let broker = broker.borrow();
            (broker.id, broker.epoch, broker.image.controller)
        };
        let Some(controller) = controller else {
            let _ = port.sleep(PAUSE).await;
            continue;
        };
        let through = match open {
            Some((to, through)) if to == controller => through,
            _ => port.connection(),
        };
        open = Some((controller, through));
        let asked: Vec<Proposal> = pending.values().cloned().collect();
        let wanted = asked.iter().map(alteration).collect();
        let body = Body::AlterPartition(id, epoch, wanted);
        let answer = port.call_within(PATIENCE, through, Place::Broker(controller), body);
        // A controller that hangs would be waited for long after it has been replaced.
        let replaced = std::future::poll_fn(|_| match broker.borrow().image.controller {
            now if now == Some(controller) => Poll::Pending,
            _ => Poll::Ready(()),
        });
        let Either::Left(Ok(Body::Altered(Ok(answers)))) = either(answer, replaced).await else {
            port.close(through);
            open = None;
            let _ = port.sleep(PAUSE).await;
            continue;
        };
        let mut again = false;
        for proposal in asked {
            let of = |answer: &&AlterationAnswer| {
                answer.topic == key(&proposal) && answer.partition == proposal.partition.partition
            };
            match answers
                .iter()
                .find(of)
                .and_then(|answer| outcome(&proposal, answer))
            {
                Some(outcome) => {
                    pending.remove(&proposal.partition);
                    broker.borrow_mut().isr_stored(&proposal, outcome);
                }
                None => again = true,
            }
        }
        if again {
            let _ = port.sleep(PAUSE).await;
        }
    }
}

fn key(proposal: &Proposal) -> TopicKey {
    TopicKey::Id(proposal.topic_id)
}

fn alteration(proposal: &Proposal) -> IsrAlteration {
    IsrAlteration {
        topic: key(proposal),
        partition: proposal.partition.partition,
        leader_epoch: proposal.leader_epoch,
        isr: proposal.isr.clone(),
        recovering: false,
        partition_epoch: proposal.expected,
    }
}

/// What an answer means; `None` if the change must be asked for again
/// (`Partition.handleAlterPartitionError`).
fn outcome(proposal: &Proposal, answer: &AlterationAnswer) -> Option<StoreOutcome> {
    match &answer.result {
        Ok(node)
            if node.state.leader_epoch != proposal.leader_epoch
                || node.version < proposal.expected =>
        {
            Some(StoreOutcome::Conflict)
        }
        Ok(node) if node.state.isr == proposal.isr => Some(StoreOutcome::Stored {
            partition_epoch: node.version,
        }),
        Ok(node) => Some(StoreOutcome::Changed {
            isr: node.state.isr.iter().copied().collect(),
            partition_epoch: node.version,
        }),
        Err(AlterationError::IneligibleReplica) => Some(StoreOutcome::Refused),
        Err(AlterationError::NotController | AlterationError::Unusable) => None,
        Err(
            AlterationError::UnknownTopicId
            | AlterationError::UnknownPartition
            | AlterationError::FencedLeaderEpoch
            | AlterationError::InvalidUpdateVersion
            | AlterationError::InvalidRequest,
        ) => Some(StoreOutcome::Conflict),
    }
}
