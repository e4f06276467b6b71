//! The controller's writes.

use ottla_metadata::{BrokerId, TopicId, TopicName, TopicPartition};
use ottla_zk::testing::{self, Proxy};
use ottla_zk::znode::{
    ConfigEntity, EntityConfig, Feature, FeatureStatus, FeatureVersion, IsrChange, PartitionState,
    TopicZnode,
};
use ottla_zk::{Conflict, ControllerFence, Election, FencedWrite, Watch, Zk};

use crate::{ONE, TWO, chroot, connect, fresh};

async fn fence(zk: &Zk) -> ControllerFence {
    match zk.elect(ONE, 1).await.unwrap() {
        Election::Won(fence) => fence,
        lost => panic!("{lost:?}"),
    }
}

fn state(leader: i32, leader_epoch: i32) -> PartitionState {
    PartitionState {
        leader: Some(BrokerId(leader)),
        leader_epoch,
        isr: vec![ONE, TWO],
        controller_epoch: 1,
        recovering: false,
    }
}

fn topic(partitions: i32) -> TopicZnode {
    TopicZnode {
        topic_id: Some(TopicId([7; 16])),
        partitions: (0..partitions).map(|p| (p, vec![ONE, TWO])).collect(),
        ..TopicZnode::default()
    }
}

fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

fn create(topic: &str, partition: i32) -> FencedWrite {
    FencedWrite::CreatePartitionState {
        partition: tp(topic, partition),
        state: state(1, 0),
    }
}

fn update(topic: &str, partition: i32, expected: i32) -> FencedWrite {
    FencedWrite::UpdatePartitionState {
        partition: tp(topic, partition),
        state: state(2, expected + 1),
        expected,
    }
}

/// The outcomes in short: the version or the conflict.
async fn write(
    zk: &Zk,
    fence: &ControllerFence,
    writes: Vec<FencedWrite>,
) -> Vec<Result<i32, Conflict>> {
    zk.write_fenced(fence, writes)
        .await
        .into_iter()
        .map(|outcome| {
            outcome.map_err(|error| error.conflict().unwrap_or_else(|| panic!("{error}")))
        })
        .collect()
}

#[tokio::test]
async fn every_write_has_an_outcome_of_its_own() {
    let zk = fresh().await;
    let fence = fence(&zk).await;
    for name in ["a", "b"] {
        zk.create_topic(name, &topic(3)).await.unwrap();
    }
    let created = write(
        &zk,
        &fence,
        vec![create("a", 0), create("b", 0), create("a", 1)],
    )
    .await;
    assert_eq!(created, [Ok(0), Ok(0), Ok(0)]);
    let outcomes = write(
        &zk,
        &fence,
        vec![
            update("a", 0, 0),
            update("a", 1, 5),
            create("a", 1),
            create("a", 2),
            update("nowhere", 0, 0),
            create("nowhere", 0),
            update("b", 0, 0),
        ],
    )
    .await;
    let expected = [
        Ok(1),
        Err(Conflict::BadVersion),
        Err(Conflict::Exists),
        Ok(0),
        Err(Conflict::Missing),
        Err(Conflict::Missing),
        Ok(1),
    ];
    assert_eq!(outcomes, expected);
    let found = zk
        .partition_state(&tp("a", 0), Watch::No)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.value, found.stat.version), (state(2, 1), 1));
    let found = zk
        .partition_state(&tp("a", 2), Watch::No)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.value, found.stat.version), (state(1, 0), 0));
}

#[tokio::test]
async fn a_deposed_controller_writes_nothing() {
    let zk = fresh().await;
    let old = fence(&zk).await;
    zk.create_topic("a", &topic(1)).await.unwrap();
    let resigned = write(&zk, &old, vec![FencedWrite::Resign]).await;
    assert_eq!(resigned, [Ok(0)]);
    let new = fence(&zk).await;
    assert_eq!(new.epoch, old.epoch + 1);
    let moved = Err(Conflict::ControllerMoved);
    assert_eq!(
        write(&zk, &old, vec![create("a", 0), update("a", 0, 0)]).await,
        [moved, moved]
    );
    assert_eq!(
        zk.partition_state(&tp("a", 0), Watch::No).await.unwrap(),
        None
    );
    assert_eq!(write(&zk, &new, vec![create("a", 0)]).await, [Ok(0)]);
}

