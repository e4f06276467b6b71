//! CreateTopics, DeleteTopics, CreatePartitions, DescribeLogDirs.

use ottla_metadata::TopicId;
use ottla_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use ottla_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_protocol::messages::create_topics_response::CreatableTopicResult;
use ottla_protocol::messages::delete_topics_request::DeleteTopicState;
use ottla_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeLogDirsRequest,
};

use crate::testing::TestBroker;
use crate::words::{text, topic_name, uuid};

fn topic(name: &str, configs: &[(&str, Option<&str>)]) -> CreatableTopic {
    let config = |(key, value): &(&str, Option<&str>)| {
        CreatableTopicConfig::default()
            .with_name(text(*key))
            .with_value(value.map(text))
    };
    CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_configs(configs.iter().map(config).collect())
}

fn request(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(1000)
}

/// Topics as `name:code:text`.
fn outcome(topic: &CreatableTopicResult) -> String {
    let message = topic
        .error_message
        .as_ref()
        .map_or("-", |text| text.as_str());
    format!("{}:{}:{message}", topic.name.0, topic.error_code)
}

#[tokio::test]
async fn topics_are_created_and_described() {
    let broker = TestBroker::new(&[]);
    for version in 0..=7 {
        let name = format!("t{version}");
        let created = request(vec![topic(&name, &[("retention.ms", Some("5"))])]);
        let response = broker.ask(version, &created).await;
        let result = &response.topics[0];
        assert_eq!(
            (
                result.error_code,
                version > 0 && result.error_message.is_some()
            ),
            (0, false)
        );
        if version >= 5 {
            assert_eq!((result.num_partitions, result.replication_factor), (1, 1));
            let configs = result.configs.as_ref().unwrap();
            let retention = configs
                .iter()
                .find(|config| config.name.as_str() == "retention.ms");
            let retention = retention.unwrap();
            assert_eq!(retention.value.as_deref(), Some("5"));
            assert_eq!(retention.config_source, 1);
        }
        if version >= 7 {
            assert_eq!(result.topic_id, uuid(TopicId([9; 16])));
        }
    }
}

#[tokio::test]
async fn topics_are_refused_with_kafkas_codes() {
    let broker = TestBroker::new(&[]);
    broker.cluster.put("there", 1, Some(0), &[0]);
    let check = async |asked: CreatableTopic, expected: &str| {
        let response = broker.ask(4, &request(vec![asked])).await;
        assert_eq!(outcome(&response.topics[0]), expected);
    };
    check(
        topic("there", &[]),
        "there:36:Topic 'there' already exists.",
    )
    .await;
    check(
        topic("there", &[("no.such", Some("1"))]),
        "there:36:Topic 'there' already exists.",
    )
    .await;
    check(
        topic("a", &[("no.such", Some("1"))]),
        "a:40:Unknown topic config name: no.such",
    )
    .await;
    check(
        topic("a", &[("retention.ms", Some("abc"))]),
        "a:40:Invalid value abc for configuration retention.ms: Not a number of type LONG",
    )
    .await;
    check(
        topic("a", &[("retention.ms", None)]),
        "a:40:Null value not supported for topic configs: retention.ms",
    )
    .await;
    check(
        topic("a", &[]).with_replication_factor(3),
        "a:38:Replication factor: 3 larger than available brokers: 2.",
    )
    .await;
    check(
        topic("__cluster_metadata", &[]),
        "__cluster_metadata:42:Creation of internal topic __cluster_metadata is prohibited.",
    )
    .await;
    let bad = broker
        .ask(4, &request(vec![topic("a b", &[("no.such", Some("1"))])]))
        .await;
    assert_eq!(
        bad.topics[0].error_code, 17,
        "the name goes before the settings"
    );
    let twice = request(vec![topic("a", &[]), topic("b", &[]), topic("a", &[])]);
    let response = broker.ask(4, &twice).await;
    let codes: Vec<i16> = response
        .topics
        .iter()
        .map(|topic| topic.error_code)
        .collect();
    assert_eq!(codes, [42, 0, 42]);
    let hasty = request(vec![topic("hasty", &[])]).with_timeout_ms(-5);
    assert_eq!(broker.ask(4, &hasty).await.topics[0].error_code, 7);
    *broker.cluster.is_controller.lock() = false;
    check(topic("c", &[]), "c:41:-").await;
}

#[tokio::test]
async fn validation_creates_nothing() {
    let broker = TestBroker::new(&[]);
    let dry = request(vec![topic("dry", &[])]).with_validate_only(true);
    assert_eq!(broker.ask(1, &dry).await.topics[0].error_code, 0);
    assert_eq!(broker.ask(1, &dry).await.topics[0].error_code, 0);
}

