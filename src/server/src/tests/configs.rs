//! DescribeConfigs, AlterConfigs, IncrementalAlterConfigs.

use ottla_protocol::messages::alter_configs_request;
use ottla_protocol::messages::describe_configs_request::DescribeConfigsResource;
use ottla_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use ottla_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use ottla_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
};

use crate::testing::TestBroker;
use crate::words::text;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

async fn describe(
    broker: &TestBroker,
    kind: i8,
    name: &str,
    keys: &[&str],
) -> DescribeConfigsResult {
    let keys = keys.iter().map(|key| text(*key)).collect();
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(Some(keys));
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true)
        .with_include_documentation(true);
    broker.ask(4, &request).await.results.remove(0)
}

/// An entry as `value source read-only` and its synonyms as `key=value source`.
fn shown(entry: &DescribeConfigsResourceResult) -> (String, Vec<String>) {
    let value = entry.value.as_ref().map_or("null", |value| value.as_str());
    let line = format!("{value} {} {}", entry.config_source, entry.read_only);
    let synonyms = entry.synonyms.iter().map(|synonym| {
        let value = synonym
            .value
            .as_ref()
            .map_or("null", |value| value.as_str());
        format!("{}={value} {}", synonym.name, synonym.source)
    });
    (line, synonyms.collect())
}

fn change(name: &str, operation: i8, value: Option<&str>) -> AlterableConfig {
    AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(operation)
        .with_value(value.map(text))
}

fn resource(kind: i8, name: &str, configs: Vec<AlterableConfig>) -> AlterConfigsResource {
    AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(configs)
}

/// Outcomes as `code:text`.
async fn alter(broker: &TestBroker, resources: Vec<AlterConfigsResource>) -> Vec<String> {
    let request = IncrementalAlterConfigsRequest::default().with_resources(resources);
    let response = broker.ask(1, &request).await;
    let outcomes = response.responses.iter().map(|response| {
        let message = response
            .error_message
            .as_ref()
            .map_or("-", |text| text.as_str());
        format!("{}:{message}", response.error_code)
    });
    outcomes.collect()
}

#[tokio::test]
async fn settings_change_step_by_step() {
    let broker = TestBroker::new(&[("log.retention.ms", "1000")]);
    broker.cluster.put("t", 1, Some(0), &[0]);
    let steps = vec![
        change("retention.ms", 0, Some("5")),
        change("cleanup.policy", 2, Some("compact")),
    ];
    assert_eq!(
        alter(&broker, vec![resource(TOPIC, "t", steps)]).await,
        ["0:-"]
    );
    let result = describe(&broker, TOPIC, "t", &["retention.ms", "cleanup.policy"]).await;
    let [policy, retention] = &result.configs[..] else {
        panic!("{result:?}");
    };
    assert_eq!(shown(policy).0, "delete,compact 1 false");
    let synonyms = [
        "retention.ms=5 1",
        "log.retention.ms=1000 4",
        "log.retention.hours=168 5",
    ];
    assert_eq!(
        shown(retention),
        ("5 1 false".to_owned(), synonyms.map(str::to_owned).to_vec())
    );
    assert_eq!(retention.config_type, 5);
    assert!(retention.documentation.is_some());

    let undo = vec![
        change("retention.ms", 1, None),
        change("cleanup.policy", 3, Some("delete")),
    ];
    assert_eq!(
        alter(&broker, vec![resource(TOPIC, "t", undo)]).await,
        ["0:-"]
    );
    let result = describe(&broker, TOPIC, "t", &["retention.ms", "cleanup.policy"]).await;
    assert_eq!(shown(&result.configs[0]).0, "compact 1 false");
    assert_eq!(shown(&result.configs[1]).0, "1000 4 false");
}

#[tokio::test]
async fn broker_settings_take_effect() {
    let broker = TestBroker::new(&[]);
    let cluster_wide = resource(
        BROKER,
        "",
        vec![change("message.max.bytes", 0, Some("2000"))],
    );
    let own = resource(
        BROKER,
        "0",
        vec![change("message.max.bytes", 0, Some("3000"))],
    );
    assert_eq!(
        alter(&broker, vec![cluster_wide, own]).await,
        ["0:-", "0:-"]
    );
    let result = describe(&broker, BROKER, "0", &["message.max.bytes"]).await;
    let synonyms = [
        "message.max.bytes=3000 2",
        "message.max.bytes=2000 3",
        "message.max.bytes=1048588 5",
    ];
    let expected = (
        "3000 2 false".to_owned(),
        synonyms.map(str::to_owned).to_vec(),
    );
    assert_eq!(shown(&result.configs[0]), expected);
    let result = describe(&broker, BROKER, "", &[]).await;
    assert_eq!(result.configs.len(), 1);
    assert_eq!(shown(&result.configs[0]).1, ["message.max.bytes=2000 3"]);
    broker.cluster.put("t", 1, Some(0), &[0]);
    let result = describe(&broker, TOPIC, "t", &["max.message.bytes"]).await;
    assert_eq!(shown(&result.configs[0]).0, "3000 2 false");
}