#[tokio::test]
async fn thousands_of_partitions_are_written_and_read_in_bulk() {
    const PARTITIONS: i32 = 3000;
    let zk = fresh().await;
    let fence = fence(&zk).await;
    zk.create_topic("big", &topic(PARTITIONS)).await.unwrap();
    let all: Vec<TopicPartition> = (0..PARTITIONS).map(|p| tp("big", p)).collect();
    let created = write(
        &zk,
        &fence,
        (0..PARTITIONS).map(|p| create("big", p)).collect(),
    )
    .await;
    assert_eq!(created, vec![Ok(0); PARTITIONS as usize]);
    // One in a hundred is spoilt.
    let version = |p: i32| if p % 100 == 7 { 9 } else { 0 };
    let updates = (0..PARTITIONS)
        .map(|p| update("big", p, version(p)))
        .collect();
    let updated = write(&zk, &fence, updates).await;
    for (p, outcome) in (0..).zip(updated) {
        let expected = if version(p) == 0 {
            Ok(1)
        } else {
            Err(Conflict::BadVersion)
        };
        assert_eq!(outcome, expected, "{p}");
    }
    let states = zk.partition_states(all.clone(), Watch::No).await.unwrap();
    let versions: Vec<i32> = states
        .iter()
        .map(|(_, s)| s.as_ref().unwrap().as_ref().unwrap().stat.version)
        .collect();
    let names: Vec<&TopicPartition> = states.iter().map(|(tp, _)| tp).collect();
    assert_eq!(names, all.iter().collect::<Vec<_>>());
    assert!(
        (0..)
            .zip(versions)
            .all(|(p, v)| v == i32::from(version(p) == 0))
    );
    zk.mark_topic_for_deletion("big").await.unwrap();
    zk.delete_topic_fenced(&fence, "big").await.unwrap();
    assert_eq!(zk.topics(Watch::No).await.unwrap(), []);
    assert_eq!(zk.topics_to_delete(Watch::No).await.unwrap(), []);
}

#[tokio::test]
async fn states_are_read_from_servers_of_any_age() {
    const PARTITIONS: i32 = 450;
    let server = testing::shared().unwrap();
    let proxy = Proxy::start(server.socket_address()).await.unwrap();
    let through = chroot().replace(&server.address(), &proxy.address().to_string());
    let zk = connect(&through).await;
    zk.create_top_level_paths().await.unwrap();
    let fence = fence(&zk).await;
    zk.create_topic("t", &topic(PARTITIONS)).await.unwrap();
    let has_state = |p: i32| p % 3 != 0;
    let written = (0..PARTITIONS).filter(|p| has_state(*p));
    write(&zk, &fence, written.map(|p| create("t", p)).collect()).await;
    let all: Vec<TopicPartition> = (0..PARTITIONS).map(|p| tp("t", p)).collect();
    for old in [false, true] {
        if old {
            proxy.age();
        }
        let states = zk.partition_states(all.clone(), Watch::No).await.unwrap();
        assert_eq!(states.len(), all.len());
        for ((tp, state), p) in states.into_iter().zip(0..) {
            assert_eq!((tp.partition, state.unwrap().is_some()), (p, has_state(p)));
        }
    }
}

#[tokio::test]
async fn deleting_a_topic_leaves_nothing_and_can_be_repeated() {
    let zk = fresh().await;
    let fence = fence(&zk).await;
    let entity = ConfigEntity::Topic("gone".to_owned());
    zk.write_config(&entity, &EntityConfig::default())
        .await
        .unwrap();
    zk.create_topic("gone", &topic(2)).await.unwrap();
    // Partition 1 has no state yet.
    write(&zk, &fence, vec![create("gone", 0)]).await;
    assert!(zk.mark_topic_for_deletion("gone").await.unwrap());
    assert!(!zk.mark_topic_for_deletion("gone").await.unwrap());
    assert!(zk.is_marked_for_deletion("gone").await.unwrap());
    for _ in 0..2 {
        zk.delete_topic_fenced(&fence, "gone").await.unwrap();
        assert_eq!(zk.topic("gone", Watch::No).await.unwrap(), None);
        assert_eq!(zk.config(&entity).await.unwrap(), None);
        assert!(!zk.is_marked_for_deletion("gone").await.unwrap());
    }
    let deposed = ControllerFence {
        zk_version: 77,
        ..fence
    };
    let error = zk.delete_topic_fenced(&deposed, "gone").await.unwrap_err();
    assert_eq!(error.conflict(), Some(Conflict::ControllerMoved));
}

