//! Creating topics (KIP-4; `ZkAdminManager.createTopics`, `AdminZkClient`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_controller::{PlacementError, Start};
use ottla_metadata::{BrokerId, TopicId, TopicName, collides, validate_topic_name};
use ottla_zk::znode::{ConfigEntity, EntityConfig, TopicZnode};
use ottla_zk::{Conflict, Watch};
use rand::Rng;
use tokio::time::Instant;

use crate::assignment::{self, check_lists};
use crate::shared::Shared;
use crate::wait::{Failed, patience, until, within};
use crate::{CreateTopicError, InvalidAssignment, NewTopic, StoreError, WaitOptions};

/// The name of the log of a KRaft cluster, which no topic may take.
const METADATA_LOG: &str = "__cluster_metadata";

/// A topic that was created, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// The name.
    pub name: String,
    /// The id; zero below `inter.broker.protocol.version` 2.8 and for `validate_only`.
    pub id: TopicId,
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of the first partition.
    pub replication_factor: i16,
}

/// What exists, read once per request.
struct Existing {
    topics: BTreeSet<TopicName>,
    marked: BTreeSet<TopicName>,
}

/// A topic that passed all checks.
struct Plan {
    topic: NewTopic,
    partitions: BTreeMap<i32, Vec<BrokerId>>,
}

pub(crate) async fn create_topics(
    shared: &Shared,
    topics: Vec<NewTopic>,
    options: WaitOptions,
) -> Vec<Result<CreatedTopic, CreateTopicError>> {
    let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    let started = Instant::now();
    let results = write_topics(shared, topics, options).await;
    if options.validate_only {
        return results;
    }
    let mut answers = Vec::with_capacity(results.len());
    for (name, result) in names.into_iter().zip(results) {
        answers.push(match result {
            Ok(created) if wait_for_leaders(shared, &created, started + options.timeout).await => {
                Ok(created)
            }
            Ok(_) => Err(CreateTopicError::NoLeaderInTime),
            // Ours was written a moment ago by a request that was repeated, or it is somebody
            // else's: either way it exists.
            Err(error) => {
                tracing::debug!(topic = name, %error, "topic not created");
                Err(error)
            }
        });
    }
    answers
}

