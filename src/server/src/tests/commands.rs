//! What controllers send, in every version: it arrives as it was meant, and is answered partition by
//! partition.

use std::sync::Arc;

use bytes::Bytes;
use ottla_cluster::wire::{leader_and_isr, stop_replica, update_metadata};
use ottla_cluster::{
    LeaderAndIsr, LeaderAndIsrPartition, PartitionUpdate, ReplicaAnswers, ReplicaError,
    Request as Command, Sender, StopReplica, StopReplicaPartition, UpdateMetadata,
};
use ottla_metadata::{BrokerId, TopicId, TopicPartition};
use ottla_network::Answer;
use ottla_protocol::ApiKey;
use ottla_protocol::messages::LeaderAndIsrResponse;

use crate::gate::Gate;
use crate::testing::{TestBroker, header};

const FENCED: i16 = 74;
const STALE_CONTROLLER_EPOCH: i16 = 11;
const STORAGE: i16 = 56;

/// The fake cluster knows a controller of epoch 1 and refuses those before.
fn sender(controller_epoch: i32) -> Sender {
    Sender {
        controller: BrokerId(1),
        controller_epoch,
        broker_epoch: -1,
    }
}

fn names() -> [TopicPartition; 3] {
    [("a", 0), ("a", 1), ("b", 0)].map(|(topic, number)| TopicPartition::new(topic, number))
}

/// The first partition is fine, and so on.
fn answers() -> ReplicaAnswers {
    let results = [
        Ok(()),
        Err(ReplicaError::Storage),
        Err(ReplicaError::FencedLeaderEpoch),
    ];
    names().into_iter().zip(results).collect()
}

fn broker() -> TestBroker {
    let broker = TestBroker::new(&[]);
    *broker.cluster.answers.lock() = answers();
    broker
}

fn leadership(controller_epoch: i32) -> LeaderAndIsr {
    let partition = |partition: TopicPartition| LeaderAndIsrPartition {
        topic_id: TopicId([partition.topic.as_bytes()[0]; 16]),
        partition,
        controller_epoch,
        leader: Some(BrokerId(0)),
        leader_epoch: 4,
        isr: vec![BrokerId(0)],
        partition_epoch: 2,
        replicas: vec![BrokerId(0), BrokerId(1)],
        adding: vec![],
        removing: vec![],
        is_new: false,
        recovering: false,
    };
    LeaderAndIsr {
        sender: sender(controller_epoch),
        partitions: names().map(partition).into(),
    }
}

/// Topic, partition and code, however the version says it.
fn flat(response: &LeaderAndIsrResponse) -> Vec<(String, i32, i16)> {
    let by_name = response.partition_errors.iter().map(|error| {
        let name = error.topic_name.to_string();
        (name, error.partition_index, error.error_code)
    });
    let by_id = response.topics.iter().flat_map(|topic| {
        let name = char::from(topic.topic_id.as_bytes()[0]).to_string();
        topic
            .partition_errors
            .iter()
            .map(move |error| (name.clone(), error.partition_index, error.error_code))
    });
    by_name.chain(by_id).collect()
}

fn expected(codes: [i16; 3]) -> Vec<(String, i32, i16)> {
    let named = names().into_iter().zip(codes);
    named
        .map(|(tp, code)| (tp.topic.to_string(), tp.partition, code))
        .collect()
}

