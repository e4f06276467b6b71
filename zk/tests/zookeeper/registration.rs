//! Registering brokers, and who may take whose place.

use std::sync::Arc;

use ottla_zk::testing::{self, MemoryRecord};
use ottla_zk::znode::RegistrationVersion;
use ottla_zk::{RegisterError, Watch, WatchEvent};

use crate::{ONE, PATIENCE, TWO, broker, chroot, connect, fresh, generation, registration};

#[tokio::test]
async fn the_broker_epoch_is_the_czxid_and_the_version_one() {
    let zk = fresh().await;
    let registered = zk.register_broker(ONE, &registration(1)).await.unwrap();
    let found = zk.broker(ONE, Watch::No).await.unwrap().unwrap();
    assert_eq!(found.value, registration(1));
    assert_eq!(found.stat.czxid, registered.epoch);
    assert_eq!(found.stat.version, 1);
    assert_eq!(found.stat.ephemeral_owner, Some(registered.session));
    assert_eq!(found.broker_info(ONE).epoch, registered.epoch);
}

#[tokio::test]
async fn registering_again_in_the_same_session_keeps_the_epoch() {
    let zk = fresh().await;
    let first = zk.register_broker(ONE, &registration(1)).await.unwrap();
    let same = zk.register_broker(ONE, &registration(1)).await.unwrap();
    let moved = zk.register_broker(ONE, &registration(2)).await.unwrap();
    assert_eq!(first, same);
    assert_eq!(first, moved);
    let found = zk.broker(ONE, Watch::No).await.unwrap().unwrap();
    assert_eq!(found.value, registration(2));
    zk.update_registration(ONE, &registration(3)).await.unwrap();
    let found = zk.broker(ONE, Watch::No).await.unwrap().unwrap();
    assert_eq!(
        (found.value, found.stat.czxid),
        (registration(3), first.epoch)
    );
}

#[tokio::test]
async fn a_killed_brokers_node_is_replaced_by_its_successor() {
    let (connect_string, record) = (chroot(), Arc::default());
    // As after kill -9: the session lives on, the process does not.
    let dead = broker(&connect_string, &record).await;
    let old = dead.register_broker(ONE, &registration(1)).await.unwrap();
    let successor = broker(&connect_string, &record).await;
    let mut events = successor.watch_events();
    successor.broker_ids(Watch::Arm).await.unwrap();
    let new = successor
        .register_broker(ONE, &registration(1))
        .await
        .unwrap();
    assert!(new.epoch > old.epoch);
    assert_ne!(new.session, old.session);
    let found = successor.broker(ONE, Watch::No).await.unwrap().unwrap();
    assert_eq!(found.stat.ephemeral_owner, Some(new.session));
    assert_eq!(found.stat.version, 1);
    let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap();
    assert_eq!(event, WatchEvent::BrokersChanged);
    // The end of the old session does not take the new node along.
    dead.close().await;
    assert_eq!(successor.broker_ids(Watch::No).await.unwrap(), [ONE]);
}

#[tokio::test]
async fn sessions_of_several_lives_are_remembered() {
    let (connect_string, record) = (chroot(), Arc::default());
    let mut lives = Vec::new();
    for _ in 0..3 {
        let life = broker(&connect_string, &record).await;
        life.register_broker(ONE, &registration(1)).await.unwrap();
        lives.push(life);
    }
    let last = lives.last().unwrap();
    assert_eq!(last.broker_ids(Watch::No).await.unwrap(), [ONE]);
}

#[tokio::test]
async fn an_id_that_another_broker_holds_is_refused_with_its_name() {
    let connect_string = chroot();
    let holder = broker(&connect_string, &Arc::new(MemoryRecord::default())).await;
    let held = holder.register_broker(ONE, &registration(1)).await.unwrap();
    let other = broker(&connect_string, &Arc::new(MemoryRecord::default())).await;
    let error = other
        .register_broker(ONE, &registration(2))
        .await
        .unwrap_err();
    let text = error.to_string();
    let RegisterError::IdTaken {
        id, address, owner, ..
    } = error
    else {
        panic!("{text}");
    };
    assert_eq!((id, &*address, owner), (ONE, "127.0.0.1:1", held.session));
    assert!(text.contains(&held.session.to_string()), "{text}");
    assert!(text.contains("since 2023-11-14T22:13:20Z"), "{text}");
    let found = other.broker(ONE, Watch::No).await.unwrap().unwrap();
    assert_eq!(found.stat.czxid, held.epoch);
}

#[tokio::test]
async fn an_address_that_another_broker_advertises_is_refused() {
    let connect_string = chroot();
    let one = connect(&connect_string).await;
    one.create_top_level_paths().await.unwrap();
    one.register_broker(ONE, &registration(1)).await.unwrap();
    let two = connect(&connect_string).await;
    let error = two
        .register_broker(TWO, &registration(1))
        .await
        .unwrap_err();
    let RegisterError::EndpointTaken { endpoint, other } = error else {
        panic!("{error}");
    };
    assert_eq!((&*endpoint, other), ("127.0.0.1:1", ONE));
    two.register_broker(TWO, &registration(2)).await.unwrap();
    assert_eq!(two.broker_ids(Watch::No).await.unwrap(), [ONE, TWO]);
    let all = two
        .brokers(vec![TWO, ONE, ottla_metadata::BrokerId(9)], Watch::No)
        .await
        .unwrap();
    let ports: Vec<Option<u16>> = all
        .into_iter()
        .map(|(_, found)| found.unwrap().map(|found| found.value.endpoints[0].port))
        .collect();
    assert_eq!(ports, [Some(2), Some(1), None]);
}

#[tokio::test]
async fn older_forms_of_the_registration_are_written_for_older_protocols() {
    let zk = fresh().await;
    for version in [RegistrationVersion::V2, RegistrationVersion::V4] {
        let wanted = ottla_zk::znode::BrokerRegistration {
            version,
            ..registration(1)
        };
        zk.register_broker(ONE, &wanted).await.unwrap();
        let found = zk.broker(ONE, Watch::No).await.unwrap().unwrap();
        assert_eq!(found.value, wanted);
    }
}

#[tokio::test]
async fn a_broker_sees_its_own_node_vanish() {
    let zk = fresh().await;
    let mut events = zk.watch_events();
    let first = zk.register_broker(ONE, &registration(1)).await.unwrap();
    zk.broker(ONE, Watch::Arm).await.unwrap().unwrap();
    testing::expire_session(&zk).await;
    generation(&zk, 2).await;
    zk.register_broker(ONE, &registration(1)).await.unwrap();
    assert!(
        zk.broker(ONE, Watch::Arm)
            .await
            .unwrap()
            .unwrap()
            .stat
            .czxid
            > first.epoch
    );
    zk.update_registration(ONE, &registration(2)).await.unwrap();
    let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap();
    assert_eq!(event, WatchEvent::BrokerChanged(ONE));
}

#[tokio::test]
async fn a_broker_registers_where_nothing_has_been_created() {
    let zk = connect(&chroot()).await;
    zk.register_broker(ONE, &registration(1)).await.unwrap();
    assert_eq!(zk.broker_ids(Watch::No).await.unwrap(), [ONE]);
}
