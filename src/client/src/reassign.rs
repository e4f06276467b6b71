//! Requests that move replicas: to other brokers (KIP-455), or to other log directories (KIP-113).

use std::collections::BTreeMap;

use ottla_metadata::{BrokerId, TopicName, TopicPartition};
use ottla_protocol::StrBytes;
use ottla_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use ottla_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use ottla_protocol::messages::{AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest};

use crate::admin::{server_timeout_ms, settle};
use crate::{Admin, ClientError};

/// What became of each partition of a request.
pub type PartitionResults = BTreeMap<TopicPartition, Result<(), ClientError>>;

impl Admin {
    /// Has partitions moved to other replicas, or, with `None`, no longer moved; what became of each
    /// request. The moves themselves go on (brokers from 2.4 on).
    ///
    /// # Errors
    /// Whatever the controller has against the whole request; [`ClientError::Unsupported`] from
    /// brokers older than 2.4.
    pub async fn alter_reassignments(
        &self,
        wanted: &BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
    ) -> Result<PartitionResults, ClientError> {
        let mut topics: BTreeMap<&TopicName, Vec<ReassignablePartition>> = BTreeMap::new();
        for (tp, replicas) in wanted {
            let ids = |ids: &Vec<BrokerId>| ids.iter().map(|id| id.0.into()).collect();
            let partition = ReassignablePartition::default()
                .with_partition_index(tp.partition)
                .with_replicas(replicas.as_ref().map(ids));
            topics.entry(&tp.topic).or_default().push(partition);
        }
        let topic = |(name, partitions): (&TopicName, Vec<ReassignablePartition>)| {
            ReassignableTopic::default()
                .with_name(StrBytes::from_string(name.to_string()).into())
                .with_partitions(partitions)
        };
        let request = AlterPartitionReassignmentsRequest::default()
            .with_topics(topics.into_iter().map(topic).collect())
            .with_timeout_ms(server_timeout_ms());
        self.cluster()
            .retry(async || {
                let controller = self
                    .controller_for::<AlterPartitionReassignmentsRequest>()
                    .await?;
                let response = controller.call(&request).await?;
                ClientError::check(response.error_code, response.error_message.as_deref())?;
                let mut results = BTreeMap::new();
                for topic in &response.responses {
                    for partition in &topic.partitions {
                        let message = partition.error_message.as_deref();
                        let outcome = ClientError::check(partition.error_code, message);
                        let tp =
                            TopicPartition::new(topic.name.as_str(), partition.partition_index);
                        results.insert(tp, settle(outcome)?);
                    }
                }
                Ok(results)
            })
            .await
    }

    /// Has a broker move replicas to other log directories of its own (brokers from 1.1 on); what
    /// became of each request. The moves themselves go on.
    ///
    /// # Errors
    /// The broker could not be asked.
    pub async fn alter_replica_log_dirs(
        &self,
        broker: BrokerId,
        wanted: &BTreeMap<TopicPartition, String>,
    ) -> Result<PartitionResults, ClientError> {
        let mut dirs: BTreeMap<&str, BTreeMap<&TopicName, Vec<i32>>> = BTreeMap::new();
        for (tp, dir) in wanted {
            let topics = dirs.entry(dir).or_default();
            topics.entry(&tp.topic).or_default().push(tp.partition);
        }
        let topic = |(name, partitions): (&TopicName, Vec<i32>)| {
            AlterReplicaLogDirTopic::default()
                .with_name(StrBytes::from_string(name.to_string()).into())
                .with_partitions(partitions)
        };
        let dir = |(path, topics): (&str, BTreeMap<&TopicName, Vec<i32>>)| {
            AlterReplicaLogDir::default()
                .with_path(StrBytes::from_string(path.to_owned()))
                .with_topics(topics.into_iter().map(topic).collect())
        };
        let request =
            AlterReplicaLogDirsRequest::default().with_dirs(dirs.into_iter().map(dir).collect());
        self.cluster()
            .retry(async || {
                let broker = self.cluster().broker(broker).await?;
                let response = broker.call(&request).await?;
                let mut results = BTreeMap::new();
                for topic in &response.results {
                    for partition in &topic.partitions {
                        let outcome = ClientError::check(partition.error_code, None);
                        let name = topic.topic_name.as_str();
                        results.insert(
                            TopicPartition::new(name, partition.partition_index),
                            outcome,
                        );
                    }
                }
                Ok(results)
            })
            .await
    }
}
