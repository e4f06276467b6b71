//! What clients ask for.

use std::time::Duration;

use ottla_metadata::{BrokerId, TopicId};

use super::fixture::*;
use crate::*;

#[tokio::test]
async fn topics_come_and_go() {
    let connect = chroot();
    let broker = start(&connect, 1).await;
    broker.is_controller().await;
    let topic = NewTopic {
        partitions: 2,
        configs: map(&[("retention.ms", "5000")]),
        ..NewTopic::named("t")
    };
    let created = broker.create_topic(topic).await.unwrap();
    assert_eq!((created.partitions, created.replication_factor), (2, 1));
    assert_eq!(broker.partitions(), ["t-0 1 0", "t-1 1 0"]);
    let image = broker.cluster.image();
    assert_eq!(image.topic("t").unwrap().id, created.id);
    assert_eq!(image.controller, Some(BrokerId(1)));
    assert!(!image.cluster_id.is_empty());

    let zk = raw(&connect).await;
    let id = created.id;
    let want = format!(
        r#"{{"partitions":{{"0":[1],"1":[1]}},"topic_id":"{id}","adding_replicas":{{}},"removing_replicas":{{}},"version":3}}"#
    );
    assert_eq!(text(&zk, "/brokers/topics/t").await, want);
    assert_eq!(
        text(&zk, "/brokers/topics/t/partitions/1/state").await,
        r#"{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":0,"isr":[1]}"#
    );
    assert_eq!(
        text(&zk, "/config/topics/t").await,
        r#"{"version":1,"config":{"retention.ms":"5000"}}"#
    );
    assert_eq!(
        text(&zk, "/feature").await,
        r#"{"features":{},"version":2,"status":1}"#
    );
    // The log is created with the topic's configuration, so that is known first.
    let told = broker.told.lines();
    assert_eq!(
        told,
        [
            r#"config Topic("t")"#,
            "lead t-0 1 epoch 0",
            "lead t-1 1 epoch 0"
        ]
    );

    assert_eq!(
        broker.create("t", 1).await,
        Err(CreateTopicError::Exists("t".to_owned()))
    );
    let new = NewPartitions {
        topic: "t".to_owned(),
        count: 3,
        assignment: None,
    };
    let grown = broker
        .cluster
        .create_partitions(vec![new.clone()], wait())
        .await;
    assert_eq!(grown, [Ok(())]);
    assert_eq!(broker.partitions(), ["t-0 1 0", "t-1 1 0", "t-2 1 0"]);
    let again = broker.cluster.create_partitions(vec![new], wait()).await;
    assert_eq!(
        again,
        [Err(CreatePartitionsError::NotAnIncrease {
            current: 3,
            asked: 3
        })]
    );

    broker.told.clear();
    broker.delete("t").await.unwrap();
    assert!(broker.partitions().is_empty());
    let gone = [
        "/brokers/topics/t",
        "/config/topics/t",
        "/admin/delete_topics/t",
    ];
    for path in gone {
        assert_eq!(
            text(&zk, path).await,
            zookeeper_client::Error::NoNode.to_string(),
            "{path}"
        );
    }
    assert_eq!(
        broker.delete("t").await,
        Err(DeleteTopicError::Unknown("t".to_owned()))
    );
    let told = broker.told.lines();
    for line in ["forget t", "delete t-0", "delete t-1", "delete t-2"] {
        assert!(told.iter().any(|told| told == line), "{line} in {told:?}");
    }
    // The name is free at once, and nothing is left of the old topic.
    let next = broker.create("t", 1).await.unwrap();
    assert_ne!(next.id, created.id);
    assert_eq!(broker.partitions(), ["t-0 1 0"]);
    assert!(broker.cluster.configs().topics["t"].is_empty());
    broker.cluster.close().await;
}