/// Checks and writes, without waiting for leaders.
pub(crate) async fn write_topics(
    shared: &Shared,
    topics: Vec<NewTopic>,
    options: WaitOptions,
) -> Vec<Result<CreatedTopic, CreateTopicError>> {
    let deadline = patience(&shared.zk, options.timeout);
    let mut existing = match read_existing(shared, deadline).await {
        Ok(existing) => existing,
        Err(error) => {
            let error = CreateTopicError::Store(error);
            return topics.iter().map(|_| Err(error.clone())).collect();
        }
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for topic in &topics {
        *counts.entry(topic.name.clone()).or_default() += 1;
    }
    let mut results = Vec::with_capacity(topics.len());
    for topic in topics {
        if counts.get(&topic.name).is_some_and(|count| *count > 1) {
            results.push(Err(CreateTopicError::Duplicate(topic.name)));
            continue;
        }
        let planned = plan(shared, &existing, topic);
        results.push(match planned {
            Err(error) => Err(error),
            Ok(plan) => {
                existing.topics.insert(plan.topic.name.as_str().into());
                match options.validate_only {
                    true => Ok(created(&plan, TopicId::ZERO)),
                    false => write(shared, plan, deadline).await,
                }
            }
        });
    }
    results
}

async fn read_existing(shared: &Shared, deadline: Instant) -> Result<Existing, StoreError> {
    let read = async {
        let topics = shared.zk.topics(Watch::No).await?;
        let marked = shared.zk.topics_to_delete(Watch::No).await?;
        Ok::<_, ottla_zk::ZkError>((topics, marked))
    };
    let (topics, marked) = within(deadline, read).await.map_err(Failed::into_store)?;
    Ok(Existing {
        topics: topics.into_iter().collect(),
        marked: marked.into_iter().collect(),
    })
}

/// Everything that can be wrong with a topic before it is written.
fn plan(shared: &Shared, existing: &Existing, topic: NewTopic) -> Result<Plan, CreateTopicError> {
    validate_topic_name(&topic.name)?;
    if topic.name == METADATA_LOG {
        return Err(CreateTopicError::Reserved(topic.name));
    }
    if existing.marked.contains(topic.name.as_str()) {
        return Err(CreateTopicError::MarkedForDeletion(topic.name));
    }
    if existing.topics.contains(topic.name.as_str()) {
        return Err(CreateTopicError::Exists(topic.name));
    }
    if let Some(other) = existing
        .topics
        .iter()
        .find(|other| collides(other, &topic.name))
    {
        return Err(CreateTopicError::Collides(Arc::clone(other)));
    }
    let partitions = match topic.assignment.is_empty() {
        true => place(shared, &topic)?,
        false => by_hand(shared, &topic)?,
    };
    Ok(Plan { topic, partitions })
}

/// Lets the broker choose.
fn place(
    shared: &Shared,
    topic: &NewTopic,
) -> Result<BTreeMap<i32, Vec<BrokerId>>, CreateTopicError> {
    let or_default = |asked: i32, default: i32| if asked == -1 { default } else { asked };
    let settings = &shared.settings;
    let count = or_default(topic.partitions, settings.default_partitions);
    if count <= 0 {
        return Err(CreateTopicError::InvalidPartitions(count));
    }
    let factor = or_default(
        topic.replication_factor.into(),
        settings.default_replication_factor.into(),
    );
    let brokers = shared.placeable();
    let refused = CreateTopicError::InvalidReplicationFactor {
        asked: i16::try_from(factor).unwrap_or(i16::MAX),
        available: brokers.len(),
    };
    let Ok(factor) = usize::try_from(factor) else {
        return Err(refused);
    };
    if factor == 0 || factor > brokers.len() {
        return Err(refused);
    }
    let mut random = rand::rng();
    let start = Start {
        index: random.random_range(0..brokers.len()),
        shift: random.random_range(0..brokers.len()),
    };
    ottla_controller::place(&brokers, count, factor, 0, start).map_err(|error| match error {
        PlacementError::ReplicationFactor { .. } => refused,
        PlacementError::RacksMissing => CreateTopicError::RacksMissing(error),
    })
}

/// Takes the caller's assignment.
fn by_hand(
    shared: &Shared,
    topic: &NewTopic,
) -> Result<BTreeMap<i32, Vec<BrokerId>>, CreateTopicError> {
    if topic.partitions != -1 || topic.replication_factor != -1 {
        return Err(CreateTopicError::CountsAndAssignment);
    }
    let invalid = CreateTopicError::InvalidAssignment;
    let mut partitions = BTreeMap::new();
    for (number, replicas) in &topic.assignment {
        if partitions.insert(*number, replicas.clone()).is_some() {
            return Err(invalid(InvalidAssignment::DuplicatePartition(*number)));
        }
    }
    assignment::check_numbers(partitions.keys().copied(), 0).map_err(invalid)?;
    check_lists(&partitions, None, &shared.placeable()).map_err(invalid)?;
    Ok(partitions)
}

fn created(plan: &Plan, id: TopicId) -> CreatedTopic {
    let replicas = plan.partitions.values().next().map_or(0, Vec::len);
    CreatedTopic {
        name: plan.topic.name.clone(),
        id,
        partitions: i32::try_from(plan.partitions.len()).unwrap_or(i32::MAX),
        replication_factor: i16::try_from(replicas).unwrap_or(i16::MAX),
    }
}

/// Writes the topic's configuration, then its node: whoever sees the node finds the configuration.
async fn write(
    shared: &Shared,
    plan: Plan,
    deadline: Instant,
) -> Result<CreatedTopic, CreateTopicError> {
    let name = plan.topic.name.as_str();
    let store = |failed: Failed| CreateTopicError::Store(failed.into_store());
    let entity = ConfigEntity::Topic(name.to_owned());
    let configs = EntityConfig(plan.topic.configs.clone());
    within(deadline, shared.zk.write_config(&entity, &configs))
        .await
        .map_err(store)?;

    let id = match shared.settings.version.topic_ids() {
        true => TopicId::random(),
        false => TopicId::ZERO,
    };
    let node = TopicZnode {
        topic_id: (!id.is_zero()).then_some(id),
        partitions: plan.partitions.clone(),
        ..TopicZnode::default()
    };
    match within(deadline, shared.zk.create_topic(name, &node)).await {
        Ok(()) => {}
        Err(Failed::Conflict(Conflict::Exists)) => {
            return Err(CreateTopicError::Exists(name.to_owned()));
        }
        Err(Failed::Unknown) => {
            // It is ours if it holds what we wrote.
            let found = within(deadline, shared.zk.topic(name, Watch::No))
                .await
                .map_err(store)?;
            match found {
                Some(found) if found.value == node => {}
                Some(_) => return Err(CreateTopicError::Exists(name.to_owned())),
                None => return Err(CreateTopicError::Store(StoreError::Away)),
            }
        }
        Err(failed) => return Err(store(failed)),
    }
    tracing::info!(topic = name, %id, partitions = plan.partitions.len(), "topic created");
    Ok(created(&plan, id))
}

pub(crate) async fn wait_for_leaders(
    shared: &Shared,
    topic: &CreatedTopic,
    deadline: Instant,
) -> bool {
    let count = usize::try_from(topic.partitions).unwrap_or(0);
    let led = || has_leaders(shared, &topic.name, count);
    until(shared.image_version.subscribe(), deadline, led).await
}

/// Whether the image has that many partitions of the topic, all with a leader.
pub(crate) fn has_leaders(shared: &Shared, topic: &str, count: usize) -> bool {
    shared.image.load().topic(topic).is_some_and(|topic| {
        topic.partitions.len() >= count && topic.partitions.values().all(|p| p.leader.is_some())
    })
}
