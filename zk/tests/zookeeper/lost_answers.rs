//! Writes whose answer is lost: they happened, and we must find out or say that we do not know.

use std::future::Future;
use std::sync::Arc;

use ottla_metadata::TopicPartition;
use ottla_zk::testing::{self, MemoryRecord, Proxy};
use ottla_zk::znode::{ConfigEntity, EntityConfig, PartitionState, TopicZnode};
use ottla_zk::{Election, FencedWrite, Watch, WatchEvent, WriteError, Zk, ZkConfig};

use crate::{ONE, PATIENCE, chroot, config, connect, registration};

/// A client behind a wire that can be broken, and one that sees what really happened.
struct Pair {
    zk: Zk,
    proxy: Proxy,
    witness: Zk,
}

impl Pair {
    async fn new() -> Pair {
        let server = testing::shared().unwrap();
        let proxy = Proxy::start(server.socket_address()).await.unwrap();
        let witness_string = chroot();
        let through = witness_string.replace(&server.address(), &proxy.address().to_string());
        let record: Arc<MemoryRecord> = Arc::default();
        let zk = Zk::connect(ZkConfig {
            session_record: Some(record),
            ..config(&through)
        })
        .await
        .unwrap();
        zk.create_top_level_paths().await.unwrap();
        let witness = connect(&witness_string).await;
        Pair { zk, proxy, witness }
    }

    /// Runs an operation of which the answer to a write is lost, after so many other writes. `seen`
    /// tells when it has happened all the same.
    async fn lose<T, S, F>(
        &self,
        writes_before: u32,
        operation: impl Future<Output = T> + Send + 'static,
        seen: S,
    ) -> T
    where
        T: Send + 'static,
        S: Fn(Zk) -> F,
        F: Future<Output = bool>,
    {
        self.proxy.mute_after_writes(writes_before);
        let running = tokio::spawn(operation);
        let happened = async {
            while !seen(self.witness.clone()).await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, happened)
            .await
            .expect("it has not happened");
        self.proxy.cut();
        self.proxy.mend();
        tokio::time::timeout(PATIENCE, running)
            .await
            .expect("no outcome")
            .unwrap()
    }
}

#[tokio::test]
async fn a_registration_finds_itself() {
    let pair = Pair::new().await;
    let zk = pair.zk.clone();
    let registered = pair
        .lose(
            0,
            async move { zk.register_broker(ONE, &registration(1)).await },
            |witness| async move { witness.broker(ONE, Watch::No).await.unwrap().is_some() },
        )
        .await
        .unwrap();
    let found = pair.witness.broker(ONE, Watch::No).await.unwrap().unwrap();
    assert_eq!(found.stat.czxid, registered.epoch);
}

#[tokio::test]
async fn an_election_that_was_won_is_won() {
    let pair = Pair::new().await;
    let zk = pair.zk.clone();
    let outcome = pair
        .lose(
            1,
            async move { zk.elect(ONE, 1).await },
            |witness| async move {
                witness
                    .controller(Watch::No)
                    .await
                    .unwrap()
                    .holder
                    .is_some()
            },
        )
        .await
        .unwrap();
    let Election::Won(fence) = outcome else {
        panic!("{outcome:?}");
    };
    let state = pair.witness.controller(Watch::No).await.unwrap();
    // Not elected a second time.
    assert_eq!((fence.epoch, state.epoch), (1, 1));
    let cleared = pair.zk.clear_notifications(&fence).await;
    cleared.unwrap();
}

