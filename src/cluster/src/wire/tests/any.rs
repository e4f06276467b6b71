//! Anything that the newest versions can carry.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn sender() -> impl Strategy<Value = Sender> {
    (any::<i32>(), any::<i32>(), any::<i64>()).prop_map(
        |(controller, controller_epoch, broker_epoch)| Sender {
            controller: BrokerId(controller),
            controller_epoch,
            broker_epoch,
        },
    )
}

fn brokers() -> impl Strategy<Value = Vec<BrokerId>> {
    vec(any::<i32>().prop_map(BrokerId), 0..4)
}

fn leader() -> impl Strategy<Value = Option<BrokerId>> {
    proptest::option::of((0..i32::MAX).prop_map(BrokerId))
}

/// Few names, so that topics have several partitions; the id goes with the name.
fn partition() -> impl Strategy<Value = (TopicPartition, TopicId)> {
    (0..4_u8, any::<i32>()).prop_map(|(topic, number)| {
        let name = format!("t{topic}{}", "x".repeat(60 * usize::from(topic)));
        (TopicPartition::new(name, number), TopicId([topic; 16]))
    })
}

prop_compose! {
    fn leadership()(
        (partition, topic_id) in partition(),
        (controller_epoch, leader_epoch, partition_epoch) in any::<(i32, i32, i32)>(),
        leader in leader(),
        (isr, replicas) in (brokers(), brokers()),
        (adding, removing) in (brokers(), brokers()),
        (is_new, recovering) in any::<(bool, bool)>(),
    ) -> LeaderAndIsrPartition {
        LeaderAndIsrPartition {
            partition,
            topic_id,
            controller_epoch,
            leader,
            leader_epoch,
            isr,
            partition_epoch,
            replicas,
            adding,
            removing,
            is_new,
            recovering,
        }
    }
}

prop_compose! {
    fn image()(
        (controller_epoch, leader_epoch, partition_epoch) in any::<(i32, i32, i32)>(),
        leader in leader(),
        (isr, replicas, offline_replicas) in (brokers(), brokers(), brokers()),
    ) -> PartitionImage {
        PartitionImage {
            replicas,
            isr,
            leader,
            leader_epoch,
            controller_epoch,
            partition_epoch,
            offline_replicas,
        }
    }
}

prop_compose! {
    fn update()(
        (partition, topic_id) in partition(),
        image in proptest::option::of(image()),
    ) -> PartitionUpdate {
        PartitionUpdate { partition, topic_id, image }
    }
}

prop_compose! {
    fn broker()(
        id in any::<i32>(),
        rack in proptest::option::of("[a-z]{0,5}"),
        ports in vec((any::<u16>(), 0..4_i16), 0..3),
    ) -> Arc<BrokerInfo> {
        let endpoints = ports.into_iter().filter_map(|(port, protocol)| {
            let protocol = SecurityProtocol::from_id(protocol)?;
            Some(endpoint("ANY", protocol, port))
        });
        Arc::new(BrokerInfo {
            id: BrokerId(id),
            epoch: -1,
            endpoints: endpoints.collect(),
            rack,
        })
    }
}

fn stop() -> impl Strategy<Value = StopReplicaPartition> {
    (partition(), any::<i32>(), any::<bool>()).prop_map(|((partition, _), epoch, delete)| {
        StopReplicaPartition {
            partition,
            leader_epoch: epoch,
            delete,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn leader_and_isr_arrives(
        sender in sender(),
        mut partitions in vec(leadership(), 0..20),
    ) {
        partitions.sort_by(|a, b| a.partition.cmp(&b.partition));
        let said = LeaderAndIsr { sender, partitions };
        let message = carried(7, &leader_and_isr::encode(&said, 7, |_| None));
        prop_assert_eq!(leader_and_isr::decode(&message), said);
    }

    #[test]
    fn update_metadata_arrives(
        sender in sender(),
        mut partitions in vec(update(), 0..20),
        brokers in vec(broker(), 0..4),
        complete in any::<bool>(),
    ) {
        partitions.sort_by(|a, b| a.partition.cmp(&b.partition));
        let partitions = partitions.into();
        let said = UpdateMetadata { sender, brokers, partitions, complete };
        let message = carried(8, &update_metadata::encode(&said, 8));
        prop_assert_eq!(update_metadata::decode(&message, 8), said);
    }

    #[test]
    fn stop_replica_arrives(sender in sender(), partitions in vec(stop(), 0..20)) {
        let said = StopReplica { sender, partitions };
        let message = carried(4, &stop_replica::encode(&said, 4));
        prop_assert_eq!(stop_replica::decode(&message), said);
    }
}
