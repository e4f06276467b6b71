//! Administration of consumer groups: what their coordinators know of them, and their offsets.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ottla_metadata::{BrokerId, TopicPartition};
use ottla_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use ottla_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use ottla_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, ListGroupsRequest,
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
};
use ottla_protocol::{ErrorCode, StrBytes};

use crate::cluster::Topics;
use crate::{Admin, ClientError, Cluster, Connection, NodeView};

/// One group in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub group: String,
    /// What its members do: `consumer`, `connect`; empty for offsets without members.
    pub protocol_type: String,
    /// Its state; none from brokers older than 2.6.
    pub state: Option<String>,
    /// `classic` or `consumer` as the broker writes it; none from brokers older than 3.8.
    pub kind: Option<String>,
}

/// A group as its coordinator describes it. One that does not exist has the state `Dead`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its id.
    pub group: String,
    /// `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance` or `Dead`.
    pub state: String,
    /// What its members do.
    pub protocol_type: String,
    /// The protocol that was chosen for it: for consumers, the name of the assignor.
    pub protocol: String,
    /// The broker that coordinates it.
    pub coordinator: NodeView,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator gave it.
    pub id: String,
    /// `group.instance.id` of a static member.
    pub instance: Option<String>,
    /// Its client id.
    pub client_id: String,
    /// Where it connects from, `/address`.
    pub host: String,
    /// What it was assigned, in the format of the group's protocol type.
    pub assignment: Bytes,
}

/// An offset as it was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read.
    pub offset: i64,
    /// Leader epoch of the record before it, -1 for none.
    pub leader_epoch: i32,
    /// What the consumer wrote with it.
    pub metadata: String,
}

/// In whose name offsets are committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Committer {
    pub(crate) member: StrBytes,
    pub(crate) instance: Option<StrBytes>,
    /// -1 for somebody who is not a member.
    pub(crate) generation: i32,
}

impl Cluster {
    /// The broker that coordinates a group. One attempt: `COORDINATOR_NOT_AVAILABLE` passes.
    ///
    /// # Errors
    /// Why no broker told.
    pub async fn group_coordinator(&self, group: &str) -> Result<NodeView, ClientError> {
        let connection = self.any().await?;
        let version = connection.version_of::<FindCoordinatorRequest>(i16::MAX)?;
        let key = StrBytes::from_string(group.to_owned());
        let request = if version >= 4 {
            FindCoordinatorRequest::default().with_coordinator_keys(vec![key])
        } else {
            FindCoordinatorRequest::default().with_key(key)
        };
        let response = connection.call_version(version, &request).await?;
        let (code, message, node) = match response.coordinators.into_iter().next() {
            Some(c) if version >= 4 => (c.error_code, c.error_message, (c.node_id, c.host, c.port)),
            Some(_) | None => (
                response.error_code,
                response.error_message,
                (response.node_id, response.host, response.port),
            ),
        };
        ClientError::check(code, message.as_deref())?;
        let (id, host, port) = node;
        Ok(NodeView {
            id: BrokerId(id.0),
            host: host.to_string(),
            port,
            rack: None,
        })
    }
}

