//! The cluster as handlers use it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use ottla_cluster::{
    AlterConfigError, AlterationAnswer, AlterationRefused, Assignment, Cluster, ConfigEntity,
    CreatePartitionsError, CreateTopicError, CreatedTopic, DeleteTopicError, ElectedLeaders,
    ElectionKind, GrantError, IsrAlteration, NewPartitions, NewTopic, ReassignError,
    ReassignmentAnswers, ReplicaAnswers, Request, RequestRefused, ShutdownRefused, StoreError,
    WaitOptions,
};
use ottla_metadata::{BrokerId, ClusterImage, ConfigImage, Offset, TopicPartition};

/// The cluster as handlers see it: [`Cluster`], or a fake in tests. The methods are those of
/// [`Cluster`] and mean the same.
pub(crate) trait ClusterPort: Send + Sync + 'static {
    /// The cluster as last published.
    fn image(&self) -> Arc<ClusterImage>;
    /// Dynamic configuration.
    fn configs(&self) -> Arc<ConfigImage>;
    /// Takes a controller's request.
    fn receive(
        &self,
        request: Request,
    ) -> BoxFuture<'static, Result<ReplicaAnswers, RequestRefused>>;
    /// Whether this broker is the active controller.
    fn is_controller(&self) -> bool;
    /// Creates topics.
    fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        options: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<CreatedTopic, CreateTopicError>>>;
    /// Creates a topic for a Metadata request.
    fn auto_create(&self, topic: NewTopic)
    -> BoxFuture<'_, Result<CreatedTopic, CreateTopicError>>;
    /// Deletes topics.
    fn delete_topics(
        &self,
        topics: Vec<String>,
        options: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<(), DeleteTopicError>>>;
    /// Adds partitions.
    fn create_partitions(
        &self,
        topics: Vec<NewPartitions>,
        options: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<(), CreatePartitionsError>>>;
    /// Elects leaders.
    fn elect_leaders(
        &self,
        kind: ElectionKind,
        partitions: BTreeSet<TopicPartition>,
        timeout: Duration,
    ) -> BoxFuture<'_, ElectedLeaders>;
    /// Moves partitions to other replicas, or, with `None`, stops moving them.
    fn alter_reassignments(
        &self,
        partitions: BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<ReassignmentAnswers, ReassignError>>;
    /// Lists partitions that are being moved.
    fn list_reassignments(
        &self,
        partitions: Option<BTreeSet<TopicPartition>>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<BTreeMap<TopicPartition, Assignment>, ReassignError>>;
    /// Replaces the dynamic configuration of an entity.
    fn alter_configs(
        &self,
        entity: ConfigEntity,
        configs: BTreeMap<String, String>,
    ) -> BoxFuture<'_, Result<(), AlterConfigError>>;
    /// Claims a block of producer ids.
    fn allocate_producer_ids(&self) -> BoxFuture<'_, Result<RangeInclusive<i64>, StoreError>>;
    /// Grants a broker a block of producer ids, as controller.
    fn grant_producer_ids(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> BoxFuture<'_, Result<RangeInclusive<i64>, GrantError>>;
    /// Changes in-sync replicas for leaders, as controller.
    fn alter_partition(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
        partitions: Vec<IsrAlteration>,
    ) -> BoxFuture<'_, Result<Vec<AlterationAnswer>, AlterationRefused>>;
    /// Moves leaderships off a broker, as controller.
    fn controlled_shutdown(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> BoxFuture<'_, Result<BTreeSet<TopicPartition>, ShutdownRefused>>;
    /// A group's position in ZooKeeper.
    fn consumer_offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: i32,
    ) -> BoxFuture<'a, Result<Option<Offset>, StoreError>>;
    /// Stores a group's position in ZooKeeper.
    fn commit_consumer_offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: i32,
        offset: Offset,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

impl ClusterPort for Cluster {
    fn image(&self) -> Arc<ClusterImage> {
        Cluster::image(self)
    }

    fn configs(&self) -> Arc<ConfigImage> {
        Cluster::configs(self)
    }

    fn receive(
        &self,
        request: Request,
    ) -> BoxFuture<'static, Result<ReplicaAnswers, RequestRefused>> {
        Box::pin(Cluster::receive(self, request))
    }

    fn is_controller(&self) -> bool {
        Cluster::is_controller(self)
    }

    fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        options: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<CreatedTopic, CreateTopicError>>> {
        Box::pin(Cluster::create_topics(self, topics, options))
    }

    fn auto_create(
        &self,
        topic: NewTopic,
    ) -> BoxFuture<'_, Result<CreatedTopic, CreateTopicError>> {
        Box::pin(Cluster::auto_create(self, topic))
    }

    fn delete_topics(
        &self,
        topics: Vec<String>,
        options: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<(), DeleteTopicError>>> {
        Box::pin(Cluster::delete_topics(self, topics, options))
    }

    fn create_partitions(
        &self,
        topics: Vec<NewPartitions>,
        options: WaitOptions,
    ) -> BoxFuture<'_, Vec<Result<(), CreatePartitionsError>>> {
        Box::pin(Cluster::create_partitions(self, topics, options))
    }

    fn elect_leaders(
        &self,
        kind: ElectionKind,
        partitions: BTreeSet<TopicPartition>,
        timeout: Duration,
    ) -> BoxFuture<'_, ElectedLeaders> {
        Box::pin(Cluster::elect_leaders(self, kind, partitions, timeout))
    }

    fn alter_reassignments(
        &self,
        partitions: BTreeMap<TopicPartition, Option<Vec<BrokerId>>>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<ReassignmentAnswers, ReassignError>> {
        Box::pin(Cluster::alter_reassignments(self, partitions, timeout))
    }

    fn list_reassignments(
        &self,
        partitions: Option<BTreeSet<TopicPartition>>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<BTreeMap<TopicPartition, Assignment>, ReassignError>> {
        Box::pin(Cluster::list_reassignments(self, partitions, timeout))
    }

    fn alter_configs(
        &self,
        entity: ConfigEntity,
        configs: BTreeMap<String, String>,
    ) -> BoxFuture<'_, Result<(), AlterConfigError>> {
        Box::pin(Cluster::alter_configs(self, entity, configs))
    }

    fn allocate_producer_ids(&self) -> BoxFuture<'_, Result<RangeInclusive<i64>, StoreError>> {
        Box::pin(Cluster::allocate_producer_ids(self))
    }

    fn grant_producer_ids(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> BoxFuture<'_, Result<RangeInclusive<i64>, GrantError>> {
        Box::pin(Cluster::grant_producer_ids(self, broker, broker_epoch))
    }

    fn alter_partition(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
        partitions: Vec<IsrAlteration>,
    ) -> BoxFuture<'_, Result<Vec<AlterationAnswer>, AlterationRefused>> {
        let altered = Cluster::alter_partition(self, broker, broker_epoch, partitions);
        Box::pin(altered)
    }

    fn controlled_shutdown(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
    ) -> BoxFuture<'_, Result<BTreeSet<TopicPartition>, ShutdownRefused>> {
        Box::pin(Cluster::controlled_shutdown(self, broker, broker_epoch))
    }

    fn consumer_offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: i32,
    ) -> BoxFuture<'a, Result<Option<Offset>, StoreError>> {
        Box::pin(Cluster::consumer_offset(self, group, topic, partition))
    }

    fn commit_consumer_offset<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        partition: i32,
        offset: Offset,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let commit = Cluster::commit_consumer_offset(self, group, topic, partition, offset);
        Box::pin(commit)
    }
}
