//! Watches as events: none is lost, whatever happens between them.

use std::collections::BTreeSet;
use std::time::Duration;

use ottla_metadata::TopicName;
use ottla_zk::znode::{PreferredElection, Reassignment, TopicZnode};
use ottla_zk::{SessionEvent, Watch, WatchEvent, WatchEvents};

use crate::{ONE, PATIENCE, chroot, connect, fresh, registration};

async fn next(events: &mut WatchEvents) -> WatchEvent {
    tokio::time::timeout(PATIENCE, events.next())
        .await
        .expect("no event")
}

#[tokio::test]
async fn every_watch_fires_once_and_is_armed_by_reading() {
    let zk = fresh().await;
    let mut events = zk.watch_events();
    zk.topics(Watch::Arm).await.unwrap();
    zk.topics(Watch::Arm).await.unwrap();
    zk.create_topic("a", &TopicZnode::default()).await.unwrap();
    assert_eq!(next(&mut events).await, WatchEvent::TopicsChanged);
    zk.create_topic("b", &TopicZnode::default()).await.unwrap();
    zk.topics_to_delete(Watch::No).await.unwrap();
    assert_eq!(events.try_next(), None);

    zk.topic("a", Watch::Arm).await.unwrap();
    zk.update_topic("a", &TopicZnode::default(), None)
        .await
        .unwrap();
    assert_eq!(
        next(&mut events).await,
        WatchEvent::TopicChanged("a".into())
    );
}

#[tokio::test]
async fn nodes_that_are_absent_are_watched_for_their_creation() {
    let zk = fresh().await;
    let mut events = zk.watch_events();
    assert_eq!(zk.reassignment(Watch::Arm).await.unwrap(), None);
    assert_eq!(zk.preferred_election(Watch::Arm).await.unwrap(), None);
    assert_eq!(zk.broker(ONE, Watch::Arm).await.unwrap(), None);
    assert_eq!(zk.feature(Watch::Arm).await.unwrap(), None);
    zk.create_reassignment(&Reassignment::default())
        .await
        .unwrap();
    assert_eq!(next(&mut events).await, WatchEvent::ReassignmentChanged);
    zk.create_preferred_election(&PreferredElection::default())
        .await
        .unwrap();
    assert_eq!(
        next(&mut events).await,
        WatchEvent::PreferredElectionChanged
    );
    zk.register_broker(ONE, &registration(1)).await.unwrap();
    assert_eq!(next(&mut events).await, WatchEvent::BrokerChanged(ONE));
}

#[tokio::test]
async fn every_subscriber_gets_every_event() {
    let zk = fresh().await;
    let (mut one, mut two) = (zk.watch_events(), zk.watch_events());
    drop(zk.watch_events());
    zk.topics(Watch::Arm).await.unwrap();
    zk.create_topic("a", &TopicZnode::default()).await.unwrap();
    assert_eq!(next(&mut one).await, WatchEvent::TopicsChanged);
    assert_eq!(next(&mut two).await, WatchEvent::TopicsChanged);
}

/// A reader that only looks when it is told to ends up knowing everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_missed_under_churn() {
    const TOPICS: usize = 300;
    let connect_string = chroot();
    let reader = connect(&connect_string).await;
    reader.create_top_level_paths().await.unwrap();
    let mut events = reader.watch_events();
    let mut known: BTreeSet<TopicName> = BTreeSet::new();
    known.extend(reader.topics(Watch::Arm).await.unwrap());

    let writer = connect(&connect_string).await;
    let writing = tokio::spawn(async move {
        for n in 0..TOPICS {
            writer
                .create_topic(&format!("t{n}"), &TopicZnode::default())
                .await
                .unwrap();
            if n % 7 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        writer
    });
    let mut rounds = 0;
    while known.len() < TOPICS {
        assert_eq!(next(&mut events).await, WatchEvent::TopicsChanged);
        known.extend(reader.topics(Watch::Arm).await.unwrap());
        rounds += 1;
    }
    assert!(rounds <= TOPICS + 1);
    writing.await.unwrap();
}

/// The same with a connection that breaks all the time: the server is frozen and restarted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_missed_over_reconnections() {
    let server = std::sync::Arc::new(ottla_zk::testing::ZooKeeperServer::start().unwrap());
    let reader = connect(&server.address()).await;
    reader.create_top_level_paths().await.unwrap();
    let mut events = reader.watch_events();
    let mut known: BTreeSet<TopicName> = reader
        .topics(Watch::Arm)
        .await
        .unwrap()
        .into_iter()
        .collect();
    let address = server.address();
    for round in 0..3 {
        // While the reader is cut off, the world goes on.
        server.stop();
        server.restart().unwrap();
        let writer = connect(&address).await;
        let name: TopicName = format!("t{round}").into();
        writer
            .create_topic(&name, &TopicZnode::default())
            .await
            .unwrap();
        writer.close().await;
        while !known.contains(&name) {
            assert_eq!(next(&mut events).await, WatchEvent::TopicsChanged);
            known.extend(reader.topics(Watch::Arm).await.unwrap());
        }
    }
    assert_eq!(reader.session().borrow().generation(), 1);
}

/// More watches than fit into one request are re-established after a reconnection.
#[tokio::test]
async fn thousands_of_watches_survive_a_reconnection() {
    const TOPICS: usize = 4000;
    let server = ottla_zk::testing::ZooKeeperServer::start().unwrap();
    let zk = connect(&server.address()).await;
    zk.create_top_level_paths().await.unwrap();
    let names: Vec<TopicName> = (0..TOPICS)
        .map(|n| format!("a-topic-with-a-rather-long-name-such-as-people-have-{n:05}").into())
        .collect();
    let creations = names.iter().map(|name| {
        let zk = zk.clone();
        async move { zk.create_topic(name, &TopicZnode::default()).await.unwrap() }
    });
    futures::future::join_all(creations).await;
    zk.topic_nodes(names.clone(), Watch::Arm).await.unwrap();
    let mut events = zk.watch_events();
    let mut session = zk.session();
    server.stop();
    let lost = session.wait_for(|event| matches!(event, SessionEvent::Disconnected { .. }));
    tokio::time::timeout(PATIENCE, lost).await.unwrap().unwrap();
    server.restart().unwrap();
    for name in [&names[0], &names[TOPICS / 2], &names[TOPICS - 1]] {
        zk.update_topic(name, &TopicZnode::default(), None)
            .await
            .unwrap();
        assert_eq!(
            next(&mut events).await,
            WatchEvent::TopicChanged(name.clone())
        );
    }
    assert_eq!(zk.session().borrow().generation(), 1);
}