#[tokio::test]
async fn changes_are_refused_with_kafkas_codes() {
    let broker = TestBroker::new(&[]);
    broker.cluster.put("t", 1, Some(0), &[0]);
    let set = |key, value| vec![change(key, 0, Some(value))];
    let check = async |resources: Vec<AlterConfigsResource>, expected: &[&str]| {
        assert_eq!(alter(&broker, resources).await, expected);
    };
    check(
        vec![resource(TOPIC, "no", set("retention.ms", "5"))],
        &["3:The topic 'no' does not exist."],
    )
    .await;
    check(
        vec![resource(TOPIC, "", set("retention.ms", "5"))],
        &["42:Default topic resources are not allowed."],
    )
    .await;
    check(
        vec![resource(TOPIC, "t", set("retention.ms", "abc"))],
        &[
            "40:Invalid config value for resource ConfigResource(type=TOPIC, name='t'): Invalid \
           value abc for configuration retention.ms: Not a number of type LONG",
        ],
    )
    .await;
    check(
        vec![resource(TOPIC, "t", set("no.such", "1"))],
        &["40:Unknown topic config name: no.such"],
    )
    .await;
    check(
        vec![resource(
            TOPIC,
            "t",
            vec![change("retention.ms", 2, Some("5"))],
        )],
        &["40:Config value append is not allowed for config key: retention.ms"],
    )
    .await;
    check(
        vec![resource(TOPIC, "t", vec![change("retention.ms", 0, None)])],
        &["42:Null value not supported for : retention.ms"],
    )
    .await;
    let repeated = vec![
        change("retention.ms", 0, Some("1")),
        change("retention.ms", 1, None),
    ];
    check(
        vec![resource(TOPIC, "t", repeated)],
        &["42:Error due to duplicate config keys"],
    )
    .await;
    let twice = "42:Each resource must appear at most once.";
    let once = || resource(TOPIC, "t", set("retention.ms", "5"));
    check(vec![once(), once()], &[twice, twice]).await;
    check(
        vec![resource(BROKER, "0", set("num.partitions", "5"))],
        &["42:Cannot update these configs dynamically: Set(num.partitions)"],
    )
    .await;
    check(
        vec![resource(BROKER, "5", set("log.retention.ms", "5"))],
        &["42:Unexpected broker id, expected 0, but received 5"],
    )
    .await;
    check(
        vec![resource(BROKER, "x", set("log.retention.ms", "5"))],
        &["42:Node id must be an integer, but it is: x"],
    )
    .await;
    check(
        vec![resource(7, "x", Vec::new())],
        &["42:Unknown resource type 7"],
    )
    .await;
    check(
        vec![resource(
            TOPIC,
            "t",
            vec![change("retention.ms", 9, Some("1"))],
        )],
        &["42:Unknown operations type 9"],
    )
    .await;
}

#[tokio::test]
async fn the_old_way_replaces_everything() {
    let broker = TestBroker::new(&[]);
    broker.cluster.put("t", 1, Some(0), &[0]);
    let first = vec![change("segment.ms", 0, Some("7"))];
    alter(&broker, vec![resource(TOPIC, "t", first)]).await;
    let config = alter_configs_request::AlterableConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("5")));
    let replaced = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text("t"))
        .with_configs(vec![config]);
    let request = AlterConfigsRequest::default().with_resources(vec![replaced]);
    let check = async |request: &AlterConfigsRequest, segment: &str| {
        for version in 0..=2 {
            let response = broker.ask(version, request).await;
            assert_eq!(response.responses[0].error_code, 0);
        }
        let result = describe(&broker, TOPIC, "t", &["segment.ms"]).await;
        assert_eq!(shown(&result.configs[0]).0, segment);
    };
    check(&request.clone().with_validate_only(true), "7 1 false").await;
    check(&request, "604800000 5 false").await;
}

#[tokio::test]
async fn every_version_describes() {
    let broker = TestBroker::new(&[]);
    broker.cluster.put("t", 1, Some(0), &[0]);
    let resources = [(TOPIC, "t"), (BROKER, "0"), (BROKER, ""), (8, "0")].map(|(kind, name)| {
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None)
    });
    for version in 0..=4 {
        let request = DescribeConfigsRequest::default().with_resources(resources.to_vec());
        let response = broker.ask(version, &request).await;
        let codes: Vec<i16> = response
            .results
            .iter()
            .map(|result| result.error_code)
            .collect();
        assert_eq!(codes, [0, 0, 0, 0]);
        assert_eq!(response.results[0].configs.len(), 36);
        assert!(response.results[1].configs.len() > 250);
        assert_eq!(response.results[0].configs[0].is_default, version == 0);
    }
    let refused = [
        (TOPIC, "no", 3),
        (TOPIC, "a b", 17),
        (BROKER, "7", 42),
        (BROKER, "x", 42),
        (3, "x", 42),
    ];
    for (kind, name, code) in refused {
        let result = describe(&broker, kind, name, &[]).await;
        assert_eq!(result.error_code, code, "{kind} {name}");
    }
}
