//! Consumer groups: every version, and the codes of what is refused.

use std::sync::Arc;

use bytes::Bytes;
use ottla_coordinator::{OFFSETS_TOPIC, Unavailable};
use ottla_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::messages::leave_group_request::MemberIdentity;
use ottla_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use ottla_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use ottla_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, SyncGroupRequest,
};

use crate::testing::TestBroker;
use crate::words::{text, topic_name};

const NOT_COORDINATOR: i16 = 16;
const INVALID_GROUP_ID: i16 = 24;
const UNKNOWN_MEMBER_ID: i16 = 25;
const INVALID_REQUEST: i16 = 42;
const GROUP_ID_NOT_FOUND: i16 = 69;
const MEMBER_ID_REQUIRED: i16 = 79;

fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

/// A broker that coordinates all groups and leads topic `t`.
async fn coordinator(settings: &[(&str, &str)]) -> TestBroker {
    let delay = ("group.initial.rebalance.delay.ms", "0");
    let broker = TestBroker::new(&[&[delay], settings].concat());
    broker.lead(OFFSETS_TOPIC, 8);
    broker.lead("t", 1);
    let coordinator = &broker.server.context.coordinator;
    while coordinator.describe("any").err() == Some(Unavailable::Loading) {
        tokio::task::yield_now().await;
    }
    broker
}

fn join(version: i16, member: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"topics"));
    let rebalance_timeout = if version >= 1 { 10_000 } else { -1 };
    JoinGroupRequest::default()
        .with_group_id(group("g"))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(rebalance_timeout)
        .with_member_id(text(member))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

/// Joins as the only member, as clients of that version do, while the timers run.
async fn joined(broker: &TestBroker, version: i16) -> JoinGroupResponse {
    let timers = Arc::clone(&broker.server.context.coordinator).run();
    tokio::select! {
        response = ask_to_join(broker, version) => response,
        () = timers => panic!("the timers have stopped"),
    }
}

async fn ask_to_join(broker: &TestBroker, version: i16) -> JoinGroupResponse {
    let response = broker.ask(version, &join(version, "")).await;
    if version < 4 {
        return response;
    }
    assert_eq!(response.error_code, MEMBER_ID_REQUIRED, "version {version}");
    assert_eq!(response.generation_id, -1);
    broker
        .ask(version, &join(version, &response.member_id))
        .await
}

#[tokio::test]
async fn every_version_becomes_a_member_and_leaves() {
    for version in 0..=9i16 {
        let broker = coordinator(&[]).await;
        let welcome = joined(&broker, version).await;
        let member = welcome.member_id.clone();
        assert_eq!(
            (welcome.error_code, welcome.generation_id, &welcome.leader),
            (0, 1, &member),
            "version {version}"
        );
        assert!(member.starts_with("test-"), "{member}");
        assert_eq!(welcome.protocol_name.as_deref(), Some("range"));
        assert_eq!(welcome.members.len(), 1);

        let sync_version = version.min(5);
        let assignment = SyncGroupRequestAssignment::default()
            .with_member_id(member.clone())
            .with_assignment(Bytes::from_static(b"all"));
        let named = (sync_version >= 5).then_some(());
        let sync = SyncGroupRequest::default()
            .with_group_id(group("g"))
            .with_generation_id(1)
            .with_member_id(member.clone())
            .with_protocol_type(named.map(|()| text("consumer")))
            .with_protocol_name(named.map(|()| text("range")))
            .with_assignments(vec![assignment]);
        let synced = broker.ask(sync_version, &sync).await;
        assert_eq!((synced.error_code, &*synced.assignment), (0, &b"all"[..]));

        let heartbeat = HeartbeatRequest::default()
            .with_group_id(group("g"))
            .with_generation_id(1)
            .with_member_id(member.clone());
        assert_eq!(broker.ask(version.min(4), &heartbeat).await.error_code, 0);

        let leave_version = version.min(5);
        let leaving = MemberIdentity::default().with_member_id(member.clone());
        let leave = LeaveGroupRequest::default().with_group_id(group("g"));
        let leave = match leave_version >= 3 {
            true => leave.with_members(vec![leaving]),
            false => leave.with_member_id(member.clone()),
        };
        let left = broker.ask(leave_version, &leave).await;
        assert_eq!(left.error_code, 0, "version {leave_version}");
        assert!(left.members.iter().all(|member| member.error_code == 0));
        let again = broker.ask(leave_version, &leave).await;
        let code = again
            .members
            .first()
            .map_or(again.error_code, |m| m.error_code);
        assert_eq!(code, UNKNOWN_MEMBER_ID, "version {leave_version}");
    }
}