impl Admin {
    /// All groups of all brokers, or only those in one of `states` or of one of `kinds` where these
    /// are not empty.
    ///
    /// # Errors
    /// `UNSUPPORTED_VERSION` when a broker cannot tell states (before 2.6) or kinds (before 3.8);
    /// whatever a broker has against it.
    pub async fn list_groups(
        &self,
        states: &[String],
        kinds: &[String],
    ) -> Result<Vec<GroupListing>, ClientError> {
        let strings = |list: &[String]| -> Vec<StrBytes> {
            list.iter().cloned().map(StrBytes::from_string).collect()
        };
        let request = ListGroupsRequest::default()
            .with_states_filter(strings(states))
            .with_types_filter(strings(kinds));
        let view = self
            .cluster()
            .retry(async || self.cluster().refresh(Topics::None).await)
            .await?;
        let mut found = BTreeMap::new();
        for id in view.brokers.keys() {
            let attempt = async || {
                let broker = self.cluster().broker(*id).await?;
                let version = broker.version_of::<ListGroupsRequest>(i16::MAX)?;
                let needed = if !kinds.is_empty() {
                    5
                } else if !states.is_empty() {
                    4
                } else {
                    0
                };
                if version < needed {
                    return Err(ClientError::from_code(
                        ErrorCode::UnsupportedVersion.code(),
                        Some("the broker is too old to choose groups by state or type"),
                    ));
                }
                let response = broker.call_version(version, &request).await?;
                ClientError::check(response.error_code, None)?;
                Ok((version, response.groups))
            };
            let (version, groups) = self.cluster().retry(attempt).await?;
            for group in groups {
                let listing = GroupListing {
                    group: group.group_id.to_string(),
                    protocol_type: group.protocol_type.to_string(),
                    state: (version >= 4).then(|| group.group_state.to_string()),
                    kind: (version >= 5).then(|| group.group_type.to_string()),
                };
                found.insert(listing.group.clone(), listing);
            }
        }
        Ok(found.into_values().collect())
    }

    /// What the coordinator knows of a group.
    ///
    /// # Errors
    /// Whatever it has against telling.
    pub async fn describe_group(&self, group: &str) -> Result<GroupDescription, ClientError> {
        let name = StrBytes::from_string(group.to_owned());
        let request = DescribeGroupsRequest::default().with_groups(vec![name.into()]);
        self.at_coordinator(group, async |coordinator, connection| {
            let response = connection.call(&request).await?;
            let Some(found) = response.groups.into_iter().next() else {
                return Err(left_out());
            };
            // Coordinators from version 6 on say so of a group that does not exist.
            if found.error_code != ErrorCode::GroupIdNotFound.code() {
                ClientError::check(found.error_code, None)?;
            }
            let member =
                |m: ottla_protocol::messages::describe_groups_response::DescribedGroupMember| {
                    GroupMember {
                        id: m.member_id.to_string(),
                        instance: m.group_instance_id.map(|id| id.to_string()),
                        client_id: m.client_id.to_string(),
                        host: m.client_host.to_string(),
                        assignment: m.member_assignment,
                    }
                };
            Ok(GroupDescription {
                group: group.to_owned(),
                state: found.group_state.to_string(),
                protocol_type: found.protocol_type.to_string(),
                protocol: found.protocol_data.to_string(),
                coordinator,
                members: found.members.into_iter().map(member).collect(),
            })
        })
        .await
    }

    /// All offsets that a group has committed.
    ///
    /// # Errors
    /// Whatever the coordinator has against it.
    pub async fn group_offsets(
        &self,
        group: &str,
    ) -> Result<BTreeMap<TopicPartition, Committed>, ClientError> {
        self.at_coordinator(group, async |_, connection| {
            fetch_offsets(&connection, group, None, false).await
        })
        .await
    }

