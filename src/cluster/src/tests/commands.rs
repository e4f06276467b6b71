//! What handlers ask of the controller.

use ottla_metadata::BrokerId;

use super::fixture::*;
use crate::*;

fn wanted(isr: &[i32]) -> IsrAlteration {
    IsrAlteration {
        topic: TopicKey::Name("t".into()),
        partition: 0,
        leader_epoch: 0,
        isr: isr.iter().map(|id| BrokerId(*id)).collect(),
        recovering: false,
        partition_epoch: 0,
    }
}

#[tokio::test]
async fn the_controller_answers_and_others_say_that_they_are_not_it() {
    let connect = chroot();
    let first = start(&connect, 1).await;
    first.is_controller().await;
    let second = start(&connect, 2).await;
    let topic = NewTopic {
        assignment: vec![(0, vec![BrokerId(1)])],
        ..NewTopic::named("t")
    };
    first.create_topic(topic).await.unwrap();
    let (id, epoch) = (BrokerId(1), first.cluster.broker_epoch());

    let altered = first
        .cluster
        .alter_partition(id, epoch, vec![wanted(&[1]), wanted(&[1, 9])])
        .await
        .unwrap();
    assert_eq!(altered[0].result.as_ref().unwrap().version, 0);
    assert_eq!(altered[1].result, Err(AlterationError::IneligibleReplica));
    let stale = first.cluster.alter_partition(id, epoch - 1, vec![]).await;
    assert_eq!(stale, Err(AlterationRefused::StaleBrokerEpoch));
    let elsewhere = second.cluster.alter_partition(id, epoch, vec![]).await;
    assert_eq!(elsewhere, Err(AlterationRefused::NotController));

    let block = first.cluster.grant_producer_ids(id, epoch).await;
    assert_eq!(block, Ok(0..=999));
    let stale = first.cluster.grant_producer_ids(id, epoch + 1).await;
    assert_eq!(stale, Err(GrantError::StaleBrokerEpoch));
    let unknown = first.cluster.grant_producer_ids(BrokerId(7), epoch).await;
    assert_eq!(unknown, Err(GrantError::UnknownBroker));
    let elsewhere = second.cluster.grant_producer_ids(id, epoch).await;
    assert_eq!(elsewhere, Err(GrantError::NotController));

    // Its only replica is not moved, and not spoken of.
    let left = first.cluster.controlled_shutdown(id, epoch).await;
    assert_eq!(left, Ok([].into()));
    let elsewhere = second.cluster.controlled_shutdown(id, epoch).await;
    assert_eq!(elsewhere, Err(ShutdownRefused::NotController));
    first.cluster.close().await;
    second.cluster.close().await;
}