#[tokio::test]
async fn a_fenced_write_is_unknown() {
    let pair = Pair::new().await;
    let Election::Won(fence) = pair.zk.elect(ONE, 1).await.unwrap() else {
        panic!("lost");
    };
    pair.zk
        .create_topic("t", &TopicZnode::default())
        .await
        .unwrap();
    let partition = TopicPartition::new("t", 0);
    let state = PartitionState {
        leader: Some(ONE),
        leader_epoch: 0,
        isr: vec![ONE],
        controller_epoch: 1,
        recovering: false,
    };
    let zk = pair.zk.clone();
    let write = FencedWrite::CreatePartitionState {
        partition: partition.clone(),
        state: state.clone(),
    };
    let outcomes = pair
        .lose(
            0,
            async move { zk.write_fenced(&fence, vec![write]).await },
            |witness| {
                let partition = partition.clone();
                async move {
                    witness
                        .partition_state(&partition, Watch::No)
                        .await
                        .unwrap()
                        .is_some()
                }
            },
        )
        .await;
    assert!(
        matches!(outcomes[..], [Err(WriteError::Unknown { .. })]),
        "{outcomes:?}"
    );
    // Read before anything else is written.
    let found = pair
        .zk
        .partition_state(&partition, Watch::No)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.value, found.stat.version), (state.clone(), 0));

    let zk = pair.zk.clone();
    let (at, new) = (
        partition.clone(),
        PartitionState {
            isr: vec![],
            ..state
        },
    );
    let outcome = pair
        .lose(
            0,
            {
                let new = new.clone();
                async move { zk.update_partition_state(&at, &new, 0).await }
            },
            |witness| {
                let partition = partition.clone();
                async move {
                    let found = witness
                        .partition_state(&partition, Watch::No)
                        .await
                        .unwrap();
                    found.unwrap().stat.version == 1
                }
            },
        )
        .await;
    assert!(
        matches!(outcome, Err(WriteError::Unknown { .. })),
        "{outcome:?}"
    );
    let found = pair
        .zk
        .partition_state(&partition, Watch::No)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.value, new);
}

#[tokio::test]
async fn ids_are_skipped_rather_than_given_twice() {
    let pair = Pair::new().await;
    let zk = pair.zk.clone();
    let block = pair
        .lose(
            0,
            async move { zk.allocate_producer_ids(ONE).await },
            |witness| async move {
                // The witness takes the next block, so the first is known to have been taken.
                witness
                    .allocate_producer_ids(crate::TWO)
                    .await
                    .unwrap()
                    .first
                    > 0
            },
        )
        .await
        .unwrap();
    let next = pair
        .witness
        .allocate_producer_ids(crate::TWO)
        .await
        .unwrap();
    assert!(block.first > 0);
    assert_eq!(next.first, block.last + 1);
}

#[tokio::test]
async fn the_cluster_id_is_the_one_that_was_stored() {
    let pair = Pair::new().await;
    let zk = pair.zk.clone();
    let id = pair
        .lose(
            1,
            async move { zk.get_or_create_cluster_id().await },
            |witness| async move { witness.cluster_id().await.unwrap().is_some() },
        )
        .await
        .unwrap();
    assert_eq!(pair.witness.cluster_id().await.unwrap(), Some(id));
}

#[tokio::test]
async fn a_notice_is_sent_until_it_is_known_to_be_there() {
    let pair = Pair::new().await;
    let entity = ConfigEntity::Topic("t".to_owned());
    pair.zk
        .write_config(&entity, &EntityConfig::default())
        .await
        .unwrap();
    let zk = pair.zk.clone();
    let sent = pair
        .lose(
            0,
            async move { zk.notify_config_change(&entity).await },
            |witness| async move { !witness.config_changes(Watch::No).await.unwrap().is_empty() },
        )
        .await
        .unwrap();
    let notices = pair.witness.config_changes(Watch::No).await.unwrap();
    assert_eq!(notices.len(), 2);
    assert_eq!(notices[1].sequence, sent);
}

#[tokio::test]
async fn a_watch_whose_arming_was_not_confirmed_is_armed_all_the_same() {
    let pair = Pair::new().await;
    let mut events = pair.zk.watch_events();
    pair.proxy.mute();
    let reading = tokio::spawn({
        let zk = pair.zk.clone();
        async move { zk.topics(Watch::Arm).await }
    });
    pair.witness
        .create_topic("t", &TopicZnode::default())
        .await
        .unwrap();
    pair.proxy.cut();
    pair.proxy.mend();
    let mut known = reading.await.unwrap().unwrap();
    if known.is_empty() {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap();
        assert_eq!(event, WatchEvent::TopicsChanged);
        known = pair.zk.topics(Watch::Arm).await.unwrap();
    }
    assert_eq!(known.len(), 1);
}
