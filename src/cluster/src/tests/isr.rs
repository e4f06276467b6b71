//! In-sync replicas by both roads, and what brokers ask of the controller besides.

use std::time::Duration;

use ottla_config::MetadataVersion;
use ottla_metadata::{BrokerId, TopicId, TopicPartition};

use super::fixture::*;
use crate::*;

fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().map(|id| BrokerId(*id)).collect()
}

fn version(name: &str) -> Settings {
    Settings {
        version: name.parse().unwrap(),
        ..settings()
    }
}

/// A topic of one partition on these brokers, the first of which leads; its id.
async fn topic(controller: &Broker, name: &str, replicas: &[i32]) -> TopicId {
    let topic = NewTopic {
        assignment: vec![(0, ids(replicas))],
        ..NewTopic::named(name)
    };
    controller.create_topic(topic).await.unwrap().id
}

fn proposal(name: &str, id: TopicId, isr: &[i32], expected: i32) -> IsrProposal {
    IsrProposal {
        partition: TopicPartition::new(name, 0),
        topic_id: id,
        isr: ids(isr),
        controller_epoch: 1,
        leader_epoch: 0,
        expected,
    }
}

async fn state(zk: &zookeeper_client::Client, topic: &str) -> String {
    text(zk, &format!("/brokers/topics/{topic}/partitions/0/state")).await
}

