//! What tools of other makers do to ZooKeeper.

use ottla_metadata::{BrokerId, TopicPartition};
use ottla_zk::Watch;
use ottla_zk::znode::{ConfigEntity as ZkEntity, EntityConfig, PreferredElection, TopicZnode};

use super::fixture::*;
use crate::*;

fn node(partitions: &[&[i32]]) -> TopicZnode {
    let replicas = |ids: &&[i32]| ids.iter().map(|id| BrokerId(*id)).collect();
    TopicZnode {
        partitions: (0..).zip(partitions.iter().map(replicas)).collect(),
        ..TopicZnode::default()
    }
}

/// As `kafka-topics --zookeeper` of 2.0 does it, which knows no topic ids.
#[tokio::test]
async fn an_old_tool_creates_grows_and_deletes() {
    let connect = chroot();
    let broker = start(&connect, 1).await;
    broker.is_controller().await;
    let tool = tool(&connect).await;
    tool.create_topic("t", &node(&[&[1]])).await.unwrap();
    broker.shows(&["t-0 1 0"]).await;
    let id = broker.cluster.image().topic("t").unwrap().id;
    assert!(!id.is_zero());

    tool.update_topic("t", &node(&[&[1], &[1]]), None)
        .await
        .unwrap();
    broker.shows(&["t-0 1 0", "t-1 1 0"]).await;
    eventually("the id is restored", async || {
        let node = tool.topic("t", Watch::No).await.unwrap().unwrap();
        node.value.topic_id == Some(id) && node.value.partitions.len() == 2
    })
    .await;

    tool.mark_topic_for_deletion("t").await.unwrap();
    broker.shows(&[]).await;
    broker.heard("delete t-1").await;
    eventually("the topic is gone", async || {
        tool.topic("t", Watch::No).await.unwrap().is_none()
    })
    .await;

    // A mark for a topic that does not exist is removed.
    tool.mark_topic_for_deletion("nobody").await.unwrap();
    eventually("the mark is removed", async || {
        !tool.is_marked_for_deletion("nobody").await.unwrap()
    })
    .await;
    // A topic on brokers that are not there waits for them.
    tool.create_topic("far", &node(&[&[7], &[1, 7]]))
        .await
        .unwrap();
    broker.shows(&["far-1 1 0"]).await;
    broker.cluster.close().await;
}

#[tokio::test]
async fn configurations_are_followed() {
    let connect = chroot();
    let tool = tool(&connect).await;
    let write = async |entity: &ZkEntity, entries: &[(&str, &str)]| {
        tool.write_config(entity, &EntityConfig(map(entries)))
            .await
            .unwrap();
        tool.notify_config_change(entity).await.unwrap();
    };
    // There before the broker.
    let default = ZkEntity::BrokerDefault;
    tool.create_top_level_paths().await.unwrap();
    write(&default, &[("log.cleaner.threads", "2")]).await;

    let broker = start(&connect, 1).await;
    broker.is_controller().await;
    assert_eq!(
        *broker.cluster.configs().broker_defaults,
        map(&[("log.cleaner.threads", "2")])
    );
    broker.create("t", 1).await.unwrap();
    write(&ZkEntity::Topic("t".to_owned()), &[("retention.ms", "1")]).await;
    broker.heard(r#"config Topic("t")"#).await;
    eventually("the topic's value", async || {
        *broker.cluster.configs().topics["t"] == map(&[("retention.ms", "1")])
    })
    .await;
    write(&ZkEntity::Broker(BrokerId(1)), &[("a", "b")]).await;
    broker.heard("config Broker(BrokerId(1))").await;
    // What this broker does not follow does not disturb it.
    write(
        &ZkEntity::Client("c".to_owned()),
        &[("producer_byte_rate", "1")],
    )
    .await;
    write(&default, &[]).await;
    broker.heard("config BrokerDefault").await;
    assert!(broker.cluster.configs().broker_defaults.is_empty());

    let entity = ConfigEntity::Topic("t".into());
    let configs = map(&[("cleanup.policy", "compact")]);
    broker
        .cluster
        .alter_configs(entity, configs.clone())
        .await
        .unwrap();
    assert_eq!(*broker.cluster.configs().topics["t"], configs);
    let unknown = broker
        .cluster
        .alter_configs(ConfigEntity::Topic("u".into()), configs)
        .await;
    assert_eq!(unknown, Err(AlterConfigError::UnknownTopic("u".to_owned())));
    // The first configuration of an entity creates its node.
    let first = map(&[("x", "y")]);
    let entity = ConfigEntity::Broker(BrokerId(7));
    broker
        .cluster
        .alter_configs(entity, first.clone())
        .await
        .unwrap();
    assert_eq!(*broker.cluster.configs().brokers[&BrokerId(7)], first);
    let zk = raw(&connect).await;
    assert_eq!(
        text(&zk, "/config/brokers/7").await,
        r#"{"version":1,"config":{"x":"y"}}"#
    );
    broker.cluster.close().await;
}

#[tokio::test]
async fn nonsense_in_znodes_is_left_alone() {
    let connect = chroot();
    let broker = start(&connect, 1).await;
    broker.is_controller().await;
    let zk = raw(&connect).await;
    let options =
        zookeeper_client::CreateMode::Persistent.with_acls(zookeeper_client::Acls::anyone_all());
    let long = format!("/brokers/topics/{}", "x".repeat(250));
    for (path, data) in [
        ("/brokers/topics/bad", &b"nonsense"[..]),
        // A name that no folder of a log may have.
        (&long, br#"{"version":1,"partitions":{"0":[1]}}"#),
        ("/brokers/ids/notanumber", b"{}"),
        ("/brokers/ids/9", b"{\"version\":1}"),
        ("/isr_change_notification/isr_change_0000000000", b"["),
        ("/log_dir_event_notification/log_dir_event_0000000000", b""),
        ("/config/changes/config_change_0000000000", b"\xff"),
        ("/config/topics/bad", b"{\"config\":7}"),
        ("/admin/preferred_replica_election", b"}{"),
    ] {
        zk.create(path, data, &options).await.unwrap();
    }
    broker.create("good", 1).await.unwrap();
    broker.shows(&["good-0 1 0"]).await;
    assert!(broker.cluster.is_controller());
    // A second controller finds all of it at once.
    ottla_zk::testing::expire_session(&broker.cluster.shared.zk).await;
    eventually("controller again", async || {
        text(&zk, "/controller_epoch").await == "2" && broker.cluster.is_controller()
    })
    .await;
    broker.create("fine", 1).await.unwrap();
    broker.cluster.close().await;
}

#[tokio::test]
async fn preferred_leaders_by_tool() {
    let connect = chroot();
    let broker = start(&connect, 1).await;
    broker.is_controller().await;
    broker.create("t", 1).await.unwrap();
    let tool = tool(&connect).await;
    let wanted = PreferredElection {
        partitions: vec![
            TopicPartition::new("t", 0),
            TopicPartition::new("nobody", 0),
        ],
    };
    tool.create_preferred_election(&wanted).await.unwrap();
    eventually("the request is taken", async || {
        tool.preferred_election(Watch::No).await.unwrap().is_none()
    })
    .await;
    assert_eq!(broker.partitions(), ["t-0 1 0"]);
    broker.cluster.close().await;
}