#[tokio::test]
async fn leader_and_isr() {
    let broker = broker();
    for version in 0..=7 {
        let said = leadership(1);
        let message = leader_and_isr::encode(&said, version, |_| None);
        let response = broker.ask(version, &message).await;
        assert_eq!(response.error_code, 0, "{version}");
        assert_eq!(flat(&response), expected([0, STORAGE, FENCED]), "{version}");
        let heard = broker.cluster.received.lock().pop().unwrap();
        let Command::LeaderAndIsr(heard) = heard else {
            panic!("{heard:?}");
        };
        let (heard, said) = (heard.partitions, said.partitions);
        assert_eq!(heard.len(), said.len(), "{version}");
        for (heard, mut said) in heard.into_iter().zip(said) {
            if version < 5 {
                said.topic_id = TopicId::ZERO;
            }
            assert_eq!(heard, said, "{version}");
        }

        let message = leader_and_isr::encode(&leadership(0), version, |_| None);
        let refused = broker.ask(version, &message).await;
        assert_eq!(refused.error_code, STALE_CONTROLLER_EPOCH, "{version}");
        let codes = [STALE_CONTROLLER_EPOCH; 3];
        assert_eq!(flat(&refused), expected(codes), "{version}");
    }
}

#[tokio::test]
async fn stop_replica() {
    let broker = broker();
    for version in 0..=4 {
        let stop = |controller_epoch: i32| StopReplica {
            sender: sender(controller_epoch),
            partitions: names()
                .map(|partition| StopReplicaPartition {
                    partition,
                    leader_epoch: if version < 3 { -1 } else { 6 },
                    delete: true,
                })
                .into(),
        };
        let message = stop_replica::encode(&stop(1), version);
        let response = broker.ask(version, &message).await;
        let errors = response.partition_errors.iter().map(|error| {
            let name = error.topic_name.to_string();
            (name, error.partition_index, error.error_code)
        });
        let got: Vec<_> = errors.collect();
        assert_eq!(response.error_code, 0, "{version}");
        assert_eq!(got, expected([0, STORAGE, FENCED]), "{version}");
        let heard = broker.cluster.received.lock().pop();
        assert_eq!(heard, Some(Command::StopReplica(stop(1))), "{version}");

        let message = stop_replica::encode(&stop(0), version);
        let refused = broker.ask(version, &message).await;
        assert_eq!(refused.error_code, STALE_CONTROLLER_EPOCH, "{version}");
    }
}

#[tokio::test]
async fn update_metadata() {
    let broker = broker();
    for version in 0..=8 {
        let update = |controller_epoch: i32| UpdateMetadata {
            sender: sender(controller_epoch),
            brokers: vec![],
            partitions: names()
                .map(|partition| PartitionUpdate {
                    partition,
                    topic_id: TopicId([if version < 7 { 0 } else { 5 }; 16]),
                    image: None,
                })
                .into(),
            complete: version >= 8,
        };
        let message = update_metadata::encode(&update(1), version);
        let response = broker.ask(version, &message).await;
        assert_eq!(response.error_code, 0, "{version}");
        let heard = broker.cluster.received.lock().pop();
        assert_eq!(heard, Some(Command::UpdateMetadata(update(1))), "{version}");

        let message = update_metadata::encode(&update(0), version);
        let refused = broker.ask(version, &message).await;
        assert_eq!(refused.error_code, STALE_CONTROLLER_EPOCH, "{version}");
    }
}

/// Clients wait until the broker knows its cluster; the controller, who tells it, does not.
#[tokio::test]
async fn clients_wait_for_the_first_word() {
    let mut broker = broker();
    let server = Arc::get_mut(&mut broker.server).unwrap();
    let context = Arc::get_mut(&mut server.context).unwrap();
    context.gate = Gate::shut();
    let versions = broker.call(header(ApiKey::ApiVersions, 0), Bytes::new());
    assert!(matches!(versions, Answer::Now(_)));
    let all_topics = Bytes::from_static(&[0xff; 4]);
    let Answer::Later(metadata) = broker.call(header(ApiKey::Metadata, 1), all_topics) else {
        panic!("answered too soon");
    };
    let metadata = tokio::spawn(metadata);
    let word = UpdateMetadata {
        sender: sender(1),
        brokers: vec![],
        partitions: Arc::new([]),
        complete: false,
    };
    let response = broker.ask(8, &update_metadata::encode(&word, 8)).await;
    assert_eq!(response.error_code, 0);
    assert!(!metadata.is_finished());
    broker.server.open();
    assert!(metadata.await.unwrap().is_some());
}