#[tokio::test]
async fn the_controller_changes_in_sync_replicas_for_itself_and_for_others() {
    let connect = chroot();
    let first = start(&connect, 1).await;
    first.is_controller().await;
    let second = start(&connect, 2).await;
    eventually("both are alive", async || {
        second.cluster.image().brokers.len() == 2
    })
    .await;
    let zk = raw(&connect).await;
    for (leader, name) in [(&first, "own"), (&second, "other")] {
        let (one, two) = match name {
            "own" => (1, 2),
            _ => (2, 1),
        };
        let id = topic(&first, name, &[one, two]).await;
        leader.heard(&format!("lead {name}-0 {one} epoch 0")).await;
        let propose = |isr: &[i32], expected| {
            leader.proposer.propose(proposal(name, id, isr, expected));
        };
        propose(&[one], 0);
        leader
            .heard(&format!("isr {name}-0 Stored {{ partition_epoch: 1 }}"))
            .await;
        let stored = state(&zk, name).await;
        assert!(stored.contains(&format!(r#""isr":[{one}]"#)), "{stored}");
        // Everybody hears, and nobody is told to begin anew.
        for broker in [&first, &second] {
            eventually("the image shows it", async || {
                let image = broker.cluster.image();
                image
                    .partition(name, 0)
                    .is_some_and(|p| p.isr == ids(&[one]))
            })
            .await;
        }
        propose(&[one, 9], 1);
        leader.heard(&format!("isr {name}-0 Refused")).await;
        propose(&[one, two], 1);
        leader
            .heard(&format!("isr {name}-0 Stored {{ partition_epoch: 2 }}"))
            .await;
        // The leadership has ended.
        let mut late = proposal(name, id, &[one], 2);
        late.leader_epoch = -1;
        leader.proposer.propose(late);
        leader.heard(&format!("isr {name}-0 Conflict")).await;
    }
    // What a leader proposes while there is no controller is stored when there is one again.
    second.told.clear();
    let id = second.cluster.image().topic("other").unwrap().id;
    zk.delete("/controller", None).await.unwrap();
    second.proposer.propose(proposal("other", id, &[2], 2));
    second
        .heard("isr other-0 Stored { partition_epoch: 3 }")
        .await;
    first.cluster.close().await;
    second.cluster.close().await;
}

/// A leader may know more of a partition than the controller does: that one is asked for again, and
/// the others are settled. What is proposed for an earlier topic of that name is not stored for the
/// one of now.
#[tokio::test]
async fn one_partition_that_must_be_asked_for_again_holds_up_no_other() {
    let connect = chroot();
    let first = start(&connect, 1).await;
    first.is_controller().await;
    let second = start(&connect, 2).await;
    eventually("both are alive", async || {
        second.cluster.image().brokers.len() == 2
    })
    .await;
    let zk = raw(&connect).await;
    for (leader, one, two) in [(&first, 1, 2), (&second, 2, 1)] {
        let (ahead, good) = (format!("ahead{one}"), format!("good{one}"));
        let mut ids = Vec::new();
        for name in [&ahead, &good] {
            ids.push(topic(&first, name, &[one, two]).await);
            leader.heard(&format!("lead {name}-0 {one} epoch 0")).await;
        }
        let [ahead_id, good_id] = ids[..] else {
            unreachable!()
        };
        let mut from_ahead = proposal(&ahead, ahead_id, &[one], 0);
        from_ahead.leader_epoch = 1;
        leader.proposer.propose(from_ahead);
        leader.proposer.propose(proposal(&good, good_id, &[one], 0));
        leader
            .heard(&format!("isr {good}-0 Stored {{ partition_epoch: 1 }}"))
            .await;

        let before = state(&zk, &good).await;
        let earlier = TopicId([7; 16]);
        let late = proposal(&good, earlier, &[one, two], 1);
        leader.proposer.propose(late);
        leader.heard(&format!("isr {good}-0 Conflict")).await;
        assert_eq!(state(&zk, &good).await, before);
    }
    first.cluster.close().await;
    second.cluster.close().await;
}

#[tokio::test]
async fn brokers_get_producer_ids_and_leave_through_the_controller() {
    let connect = chroot();
    let first = start(&connect, 1).await;
    first.is_controller().await;
    let second = start(&connect, 2).await;
    assert_eq!(second.cluster.allocate_producer_ids().await, Ok(0..=999));
    assert_eq!(first.cluster.allocate_producer_ids().await, Ok(1000..=1999));
    let zk = raw(&connect).await;
    let block = text(&zk, "/latest_producer_id_block").await;
    assert!(block.contains(r#""broker":1"#), "{block}");

    eventually("both are alive", async || {
        second.cluster.image().brokers.len() == 2
    })
    .await;
    topic(&first, "t", &[2, 1]).await;
    let options = LeaveOptions {
        attempts: 1,
        backoff: Duration::ZERO,
    };
    second.cluster.leave(options).await;
    let left = state(&zk, "t").await;
    assert!(left.contains(r#""leader":1"#), "{left}");
    assert!(left.contains(r#""isr":[1]"#), "{left}");
    second.cluster.close().await;
    // Nobody is left: nothing is asked.
    eventually("alone", async || first.cluster.image().brokers.len() == 1).await;
    first.cluster.leave(options).await;
    first.cluster.close().await;
}

/// Below 2.7-IV2 the leader writes the node itself.
#[tokio::test]
async fn leaders_store_in_sync_replicas_themselves() {
    let connect = chroot();
    let first = start_with(config(&connect), 1, version("2.5")).await;
    first.is_controller().await;
    topic(&first, "t", &[1]).await;
    let zk = raw(&connect).await;
    let created = state(&zk, "t").await;
    let propose = |isr: &[i32], expected| {
        first
            .proposer
            .propose(proposal("t", TopicId::ZERO, isr, expected));
    };
    // As a follower would be: the leader does not ask who lives.
    propose(&[1, 2], 0);
    first.heard("isr t-0 Stored { partition_epoch: 1 }").await;
    let grown = state(&zk, "t").await;
    assert_eq!(grown, created.replace("[1]", "[1,2]"));
    // The same again: its answer might have been lost.
    first.told.clear();
    propose(&[1, 2], 0);
    first.heard("isr t-0 Stored { partition_epoch: 1 }").await;
    // Somebody else has written under this leadership (KAFKA-2729).
    let path = "/brokers/topics/t/partitions/0/state";
    let other = created.replace("[1]", "[1,3]");
    zk.set_data(path, other.as_bytes(), None).await.unwrap();
    propose(&[1], 1);
    let changed = "isr t-0 Changed { isr: [BrokerId(1), BrokerId(3)], partition_epoch: 2 }";
    first.heard(changed).await;
    // The controller has decided meanwhile.
    let next = created.replace(r#""leader_epoch":0"#, r#""leader_epoch":1"#);
    zk.set_data(path, next.as_bytes(), None).await.unwrap();
    propose(&[1], 2);
    first.heard("isr t-0 Conflict").await;
    zk.delete(path, None).await.unwrap();
    first.told.clear();
    propose(&[1], 3);
    first.heard("isr t-0 Conflict").await;
    assert!(first.cluster.shared.settings.version < MetadataVersion::V2_7_IV2);
    first.cluster.close().await;
}
