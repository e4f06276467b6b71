//! What must be true some time after nothing disturbs any more.

use ottla_controller::LeaderIsr;
use ottla_metadata::{BrokerId, TopicId, TopicPartition};

use crate::disk::Log;
use crate::world::World;
use crate::zookeeper::{Directory, Path, Value};

/// Why not all is well yet, if it is not.
pub(crate) fn unsettled(world: &World) -> Option<String> {
    check(world).err()
}

fn must(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn check(world: &World) -> Result<(), String> {
    let controller = world.zk.node(&Path::Controller).map(|node| &node.value);
    let Some(Value::Controller(controller)) = controller else {
        return Err("there is no controller".to_owned());
    };
    for directory in [Directory::DeleteTopics, Directory::IsrChanges] {
        let left = world.zk.list(directory);
        must(left.is_empty(), || format!("{left:?} are left"))?;
    }
    let election = world.zk.node(&Path::PreferredElection);
    must(election.is_none(), || "an election is asked for".to_owned())?;
    let moves = world.zk.node(&Path::Reassignment);
    must(moves.is_none(), || format!("{moves:?} are asked for"))?;
    for id in world.broker_ids() {
        check_broker(world, id, *controller)?;
    }
    for (name, (node, _)) in world.topics() {
        must(!node.id.is_zero(), || format!("{name} has no id"))?;
        for (number, assignment) in &node.partitions {
            let tp = TopicPartition::new(name.clone(), *number);
            let still = assignment.adding.is_empty() && assignment.removing.is_empty();
            must(still, || format!("{tp} moves: {assignment:?}"))?;
            check_partition(world, &tp, node.id, &assignment.replicas)?;
        }
    }
    let orders = world.orders.borrow();
    must(orders.in_flight.is_empty(), || {
        format!("not sent: {:?}", orders.in_flight)
    })?;
    for ((client, tp, topic), at) in &orders.positions {
        let gone = orders.partitions.get(tp) != Some(topic);
        let end = world.oracle.committed(tp, *topic);
        must(gone || *at == end, || {
            format!("client {client} has read {tp} to {at} of {end}")
        })?;
    }
    Ok(())
}

fn check_broker(world: &World, id: BrokerId, controller: BrokerId) -> Result<(), String> {
    let node = world.zk.node(&Path::Broker(id));
    let process = world.broker(id).and_then(|process| process.broker.as_ref());
    let (Some(node), Some(process)) = (node, process) else {
        return Err(format!("broker {id} is not registered"));
    };
    let broker = process.broker.borrow();
    must(broker.epoch == node.czxid, || {
        format!("broker {id} has epoch {}", broker.epoch)
    })?;
    let image = &broker.image;
    must(image.controller == Some(controller), || {
        format!(
            "broker {id} believes {:?} to be controller",
            image.controller
        )
    })?;
    for other in world.broker_ids() {
        let registered = world.zk.node(&Path::Broker(other)).map(|node| node.czxid);
        must(image.brokers.get(&other).copied() == registered, || {
            format!(
                "broker {id} knows {other} as {:?}",
                image.brokers.get(&other)
            )
        })?;
    }
    let topics = world.topics();
    for (tp, replica) in &broker.replicas {
        let state = world.zk.node(&Path::State(tp.clone()));
        let leader = match state.map(|node| &node.value) {
            Some(Value::State(state)) => state.leader,
            _ => None,
        };
        must(
            replica.brain.leader().is_none() || leader == Some(id),
            || format!("broker {id} leads {tp}, the leader is {leader:?}"),
        )?;
    }
    for tp in image.partitions.keys() {
        must(topics.contains_key(&tp.topic), || {
            format!("broker {id} still knows {tp}")
        })?;
    }
    Ok(())
}

fn check_partition(
    world: &World,
    tp: &TopicPartition,
    topic: TopicId,
    replicas: &[BrokerId],
) -> Result<(), String> {
    let node = world.zk.node(&Path::State(tp.clone()));
    let Some((Value::State(state), version)) = node.map(|node| (&node.value, node.version)) else {
        return Err(format!("{tp} has no state"));
    };
    let in_sync = replicas.iter().all(|id| state.isr.contains(id));
    must(in_sync && state.isr.len() == replicas.len(), || {
        format!("{tp} is not in sync: {state:?} of {replicas:?}")
    })?;
    must(state.leader.is_some(), || format!("{tp} has no leader"))?;
    let end = world.oracle.committed(tp, topic);
    for id in world.broker_ids() {
        let Some(process) = world.broker(id).and_then(|process| process.broker.as_ref()) else {
            return Err(format!("broker {id} is down"));
        };
        let broker = process.broker.borrow();
        let Some((_, image)) = broker.image.partitions.get(tp) else {
            return Err(format!("broker {id} knows nothing of {tp}"));
        };
        must(
            (image.leader, image.leader_epoch, image.partition_epoch)
                == (state.leader, state.leader_epoch, version)
                && image.isr == state.isr,
            || format!("broker {id} knows {tp} as {image:?}, stored is {state:?}"),
        )?;
        if replicas.contains(&id) {
            check_replica(world, tp, topic, id, state, end)?;
        }
    }
    Ok(())
}

fn check_replica(
    world: &World,
    tp: &TopicPartition,
    topic: TopicId,
    id: BrokerId,
    state: &LeaderIsr,
    end: i64,
) -> Result<(), String> {
    let Some(process) = world.broker(id).and_then(|process| process.broker.as_ref()) else {
        return Err(format!("broker {id} is down"));
    };
    let broker = process.broker.borrow();
    let Some(replica) = broker.replicas.get(tp) else {
        return Err(format!("broker {id} has no replica of {tp}"));
    };
    let brain = &replica.brain;
    let leads = brain.leader().is_some();
    must(
        brain.leader_epoch() == state.leader_epoch && leads == (state.leader == Some(id)),
        || {
            format!(
                "broker {id} leads {tp}: {leads} in {}, {state:?}",
                brain.leader_epoch()
            )
        },
    )?;
    let disk = broker.disk.borrow();
    let log = disk
        .logs
        .get(tp)
        .map(|log: &Log| (log.end(), log.hash(end)));
    let is_equal = log == Some((end, world.oracle.committed_hash(tp, topic)));
    must(is_equal, || {
        format!("the log of {tp} on {id} is {log:?}, committed is {end}")
    })?;
    must(brain.high_watermark() == end, || {
        format!(
            "the high watermark of {tp} on {id} is {} of {end}",
            brain.high_watermark()
        )
    })
}
