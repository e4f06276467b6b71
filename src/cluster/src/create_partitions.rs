//! Adding partitions to topics (KIP-195; `ZkAdminManager.createPartitions`).

use std::collections::BTreeMap;

use ottla_controller::{Candidate, PlacementError, Start};
use ottla_metadata::BrokerId;
use ottla_zk::znode::TopicZnode;
use ottla_zk::{Conflict, Watch};
use tokio::time::Instant;

use crate::assignment::check_lists;
use crate::create_topics::has_leaders;
use crate::shared::Shared;
use crate::wait::{Failed, patience, until, within};
use crate::{CreatePartitionsError, InvalidAssignment, NewPartitions, WaitOptions};

pub(crate) async fn create_partitions(
    shared: &Shared,
    topics: Vec<NewPartitions>,
    options: WaitOptions,
) -> Vec<Result<(), CreatePartitionsError>> {
    let deadline = Instant::now() + options.timeout;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for topic in &topics {
        *counts.entry(topic.topic.clone()).or_default() += 1;
    }
    let mut written = Vec::with_capacity(topics.len());
    for topic in topics {
        let result = match counts.get(&topic.topic) {
            Some(count) if *count > 1 => Err(CreatePartitionsError::Duplicate(topic.topic.clone())),
            _ => add(shared, &topic, options).await,
        };
        written.push((topic, result));
    }
    let mut results = Vec::with_capacity(written.len());
    for (topic, result) in written {
        let count = usize::try_from(topic.count).unwrap_or(0);
        let led = || has_leaders(shared, &topic.topic, count);
        let version = shared.image_version.subscribe();
        results.push(match result {
            Ok(()) if options.validate_only || until(version, deadline, led).await => Ok(()),
            Ok(()) => Err(CreatePartitionsError::NoLeaderInTime),
            Err(error) => Err(error),
        });
    }
    results
}

/// Reads the topic, checks what is asked, and rewrites the node; from the beginning if somebody else
/// changes it in between.
async fn add(
    shared: &Shared,
    new: &NewPartitions,
    options: WaitOptions,
) -> Result<(), CreatePartitionsError> {
    let deadline = patience(&shared.zk, options.timeout);
    let store = |failed: Failed| CreatePartitionsError::Store(failed.into_store());
    let unknown = || CreatePartitionsError::UnknownTopic(new.topic.clone());
    if ottla_metadata::validate_topic_name(&new.topic).is_err() {
        return Err(unknown());
    }
    loop {
        let marked = within(deadline, shared.zk.is_marked_for_deletion(&new.topic)).await;
        if marked.map_err(store)? {
            return Err(CreatePartitionsError::MarkedForDeletion(new.topic.clone()));
        }
        let read = within(deadline, shared.zk.topic(&new.topic, Watch::No)).await;
        let node = read.map_err(store)?.ok_or_else(unknown)?;
        let next = grown(&node.value, new, &shared.placeable())?;
        if options.validate_only {
            return Ok(());
        }
        let expected = Some(node.stat.version);
        match within(
            deadline,
            shared.zk.update_topic(&new.topic, &next, expected),
        )
        .await
        {
            Ok(_) => {
                tracing::info!(topic = new.topic, count = new.count, "partitions added");
                return Ok(());
            }
            Err(Failed::Conflict(Conflict::BadVersion)) => {}
            Err(Failed::Unknown) => {
                let read = within(deadline, shared.zk.topic(&new.topic, Watch::No)).await;
                if read.map_err(store)?.is_some_and(|node| node.value == next) {
                    return Ok(());
                }
            }
            Err(Failed::Conflict(Conflict::Missing)) => return Err(unknown()),
            Err(failed) => return Err(store(failed)),
        }
    }
}

/// The topic's node with the new partitions.
fn grown(
    node: &TopicZnode,
    new: &NewPartitions,
    brokers: &[Candidate],
) -> Result<TopicZnode, CreatePartitionsError> {
    if !node.adding_replicas.is_empty() || !node.removing_replicas.is_empty() {
        return Err(CreatePartitionsError::ReassignmentInProgress);
    }
    let current = i32::try_from(node.partitions.len()).unwrap_or(i32::MAX);
    if new.count <= current {
        return Err(CreatePartitionsError::NotAnIncrease {
            current,
            asked: new.count,
        });
    }
    let missing = new.count - current;
    let first: &[BrokerId] = node.partitions.values().next().map_or(&[], Vec::as_slice);
    let added = match &new.assignment {
        Some(lists) => by_hand(lists, current, missing, first.len(), brokers)?,
        None => place(first, current, missing, brokers)?,
    };
    let mut next = node.clone();
    next.partitions.extend(added);
    Ok(next)
}

