//! Administrative requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_metadata::{BrokerId, TopicPartition};
use ottla_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use ottla_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use ottla_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use ottla_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use ottla_protocol::messages::delete_topics_request::DeleteTopicState;
use ottla_protocol::messages::describe_configs_request::DescribeConfigsResource;
use ottla_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use ottla_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use ottla_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use ottla_protocol::messages::elect_leaders_request::TopicPartitions;
use ottla_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use ottla_protocol::messages::list_partition_reassignments_response::OngoingPartitionReassignment;
use ottla_protocol::messages::{
    AlterReplicaLogDirsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeConfigsRequest, DescribeLogDirsRequest, ElectLeadersRequest,
    IncrementalAlterConfigsRequest, ListPartitionReassignmentsRequest,
};
use ottla_protocol::{ErrorCode, Request, StrBytes};

use crate::cluster::Topics;
use crate::offsets::no_leader;
use crate::{ClientError, Cluster, Connection};

/// What a broker may take for a topic or a configuration change before it answers "timed out".
const SERVER_TIMEOUT: Duration = Duration::from_secs(30);

/// A topic to create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Number of partitions; none for the broker's default (brokers from 2.4 on).
    pub partitions: Option<i32>,
    /// Replicas of each; none for the broker's default (brokers from 2.4 on).
    pub replication_factor: Option<i16>,
    /// Replicas by partition, instead of the two numbers above.
    pub assignment: BTreeMap<i32, Vec<BrokerId>>,
    /// Configuration overrides.
    pub configs: BTreeMap<String, String>,
}

/// What a configuration belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceType {
    /// A topic.
    Topic,
    /// A broker by id, or all of them for the empty name.
    Broker,
    /// The log levels of a broker.
    BrokerLogger,
}

/// A thing with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigResource {
    /// Its kind.
    pub kind: ResourceType,
    /// Its name.
    pub name: String,
}

/// Where the value of a configuration comes from (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// An override of the topic.
    DynamicTopic,
    /// Set at run time for one broker.
    DynamicBroker,
    /// Set at run time for all brokers.
    DynamicDefaultBroker,
    /// The properties file.
    StaticBroker,
    /// Kafka's default.
    Default,
    /// The log level of a class.
    DynamicBrokerLogger,
    /// A number that this client does not know.
    Unknown,
}

impl ConfigSource {
    /// The source with this number on the wire.
    pub fn from_code(code: i8) -> ConfigSource {
        match code {
            1 => ConfigSource::DynamicTopic,
            2 => ConfigSource::DynamicBroker,
            3 => ConfigSource::DynamicDefaultBroker,
            4 => ConfigSource::StaticBroker,
            5 => ConfigSource::Default,
            6 => ConfigSource::DynamicBrokerLogger,
            _ => ConfigSource::Unknown,
        }
    }

    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        match self {
            ConfigSource::DynamicTopic => "DYNAMIC_TOPIC_CONFIG",
            ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
            ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
            ConfigSource::Default => "DEFAULT_CONFIG",
            ConfigSource::DynamicBrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
            ConfigSource::Unknown => "UNKNOWN",
        }
    }
}

/// A change of one key (KIP-339).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterOp {
    /// Give it this value.
    Set(String),
    /// Remove the override.
    Delete,
}

/// Which leaders an election is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionType {
    /// The first replica of the assignment, if it is in sync.
    Preferred,
    /// Any live replica, if no replica in sync lives.
    Unclean,
}

/// The administrative requests of a cluster. Cheap to make and to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    cluster: Cluster,
}

