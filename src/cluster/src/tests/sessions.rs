//! Sessions that end, and ZooKeeper going away.

use std::time::Duration;

use ottla_zk::testing::{self, Proxy, ZooKeeperServer};
use zookeeper_client::{Acl, AuthId, Permission};

use super::fixture::*;
use crate::*;

#[tokio::test]
async fn an_expired_session_is_replaced() {
    let connect = chroot();
    let broker = start(&connect, 1).await;
    broker.is_controller().await;
    broker.create("t", 1).await.unwrap();
    let epoch = broker.cluster.broker_epoch();
    broker.told.clear();
    testing::expire_session(&broker.cluster.shared.zk).await;
    assert_eq!(broker.partitions(), ["t-0 1 0"], "the image stays");
    eventually("registered again", async || {
        broker.cluster.broker_epoch() > epoch
    })
    .await;
    broker.is_controller().await;
    broker.heard("lead t-0 1 epoch 0").await;
    broker.create("u", 1).await.unwrap();
    let zk = raw(&connect).await;
    assert_eq!(text(&zk, "/controller_epoch").await, "2");
    eventually("the image knows the new registration", async || {
        let image = broker.cluster.image();
        image
            .brokers
            .values()
            .all(|info| info.epoch == broker.cluster.broker_epoch())
    })
    .await;
    broker.cluster.close().await;
}

#[tokio::test]
async fn a_registration_that_vanishes_is_renewed() {
    let connect = chroot();
    let broker = start(&connect, 1).await;
    broker.is_controller().await;
    broker.create("t", 1).await.unwrap();
    let epoch = broker.cluster.broker_epoch();
    let zk = raw(&connect).await;
    zk.delete("/brokers/ids/1", None).await.unwrap();
    eventually("registered again", async || {
        broker.cluster.broker_epoch() > epoch
    })
    .await;
    // Its death was seen: leadership was given up and taken again.
    broker.shows(&["t-0 1 2"]).await;
    broker.heard("lead t-0 1 epoch 2").await;
    assert_eq!(
        text(&zk, "/controller_epoch").await,
        "1",
        "the session lives, so the term goes on"
    );
    broker.create("u", 1).await.unwrap();
    broker.cluster.close().await;
}

#[tokio::test]
async fn zookeeper_goes_away_and_returns() {
    let server = ZooKeeperServer::start().unwrap_or_else(|error| panic!("{error}"));
    let connect = format!("{}/kafka", server.address());
    let broker = start(&connect, 1).await;
    broker.is_controller().await;
    broker.create("t", 1).await.unwrap();
    server.stop();
    let hasty = WaitOptions {
        timeout: Duration::from_millis(100),
        validate_only: false,
    };
    let results = broker
        .cluster
        .create_topics(vec![NewTopic::named("u")], hasty)
        .await;
    assert_eq!(results, [Err(CreateTopicError::Store(StoreError::Away))]);
    assert_eq!(broker.partitions(), ["t-0 1 0"], "the image stays");
    server.restart().unwrap();
    eventually("topics can be created again", async || {
        matches!(
            broker.create("v", 1).await,
            Ok(_) | Err(CreateTopicError::Exists(_))
        )
    })
    .await;
    eventually("they are led", async || {
        broker
            .partitions()
            .iter()
            .any(|line| line.starts_with("v-0 1"))
    })
    .await;
    // Stopping does not wait for a ZooKeeper that is away.
    server.stop();
    tokio::time::timeout(Duration::from_secs(10), broker.cluster.close())
        .await
        .unwrap();
}

/// Answers are lost while a topic is created, after each possible number of writes; once ZooKeeper is
/// back the topic is there, whole.
#[tokio::test]
async fn lost_answers() {
    let connect = chroot();
    let (address, chroot) = connect.split_once('/').unwrap();
    for writes in 0..4 {
        let proxy = Proxy::start(address.parse().unwrap()).await.unwrap();
        let root = format!("{}/{chroot}-{writes}", proxy.address());
        let broker = start(&root, 1).await;
        broker.is_controller().await;
        proxy.mute_after_writes(writes);
        let created = tokio::spawn({
            let cluster = broker.cluster.clone();
            async move {
                cluster
                    .create_topics(vec![NewTopic::named("t")], wait())
                    .await
            }
        });
        // Whatever is under way loses its answer; then the connection breaks and is made anew.
        tokio::time::sleep(Duration::from_millis(100)).await;
        proxy.cut();
        proxy.mend();
        let _ = created.await.unwrap();
        let created = broker.create("t", 1).await;
        assert!(
            matches!(created, Ok(_) | Err(CreateTopicError::Exists(_))),
            "{created:?}"
        );
        eventually("the topic is led", async || {
            broker
                .partitions()
                .iter()
                .any(|line| line.starts_with("t-0 1"))
        })
        .await;
        broker.cluster.close().await;
    }
}

/// The watch on `/config/changes` is armed by reading it, so a read that is refused must be repeated.
#[tokio::test]
async fn a_refused_read_of_the_configuration_is_repeated() {
    let connect = chroot();
    let broker = start(&connect, 1).await;
    broker.is_controller().await;
    broker.create("t", 1).await.unwrap();
    let zk = raw(&connect).await;
    let notices = "/config/changes";
    let blind = Permission::WRITE | Permission::CREATE | Permission::DELETE | Permission::ADMIN;
    let blind = Acl::new(blind, AuthId::anyone());
    zk.set_acl(notices, &[blind], None).await.unwrap();
    let epoch = broker.cluster.broker_epoch();
    testing::expire_session(&broker.cluster.shared.zk).await;
    eventually("registered again", async || {
        broker.cluster.broker_epoch() > epoch
    })
    .await;
    // The new session has a configuration that cannot be read.
    broker.is_controller().await;
    broker.told.clear();
    let all = Acl::new(Permission::ALL, AuthId::anyone());
    zk.set_acl(notices, &[all], None).await.unwrap();
    for value in ["1000", "2000"] {
        let config = map(&[("retention.ms", value)]);
        let entity = ConfigEntity::Topic("t".into());
        broker.cluster.alter_configs(entity, config).await.unwrap();
        broker.heard(r#"config Topic("t")"#).await;
        broker.told.clear();
    }
    broker.cluster.close().await;
}