fn commit(version: i16, offset: i64) -> OffsetCommitRequest {
    let partition = |number: i32| {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(number)
            .with_committed_offset(offset)
            .with_committed_metadata(Some(text("m")));
        match version >= 6 {
            true => partition.with_committed_leader_epoch(4),
            false => partition,
        }
    };
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition(0), partition(7)]);
    OffsetCommitRequest::default()
        .with_group_id(group("g"))
        .with_topics(vec![topic])
}

/// Offset, leader epoch, metadata and code of partitions, with the code of the whole.
type Fetched = (Vec<(i64, i32, String, i16)>, i16);

/// What is committed for partitions of `t`; of all partitions without any.
async fn fetched(broker: &TestBroker, version: i16, partitions: Option<&[i32]>) -> Fetched {
    let request = OffsetFetchRequest::default();
    if version >= 8 {
        let topic = |partitions: &[i32]| {
            OffsetFetchRequestTopics::default()
                .with_name(topic_name("t"))
                .with_partition_indexes(partitions.to_vec())
        };
        let wanted = OffsetFetchRequestGroup::default()
            .with_group_id(group("g"))
            .with_topics(partitions.map(|partitions| vec![topic(partitions)]));
        let response = broker
            .ask(version, &request.with_groups(vec![wanted]))
            .await;
        let group = &response.groups[0];
        let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
        let found = partitions.map(|p| {
            let metadata = p.metadata.as_deref().unwrap_or("null").to_owned();
            let epoch = p.committed_leader_epoch;
            (p.committed_offset, epoch, metadata, p.error_code)
        });
        return (found.collect(), group.error_code);
    }
    let topic = |partitions: &[i32]| {
        OffsetFetchRequestTopic::default()
            .with_name(topic_name("t"))
            .with_partition_indexes(partitions.to_vec())
    };
    let request = request
        .with_group_id(group("g"))
        .with_topics(partitions.map(|partitions| vec![topic(partitions)]));
    let response = broker.ask(version, &request).await;
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    let found = partitions.map(|p| {
        let metadata = p.metadata.as_deref().unwrap_or("null").to_owned();
        let epoch = p.committed_leader_epoch;
        (p.committed_offset, epoch, metadata, p.error_code)
    });
    (found.collect(), response.error_code)
}

#[tokio::test]
async fn every_version_commits_and_finds_offsets() {
    let text = str::to_owned;
    for version in 0..=9i16 {
        let broker = coordinator(&[]).await;
        let none_code = if version == 0 { 3 } else { 0 };
        let nothing = (-1, -1, String::new(), none_code);
        let before = fetched(&broker, version, Some(&[0])).await;
        assert_eq!(before, (vec![nothing.clone()], 0), "version {version}");
        let response = broker.ask(version, &commit(version, 42)).await;
        let partitions = response.topics[0].partitions.iter();
        let codes: Vec<_> = partitions
            .map(|p| (p.partition_index, p.error_code))
            .collect();
        assert_eq!(codes, [(0, 0), (7, 3)], "version {version}");
        let committed = match version {
            0 => (42, -1, String::new(), 0),
            // Leader epochs came to both APIs in different versions.
            1..5 => (42, -1, text("m"), 0),
            5 => (42, -1, text("m"), 0),
            _ => (42, 4, text("m"), 0),
        };
        let after = fetched(&broker, version, Some(&[0, 7])).await;
        assert_eq!(
            after,
            (vec![committed.clone(), nothing], 0),
            "version {version}"
        );
        if version >= 2 {
            let all = fetched(&broker, version, None).await;
            assert_eq!(all, (vec![committed], 0), "version {version}");
        }
    }
}

