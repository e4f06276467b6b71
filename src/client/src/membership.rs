//! A member of a consumer group towards its coordinator, by the eager protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_metadata::{TopicName, TopicPartition};
use ottla_protocol::layout::Guarded;
use ottla_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::messages::leave_group_request::MemberIdentity;
use ottla_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use ottla_protocol::{ErrorCode, Request, StrBytes};
use tokio::time::{sleep, timeout};

use crate::assignor::{self, Subscriber};
use crate::cluster::Topics;
use crate::consumer_protocol::{
    decode_assignment, decode_subscription, encode_assignment, encode_subscription,
};
use crate::groups::{Committed, Committer, commit_offsets, fetch_offsets};
use crate::{ClientError, Cluster, Connection};

const PROTOCOL_TYPE: &str = "consumer";
const ASSIGNOR: &str = "range";

/// What a member does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Join again under the same id.
    Rejoin,
    /// Join again as somebody new.
    JoinAnew,
    /// Look for the coordinator and repeat the request.
    FindCoordinator,
    /// Give up.
    Fail,
}

impl After {
    pub(crate) fn of(error: &ClientError) -> After {
        match error.code() {
            Some(ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration) => After::Rejoin,
            Some(ErrorCode::UnknownMemberId) => After::JoinAnew,
            _ if error.is_retriable() => After::FindCoordinator,
            _ => After::Fail,
        }
    }
}

/// One member. It belongs to no generation until it has joined.
#[derive(Debug)]
pub(crate) struct Membership {
    cluster: Cluster,
    group: String,
    session_timeout: Duration,
    rebalance_timeout: Duration,
    identity: Committer,
    /// To the coordinator, for this member alone: a join blocks it as long as others take.
    connection: Option<Connection>,
    /// Partitions of all topics that the group reads, if this member leads it.
    pub(crate) led_topics: Option<BTreeMap<TopicName, i32>>,
}

impl Membership {
    pub(crate) fn new(
        cluster: Cluster,
        group: &str,
        instance: Option<&str>,
        session_timeout: Duration,
        rebalance_timeout: Duration,
    ) -> Membership {
        let string = |text: &str| StrBytes::from_string(text.to_owned());
        Membership {
            cluster,
            group: group.to_owned(),
            session_timeout,
            rebalance_timeout,
            identity: Committer {
                member: StrBytes::default(),
                instance: instance.map(string),
                generation: -1,
            },
            connection: None,
            led_topics: None,
        }
    }

    /// Whether it has joined, as far as it knows.
    pub(crate) fn is_member(&self) -> bool {
        self.identity.generation >= 0
    }

    /// Takes in an error, and answers whether there is any use in going on.
    pub(crate) fn heed(&mut self, error: &ClientError) -> After {
        let after = After::of(error);
        match after {
            After::Rejoin | After::Fail => {}
            After::JoinAnew => {
                self.identity.member = StrBytes::default();
                self.identity.generation = -1;
            }
            After::FindCoordinator => self.connection = None,
        }
        after
    }

    /// Joins the group, as often as it takes, and answers what this member is to read.
    pub(crate) async fn join(
        &mut self,
        topics: &[TopicName],
    ) -> Result<Vec<TopicPartition>, ClientError> {
        loop {
            let error = match self.join_once(topics).await {
                Ok(partitions) => return Ok(partitions),
                Err(error) => error,
            };
            match self.heed(&error) {
                After::Fail => return Err(error),
                After::FindCoordinator => sleep(self.cluster.options().retry_backoff).await,
                After::Rejoin | After::JoinAnew => {}
            }
        }
    }

