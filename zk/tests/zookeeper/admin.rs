//! What there is one of in a cluster, configuration, and what tools ask for.

use std::collections::BTreeSet;

use ottla_metadata::BrokerId;
use ottla_zk::znode::{ConfigEntity, ConfigKind, EntityConfig, ProducerIdBlock};
use ottla_zk::{Sequence, Watch, WatchEvent};

use crate::{ONE, PATIENCE, chroot, connect, fresh};

#[tokio::test]
async fn brokers_that_start_together_agree_on_the_cluster_id() {
    let connect_string = chroot();
    let mut brokers = Vec::new();
    for _ in 0..5 {
        brokers.push(connect(&connect_string).await);
    }
    assert_eq!(brokers[0].cluster_id().await.unwrap(), None);
    let drawn =
        futures::future::join_all(brokers.iter().map(|zk| zk.get_or_create_cluster_id())).await;
    let ids: BTreeSet<String> = drawn.into_iter().map(|id| id.unwrap().0).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(ids.first().unwrap().len(), 22);
    assert_eq!(
        brokers[0].cluster_id().await.unwrap().unwrap().0,
        *ids.first().unwrap()
    );
}

#[tokio::test]
async fn generated_broker_ids_start_at_one() {
    let zk = fresh().await;
    assert_eq!(zk.next_broker_sequence().await.unwrap(), 1);
    assert_eq!(zk.next_broker_sequence().await.unwrap(), 2);
    // Also where the paths have not been created.
    assert_eq!(
        connect(&chroot())
            .await
            .next_broker_sequence()
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn producer_id_blocks_never_overlap() {
    let connect_string = chroot();
    let mut brokers = Vec::new();
    for id in 0..4 {
        brokers.push((BrokerId(id), connect(&connect_string).await));
    }
    let mut firsts = BTreeSet::new();
    for _ in 0..5 {
        let taken = brokers.iter().map(|(id, zk)| zk.allocate_producer_ids(*id));
        for block in futures::future::join_all(taken).await {
            let ProducerIdBlock { first, last, .. } = block.unwrap();
            assert_eq!(last, first + 999);
            assert!(firsts.insert(first));
        }
    }
    assert_eq!(firsts, (0..20).map(|n| n * 1000).collect());
}

#[tokio::test]
async fn configurations_are_written_read_and_announced() {
    let zk = fresh().await;
    let mut events = zk.watch_events();
    assert!(zk.config_changes(Watch::Arm).await.unwrap().is_empty());
    let topic = ConfigEntity::Topic("t".to_owned());
    let client = ConfigEntity::UserClient("u".to_owned(), "c".to_owned());
    let config = EntityConfig([("retention.ms".to_owned(), "5".to_owned())].into());
    for entity in [
        &topic,
        &ConfigEntity::BrokerDefault,
        &ConfigEntity::Broker(ONE),
        &client,
    ] {
        zk.write_config(entity, &EntityConfig::default())
            .await
            .unwrap();
        zk.write_config(entity, &config).await.unwrap();
        let found = zk.config(entity).await.unwrap().unwrap();
        assert_eq!((found.value, found.stat.version), (config.clone(), 1));
    }
    let brokers = zk.config_entities(ConfigKind::Brokers).await.unwrap();
    assert_eq!(
        brokers,
        [ConfigEntity::Broker(ONE), ConfigEntity::BrokerDefault]
    );
    let found = zk
        .configs(vec![ConfigEntity::Broker(BrokerId(9)), topic.clone()])
        .await
        .unwrap();
    assert_eq!(found[0].1, Ok(None));
    assert_eq!(found[1].1.as_ref().unwrap().as_ref().unwrap().value, config);

    assert_eq!(zk.notify_config_change(&topic).await.unwrap(), Sequence(0));
    assert_eq!(zk.notify_config_change(&client).await.unwrap(), Sequence(1));
    let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap();
    assert_eq!(event, WatchEvent::ConfigChangesChanged);
    let notices = zk.config_changes(Watch::No).await.unwrap();
    let entities: Vec<_> = notices
        .iter()
        .map(|n| n.value.as_ref().unwrap().entity.clone())
        .collect();
    assert_eq!(entities, [topic.clone(), client]);
    zk.delete_config_changes(&[Sequence(0), Sequence(0), Sequence(7)])
        .await
        .unwrap();
    assert_eq!(
        zk.config_changes(Watch::No).await.unwrap()[0].sequence,
        Sequence(1)
    );
    zk.delete_config(&topic).await.unwrap();
    zk.delete_config(&topic).await.unwrap();
    assert_eq!(zk.config(&topic).await.unwrap(), None);
}
