//! Connecting, losing the server, losing the session, closing.

use std::time::{Duration, Instant};

use ottla_zk::testing::{self, Proxy, ZooKeeperServer};
use ottla_zk::znode::TopicZnode;
use ottla_zk::{SessionEvent, Watch, WatchEvent, Zk, ZkConfig, ZkError};

use crate::{ONE, PATIENCE, chroot, config, connect, generation, registration};

#[tokio::test]
async fn the_chroot_is_created_with_its_parents() {
    let connect_string = format!("{}/deep/er", chroot());
    let zk = connect(&connect_string).await;
    assert!(zk.chroot().ends_with("/deep/er"));
    zk.create_top_level_paths().await.unwrap();
    zk.create_top_level_paths().await.unwrap();
    let again = connect(&connect_string).await;
    assert_eq!(again.topics(Watch::No).await.unwrap(), []);
}

#[tokio::test]
async fn a_server_that_is_away_is_named_in_the_error() {
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let started = Instant::now();
    let result = Zk::connect(ZkConfig {
        connection_timeout: Duration::from_millis(400),
        ..ZkConfig::new(format!("{address}/kafka"))
    })
    .await;
    let Err(error @ ZkError::Unreachable { .. }) = result else {
        panic!("connected to nobody");
    };
    let text = error.to_string();
    assert!(text.contains(&address.to_string()), "{text}");
    assert!(text.contains("400 ms"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let result = Zk::connect(ZkConfig {
        connection_timeout: Duration::from_millis(600),
        ..ZkConfig::new(silent.local_addr().unwrap().to_string())
    })
    .await;
    assert!(matches!(result, Err(ZkError::Unreachable { .. })));
}

#[tokio::test]
async fn a_server_that_comes_late_is_waited_for() {
    let server = ZooKeeperServer::start().unwrap();
    server.stop();
    let waiting = tokio::spawn(Zk::connect(config(&format!("{}/late", server.address()))));
    let _server = tokio::task::spawn_blocking(move || {
        server.restart().unwrap();
        server
    })
    .await
    .unwrap();
    let zk = waiting.await.unwrap().unwrap();
    zk.create_top_level_paths().await.unwrap();
}

#[tokio::test]
async fn the_session_survives_a_restart_of_the_server() {
    let server = ZooKeeperServer::start().unwrap();
    let zk = connect(&server.address()).await;
    zk.create_top_level_paths().await.unwrap();
    let registered = zk.register_broker(ONE, &registration(1)).await.unwrap();
    let mut events = zk.watch_events();
    assert_eq!(zk.topics(Watch::Arm).await.unwrap(), []);
    let mut session = zk.session();
    server.stop();
    let lost = session.wait_for(|event| matches!(event, SessionEvent::Disconnected { .. }));
    tokio::time::timeout(PATIENCE, lost).await.unwrap().unwrap();
    // A read made meanwhile waits for the server.
    let reading = tokio::spawn({
        let zk = zk.clone();
        async move { zk.broker(ONE, Watch::No).await }
    });
    server.restart().unwrap();
    let found = reading.await.unwrap().unwrap().unwrap();
    assert_eq!(found.stat.czxid, registered.epoch);
    assert_eq!(generation(&zk, 1).await.generation(), 1);
    // The watch has survived, too.
    zk.create_topic("t", &Default::default()).await.unwrap();
    let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap();
    assert_eq!(event, WatchEvent::TopicsChanged);
}

#[tokio::test]
async fn after_an_expiry_there_is_a_new_session_and_the_broker_registers_again() {
    let server = testing::shared().unwrap();
    let proxy = Proxy::start(server.socket_address()).await.unwrap();
    let chroot = chroot().replace(&server.address(), "");
    let zk = connect(&format!("{}{chroot}", proxy.address())).await;
    zk.create_top_level_paths().await.unwrap();
    let first = zk.register_broker(ONE, &registration(1)).await.unwrap();
    assert_eq!(first.generation, 1);
    let mut events = zk.watch_events();
    zk.topics(Watch::Arm).await.unwrap();
    let mut session = zk.session();
    testing::close_behind(&zk, &proxy).await.unwrap();
    assert_eq!(session.borrow_and_update().generation(), 1);
    proxy.mend();
    let next = generation(&zk, 2).await;
    assert!(matches!(next, SessionEvent::Connected { generation: 2, id } if id != first.session));
    assert_eq!(zk.broker(ONE, Watch::No).await.unwrap(), None);
    let second = zk.register_broker(ONE, &registration(1)).await.unwrap();
    assert!(second.epoch > first.epoch);
    assert_eq!(second.generation, 2);
    // Watches have ended with their session, without an event.
    zk.create_topic("unseen", &TopicZnode::default())
        .await
        .unwrap();
    zk.topics(Watch::Arm).await.unwrap();
    assert_eq!(events.try_next(), None);
    zk.create_topic("seen", &TopicZnode::default())
        .await
        .unwrap();
    let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap();
    assert_eq!(event, WatchEvent::TopicsChanged);
}

#[tokio::test]
async fn while_no_session_can_be_had_operations_fail_distinctly() {
    let server = ZooKeeperServer::start().unwrap();
    let zk = Zk::connect(ZkConfig {
        session_timeout: Duration::from_millis(400),
        ..config(&server.address())
    })
    .await
    .unwrap();
    zk.create_top_level_paths().await.unwrap();
    zk.register_broker(ONE, &registration(1)).await.unwrap();
    let mut session = zk.session();
    server.stop();
    let ended = session.wait_for(|event| matches!(event, SessionEvent::Expired { generation: 1 }));
    tokio::time::timeout(PATIENCE, ended)
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(
        zk.topics(Watch::No).await,
        Err(ZkError::SessionExpired)
    ));
    server.restart().unwrap();
    generation(&zk, 2).await;
    // The server may not have noticed the end of the first session; its node is ours to replace.
    let again = zk.register_broker(ONE, &registration(1)).await.unwrap();
    assert_eq!(again.generation, 2);
}

#[tokio::test]
async fn closing_removes_ephemeral_nodes_at_once_and_for_good() {
    let connect_string = chroot();
    let zk = connect(&connect_string).await;
    zk.create_top_level_paths().await.unwrap();
    zk.register_broker(ONE, &registration(1)).await.unwrap();
    let other = connect(&connect_string).await;
    assert_eq!(other.broker_ids(Watch::No).await.unwrap(), [ONE]);
    zk.close().await;
    assert_eq!(other.broker_ids(Watch::No).await.unwrap(), []);
    assert!(matches!(zk.topics(Watch::No).await, Err(ZkError::Closed)));
    assert_eq!(*zk.session().borrow(), SessionEvent::Closed);
    zk.close().await;
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_session() {
    let connect_string = chroot();
    let zk = connect(&connect_string).await;
    zk.create_top_level_paths().await.unwrap();
    zk.register_broker(ONE, &registration(1)).await.unwrap();
    let other = connect(&connect_string).await;
    let mut events = other.watch_events();
    assert_eq!(other.broker_ids(Watch::Arm).await.unwrap(), [ONE]);
    drop(zk);
    let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap();
    assert_eq!(event, WatchEvent::BrokersChanged);
}