#[tokio::test]
async fn metadata_may_not_be_too_long() {
    let broker = coordinator(&[("offset.metadata.max.bytes", "0")]).await;
    for version in [0, 2, 8] {
        let response = broker.ask(version, &commit(version, 42)).await;
        assert_eq!(response.topics[0].partitions[0].error_code, 12);
    }
}

#[tokio::test]
async fn who_does_not_coordinate_says_so() {
    let broker = TestBroker::new(&[]);
    broker.lead("t", 1);
    let member = joined_code(&broker).await;
    assert_eq!(member, NOT_COORDINATOR);
    let heartbeat = HeartbeatRequest::default().with_group_id(group("g"));
    assert_eq!(broker.ask(4, &heartbeat).await.error_code, NOT_COORDINATOR);
    let sync = SyncGroupRequest::default().with_group_id(group("g"));
    assert_eq!(broker.ask(3, &sync).await.error_code, NOT_COORDINATOR);
    let leave = LeaveGroupRequest::default().with_group_id(group("g"));
    assert_eq!(broker.ask(4, &leave).await.error_code, NOT_COORDINATOR);
    let committed = broker.ask(8, &commit(8, 1)).await;
    let codes = committed.topics[0].partitions.iter().map(|p| p.error_code);
    assert_eq!(codes.collect::<Vec<_>>(), [NOT_COORDINATOR, 3]);
    let repeated = vec![(-1, -1, String::new(), NOT_COORDINATOR)];
    assert_eq!(fetched(&broker, 1, Some(&[0])).await, (repeated, 0));
    for version in [2, 7, 9] {
        let refused = (vec![], NOT_COORDINATOR);
        assert_eq!(fetched(&broker, version, Some(&[0])).await, refused);
    }
    let describe = DescribeGroupsRequest::default().with_groups(vec![group("g")]);
    let described = broker.ask(5, &describe).await;
    assert_eq!(described.groups[0].error_code, NOT_COORDINATOR);
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group("g")]);
    let deleted = broker.ask(2, &delete).await;
    assert_eq!(deleted.results[0].error_code, NOT_COORDINATOR);
}

async fn joined_code(broker: &TestBroker) -> i16 {
    broker.ask(9, &join(9, "")).await.error_code
}

#[tokio::test]
async fn groups_without_a_name_are_refused_where_kafka_does() {
    let broker = coordinator(&[]).await;
    let unnamed = join(5, "").with_group_id(group(""));
    assert_eq!(broker.ask(5, &unnamed).await.error_code, INVALID_GROUP_ID);
    let heartbeat = HeartbeatRequest::default();
    assert_eq!(broker.ask(4, &heartbeat).await.error_code, INVALID_GROUP_ID);
    let sync = SyncGroupRequest::default();
    assert_eq!(broker.ask(3, &sync).await.error_code, INVALID_GROUP_ID);
    let leave = LeaveGroupRequest::default();
    assert_eq!(broker.ask(4, &leave).await.error_code, INVALID_GROUP_ID);
    let forget = OffsetDeleteRequest::default();
    assert_eq!(broker.ask(0, &forget).await.error_code, INVALID_GROUP_ID);
    let unnamed = commit(8, 1).with_group_id(group(""));
    let committed = broker.ask(8, &unnamed).await;
    assert_eq!(committed.topics[0].partitions[0].error_code, 0);
    // From version 5 on a member names the protocol (KIP-559).
    let sync = SyncGroupRequest::default().with_group_id(group("g"));
    assert_eq!(broker.ask(5, &sync).await.error_code, 23);
}