    async fn join_once(
        &mut self,
        topics: &[TopicName],
    ) -> Result<Vec<TopicPartition>, ClientError> {
        let joined = self.send_join(topics).await?;
        self.identity.member = joined.member_id.clone();
        self.identity.generation = joined.generation_id;
        self.led_topics = None;
        let mut assignments = Vec::new();
        if joined.leader == joined.member_id {
            assignments = self.assign(&joined).await?;
            if joined.skip_assignment {
                // A static leader that came back: everybody keeps what they have (KIP-814).
                assignments.clear();
            }
        }
        let connection = self.coordinator().await?;
        let version = connection.version_of::<SyncGroupRequest>(i16::MAX)?;
        let request = SyncGroupRequest::default()
            .with_group_id(self.group_id().into())
            .with_generation_id(self.identity.generation)
            .with_member_id(self.identity.member.clone())
            .with_group_instance_id(self.instance(version >= 3))
            .with_protocol_type((version >= 5).then(|| StrBytes::from_static_str(PROTOCOL_TYPE)))
            .with_protocol_name(joined.protocol_name.filter(|_| version >= 5))
            .with_assignments(assignments);
        let response = connection.call_version(version, &request).await?;
        ClientError::check(response.error_code, None)?;
        decode_assignment(&response.assignment).map_err(|error| {
            let code = ErrorCode::InconsistentGroupProtocol.code();
            ClientError::from_code(code, Some(&error.to_string()))
        })
    }

