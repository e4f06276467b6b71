//! Groups of the consumers that share their work through ZooKeeper.

use ottla_metadata::TopicPartition;
use ottla_zk::testing::expire_session;
use ottla_zk::znode::{ConsumerRegistration, PartitionOwner, Subscription};
use ottla_zk::{Conflict, Watch, WatchEvent};

use super::*;

fn registration() -> ConsumerRegistration {
    ConsumerRegistration {
        subscription: Subscription::WhiteList {
            pattern: "t".to_owned(),
            streams: 1,
        },
        timestamp_ms: 5,
    }
}

fn owner(thread: &str) -> PartitionOwner {
    PartitionOwner(thread.to_owned())
}

#[tokio::test]
async fn members_come_and_go_with_their_sessions() {
    let chroot = chroot();
    let (one, other) = (connect(&chroot).await, connect(&chroot).await);
    one.register_consumer("g", "g_1", &registration())
        .await
        .unwrap();
    // Again, as after a lost answer.
    one.register_consumer("g", "g_1", &registration())
        .await
        .unwrap();
    let taken = other.register_consumer("g", "g_1", &registration()).await;
    assert_eq!(taken.unwrap_err().conflict(), Some(Conflict::Exists));

    let mut events = one.watch_events();
    assert_eq!(one.consumers("g", Watch::Arm).await.unwrap(), ["g_1"]);
    other
        .register_consumer("g", "g_2", &registration())
        .await
        .unwrap();
    let changed = WatchEvent::ConsumersChanged("g".into());
    assert_eq!(events.next().await, changed);
    let ids = one.consumers("g", Watch::Arm).await.unwrap();
    assert_eq!(ids, ["g_1", "g_2"]);
    let mut found = one.consumer_registrations("g", ids).await.unwrap();
    let (id, last) = found.pop().unwrap();
    assert_eq!(
        (id.as_str(), last.unwrap().unwrap().value),
        ("g_2", registration())
    );

    expire_session(&other).await;
    assert_eq!(events.next().await, changed);
    assert_eq!(one.consumers("g", Watch::No).await.unwrap(), ["g_1"]);
    assert!(one.consumers("none", Watch::No).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_partition_has_one_owner() {
    let chroot = chroot();
    let (one, other) = (connect(&chroot).await, connect(&chroot).await);
    let partition = TopicPartition::new("t", 0);
    let claim = async |zk: &Zk, thread| {
        let claimed = zk.claim_partition("g", &partition, &owner(thread)).await;
        claimed.unwrap()
    };
    assert!(claim(&one, "g_1-0").await);
    assert!(claim(&one, "g_1-0").await);
    assert!(!claim(&other, "g_2-0").await);
    // Who does not own it cannot give it up.
    other.release_partition("g", &partition).await.unwrap();
    let found = other.partition_owner("g", &partition).await.unwrap();
    assert_eq!(found.unwrap().value, owner("g_1-0"));
    one.release_partition("g", &partition).await.unwrap();
    one.release_partition("g", &partition).await.unwrap();
    assert!(claim(&other, "g_2-0").await);
}

#[tokio::test]
async fn offsets_of_a_group_and_its_end() {
    let zk = connect(&chroot()).await;
    let partitions = [0, 1].map(|number| TopicPartition::new("t", number));
    assert!(!zk.has_consumer_offsets("g").await.unwrap());
    zk.write_consumer_offset("g", "t", 1, 42).await.unwrap();
    let found = zk.consumer_offsets("g", partitions.to_vec()).await.unwrap();
    assert_eq!(
        found,
        partitions
            .into_iter()
            .zip([None, Some(42)])
            .collect::<Vec<_>>()
    );
    assert!(zk.has_consumer_offsets("g").await.unwrap());
    zk.delete_consumer_group("g").await.unwrap();
    zk.delete_consumer_group("g").await.unwrap();
    assert!(!zk.has_consumer_offsets("g").await.unwrap());
}