fn delete(names: &[&str]) -> DeleteTopicsRequest {
    DeleteTopicsRequest::default()
        .with_topic_names(names.iter().map(|name| topic_name(name)).collect())
        .with_timeout_ms(1000)
}

fn state(name: Option<&str>, id: u8) -> DeleteTopicState {
    DeleteTopicState::default()
        .with_name(name.map(topic_name))
        .with_topic_id(uuid(TopicId([id; 16])))
}

#[tokio::test]
async fn topics_are_deleted_by_name_and_id() {
    let broker = TestBroker::new(&[]);
    for version in 0..6 {
        broker.cluster.put("a", 1, Some(0), &[0]);
        let response = broker.ask(version, &delete(&["a", "no"])).await;
        let codes: Vec<i16> = response
            .responses
            .iter()
            .map(|topic| topic.error_code)
            .collect();
        assert_eq!(codes, [0, 3]);
    }
    broker.cluster.put("a", 1, Some(0), &[0]);
    broker.cluster.put("b", 2, Some(0), &[0]);
    let wanted = vec![state(Some("a"), 0), state(None, 2), state(None, 7)];
    let by_id = DeleteTopicsRequest::default()
        .with_topics(wanted)
        .with_timeout_ms(9);
    let response = broker.ask(6, &by_id).await;
    let found = response.responses.iter().map(|topic| {
        let name = topic.name.as_ref().map_or("-", |name| name.0.as_str());
        format!("{name}:{}", topic.error_code)
    });
    assert_eq!(found.collect::<Vec<_>>(), ["a:0", "b:0", "-:100"]);
    let both = DeleteTopicsRequest::default().with_topics(vec![state(Some("a"), 1)]);
    assert_eq!(broker.ask(6, &both).await.responses[0].error_code, 42);
    *broker.cluster.is_controller.lock() = false;
    assert_eq!(
        broker.ask(5, &delete(&["a"])).await.responses[0].error_code,
        41
    );
}

#[tokio::test]
async fn deletion_can_be_disabled() {
    let broker = TestBroker::new(&[("delete.topic.enable", "false")]);
    broker.cluster.put("a", 1, Some(0), &[0]);
    assert_eq!(
        broker.ask(2, &delete(&["a"])).await.responses[0].error_code,
        42
    );
    assert_eq!(
        broker.ask(3, &delete(&["a"])).await.responses[0].error_code,
        73
    );
}

#[tokio::test]
async fn partitions_are_added() {
    let broker = TestBroker::new(&[]);
    broker.cluster.put("a", 1, Some(0), &[0]);
    let wanted = |name: &str, count| {
        CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(count)
            .with_assignments(None)
    };
    let check = async |topics: Vec<CreatePartitionsTopic>, expected: &[&str]| {
        for version in 0..=3 {
            let request = CreatePartitionsRequest::default()
                .with_topics(topics.clone())
                .with_timeout_ms(100);
            let response = broker.ask(version, &request).await;
            let found = response.results.iter().map(|result| {
                let message = result
                    .error_message
                    .as_ref()
                    .map_or("-", |text| text.as_str());
                format!("{}:{}:{message}", result.name.0, result.error_code)
            });
            assert_eq!(found.collect::<Vec<_>>(), expected);
        }
    };
    check(vec![wanted("a", 3)], &["a:0:-"]).await;
    check(
        vec![wanted("a", 1)],
        &["a:37:Topic already has 1 partitions."],
    )
    .await;
    check(
        vec![wanted("a", 0), wanted("x", 2)],
        &[
            "a:37:Topic currently has 1 partitions, which is higher than the requested 0.",
            "x:3:The topic 'x' does not exist.",
        ],
    )
    .await;
    check(
        vec![wanted("a", 2), wanted("a", 3)],
        &["a:42:Duplicate topic in request."],
    )
    .await;
    *broker.cluster.is_controller.lock() = false;
    check(vec![wanted("a", 3)], &["a:41:-"]).await;
}

#[tokio::test]
async fn log_directories_are_described() {
    let broker = TestBroker::new(&[]);
    for version in 0..=4 {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let response = broker.ask(version, &request).await;
        assert_eq!(response.error_code, 0);
        assert_eq!(response.results.len(), 1);
        assert!(response.results[0].log_dir.ends_with("logs"));
        assert!(version < 4 || response.results[0].total_bytes > 0);
    }
}