#[tokio::test]
async fn topics_are_updated_with_and_without_an_expected_version() {
    let zk = fresh().await;
    let fence = fence(&zk).await;
    zk.create_topic("a", &topic(1)).await.unwrap();
    let error = zk.create_topic("a", &topic(1)).await.unwrap_err();
    assert_eq!(error.conflict(), Some(Conflict::Exists));
    let set = |expected| FencedWrite::UpdateTopic {
        topic: TopicName::from("a"),
        node: topic(2),
        expected,
    };
    assert_eq!(write(&zk, &fence, vec![set(None)]).await, [Ok(1)]);
    assert_eq!(
        write(&zk, &fence, vec![set(Some(0))]).await,
        [Err(Conflict::BadVersion)]
    );
    assert_eq!(zk.update_topic("a", &topic(4), Some(1)).await.unwrap(), 2);
    let nodes = zk
        .topic_nodes(vec!["none".into(), "a".into()], Watch::No)
        .await
        .unwrap();
    let partitions: Vec<Option<usize>> = nodes
        .into_iter()
        .map(|(_, node)| node.unwrap().map(|node| node.value.partitions.len()))
        .collect();
    assert_eq!(partitions, [None, Some(4)]);
}

#[tokio::test]
async fn features_are_written_conditionally_and_by_the_controller_alone() {
    let zk = fresh().await;
    let first = fence(&zk).await;
    let feature = Feature {
        version: FeatureVersion::V2,
        status: FeatureStatus::Enabled,
        features: Default::default(),
    };
    let set = |expected| {
        vec![FencedWrite::Feature {
            feature: feature.clone(),
            expected,
        }]
    };
    assert_eq!(write(&zk, &first, set(None)).await, [Ok(0)]);
    assert_eq!(write(&zk, &first, set(None)).await, [Err(Conflict::Exists)]);
    assert_eq!(write(&zk, &first, set(Some(0))).await, [Ok(1)]);
    let stale = write(&zk, &first, set(Some(0))).await;
    assert_eq!(stale, [Err(Conflict::BadVersion)]);
    write(&zk, &first, vec![FencedWrite::Resign]).await;
    fence(&zk).await;
    let deposed = write(&zk, &first, set(Some(1))).await;
    assert_eq!(deposed, [Err(Conflict::ControllerMoved)]);
    let found = zk.feature(Watch::No).await.unwrap().unwrap();
    assert_eq!((found.value, found.stat.version), (feature, 1));
}

#[tokio::test]
async fn a_new_controller_clears_old_notices() {
    let zk = fresh().await;
    let fence = fence(&zk).await;
    let change = IsrChange {
        partitions: vec![tp("a", 3)],
    };
    let first = zk.notify_isr_change(&change).await.unwrap();
    zk.notify_isr_change(&change).await.unwrap();
    zk.notify_log_dir_failure(TWO).await.unwrap();
    let notices = zk.isr_changes(Watch::No).await.unwrap();
    assert_eq!(notices.len(), 2);
    assert_eq!(notices[0].value, Ok(change));
    assert_eq!(notices[0].sequence, first);
    assert_eq!(
        write(&zk, &fence, vec![FencedWrite::DeleteIsrChange(first)]).await,
        [Ok(0)]
    );
    assert_eq!(
        zk.log_dir_events(Watch::No).await.unwrap()[0]
            .value
            .as_ref()
            .unwrap()
            .broker,
        TWO
    );
    zk.clear_notifications(&fence).await.unwrap();
    assert!(zk.isr_changes(Watch::No).await.unwrap().is_empty());
    assert!(zk.log_dir_events(Watch::No).await.unwrap().is_empty());
}

#[tokio::test]
async fn writes_of_a_closed_client_were_not_stored() {
    let zk = fresh().await;
    let fence = fence(&zk).await;
    let connect_string = format!(
        "{}{}",
        ottla_zk::testing::shared().unwrap().address(),
        zk.chroot()
    );
    zk.close().await;
    let outcomes = zk
        .write_fenced(&fence, vec![create("a", 0), create("a", 1)])
        .await;
    assert_eq!(outcomes.len(), 2);
    assert!(
        outcomes
            .iter()
            .all(|o| matches!(o, Err(ottla_zk::WriteError::Closed)))
    );
    let other = connect(&connect_string).await;
    assert_eq!(other.controller(Watch::No).await.unwrap().holder, None);
}