    async fn send_join(&mut self, topics: &[TopicName]) -> Result<JoinGroupResponse, ClientError> {
        let connection = self.coordinator().await?;
        let version = connection.version_of::<JoinGroupRequest>(i16::MAX)?;
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str(ASSIGNOR))
            .with_metadata(encode_subscription(topics));
        let request = JoinGroupRequest::default()
            .with_group_id(self.group_id().into())
            .with_session_timeout_ms(millis(self.session_timeout))
            .with_rebalance_timeout_ms(if version >= 1 {
                millis(self.rebalance_timeout)
            } else {
                -1
            })
            .with_group_instance_id(self.instance(version >= 5))
            .with_protocol_type(StrBytes::from_static_str(PROTOCOL_TYPE))
            .with_protocols(vec![protocol]);
        let first = request.clone().with_member_id(self.identity.member.clone());
        let mut response = connection.call_version(version, &first).await?;
        if response.error_code == ErrorCode::MemberIdRequired.code() {
            // The id is given before the member counts (KIP-394).
            self.identity.member = response.member_id;
            let second = request.with_member_id(self.identity.member.clone());
            response = connection.call_version(version, &second).await?;
        }
        ClientError::check(response.error_code, None)?;
        Ok(response)
    }

    /// Shares out the partitions of all topics that members want, as leader.
    async fn assign(
        &mut self,
        joined: &JoinGroupResponse,
    ) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let mut subscribers = Vec::new();
        for member in &joined.members {
            let topics = decode_subscription(&member.metadata).map_err(|error| {
                let code = ErrorCode::InconsistentGroupProtocol.code();
                ClientError::from_code(code, Some(&error.to_string()))
            })?;
            subscribers.push(Subscriber {
                member: member.member_id.to_string(),
                instance: member.group_instance_id.as_ref().map(ToString::to_string),
                topics,
            });
        }
        let names: BTreeSet<TopicName> = subscribers
            .iter()
            .flat_map(|s| s.topics.iter().cloned())
            .collect();
        let counts = partition_counts(&self.cluster, names.into_iter().collect()).await?;
        let shares = assignor::range(&subscribers, &counts);
        self.led_topics = Some(counts);
        let share = |(member, partitions): (String, Vec<TopicPartition>)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(StrBytes::from_string(member))
                .with_assignment(encode_assignment(&partitions))
        };
        Ok(shares.into_iter().map(share).collect())
    }

    pub(crate) async fn heartbeat(&mut self) -> Result<(), ClientError> {
        let connection = self.coordinator().await?;
        let version = connection.version_of::<HeartbeatRequest>(i16::MAX)?;
        let request = HeartbeatRequest::default()
            .with_group_id(self.group_id().into())
            .with_generation_id(self.identity.generation)
            .with_member_id(self.identity.member.clone())
            .with_group_instance_id(self.instance(version >= 3));
        let response = self.call_soon(&connection, version, &request).await?;
        ClientError::check(response.error_code, None)
    }

    /// Where the group stands in these partitions.
    pub(crate) async fn committed(
        &mut self,
        partitions: &[TopicPartition],
        stable: bool,
    ) -> Result<BTreeMap<TopicPartition, Committed>, ClientError> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let connection = self.coordinator().await?;
        fetch_offsets(&connection, &self.group, Some(partitions), stable).await
    }

    /// Commits; an error of any partition is the error of all.
    pub(crate) async fn commit(
        &mut self,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), ClientError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let connection = self.coordinator().await?;
        let patience = self.cluster.options().connection.request_timeout;
        let sent = commit_offsets(&connection, &self.group, &self.identity, offsets);
        let refused = match timeout(patience, sent).await {
            Ok(refused) => refused?,
            Err(_) => return Err(slow(&connection, patience)),
        };
        match refused.into_values().next() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Leaves the group, unless the member is a static one, whose place is kept.
    pub(crate) async fn leave(&mut self) -> Result<(), ClientError> {
        if self.identity.member.is_empty() || self.identity.instance.is_some() {
            return Ok(());
        }
        let connection = self.coordinator().await?;
        let version = connection.version_of::<LeaveGroupRequest>(i16::MAX)?;
        let request = LeaveGroupRequest::default().with_group_id(self.group_id().into());
        let member = self.identity.member.clone();
        let request = if version >= 3 {
            request.with_members(vec![MemberIdentity::default().with_member_id(member)])
        } else {
            request.with_member_id(member)
        };
        let response = self.call_soon(&connection, version, &request).await?;
        self.identity.generation = -1;
        ClientError::check(response.error_code, None)
    }

    /// A request that the coordinator answers at once, unlike a join.
    async fn call_soon<R>(
        &self,
        connection: &Connection,
        version: i16,
        request: &R,
    ) -> Result<R::Response, ClientError>
    where
        R: Request + Guarded,
        R::Response: Guarded,
    {
        let patience = self.cluster.options().connection.request_timeout;
        match timeout(patience, connection.call_version(version, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(slow(connection, patience)),
        }
    }

    async fn coordinator(&mut self) -> Result<Connection, ClientError> {
        if let Some(connection) = self.connection.clone().filter(|c| !c.is_closed()) {
            return Ok(connection);
        }
        let node = self.cluster.group_coordinator(&self.group).await?;
        let mut options = self.cluster.options().connection.clone();
        // An answer to a join takes as long as the slowest member.
        options.request_timeout = options
            .request_timeout
            .max(self.rebalance_timeout + Duration::from_secs(5));
        let connection = Connection::open(&node.address(), &options).await?;
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    fn group_id(&self) -> StrBytes {
        StrBytes::from_string(self.group.clone())
    }

    fn instance(&self, known: bool) -> Option<StrBytes> {
        self.identity.instance.clone().filter(|_| known)
    }
}

/// How many partitions these topics have; none if they do not exist.
pub(crate) async fn partition_counts(
    cluster: &Cluster,
    names: Vec<TopicName>,
) -> Result<BTreeMap<TopicName, i32>, ClientError> {
    let view = cluster
        .retry(async || cluster.refresh(Topics::Named(&names)).await)
        .await?;
    let count = |name: TopicName| {
        let topic = view.topics.get(&name);
        let count = topic.map_or(0, |t| t.partitions.len());
        (name, i32::try_from(count).unwrap_or(i32::MAX))
    };
    Ok(names.into_iter().map(count).collect())
}

fn slow(connection: &Connection, patience: Duration) -> ClientError {
    // The next attempt takes another one.
    connection.close();
    ClientError::Disconnected {
        address: format!(
            "{} (no answer within {} ms)",
            connection.address(),
            patience.as_millis()
        ),
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_about_errors() {
        for (code, expected) in [
            (ErrorCode::RebalanceInProgress, After::Rejoin),
            (ErrorCode::IllegalGeneration, After::Rejoin),
            (ErrorCode::UnknownMemberId, After::JoinAnew),
            (ErrorCode::NotCoordinator, After::FindCoordinator),
            (ErrorCode::CoordinatorNotAvailable, After::FindCoordinator),
            (ErrorCode::CoordinatorLoadInProgress, After::FindCoordinator),
            (ErrorCode::FencedInstanceId, After::Fail),
            (ErrorCode::GroupMaxSizeReached, After::Fail),
            (ErrorCode::InconsistentGroupProtocol, After::Fail),
            (ErrorCode::InvalidSessionTimeout, After::Fail),
            (ErrorCode::GroupAuthorizationFailed, After::Fail),
        ] {
            let error = ClientError::from_code(code.code(), None);
            assert_eq!(After::of(&error), expected, "{code}");
        }
        let gone = ClientError::Disconnected {
            address: "a:1".to_owned(),
        };
        assert_eq!(After::of(&gone), After::FindCoordinator);
    }
}