    /// Gives a group without members these offsets.
    ///
    /// # Errors
    /// Whatever the coordinator has against it; the first partition's refusal.
    pub async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), ClientError> {
        let nobody = Committer {
            generation: -1,
            ..Committer::default()
        };
        self.at_coordinator(group, async |_, connection| {
            let refused = commit_offsets(&connection, group, &nobody, offsets).await?;
            match refused.into_values().next() {
                Some(error) => Err(error),
                None => Ok(()),
            }
        })
        .await
    }

    /// Deletes a group without members.
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP`, `GROUP_ID_NOT_FOUND`, and whatever else the coordinator has against it.
    pub async fn delete_group(&self, group: &str) -> Result<(), ClientError> {
        let name = StrBytes::from_string(group.to_owned());
        let request = DeleteGroupsRequest::default().with_groups_names(vec![name.into()]);
        self.at_coordinator(group, async |_, connection| {
            let response = connection.call(&request).await?;
            match response.results.first() {
                Some(result) => ClientError::check(result.error_code, None),
                None => Err(left_out()),
            }
        })
        .await
    }

    /// Deletes a group's offsets of these partitions; by partition, what became of it.
    ///
    /// # Errors
    /// Whatever the coordinator has against all of it.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Result<(), ClientError>>, ClientError> {
        let entry = |p: &&TopicPartition| {
            OffsetDeleteRequestPartition::default().with_partition_index(p.partition)
        };
        let topics = by_topic(partitions).into_iter().map(|(name, partitions)| {
            OffsetDeleteRequestTopic::default()
                .with_name(name.into())
                .with_partitions(partitions.iter().map(entry).collect())
        });
        let request = OffsetDeleteRequest::default()
            .with_group_id(StrBytes::from_string(group.to_owned()).into())
            .with_topics(topics.collect());
        self.at_coordinator(group, async |_, connection| {
            let response = connection.call(&request).await?;
            ClientError::check(response.error_code, None)?;
            let mut results = BTreeMap::new();
            for topic in &response.topics {
                for p in &topic.partitions {
                    let key = TopicPartition::new(topic.name.as_str(), p.partition_index);
                    results.insert(key, ClientError::check(p.error_code, None));
                }
            }
            Ok(results)
        })
        .await
    }

    /// Runs `attempt` at a group's coordinator, looked up anew each time, until it settles.
    async fn at_coordinator<T>(
        &self,
        group: &str,
        mut attempt: impl AsyncFnMut(NodeView, Connection) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        self.cluster()
            .retry(async || {
                let node = self.cluster().group_coordinator(group).await?;
                let connection = self.cluster().connect(&node.address()).await?;
                attempt(node, connection).await
            })
            .await
    }
}

/// The offsets that a group has committed: of these partitions, or all. Partitions without one are
/// not in the answer. With `stable`, offsets of open transactions are an error that passes.
pub(crate) async fn fetch_offsets(
    connection: &Connection,
    group: &str,
    partitions: Option<&[TopicPartition]>,
    stable: bool,
) -> Result<BTreeMap<TopicPartition, Committed>, ClientError> {
    // Version 0 reads ZooKeeper; all offsets can be asked for from version 2 on.
    let version = connection.version_of::<OffsetFetchRequest>(i16::MAX)?;
    let lowest = if partitions.is_none() { 2 } else { 1 };
    if version < lowest {
        return Err(ClientError::Unsupported {
            address: connection.address().to_owned(),
            api: ottla_protocol::ApiKey::OffsetFetch,
        });
    }
    let request = offset_fetch_request(version, group, partitions, stable);
    let response = connection.call_version(version, &request).await?;
    let mut rows = Vec::new();
    if version >= 8 {
        let found = response.groups.into_iter().next().ok_or_else(left_out)?;
        ClientError::check(found.error_code, None)?;
        for topic in found.topics {
            let name = topic.name;
            let of_topic = topic.partitions.into_iter().map(|p| {
                let key = TopicPartition::new(name.as_str(), p.partition_index);
                let offset = (p.committed_offset, p.committed_leader_epoch, p.metadata);
                (key, p.error_code, offset)
            });
            rows.extend(of_topic);
        }
    } else {
        ClientError::check(response.error_code, None)?;
        for topic in response.topics {
            let name = topic.name;
            let of_topic = topic.partitions.into_iter().map(|p| {
                let key = TopicPartition::new(name.as_str(), p.partition_index);
                let offset = (p.committed_offset, p.committed_leader_epoch, p.metadata);
                (key, p.error_code, offset)
            });
            rows.extend(of_topic);
        }
    }
    let mut offsets = BTreeMap::new();
    for (partition, code, (offset, leader_epoch, metadata)) in rows {
        ClientError::check(code, None)?;
        if offset >= 0 {
            let committed = Committed {
                offset,
                leader_epoch,
                metadata: metadata.map(|m| m.to_string()).unwrap_or_default(),
            };
            offsets.insert(partition, committed);
        }
    }
    Ok(offsets)
}

fn offset_fetch_request(
    version: i16,
    group: &str,
    partitions: Option<&[TopicPartition]>,
    stable: bool,
) -> OffsetFetchRequest {
    let group = StrBytes::from_string(group.to_owned());
    let indexes = |list: &[&TopicPartition]| list.iter().map(|p| p.partition).collect::<Vec<_>>();
    let request = OffsetFetchRequest::default().with_require_stable(stable && version >= 7);
    if version >= 8 {
        let topics = partitions.map(|partitions| {
            let topics = by_topic(partitions).into_iter().map(|(name, list)| {
                OffsetFetchRequestTopics::default()
                    .with_name(name.into())
                    .with_partition_indexes(indexes(&list))
            });
            topics.collect()
        });
        let wanted = OffsetFetchRequestGroup::default()
            .with_group_id(group.into())
            .with_topics(topics);
        return request.with_groups(vec![wanted]);
    }
    let topics = partitions.map(|partitions| {
        let topics = by_topic(partitions).into_iter().map(|(name, list)| {
            OffsetFetchRequestTopic::default()
                .with_name(name.into())
                .with_partition_indexes(indexes(&list))
        });
        topics.collect()
    });
    request.with_group_id(group.into()).with_topics(topics)
}

/// Commits offsets and returns those partitions that were refused, with the reason.
pub(crate) async fn commit_offsets(
    connection: &Connection,
    group: &str,
    committer: &Committer,
    offsets: &BTreeMap<TopicPartition, i64>,
) -> Result<BTreeMap<TopicPartition, ClientError>, ClientError> {
    let version = connection.version_of::<OffsetCommitRequest>(i16::MAX)?;
    if version < 1 {
        // Version 0 writes to ZooKeeper.
        return Err(ClientError::Unsupported {
            address: connection.address().to_owned(),
            api: ottla_protocol::ApiKey::OffsetCommit,
        });
    }
    let partitions: Vec<TopicPartition> = offsets.keys().cloned().collect();
    let entry = |p: &&TopicPartition| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(p.partition)
            .with_committed_offset(offsets.get(*p).copied().unwrap_or(-1))
            .with_committed_metadata(Some(StrBytes::default()))
    };
    let topics = by_topic(&partitions).into_iter().map(|(name, list)| {
        OffsetCommitRequestTopic::default()
            .with_name(name.into())
            .with_partitions(list.iter().map(entry).collect())
    });
    let request = OffsetCommitRequest::default()
        .with_group_id(StrBytes::from_string(group.to_owned()).into())
        .with_generation_id_or_member_epoch(committer.generation)
        .with_member_id(committer.member.clone())
        .with_group_instance_id(committer.instance.clone().filter(|_| version >= 7))
        .with_topics(topics.collect());
    let response = connection.call_version(version, &request).await?;
    let mut refused = BTreeMap::new();
    for topic in &response.topics {
        for p in &topic.partitions {
            if let Err(error) = ClientError::check(p.error_code, None) {
                let key = TopicPartition::new(topic.name.as_str(), p.partition_index);
                refused.insert(key, error);
            }
        }
    }
    Ok(refused)
}

/// Partitions by topic, in order.
pub(crate) fn by_topic(partitions: &[TopicPartition]) -> Vec<(StrBytes, Vec<&TopicPartition>)> {
    let mut topics: BTreeMap<Arc<str>, Vec<&TopicPartition>> = BTreeMap::new();
    for partition in partitions {
        let of_topic = topics.entry(Arc::from(&*partition.topic)).or_default();
        of_topic.push(partition);
    }
    topics
        .into_iter()
        .map(|(name, list)| (StrBytes::from_string(name.to_string()), list))
        .collect()
}

fn left_out() -> ClientError {
    ClientError::from_code(
        ErrorCode::UnknownServerError.code(),
        Some("the broker left the group out of its answer"),
    )
}
