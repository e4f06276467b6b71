//! Who is controller.

use ottla_metadata::BrokerId;

use super::fixture::*;
use crate::*;

#[tokio::test]
async fn one_of_two_is_controller() {
    let connect = chroot();
    let first = start(&connect, 1).await;
    first.is_controller().await;
    first.create("t", 1).await.unwrap();
    let second = start(&connect, 2).await;
    assert!(!second.cluster.is_controller());
    assert_eq!(
        second.create("u", 1).await,
        Err(CreateTopicError::NotController)
    );
    assert_eq!(
        second.delete("t").await,
        Err(DeleteTopicError::NotController)
    );
    // The other broker is commanded too, and sees the same cluster.
    eventually("both are alive", async || {
        first.cluster.image().brokers.len() == 2
    })
    .await;
    let wide = NewTopic {
        assignment: vec![(0, vec![BrokerId(2), BrokerId(1)])],
        ..NewTopic::named("wide")
    };
    first.create_topic(wide).await.unwrap();
    for broker in [&first, &second] {
        broker.heard("lead wide-0 2 epoch 0").await;
        broker.shows(&["t-0 1 0", "wide-0 2 0"]).await;
        let image = broker.cluster.image();
        assert_eq!(image.controller, Some(BrokerId(1)));
        assert_eq!(image.brokers.len(), 2);
    }
    // Whoever is asked for a topic that does not exist may create it, with replicas anywhere.
    let auto = NewTopic {
        replication_factor: 2,
        ..NewTopic::named("auto")
    };
    let made = second.cluster.auto_create(auto).await.unwrap();
    assert_eq!((made.partitions, made.replication_factor), (1, 2));
    first.delete("auto").await.unwrap();
    first.delete("wide").await.unwrap();
    for broker in [&first, &second] {
        broker.heard("delete wide-0").await;
        broker.heard("forget wide").await;
        broker.shows(&["t-0 1 0"]).await;
    }

    first.cluster.close().await;
    second.is_controller().await;
    let zk = raw(&connect).await;
    assert_eq!(text(&zk, "/controller_epoch").await, "2");
    // The topic of the broker that left has no leader until it is back.
    second.shows(&["t-0 -1 1"]).await;
    second.create("u", 1).await.unwrap();
    second.shows(&["t-0 -1 1", "u-0 2 0"]).await;
    let back = start(&connect, 1).await;
    second.shows(&["t-0 1 2", "u-0 2 0"]).await;
    second.cluster.close().await;
    back.is_controller().await;
    eventually("the image names it", async || {
        back.cluster.image().controller == Some(BrokerId(1))
    })
    .await;
    back.cluster.close().await;
}

#[tokio::test]
async fn whoever_loses_the_node_resigns() {
    let connect = chroot();
    let broker = start(&connect, 1).await;
    broker.is_controller().await;
    let zk = raw(&connect).await;
    zk.delete("/controller", None).await.unwrap();
    eventually("elected again", async || {
        text(&zk, "/controller_epoch").await == "2" && broker.cluster.is_controller()
    })
    .await;
    broker.create("t", 1).await.unwrap();
    let state = text(&zk, "/brokers/topics/t/partitions/0/state").await;
    assert!(state.contains(r#""controller_epoch":2"#), "{state}");
    // Somebody raises the epoch behind our back: the next write is refused, and we begin anew.
    zk.set_data("/controller_epoch", b"7", None).await.unwrap();
    let created = broker.cluster.auto_create(NewTopic::named("u")).await;
    assert!(created.is_ok());
    broker.shows(&["t-0 1 0", "u-0 1 0"]).await;
    assert_eq!(text(&zk, "/controller_epoch").await, "8");
    broker.cluster.close().await;
}

/// A broker that returns finds its topics, and its replicas are told again.
#[tokio::test]
async fn a_broker_returns() {
    let connect = chroot();
    let broker = start(&connect, 1).await;
    broker.is_controller().await;
    broker.create("t", 2).await.unwrap();
    broker.cluster.close().await;
    let zk = raw(&connect).await;
    for path in ["/controller", "/brokers/ids/1"] {
        assert_eq!(
            text(&zk, path).await,
            zookeeper_client::Error::NoNode.to_string(),
            "{path}"
        );
    }
    let broker = start(&connect, 1).await;
    broker.shows(&["t-0 1 0", "t-1 1 0"]).await;
    broker.heard("lead t-0 1 epoch 0").await;
    broker.heard("lead t-1 1 epoch 0").await;
    broker.cluster.close().await;
}

#[tokio::test]
async fn ids_and_addresses_are_unique() {
    let connect = chroot();
    let broker = start(&connect, 1).await;
    let registration = |id| Registration {
        id: BrokerId(id),
        ..broker.cluster.shared.registration.clone()
    };
    let second = Bootstrap::connect(config(&connect)).await.unwrap();
    let id = second.generate_broker_id(1000).await.unwrap();
    assert_eq!(id, BrokerId(1001));
    let other = second.register(registration(2)).await;
    assert!(matches!(
        other.err(),
        Some(StartError::Register(RegisterError::EndpointTaken { .. }))
    ));
    let third = Bootstrap::connect(config(&connect)).await.unwrap();
    let mut same = registration(1);
    same.endpoints[0].port = 1;
    let same = third.register(same).await;
    assert!(matches!(
        same.err(),
        Some(StartError::Register(RegisterError::IdTaken { .. }))
    ));
    broker.cluster.close().await;
}
