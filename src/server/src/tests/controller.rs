//! What brokers ask of the controller: AlterPartition, AllocateProducerIds, ControlledShutdown.

use ottla_protocol::messages::alter_partition_request::{BrokerState, PartitionData, TopicData};
use ottla_protocol::messages::{
    AllocateProducerIdsRequest, AlterPartitionRequest, BrokerId, ControlledShutdownRequest,
};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::testing::{TestBroker, header};
use crate::words::{topic_name, uuid};
use ottla_metadata::TopicId;

fn partition(index: i32, isr: &[i32], version: i16) -> PartitionData {
    let ids = isr.iter().map(|id| BrokerId(*id));
    let partition = PartitionData::default()
        .with_partition_index(index)
        .with_leader_epoch(5)
        .with_partition_epoch(7);
    let partition = match version {
        0..=2 => partition.with_new_isr(ids.collect()),
        _ => {
            let states = ids.map(|id| BrokerState::default().with_broker_id(id));
            partition.with_new_isr_with_epochs(states.collect())
        }
    };
    match version {
        0 => partition,
        _ => partition.with_leader_recovery_state(1),
    }
}

fn request(version: i16) -> AlterPartitionRequest {
    let partitions = vec![
        partition(0, &[1], version),
        partition(0, &[1, 9], version),
        partition(4, &[1], version),
    ];
    let topic = TopicData::default().with_partitions(partitions);
    let topic = match version {
        0 | 1 => topic.with_topic_name(topic_name("t")),
        _ => topic.with_topic_id(uuid(TopicId([3; 16]))),
    };
    AlterPartitionRequest::default()
        .with_broker_id(BrokerId(1))
        .with_broker_epoch(1)
        .with_topics(vec![topic])
}

#[tokio::test]
async fn in_sync_replicas_are_changed() {
    let broker = TestBroker::new(&[]);
    for version in 0..=3 {
        let response = broker.ask(version, &request(version)).await;
        assert_eq!(response.error_code, 0);
        let topic = &response.topics[0];
        match version {
            0 | 1 => assert_eq!(topic.topic_name.as_str(), "t"),
            _ => assert_eq!(topic.topic_id, uuid(TopicId([3; 16]))),
        }
        let done = &topic.partitions[0];
        let state = (done.leader_id.0, done.leader_epoch, done.partition_epoch);
        assert_eq!((done.error_code, state), (0, (1, 5, 8)));
        assert_eq!(done.isr, [BrokerId(1)]);
        assert_eq!(done.leader_recovery_state, i8::from(version > 0));
        let ineligible = match version {
            0 | 1 => ErrorCode::OperationNotAttempted,
            _ => ErrorCode::IneligibleReplica,
        };
        assert_eq!(topic.partitions[1].error_code, ineligible.code());
        let unknown = &topic.partitions[2];
        let code = ErrorCode::UnknownTopicOrPartition.code();
        assert_eq!((unknown.partition_index, unknown.error_code), (4, code));
    }
    let stale = request(3).with_broker_epoch(2);
    let code = broker.ask(3, &stale).await.error_code;
    assert_eq!(code, ErrorCode::StaleBrokerEpoch.code());
    *broker.cluster.is_controller.lock() = false;
    let code = broker.ask(3, &request(3)).await.error_code;
    assert_eq!(code, ErrorCode::NotController.code());
}

#[tokio::test]
async fn producer_ids_are_granted() {
    let broker = TestBroker::new(&[]);
    let ask = async |id: i32, epoch: i64| {
        let request = AllocateProducerIdsRequest::default()
            .with_broker_id(BrokerId(id))
            .with_broker_epoch(epoch);
        let response = broker.ask(0, &request).await;
        let (start, length) = (response.producer_id_start.0, response.producer_id_len);
        (response.error_code, start, length)
    };
    assert_eq!(ask(1, 1).await, (0, 0, 1000));
    assert_eq!(ask(1, 1).await, (0, 1000, 1000));
    assert_eq!(ask(1, 0).await.0, ErrorCode::StaleBrokerEpoch.code());
    assert_eq!(ask(1, 2).await.0, ErrorCode::StaleBrokerEpoch.code());
    assert_eq!(ask(5, 1).await.0, ErrorCode::BrokerIdNotRegistered.code());
    *broker.cluster.is_controller.lock() = false;
    assert_eq!(ask(1, 1).await.0, ErrorCode::NotController.code());
}

#[tokio::test]
async fn brokers_leave_in_good_order() {
    let broker = TestBroker::new(&[]);
    let ask = async |version: i16, id: i32, epoch: i64| {
        let request = ControlledShutdownRequest::default().with_broker_id(BrokerId(id));
        let request = match version {
            0 | 1 => request,
            _ => request.with_broker_epoch(epoch),
        };
        let response = broker.ask(version, &request).await;
        let left = response.remaining_partitions.iter();
        let left = left.map(|p| format!("{}-{}", p.topic_name.as_str(), p.partition_index));
        (response.error_code, left.collect::<Vec<_>>())
    };
    for version in 1..=3 {
        assert_eq!(ask(version, 1, 1).await, (0, vec!["left-3".to_owned()]));
    }
    assert_eq!(ask(3, 1, 9).await.0, ErrorCode::StaleBrokerEpoch.code());
    assert_eq!(ask(3, 7, 1).await.0, ErrorCode::BrokerNotAvailable.code());
    *broker.cluster.is_controller.lock() = false;
    let code = ErrorCode::StaleControllerEpoch.code();
    assert_eq!(ask(3, 1, 1).await.0, code);

    // Version 0 has a header of its own, without a client id.
    let header = header(ApiKey::ControlledShutdown, 0);
    let body = bytes::Bytes::from_static(&[0, 0, 0, 1]);
    let response = broker.answer(header, body).await.unwrap();
    let bytes = crate::testing::bytes_of(&response);
    assert_eq!(&bytes[..], [0, 0, 0, 7, 0, 11, 0, 0, 0, 0]);
}