fn by_hand(
    lists: &[Vec<BrokerId>],
    current: i32,
    missing: i32,
    factor: usize,
    brokers: &[Candidate],
) -> Result<BTreeMap<i32, Vec<BrokerId>>, CreatePartitionsError> {
    if usize::try_from(missing) != Ok(lists.len()) {
        return Err(CreatePartitionsError::InvalidAssignment(
            InvalidAssignment::WrongCount {
                expected: missing,
                given: lists.len(),
            },
        ));
    }
    let added = (current..).zip(lists.iter().cloned()).collect();
    check_lists(&added, Some(factor), brokers).map_err(CreatePartitionsError::InvalidAssignment)?;
    Ok(added)
}

/// Goes on where partition 0 began (`AdminZkClient.createNewPartitionsAssignment`).
fn place(
    first: &[BrokerId],
    current: i32,
    missing: i32,
    brokers: &[Candidate],
) -> Result<BTreeMap<i32, Vec<BrokerId>>, CreatePartitionsError> {
    let leader = first.first().copied().unwrap_or(BrokerId(0));
    let index = brokers
        .iter()
        .position(|broker| broker.id >= leader)
        .unwrap_or(0);
    let start = Start {
        index,
        shift: index,
    };
    let placed = ottla_controller::place(brokers, missing, first.len(), current, start);
    placed.map_err(|error| match error {
        PlacementError::ReplicationFactor { brokers, .. } => {
            CreatePartitionsError::InvalidReplicationFactor {
                asked: i16::try_from(first.len()).unwrap_or(i16::MAX),
                available: brokers,
            }
        }
        PlacementError::RacksMissing => CreatePartitionsError::RacksMissing(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: &[i32]) -> Vec<BrokerId> {
        numbers.iter().map(|id| BrokerId(*id)).collect()
    }

    /// A topic with one partition on 2 and 1; `want` are the partitions after the change.
    fn check(count: i32, lists: Option<&[&[i32]]>, want: Result<&[&[i32]], CreatePartitionsError>) {
        let node = TopicZnode {
            partitions: [(0, ids(&[2, 1]))].into(),
            ..TopicZnode::default()
        };
        let brokers = [1, 2, 3].map(|id| Candidate {
            id: BrokerId(id),
            rack: None,
        });
        let new = NewPartitions {
            topic: "t".to_owned(),
            count,
            assignment: lists.map(|lists| lists.iter().map(|list| ids(list)).collect()),
        };
        let got = grown(&node, &new, &brokers)
            .map(|node| node.partitions.into_values().collect::<Vec<_>>());
        assert_eq!(
            got,
            want.map(|lists| lists.iter().map(|list| ids(list)).collect())
        );
    }

    #[test]
    fn growth() {
        // Start index 1, shift 1: partition 1 begins at (1 + 1) mod 3, its second replica two on.
        check(2, None, Ok(&[&[2, 1], &[3, 2]]));
        check(3, None, Ok(&[&[2, 1], &[3, 2], &[1, 3]]));
        check(2, Some(&[&[1, 3]]), Ok(&[&[2, 1], &[1, 3]]));
        let refused = |asked| Err(CreatePartitionsError::NotAnIncrease { current: 1, asked });
        check(1, None, refused(1));
        check(-1, None, refused(-1));
        let invalid = |why| Err(CreatePartitionsError::InvalidAssignment(why));
        check(
            2,
            Some(&[&[1]]),
            invalid(InvalidAssignment::DifferentSizes(1)),
        );
        let wrong = InvalidAssignment::WrongCount {
            expected: 2,
            given: 1,
        };
        check(3, Some(&[&[1, 2]]), invalid(wrong));
        check(
            2,
            Some(&[&[1, 9]]),
            invalid(InvalidAssignment::UnknownBroker(BrokerId(9))),
        );
    }
}
