//! Metadata and DescribeCluster.

use ottla_metadata::TopicId;
use ottla_protocol::messages::metadata_request::MetadataRequestTopic;
use ottla_protocol::messages::{DescribeClusterRequest, MetadataRequest, MetadataResponse};

use crate::testing::TestBroker;
use crate::words::{topic_name, uuid};

fn names(names: &[&str]) -> MetadataRequest {
    let topic = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    MetadataRequest::default().with_topics(Some(names.iter().map(topic).collect()))
}

/// Topics as `name:code`, in order.
fn outcome(response: &MetadataResponse) -> String {
    let topics = response.topics.iter().map(|topic| {
        let name = topic.name.as_ref().map_or("-", |name| name.0.as_str());
        format!("{name}:{}", topic.error_code)
    });
    topics.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn which_topics_are_meant() {
    let broker = TestBroker::new(&[("auto.create.topics.enable", "false")]);
    broker.cluster.put("a", 1, Some(0), &[0]);
    broker.cluster.put("b", 2, Some(0), &[0]);
    let all = MetadataRequest::default().with_topics(None);
    let check = async |version, request: &MetadataRequest, expected: &str| {
        let response = broker.ask(version, request).await;
        assert_eq!(outcome(&response), expected, "version {version}");
    };
    check(0, &names(&[]), "a:0 b:0").await;
    check(1, &names(&[]), "").await;
    for version in 1..=12 {
        check(version, &all, "a:0 b:0").await;
    }
    check(
        4,
        &names(&["b", "no", "b", "bad name"]),
        "b:0 no:3 bad name:17",
    )
    .await;
    let by_id = |id: u8| {
        let topic = MetadataRequestTopic::default().with_name(None);
        let topic = topic.with_topic_id(uuid(TopicId([id; 16])));
        MetadataRequest::default().with_topics(Some(vec![topic]))
    };
    check(12, &by_id(2), "b:0").await;
    check(12, &by_id(7), "-:100").await;
    check(12, &by_id(0), ":42").await;
    let named = MetadataRequestTopic::default().with_name(Some(topic_name("a")));
    let early = named.with_topic_id(uuid(TopicId([1; 16])));
    check(
        10,
        &MetadataRequest::default().with_topics(Some(vec![early])),
        "a:42",
    )
    .await;
}

#[tokio::test]
async fn who_leads_as_seen_from_a_listener() {
    let broker = TestBroker::new(&[]);
    broker.cluster.put("led", 1, Some(0), &[0]);
    broker.cluster.put("hidden", 2, Some(1), &[1, 0]);
    broker.cluster.put("dead", 3, Some(9), &[9]);
    broker.cluster.put("lost", 4, None, &[0]);
    broker.cluster.put("half", 5, Some(0), &[0, 1]);
    let check = async |version, topic: &str, code: i16, leader: i32, replicas: &[i32]| {
        let response = broker.ask(version, &names(&[topic])).await;
        let partition = &response.topics[0].partitions[0];
        assert_eq!(partition.error_code, code, "{topic} v{version}");
        assert_eq!(partition.leader_id.0, leader, "{topic} v{version}");
        let found: Vec<i32> = partition.replica_nodes.iter().map(|id| id.0).collect();
        assert_eq!(found, replicas, "{topic} v{version}");
        let brokers: Vec<i32> = response
            .brokers
            .iter()
            .map(|broker| broker.node_id.0)
            .collect();
        assert_eq!(brokers, [0]);
    };
    check(1, "led", 0, 0, &[0]).await;
    check(12, "led", 0, 0, &[0]).await;
    check(5, "hidden", 5, -1, &[1, 0]).await;
    check(6, "hidden", 72, -1, &[1, 0]).await;
    check(12, "dead", 5, -1, &[9]).await;
    check(12, "lost", 5, -1, &[0]).await;
    check(0, "half", 9, 0, &[0]).await;
    check(1, "half", 0, 0, &[0, 1]).await;
    let response = broker.ask(7, &names(&["led"])).await;
    assert_eq!(response.topics[0].partitions[0].leader_epoch, 3);
    assert_eq!(response.controller_id.0, 0);
    assert_eq!(response.cluster_id.as_deref(), Some("cluster"));
}

#[tokio::test]
async fn asking_for_a_topic_creates_it() {
    let broker = TestBroker::new(&[]);
    let response = broker.ask(0, &names(&["new", "bad name"])).await;
    assert_eq!(outcome(&response), "new:0 bad name:17");
    assert_eq!(response.topics[0].partitions[0].leader_id.0, 0);
    let unwilling = names(&["other"]).with_allow_auto_topic_creation(false);
    let response = broker.ask(4, &unwilling).await;
    assert_eq!(outcome(&response), "other:3");
    // The offsets topic wants three replicas, and there are two brokers.
    let response = broker.ask(8, &names(&["__consumer_offsets"])).await;
    assert_eq!(outcome(&response), "__consumer_offsets:38");
    assert!(response.topics[0].is_internal);
}

#[tokio::test]
async fn permitted_operations_are_all_of_them() {
    let broker = TestBroker::new(&[]);
    broker.cluster.put("a", 1, Some(0), &[0]);
    let asked = names(&["a"])
        .with_include_cluster_authorized_operations(true)
        .with_include_topic_authorized_operations(true);
    let response = broker.ask(8, &asked).await;
    assert_eq!(response.cluster_authorized_operations, 8096);
    assert_eq!(response.topics[0].topic_authorized_operations, 3576);
    let response = broker.ask(8, &names(&["a"])).await;
    assert_eq!(response.cluster_authorized_operations, i32::MIN);
    assert_eq!(response.topics[0].topic_authorized_operations, i32::MIN);
}

#[tokio::test]
async fn the_cluster_is_described() {
    let broker = TestBroker::new(&[]);
    for version in 0..=1 {
        let request = DescribeClusterRequest::default();
        let response = broker.ask(version, &request).await;
        assert_eq!(response.error_code, 0);
        assert_eq!(response.cluster_id.as_str(), "cluster");
        assert_eq!(response.controller_id.0, 0);
        assert_eq!(response.brokers.len(), 1);
        assert_eq!(response.brokers[0].host.as_str(), "host0");
        assert_eq!(response.cluster_authorized_operations, i32::MIN);
    }
    for (endpoint, code) in [(2, 114), (5, 115)] {
        let request = DescribeClusterRequest::default().with_endpoint_type(endpoint);
        assert_eq!(broker.ask(1, &request).await.error_code, code);
    }
    broker
        .cluster
        .change(|image| image.controller = Some(ottla_metadata::BrokerId(1)));
    let response = broker.ask(1, &DescribeClusterRequest::default()).await;
    assert_eq!(response.controller_id.0, -1);
}
