//! Elections on demand, as far as one commanded broker shows them.

use std::collections::BTreeSet;

use ottla_controller::{ElectionKind, ElectionRefused};
use ottla_metadata::TopicPartition;

use super::fixture::*;
use crate::*;

fn partitions(names: &[(&str, i32)]) -> BTreeSet<TopicPartition> {
    let all = names.iter();
    all.map(|(topic, number)| TopicPartition::new(*topic, *number))
        .collect()
}

#[tokio::test]
async fn elections_by_request() {
    let connect = chroot();
    let broker = start(&connect, 1).await;
    broker.is_controller().await;
    broker.create("t", 1).await.unwrap();
    let elect = async |cluster: &Cluster, kind| {
        let all = partitions(&[("t", 0), ("t", 1)]);
        let answers = cluster.elect_leaders(kind, all, PATIENCE).await;
        answers.into_values().collect::<Vec<_>>()
    };
    let refused = |refused| Err(ElectLeaderError::Refused(refused));
    for kind in [ElectionKind::Preferred, ElectionKind::Unclean] {
        let want = [
            refused(ElectionRefused::NotNeeded),
            refused(ElectionRefused::UnknownPartition),
        ];
        assert_eq!(elect(&broker.cluster, kind).await, want, "{kind:?}");
    }
    let other = start(&connect, 2).await;
    assert_eq!(
        elect(&other.cluster, ElectionKind::Preferred).await,
        [
            refused(ElectionRefused::NotController),
            refused(ElectionRefused::NotController)
        ]
    );
    // A leader that a tool has put elsewhere is dead here: the partition is without one, and an
    // unclean election finds the replica that lives.
    let zk = raw(&connect).await;
    other.cluster.close().await;
    let state = r#"{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":3,"isr":[2]}"#;
    let topic =
        r#"{"version":2,"partitions":{"0":[1,2]},"adding_replicas":{},"removing_replicas":{}}"#;
    broker.cluster.stop().await;
    zk.set_data(
        "/brokers/topics/t/partitions/0/state",
        state.as_bytes(),
        None,
    )
    .await
    .unwrap();
    zk.set_data("/brokers/topics/t", topic.as_bytes(), None)
        .await
        .unwrap();
    broker.cluster.close().await;
    let broker = start(&connect, 1).await;
    broker.shows(&["t-0 -1 4"]).await;
    let wanted = || partitions(&[("t", 0)]);
    let preferred = broker
        .cluster
        .elect_leaders(ElectionKind::Preferred, wanted(), PATIENCE);
    assert_eq!(
        preferred.await.into_values().collect::<Vec<_>>(),
        [refused(ElectionRefused::PreferredUnavailable)]
    );
    let unclean = broker
        .cluster
        .elect_leaders(ElectionKind::Unclean, wanted(), PATIENCE);
    assert_eq!(unclean.await.into_values().collect::<Vec<_>>(), [Ok(())]);
    broker.shows(&["t-0 1 5"]).await;
    let state = text(&zk, "/brokers/topics/t/partitions/0/state").await;
    assert!(state.contains(r#""leader_recovery_state":1"#), "{state}");
    broker.cluster.close().await;
}

/// Whatever stands in the znode, it is removed, and the next one is seen.
#[tokio::test]
async fn the_znode_of_preferred_elections_goes() {
    let connect = chroot();
    let zk = raw(&connect).await;
    let broker = start(&connect, 1).await;
    broker.is_controller().await;
    let persistent =
        zookeeper_client::CreateMode::Persistent.with_acls(zookeeper_client::Acls::anyone_all());
    for content in [
        "no json",
        r#"{"version":1,"partitions":[{"topic":"none","partition":7}]}"#,
        "",
    ] {
        zk.create(
            "/admin/preferred_replica_election",
            content.as_bytes(),
            &persistent,
        )
        .await
        .unwrap();
        eventually("the znode is gone", async || {
            zk.check_stat("/admin/preferred_replica_election")
                .await
                .unwrap()
                .is_none()
        })
        .await;
    }
    broker.cluster.close().await;
}
