//! Partitions that move between two brokers, whose logs are in step when the test says so.

use std::collections::BTreeMap;

use ottla_config::MetadataVersion;
use ottla_metadata::{BrokerId, TopicPartition};
use ottla_zk::Watch;
use ottla_zk::znode::Reassignment;
use zookeeper_client::{Acls, CreateMode};

use super::fixture::*;
use crate::*;

const STATE: &str = "/brokers/topics/t/partitions/0/state";

fn ids(numbers: &[i32]) -> Vec<BrokerId> {
    numbers.iter().map(|id| BrokerId(*id)).collect()
}

fn to(replicas: Option<&[i32]>) -> BTreeMap<TopicPartition, Option<Vec<BrokerId>>> {
    [(TopicPartition::new("t", 0), replicas.map(ids))].into()
}

/// What the topic node says of the partition: `replicas +adding -removing`.
async fn assignment(connect: &str) -> String {
    let zk = tool(connect).await;
    let node = zk.topic("t", Watch::No).await.unwrap().unwrap().value;
    let list = |map: &BTreeMap<i32, Vec<BrokerId>>| {
        let ids = map.get(&0).map_or(&[][..], Vec::as_slice).iter();
        ids.map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    let (adding, removing) = (list(&node.adding_replicas), list(&node.removing_replicas));
    format!("{} +{adding} -{removing}", list(&node.partitions))
}

/// The leader finds both replicas in sync; `noticed` leaves the notice for the controller.
async fn both_in_sync(zk: &zookeeper_client::Client, leader: i32, epoch: i32, noticed: bool) {
    let state = format!(
        r#"{{"controller_epoch":1,"leader":{leader},"version":1,"leader_epoch":{epoch},"isr":[1,2]}}"#
    );
    zk.set_data(STATE, state.as_bytes(), None).await.unwrap();
    if noticed {
        let mode = CreateMode::PersistentSequential.with_acls(Acls::anyone_all());
        let notice = r#"{"version":1,"partitions":[{"topic":"t","partition":0}]}"#;
        zk.create(
            "/isr_change_notification/isr_change_",
            notice.as_bytes(),
            &mode,
        )
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_partition_moves_by_request() {
    let connect = chroot();
    let first = start(&connect, 1).await;
    first.is_controller().await;
    first.create("t", 1).await.unwrap();
    let second = start(&connect, 2).await;
    second.shows(&["t-0 1 0"]).await;
    let cluster = &first.cluster;
    let alter = async |replicas: Option<&[i32]>| {
        let answers = cluster.alter_reassignments(to(replicas), PATIENCE).await;
        answers.unwrap().into_values().next().unwrap()
    };
    let listed = async || {
        let listed = cluster.list_reassignments(None, PATIENCE).await.unwrap();
        listed.into_values().next().map(|listed| listed.replicas)
    };
    assert_eq!(
        alter(Some(&[3])).await,
        Err(ReassignmentError::DeadBroker(BrokerId(3)))
    );
    assert_eq!(alter(None).await, Err(ReassignmentError::NotInProgress));
    assert_eq!(listed().await, None);
    assert_eq!(alter(Some(&[2])).await, Ok(()));
    assert_eq!(assignment(&connect).await, "2,1 +2 -1");
    assert_eq!(listed().await, Some(ids(&[2, 1])));
    second.heard("lead t-0 1 epoch 1").await;
    let elsewhere = second.cluster.list_reassignments(None, PATIENCE).await;
    assert_eq!(elsewhere, Err(ReassignError::NotController));
    let elsewhere = second.cluster.alter_reassignments(to(None), PATIENCE).await;
    assert_eq!(elsewhere, Err(ReassignError::NotController));
    // No partitions are added while it goes on.
    let grown = NewPartitions {
        topic: "t".to_owned(),
        count: 2,
        assignment: None,
    };
    let grown = cluster.create_partitions(vec![grown], wait()).await;
    assert_eq!(grown, [Err(CreatePartitionsError::ReassignmentInProgress)]);

    assert_eq!(alter(None).await, Ok(()));
    assert_eq!(assignment(&connect).await, "1 + -");
    second.heard("delete t-0").await;
    second.told.clear();

    assert_eq!(alter(Some(&[2])).await, Ok(()));
    second.heard("lead t-0 1 epoch 3").await;
    let zk = raw(&connect).await;
    both_in_sync(&zk, 1, 3, true).await;
    second.heard("lead t-0 2 epoch 5").await;
    first.heard("delete t-0").await;
    eventually("the end is stored", async || {
        assignment(&connect).await == "2 + -"
    })
    .await;
    assert_eq!(listed().await, None);
    let state = text(&zk, STATE).await;
    assert!(state.contains(r#""isr":[2]"#), "{state}");
    first.cluster.close().await;
    second.cluster.close().await;
}

/// By the road of old tools, with a version at which nobody tells the controller but the state node.
#[tokio::test]
async fn a_partition_moves_by_znode() {
    let connect = chroot();
    let settings = Settings {
        version: MetadataVersion::V2_7_IV1,
        ..settings()
    };
    let first = start_with(config(&connect), 1, settings.clone()).await;
    first.is_controller().await;
    first.create("t", 1).await.unwrap();
    let second = start_with(config(&connect), 2, settings).await;
    second.shows(&["t-0 1 0"]).await;
    let (zk, tool) = (raw(&connect).await, tool(&connect).await);
    let ask = async |entries: &[(&str, &[i32])]| {
        let partitions = entries
            .iter()
            .map(|(topic, replicas)| (TopicPartition::new(*topic, 0), ids(replicas)));
        let partitions = partitions.collect();
        tool.create_reassignment(&Reassignment { partitions })
            .await
            .unwrap();
    };
    let asked = async || {
        let read = tool.reassignment(Watch::No).await.unwrap();
        read.map(|read| read.value.partitions.len())
    };
    ask(&[("t", &[2]), ("nobody", &[1])]).await;
    second.heard("lead t-0 1 epoch 1").await;
    eventually("what comes to nothing is dropped", async || {
        asked().await == Some(1)
    })
    .await;
    both_in_sync(&zk, 1, 1, false).await;
    second.heard("lead t-0 2 epoch 3").await;
    eventually("the znode is gone", async || asked().await.is_none()).await;
    assert_eq!(assignment(&connect).await, "2 + -");
    // The next one is seen too, and what cannot be understood is left to its writer.
    ask(&[("t", &[1])]).await;
    first.heard("lead t-0 2 epoch 4").await;
    both_in_sync(&zk, 2, 4, false).await;
    eventually("the znode is gone", async || asked().await.is_none()).await;
    assert_eq!(assignment(&connect).await, "1 + -");
    let mode = CreateMode::Persistent.with_acls(Acls::anyone_all());
    let path = "/admin/reassign_partitions";
    zk.create(path, b"no json", &mode).await.unwrap();
    zk.delete(path, None).await.unwrap();
    ask(&[("nobody", &[1])]).await;
    eventually("the znode is gone", async || asked().await.is_none()).await;
    first.cluster.close().await;
    second.cluster.close().await;
}