impl Admin {
    /// The administration of this cluster.
    pub fn new(cluster: Cluster) -> Admin {
        Admin { cluster }
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// `TOPIC_ALREADY_EXISTS` and whatever else the controller has against it.
    pub async fn create_topic(
        &self,
        topic: &NewTopic,
        validate_only: bool,
    ) -> Result<(), ClientError> {
        let request = CreateTopicsRequest::default()
            .with_topics(vec![creatable(topic)])
            .with_timeout_ms(server_timeout_ms())
            .with_validate_only(validate_only);
        self.cluster
            .retry(async || {
                let controller = self.controller_for::<CreateTopicsRequest>().await?;
                let response = controller.call(&request).await?;
                settle(response.topics.iter().try_for_each(|result| {
                    ClientError::check(result.error_code, result.error_message.as_deref())
                }))
            })
            .await?
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// Whatever the controller has against it. An unknown topic is not waited for.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        let name = StrBytes::from_string(name.to_owned());
        self.cluster
            .retry(async || {
                let controller = self.controller_for::<DeleteTopicsRequest>().await?;
                let version = controller.version_of::<DeleteTopicsRequest>(i16::MAX)?;
                let request = DeleteTopicsRequest::default().with_timeout_ms(server_timeout_ms());
                let request = if version >= 6 {
                    let state = DeleteTopicState::default().with_name(Some(name.clone().into()));
                    request.with_topics(vec![state])
                } else {
                    request.with_topic_names(vec![name.clone().into()])
                };
                let response = controller.call_version(version, &request).await?;
                settle(response.responses.iter().try_for_each(|result| {
                    ClientError::check(result.error_code, result.error_message.as_deref())
                }))
            })
            .await?
    }

    /// Gives a topic more partitions: `count` in all. `assignment` holds the replicas of the new
    /// ones; empty, the controller chooses.
    ///
    /// # Errors
    /// Whatever the controller has against it.
    pub async fn create_partitions(
        &self,
        topic: &str,
        count: i32,
        assignment: &[Vec<BrokerId>],
    ) -> Result<(), ClientError> {
        let replicas = |ids: &Vec<BrokerId>| {
            CreatePartitionsAssignment::default()
                .with_broker_ids(ids.iter().map(|id| id.0.into()).collect())
        };
        let topic = CreatePartitionsTopic::default()
            .with_name(StrBytes::from_string(topic.to_owned()).into())
            .with_count(count)
            .with_assignments(
                (!assignment.is_empty()).then(|| assignment.iter().map(replicas).collect()),
            );
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(server_timeout_ms());
        self.cluster
            .retry(async || {
                let controller = self.controller_for::<CreatePartitionsRequest>().await?;
                let response = controller.call(&request).await?;
                settle(response.results.iter().try_for_each(|result| {
                    ClientError::check(result.error_code, result.error_message.as_deref())
                }))
            })
            .await?
    }

    /// The configuration of a resource: all keys, those of a broker from that broker itself.
    ///
    /// # Errors
    /// Whatever the broker has against it.
    pub async fn describe_configs(
        &self,
        resource: &ConfigResource,
        synonyms: bool,
    ) -> Result<Vec<DescribeConfigsResourceResult>, ClientError> {
        let described = DescribeConfigsResource::default()
            .with_resource_type(resource.kind.code())
            .with_resource_name(StrBytes::from_string(resource.name.clone()))
            .with_configuration_keys(None);
        self.cluster
            .retry(async || {
                let broker = self.broker_for(resource).await?;
                let version = broker.version_of::<DescribeConfigsRequest>(i16::MAX)?;
                let request = DescribeConfigsRequest::default()
                    .with_resources(vec![described.clone()])
                    .with_include_synonyms(synonyms && version >= 1);
                let response = broker.call_version(version, &request).await?;
                let mut configs = Vec::new();
                for result in response.results {
                    let message = result.error_message.as_deref();
                    if let Err(error) = ClientError::check(result.error_code, message) {
                        return Ok(Err(error));
                    }
                    configs.extend(result.configs);
                }
                Ok(Ok(configs))
            })
            .await?
    }

    /// Changes some keys of a resource and leaves the others alone (brokers from 2.3 on).
    ///
    /// # Errors
    /// Whatever the broker has against it.
    pub async fn alter_configs(
        &self,
        resource: &ConfigResource,
        changes: &BTreeMap<String, AlterOp>,
    ) -> Result<(), ClientError> {
        let change = |(name, op): (&String, &AlterOp)| {
            let (code, value) = match op {
                AlterOp::Set(value) => (0, Some(StrBytes::from_string(value.clone()))),
                AlterOp::Delete => (1, None),
            };
            AlterableConfig::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_config_operation(code)
                .with_value(value)
        };
        let altered = AlterConfigsResource::default()
            .with_resource_type(resource.kind.code())
            .with_resource_name(StrBytes::from_string(resource.name.clone()))
            .with_configs(changes.iter().map(change).collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![altered]);
        self.cluster
            .retry(async || {
                let broker = self.broker_for(resource).await?;
                let response = broker.call(&request).await?;
                settle(response.responses.iter().try_for_each(|result| {
                    ClientError::check(result.error_code, result.error_message.as_deref())
                }))
            })
            .await?
    }

    /// Removes the records before these offsets (-1: before the high watermark) and returns where
    /// each partition now begins, by partition.
    pub async fn delete_records(
        &self,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> BTreeMap<TopicPartition, Result<i64, ClientError>> {
        let mut results = BTreeMap::new();
        for (partition, offset) in offsets {
            let result = self
                .cluster
                .retry(
                    async || match self.delete_records_of(partition, *offset).await {
                        // A typing error, most likely; it would be waited for in vain.
                        Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {
                            Ok(Err(error))
                        }
                        Err(error) => Err(error),
                        Ok(start) => Ok(Ok(start)),
                    },
                )
                .await
                .and_then(|settled| settled);
            results.insert(partition.clone(), result);
        }
        results
    }

    async fn delete_records_of(
        &self,
        partition: &TopicPartition,
        offset: i64,
    ) -> Result<i64, ClientError> {
        let topics = [partition.topic.clone()];
        let view = self.cluster.refresh(Topics::Named(&topics)).await?;
        let Some(leader) = view.leader(&partition.topic, partition.partition) else {
            return Err(no_leader(&view, partition));
        };
        let leader = self.cluster.broker(leader.id).await?;
        let entry = DeleteRecordsPartition::default()
            .with_partition_index(partition.partition)
            .with_offset(offset);
        let topic = DeleteRecordsTopic::default()
            .with_name(StrBytes::from_string(partition.topic.to_string()).into())
            .with_partitions(vec![entry]);
        let request = DeleteRecordsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(server_timeout_ms());
        let response = leader.call(&request).await?;
        let mut results = response.topics.iter().flat_map(|t| &t.partitions);
        match results.next() {
            Some(result) => {
                ClientError::check(result.error_code, None).map(|()| result.low_watermark)
            }
            None => Err(ClientError::from_code(
                ErrorCode::UnknownServerError.code(),
                Some("the broker left the partition out of its answer"),
            )),
        }
    }

    /// Has leaders elected (KIP-183, KIP-460), of all partitions or of these; what became of each.
    /// Of all, those that needed no election may be left out.
    ///
    /// # Errors
    /// Whatever the controller has against the whole request; [`ClientError::Unsupported`] from
    /// brokers older than 2.2, and for unclean elections older than 2.4.
    pub async fn elect_leaders(
        &self,
        kind: ElectionType,
        partitions: Option<&BTreeSet<TopicPartition>>,
    ) -> Result<BTreeMap<TopicPartition, Result<(), ClientError>>, ClientError> {
        let topics = partitions.map(|partitions| {
            let mut topics: BTreeMap<_, Vec<i32>> = BTreeMap::new();
            for tp in partitions {
                topics.entry(&tp.topic).or_default().push(tp.partition);
            }
            let topic = |(name, numbers): (&ottla_metadata::TopicName, Vec<i32>)| {
                TopicPartitions::default()
                    .with_topic(StrBytes::from_string(name.to_string()).into())
                    .with_partitions(numbers)
            };
            topics.into_iter().map(topic).collect()
        });
        let request = ElectLeadersRequest::default()
            .with_election_type(match kind {
                ElectionType::Preferred => 0,
                ElectionType::Unclean => 1,
            })
            .with_topic_partitions(topics)
            .with_timeout_ms(server_timeout_ms());
        self.cluster
            .retry(async || {
                let controller = self.controller_for::<ElectLeadersRequest>().await?;
                let response = controller.call(&request).await?;
                ClientError::check(response.error_code, None)?;
                let mut results = BTreeMap::new();
                for topic in &response.replica_election_results {
                    for result in &topic.partition_result {
                        let outcome =
                            ClientError::check(result.error_code, result.error_message.as_deref());
                        let tp = TopicPartition::new(topic.topic.as_str(), result.partition_id);
                        results.insert(tp, settle(outcome)?);
                    }
                }
                Ok(results)
            })
            .await
    }

    /// Has a broker move replicas of its to other log directories (KIP-113); what became of each.
    ///
    /// # Errors
    /// Whatever is in the way of the whole request.
    pub async fn alter_log_dirs(
        &self,
        broker: BrokerId,
        moves: &BTreeMap<TopicPartition, String>,
    ) -> Result<BTreeMap<TopicPartition, Result<(), ClientError>>, ClientError> {
        let dirs = moves.iter().map(|(tp, dir)| {
            let name = StrBytes::from_string(tp.topic.to_string());
            let topic = AlterReplicaLogDirTopic::default()
                .with_name(name.into())
                .with_partitions(vec![tp.partition]);
            AlterReplicaLogDir::default()
                .with_path(StrBytes::from_string(dir.clone()))
                .with_topics(vec![topic])
        });
        let request = AlterReplicaLogDirsRequest::default().with_dirs(dirs.collect());
        self.cluster
            .retry(async || {
                let broker = self.broker_named(broker).await?;
                let response = broker.call(&request).await?;
                let mut results = BTreeMap::new();
                for topic in &response.results {
                    for part in &topic.partitions {
                        let tp =
                            TopicPartition::new(topic.topic_name.as_str(), part.partition_index);
                        results.insert(tp, ClientError::check(part.error_code, None));
                    }
                }
                Ok(results)
            })
            .await
    }

    /// The log directories of a broker with the replicas in them, all or only those of `topics`
    /// (name and partitions).
    ///
    /// # Errors
    /// Whatever the broker has against it.
    pub async fn describe_log_dirs(
        &self,
        broker: BrokerId,
        topics: Option<&BTreeMap<String, Vec<i32>>>,
    ) -> Result<Vec<DescribeLogDirsResult>, ClientError> {
        let topic = |(name, partitions): (&String, &Vec<i32>)| {
            DescribableLogDirTopic::default()
                .with_topic(StrBytes::from_string(name.clone()).into())
                .with_partitions(partitions.clone())
        };
        let request = DescribeLogDirsRequest::default()
            .with_topics(topics.map(|topics| topics.iter().map(topic).collect()));
        self.cluster
            .retry(async || {
                let broker = self.broker_named(broker).await?;
                let response = broker.call(&request).await?;
                ClientError::check(response.error_code, None)?;
                Ok(response.results)
            })
            .await
    }

    /// The reassignments that are under way.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers older than 2.4.
    pub async fn list_reassignments(
        &self,
    ) -> Result<BTreeMap<TopicPartition, OngoingPartitionReassignment>, ClientError> {
        let request = ListPartitionReassignmentsRequest::default()
            .with_timeout_ms(server_timeout_ms())
            .with_topics(None);
        self.cluster
            .retry(async || {
                let controller = self
                    .controller_for::<ListPartitionReassignmentsRequest>()
                    .await?;
                let response = controller.call(&request).await?;
                ClientError::check(response.error_code, response.error_message.as_deref())?;
                let mut found = BTreeMap::new();
                for topic in response.topics {
                    for partition in topic.partitions {
                        let key =
                            TopicPartition::new(topic.name.as_str(), partition.partition_index);
                        found.insert(key, partition);
                    }
                }
                Ok(found)
            })
            .await
    }

    /// The controller, if the brokers know the request at all: those of 0.8 and 0.9 do not even say
    /// who it is, and would be asked in vain.
    pub(crate) async fn controller_for<R: Request>(&self) -> Result<Connection, ClientError> {
        self.cluster.any().await?.version_of::<R>(i16::MAX)?;
        self.cluster.controller().await
    }

    /// A broker, even if it has come since the view was last refreshed.
    async fn broker_named(&self, id: BrokerId) -> Result<Connection, ClientError> {
        if !self.cluster.view().brokers.contains_key(&id) {
            self.cluster.refresh(Topics::None).await?;
        }
        self.cluster.broker(id).await
    }

    /// Who answers for a resource: a broker for itself, the controller for what it stores, so that
    /// a change is seen by the next question.
    async fn broker_for(&self, resource: &ConfigResource) -> Result<Connection, ClientError> {
        match resource.kind {
            ResourceType::Topic => self.cluster.any().await,
            ResourceType::Broker | ResourceType::BrokerLogger => {
                match resource.name.parse::<i32>() {
                    Ok(id) => self.broker_named(BrokerId(id)).await,
                    Err(_) => self.cluster.any().await,
                }
            }
        }
    }
}

impl ResourceType {
    fn code(self) -> i8 {
        match self {
            ResourceType::Topic => 2,
            ResourceType::Broker => 4,
            ResourceType::BrokerLogger => 8,
        }
    }
}

/// What the controller says of a topic is final, retriable code or not; only "not controller" is
/// worth another attempt, elsewhere.
pub(crate) fn settle(
    result: Result<(), ClientError>,
) -> Result<Result<(), ClientError>, ClientError> {
    match result {
        Err(error) if error.code() == Some(ErrorCode::NotController) => Err(error),
        settled => Ok(settled),
    }
}

pub(crate) fn server_timeout_ms() -> i32 {
    i32::try_from(SERVER_TIMEOUT.as_millis()).unwrap_or(i32::MAX)
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let assigned = !topic.assignment.is_empty();
    let replicas = |(partition, ids): (&i32, &Vec<BrokerId>)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*partition)
            .with_broker_ids(ids.iter().map(|id| id.0.into()).collect())
    };
    let config = |(name, value): (&String, &String)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string(name.clone()))
            .with_value(Some(StrBytes::from_string(value.clone())))
    };
    CreatableTopic::default()
        .with_name(StrBytes::from_string(topic.name.clone()).into())
        .with_num_partitions(topic.partitions.filter(|_| !assigned).unwrap_or(-1))
        .with_replication_factor(topic.replication_factor.filter(|_| !assigned).unwrap_or(-1))
        .with_assignments(topic.assignment.iter().map(replicas).collect())
        .with_configs(topic.configs.iter().map(config).collect())
}