#[tokio::test]
async fn what_cannot_be_created() {
    let broker = start(&chroot(), 1).await;
    broker.is_controller().await;
    broker.create("a.b", 1).await.unwrap();
    let check = async |topic: NewTopic, want: CreateTopicError| {
        assert_eq!(broker.create_topic(topic).await, Err(want));
    };
    let named = NewTopic::named;
    check(named("a_b"), CreateTopicError::Collides("a.b".into())).await;
    check(
        named("a b"),
        ottla_metadata::InvalidTopicName::BadCharacter("a b".to_owned()).into(),
    )
    .await;
    check(
        named("__cluster_metadata"),
        CreateTopicError::Reserved("__cluster_metadata".to_owned()),
    )
    .await;
    for count in [0, -2] {
        let topic = NewTopic {
            partitions: count,
            ..named("t")
        };
        check(topic, CreateTopicError::InvalidPartitions(count)).await;
    }
    for asked in [0, -2, 2] {
        let topic = NewTopic {
            replication_factor: asked,
            ..named("t")
        };
        check(
            topic,
            CreateTopicError::InvalidReplicationFactor {
                asked,
                available: 1,
            },
        )
        .await;
    }
    let assigned = |assignment: &[(i32, &[i32])]| NewTopic {
        assignment: assignment
            .iter()
            .map(|(number, ids)| (*number, ids.iter().map(|id| BrokerId(*id)).collect()))
            .collect(),
        ..named("t")
    };
    let invalid = CreateTopicError::InvalidAssignment;
    check(
        assigned(&[(0, &[2])]),
        invalid(InvalidAssignment::UnknownBroker(BrokerId(2))),
    )
    .await;
    let twice = assigned(&[(0, &[1]), (0, &[1])]);
    check(twice, invalid(InvalidAssignment::DuplicatePartition(0))).await;
    let both = NewTopic {
        partitions: 1,
        ..assigned(&[(0, &[1])])
    };
    check(both, CreateTopicError::CountsAndAssignment).await;

    let twice = vec![named("t"), named("t")];
    let results = broker.cluster.create_topics(twice, wait()).await;
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Err(CreateTopicError::Duplicate(_))))
    );
    let only = WaitOptions {
        validate_only: true,
        ..wait()
    };
    let checked = broker
        .cluster
        .create_topics(vec![assigned(&[(0, &[1]), (1, &[1])])], only)
        .await;
    let checked = checked.into_iter().next().unwrap().unwrap();
    assert_eq!((checked.id, checked.partitions), (TopicId::ZERO, 2));
    assert_eq!(broker.partitions(), ["a.b-0 1 0"]);
    // Without time to wait the topic is created all the same.
    let hasty = WaitOptions {
        timeout: Duration::ZERO,
        validate_only: false,
    };
    let hasty = broker
        .cluster
        .create_topics(vec![named("late")], hasty)
        .await;
    assert!(matches!(
        hasty[..],
        [Ok(_) | Err(CreateTopicError::NoLeaderInTime)]
    ));
    broker.shows(&["a.b-0 1 0", "late-0 1 0"]).await;
    broker.cluster.auto_create(named("auto")).await.unwrap();
    broker
        .shows(&["a.b-0 1 0", "auto-0 1 0", "late-0 1 0"])
        .await;
    broker.cluster.close().await;
}

#[tokio::test]
async fn many_topics_at_once() {
    let broker = start(&chroot(), 1).await;
    broker.is_controller().await;
    let topics = (0..200).map(|number| NewTopic {
        partitions: 5,
        ..NewTopic::named(format!("t{number}"))
    });
    let results = broker.cluster.create_topics(topics.collect(), wait()).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(broker.partitions().len(), 1000);
    let names = (0..200).map(|number| format!("t{number}")).collect();
    let results = broker.cluster.delete_topics(names, wait()).await;
    assert!(results.iter().all(Result::is_ok));
    assert!(broker.partitions().is_empty());
    broker.cluster.close().await;
}

#[tokio::test]
async fn deletion_can_be_forbidden() {
    let forbidding = Settings {
        delete_topics: false,
        ..settings()
    };
    let connect = chroot();
    let broker = start_with(config(&connect), 1, forbidding).await;
    broker.is_controller().await;
    broker.create("t", 1).await.unwrap();
    assert_eq!(broker.delete("t").await, Err(DeleteTopicError::Disabled));
    // Nor does a tool's mark delete it.
    let tool = tool(&connect).await;
    tool.mark_topic_for_deletion("t").await.unwrap();
    eventually("the mark is removed", async || {
        !tool.is_marked_for_deletion("t").await.unwrap()
    })
    .await;
    assert_eq!(broker.partitions(), ["t-0 1 0"]);
    broker.cluster.close().await;
}

/// Below 2.8 topics have no ids, and below 2.7 features are not enabled.
#[tokio::test]
async fn old_protocol_versions() {
    let old = Settings {
        version: "2.0-IV1".parse().unwrap(),
        ..settings()
    };
    let connect = chroot();
    let broker = start_with(config(&connect), 1, old).await;
    broker.is_controller().await;
    let created = broker.create("t", 1).await.unwrap();
    assert!(created.id.is_zero());
    let zk = raw(&connect).await;
    assert_eq!(
        text(&zk, "/brokers/topics/t").await,
        r#"{"partitions":{"0":[1]},"adding_replicas":{},"removing_replicas":{},"version":3}"#
    );
    assert_eq!(
        text(&zk, "/feature").await,
        r#"{"features":{},"version":1,"status":0}"#
    );
    assert!(text(&zk, "/brokers/ids/1").await.contains(r#""version":4"#));
    broker.cluster.close().await;
}

#[tokio::test]
async fn producer_ids_come_in_blocks() {
    let connect = chroot();
    let broker = start(&connect, 1).await;
    assert_eq!(broker.cluster.allocate_producer_ids().await, Ok(0..=999));
    assert_eq!(
        broker.cluster.allocate_producer_ids().await,
        Ok(1000..=1999)
    );
    let zk = raw(&connect).await;
    assert_eq!(
        text(&zk, "/latest_producer_id_block").await,
        r#"{"version":1,"broker":1,"block_start":"1000","block_end":"1999"}"#
    );
    broker.cluster.close().await;
}
