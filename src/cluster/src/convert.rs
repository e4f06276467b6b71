//! Between the words of ZooKeeper's nodes and those of the brain.

use std::collections::BTreeMap;

use ottla_controller::{
    Assignment, Fence, LeaderIsr, Read, StateNode, StateWrite, StoreOutcome, TopicNode,
};
use ottla_metadata::{BrokerId, ErrorChain, TopicId, TopicName};
use ottla_zk::znode::{PartitionState, TopicZnode};
use ottla_zk::{ControllerFence, FencedWrite, MalformedZnode, ReadOne, WriteError, WriteResult};

/// The zk crate's form of the fence.
pub(crate) fn fence(fence: Fence) -> ControllerFence {
    ControllerFence {
        epoch: fence.epoch,
        zk_version: fence.version,
    }
}

/// A topic node as the brain knows it: without what can only be somebody's mistake, partitions with
/// negative numbers and brokers that are named twice.
pub(crate) fn topic_node(node: &TopicZnode, version: i32) -> TopicNode {
    let part = |map: &BTreeMap<i32, Vec<BrokerId>>, number| {
        let mut replicas = Vec::new();
        for id in map.get(number).into_iter().flatten() {
            if !replicas.contains(id) {
                replicas.push(*id);
            }
        }
        replicas
    };
    TopicNode {
        id: node.topic_id.unwrap_or(TopicId::ZERO),
        partitions: node
            .partitions
            .keys()
            .filter(|number| **number >= 0)
            .map(|number| {
                let assignment = Assignment {
                    replicas: part(&node.partitions, number),
                    adding: part(&node.adding_replicas, number),
                    removing: part(&node.removing_replicas, number),
                };
                (*number, assignment)
            })
            .collect(),
        version,
    }
}

/// A topic node as it is written.
pub(crate) fn topic_znode(node: &TopicNode) -> TopicZnode {
    let part = |of: fn(&Assignment) -> &Vec<_>| {
        let all = node.partitions.iter();
        all.map(|(number, assignment)| (*number, of(assignment).clone()))
            .filter(|(_, replicas)| !replicas.is_empty())
            .collect()
    };
    TopicZnode {
        topic_id: (!node.id.is_zero()).then_some(node.id),
        partitions: node
            .partitions
            .iter()
            .map(|(number, assignment)| (*number, assignment.replicas.clone()))
            .collect(),
        adding_replicas: part(|assignment| &assignment.adding),
        removing_replicas: part(|assignment| &assignment.removing),
    }
}

/// The rewrite of a topic node.
pub(crate) fn topic_write(topic: TopicName, node: &TopicNode) -> FencedWrite {
    FencedWrite::UpdateTopic {
        topic,
        expected: Some(node.version),
        node: topic_znode(node),
    }
}

/// The write of a state node.
pub(crate) fn state_write(write: StateWrite) -> FencedWrite {
    let StateWrite {
        partition,
        expected,
        state,
    } = write;
    let state = PartitionState {
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        isr: state.isr,
        controller_epoch: state.controller_epoch,
        recovering: state.recovering,
    };
    match expected {
        None => FencedWrite::CreatePartitionState { partition, state },
        Some(expected) => FencedWrite::UpdatePartitionState {
            partition,
            state,
            expected,
        },
    }
}

/// A state node as the brain knows it.
pub(crate) fn state_read(read: ReadOne<PartitionState>) -> Read<StateNode> {
    found(read, |node| StateNode {
        version: node.stat.version,
        state: LeaderIsr {
            leader: node.value.leader,
            leader_epoch: node.value.leader_epoch,
            isr: node.value.isr,
            controller_epoch: node.value.controller_epoch,
            recovering: node.value.recovering,
        },
    })
}

/// What a read found; a node that cannot be understood is logged here.
pub(crate) fn found<T, U>(
    read: ReadOne<T>,
    value: impl FnOnce(ottla_zk::Versioned<T>) -> U,
) -> Read<U> {
    match read {
        Ok(Some(node)) => Read::Found(value(node)),
        Ok(None) => Read::Missing,
        Err(malformed) => {
            log_malformed(&malformed);
            Read::Garbled
        }
    }
}

/// Says that a node is left alone.
pub(crate) fn log_malformed(malformed: &MalformedZnode) {
    tracing::error!(error = %malformed, "left alone until somebody repairs it");
}

/// The session is over, or another controller has taken over: nothing more can be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TermOver;

/// How a write of the controller ended.
pub(crate) fn outcome(result: WriteResult<i32>) -> Result<StoreOutcome, TermOver> {
    match result {
        Ok(version) => Ok(StoreOutcome::Stored(version)),
        Err(WriteError::Conflict {
            conflict: ottla_zk::Conflict::ControllerMoved,
            ..
        })
        | Err(WriteError::SessionExpired | WriteError::Closed) => Err(TermOver),
        Err(WriteError::Conflict { .. }) => Ok(StoreOutcome::Conflict),
        Err(WriteError::Unknown { .. }) => Ok(StoreOutcome::Unknown),
        Err(error @ WriteError::Refused { .. }) => {
            tracing::error!(
                error = chain(&error),
                "a write of the controller was refused"
            );
            Ok(StoreOutcome::Refused)
        }
    }
}

/// An error with its causes, for a log line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    ErrorChain(error).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_topic_nodes_are_dropped() {
        let ids = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect::<Vec<_>>();
        let znode = TopicZnode {
            topic_id: Some(TopicId([1; 16])),
            partitions: [(-1, ids(&[1])), (0, ids(&[1, 2, 1])), (1, ids(&[]))].into(),
            adding_replicas: [(0, ids(&[2]))].into(),
            ..TopicZnode::default()
        };
        let node = topic_node(&znode, 7);
        assert_eq!(node.partitions.keys().copied().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(node.partitions[&0].replicas, ids(&[1, 2]));
        assert_eq!(topic_node(&topic_znode(&node), 7), node);
    }
}