#[tokio::test]
async fn coordinators_are_found() {
    // Too few brokers for the replicas that __consumer_offsets is to have.
    let broker = TestBroker::new(&[]);
    let request = FindCoordinatorRequest::default().with_key(text("a"));
    assert_eq!(broker.ask(3, &request).await.error_code, 15);

    // The first question creates the topic.
    let broker = TestBroker::new(&[("offsets.topic.replication.factor", "1")]);
    for version in 0..=6i16 {
        let request = FindCoordinatorRequest::default();
        let request = match version >= 4 {
            true => request.with_coordinator_keys(vec![text("a"), text("b")]),
            false => request.with_key(text("a")),
        };
        let response = broker.ask(version, &request).await;
        let first = (response.error_code, response.node_id.0, &*response.host);
        match version >= 4 {
            false => assert_eq!((first, response.port), ((0, 0, "host0"), 9092)),
            true => {
                let found = response.coordinators.iter();
                let found = found.map(|c| (&*c.key, c.error_code, &*c.host, c.port));
                let expected = [("a", 0, "host0", 9092), ("b", 0, "host0", 9092)];
                assert_eq!(found.collect::<Vec<_>>(), expected, "version {version}");
            }
        }
        // There is no coordinator of transactions.
        if version >= 1 {
            let response = broker.ask(version, &request.with_key_type(1)).await;
            let code = response
                .coordinators
                .first()
                .map(|c| (c.error_code, c.port));
            let code = code.unwrap_or((response.error_code, response.port));
            assert_eq!(code, (INVALID_REQUEST, -1), "version {version}");
        }
    }
}

#[tokio::test]
async fn groups_are_listed_described_and_deleted() {
    let broker = coordinator(&[]).await;
    broker.ask(8, &commit(8, 1)).await;
    for version in 0..=5i16 {
        let listed = broker.ask(version, &ListGroupsRequest::default()).await;
        let names: Vec<_> = listed.groups.iter().map(|g| &**g.group_id).collect();
        assert_eq!((listed.error_code, names), (0, vec!["g"]));
        let state = if version >= 4 { "Empty" } else { "" };
        assert_eq!(&*listed.groups[0].group_state, state);
    }
    let count = async |states: &[&str], types: &[&str]| {
        let texts = |words: &[&str]| words.iter().map(|word| text(*word)).collect();
        let request = ListGroupsRequest::default()
            .with_states_filter(texts(states))
            .with_types_filter(texts(types));
        broker.ask(5, &request).await.groups.len()
    };
    assert_eq!(count(&["EMPTY", "Dead"], &[]).await, 1);
    assert_eq!(count(&["Stable"], &[]).await, 0);
    assert_eq!(count(&[], &["Classic"]).await, 1);
    assert_eq!(count(&[], &["consumer"]).await, 0);

    for version in 0..=5i16 {
        let both = vec![group("g"), group("unknown")];
        let request = DescribeGroupsRequest::default().with_groups(both);
        let described = broker.ask(version, &request).await;
        let states = described.groups.iter();
        let states: Vec<_> = states.map(|g| (g.error_code, &*g.group_state)).collect();
        assert_eq!(states, [(0, "Empty"), (0, "Dead")]);
        let operations = described.groups[0].authorized_operations;
        assert_eq!(operations, i32::MIN);
    }

    let forget = |partition: i32| {
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(partition);
        let topic = OffsetDeleteRequestTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![partition]);
        OffsetDeleteRequest::default().with_topics(vec![topic])
    };
    let unknown = forget(0).with_group_id(group("unknown"));
    assert_eq!(broker.ask(0, &unknown).await.error_code, GROUP_ID_NOT_FOUND);
    let forgotten = broker.ask(0, &forget(7).with_group_id(group("g"))).await;
    assert_eq!(forgotten.topics[0].partitions[0].error_code, 3);

    let both = vec![group("g"), group("unknown"), group("g")];
    let request = DeleteGroupsRequest::default().with_groups_names(both);
    let deleted = broker.ask(2, &request).await;
    let codes: Vec<_> = deleted
        .results
        .iter()
        .map(|result| result.error_code)
        .collect();
    assert_eq!(codes, [0, GROUP_ID_NOT_FOUND]);
    assert_eq!(count(&[], &[]).await, 0);
}

#[tokio::test]
async fn static_members_need_brokers_that_know_of_them() {
    let broker = coordinator(&[("inter.broker.protocol.version", "2.2")]).await;
    let request = join(5, "").with_group_instance_id(Some(text("i")));
    assert_eq!(broker.ask(5, &request).await.error_code, 35);
}
