//! Every version, there and back through its bytes: what arrives is what was said, but for what the
//! version cannot carry.

mod any;

use std::sync::Arc;

use ottla_controller::{
    EPOCH_DURING_DELETE, LeaderAndIsr, LeaderAndIsrPartition, PartitionUpdate, Sender, StopReplica,
    StopReplicaPartition, UpdateMetadata,
};
use ottla_metadata::{
    BrokerId, BrokerInfo, Endpoint, PartitionImage, SecurityProtocol, TopicId, TopicPartition,
};
use ottla_protocol::layout::Guarded;
use ottla_protocol::{
    ApiVersionRange, Request, decode_header, decode_request, encode_request, messages,
};

use super::{leader_and_isr, stop_replica, update_metadata};

fn versions<R: Request>() -> impl Iterator<Item = i16> {
    let ApiVersionRange { min, max } = ApiVersionRange {
        min: R::VERSIONS.min,
        max: R::VERSIONS.max,
    };
    min..=max
}

/// The message as the other side sees it.
fn carried<R: Request + Guarded>(version: i16, message: &R) -> R {
    let frame = encode_request(version, 1, Some("0"), message).unwrap();
    let mut body = frame.slice(4..);
    let header = decode_header(&mut body).unwrap();
    assert_eq!(header.client_id.as_deref(), Some("0"));
    decode_request(version, body).unwrap()
}

fn sender(version: i16, with_broker_epoch: i16) -> Sender {
    Sender {
        controller: BrokerId(3),
        controller_epoch: 9,
        broker_epoch: if version >= with_broker_epoch { 77 } else { -1 },
    }
}

fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

fn endpoint(listener: &str, protocol: SecurityProtocol, port: u16) -> Endpoint {
    Endpoint {
        listener: listener.to_owned(),
        security_protocol: protocol,
        host: "::1".to_owned(),
        port,
    }
}

#[test]
fn leader_and_isr_in_every_version() {
    let said = |topic: &str, number: i32, leader: Option<i32>| LeaderAndIsrPartition {
        partition: TopicPartition::new(topic, number),
        topic_id: TopicId([7; 16]),
        controller_epoch: 8,
        leader: leader.map(BrokerId),
        leader_epoch: 5,
        isr: ids(&[1, 2]),
        partition_epoch: 6,
        replicas: ids(&[2, 1, 4]),
        adding: ids(&[4]),
        removing: ids(&[1]),
        is_new: number == 0,
        recovering: number == 1,
    };
    let partitions = vec![
        said("a", 0, Some(1)),
        said("a", 1, None),
        said("b", 2, Some(2)),
    ];
    let address = endpoint("PLAINTEXT", SecurityProtocol::Plaintext, 9092);
    for version in versions::<messages::LeaderAndIsrRequest>() {
        let request = LeaderAndIsr {
            sender: sender(version, 0),
            partitions: partitions.clone(),
        };
        let message = leader_and_isr::encode(&request, version, |id| {
            (id == BrokerId(1)).then_some(&address)
        });
        let message = carried(version, &message);
        let leaders: Vec<_> = message
            .live_leaders
            .iter()
            .map(|leader| {
                (
                    leader.broker_id.0,
                    leader.host_name.to_string(),
                    leader.port,
                )
            })
            .collect();
        assert_eq!(leaders, [(1, "::1".to_owned(), 9092)]);
        assert_eq!((message.is_k_raft_controller, message._type), (false, 0));
        let mut expected = LeaderAndIsr {
            sender: sender(version, 2),
            partitions: partitions.clone(),
        };
        for partition in &mut expected.partitions {
            if version < 1 {
                partition.is_new = false;
            }
            if version < 3 {
                partition.adding.clear();
                partition.removing.clear();
            }
            if version < 5 {
                partition.topic_id = TopicId::ZERO;
            }
            if version < 6 {
                partition.recovering = false;
            }
        }
        assert_eq!(leader_and_isr::decode(&message), expected, "{version}");
    }
}

#[test]
fn update_metadata_in_every_version() {
    let update = |topic: &str, number: i32, there: bool| PartitionUpdate {
        partition: TopicPartition::new(topic, number),
        topic_id: TopicId([7; 16]),
        image: there.then(|| PartitionImage {
            replicas: ids(&[1, 2]),
            isr: ids(&[2]),
            leader: (number == 0).then_some(BrokerId(2)),
            leader_epoch: 5,
            controller_epoch: 8,
            partition_epoch: 6,
            offline_replicas: ids(&[1]),
        }),
    };
    let partitions = vec![
        update("a", 0, true),
        update("a", 1, true),
        update("b", 0, false),
    ];
    let broker = |endpoints: Vec<Endpoint>, rack: Option<&str>, epoch: i64| BrokerInfo {
        id: BrokerId(1),
        epoch,
        endpoints,
        rack: rack.map(str::to_owned),
    };
    let inner = endpoint("INNER", SecurityProtocol::Plaintext, 9092);
    let outer = endpoint("OUTER", SecurityProtocol::SaslSsl, 9093);
    let named = |listener: &str, endpoint: &Endpoint| Endpoint {
        listener: listener.to_owned(),
        ..endpoint.clone()
    };
    for version in versions::<messages::UpdateMetadataRequest>() {
        for complete in [false, true] {
            let both = vec![outer.clone(), inner.clone()];
            let request = UpdateMetadata {
                sender: sender(version, 0),
                brokers: vec![Arc::new(broker(both, Some("r"), 5))],
                partitions: partitions.clone().into(),
                complete,
            };
            let message = carried(version, &update_metadata::encode(&request, version));
            let endpoints = match version {
                0 => vec![named("PLAINTEXT", &inner)],
                1..3 => vec![named("SASL_SSL", &outer), named("PLAINTEXT", &inner)],
                _ => vec![outer.clone(), inner.clone()],
            };
            let rack = (version >= 2).then_some("r");
            let mut partitions = partitions.clone();
            for update in &mut partitions {
                if version < 7 {
                    update.topic_id = TopicId::ZERO;
                }
                if let (true, Some(image)) = (version < 4, &mut update.image) {
                    image.offline_replicas.clear();
                }
            }
            let expected = UpdateMetadata {
                sender: sender(version, 5),
                brokers: vec![Arc::new(broker(endpoints, rack, -1))],
                partitions: partitions.into(),
                complete: complete && version >= 8,
            };
            let got = update_metadata::decode(&message, version);
            assert_eq!(got, expected, "{version}");
        }
    }
}

#[test]
fn stop_replica_in_every_version() {
    let stop = |topic: &str, number: i32, leader_epoch: i32, delete: bool| StopReplicaPartition {
        partition: TopicPartition::new(topic, number),
        leader_epoch,
        delete,
    };
    let partitions = vec![
        stop("a", 0, 4, false),
        stop("a", 1, EPOCH_DURING_DELETE, true),
        stop("b", 0, EPOCH_DURING_DELETE, true),
    ];
    for version in versions::<messages::StopReplicaRequest>() {
        let request = StopReplica {
            sender: sender(version, 0),
            partitions: partitions.clone(),
        };
        let parts = stop_replica::split(request, version);
        let heard: Vec<_> = parts
            .iter()
            .map(|part| {
                let message = carried(version, &stop_replica::encode(part, version));
                let heard = stop_replica::decode(&message);
                assert_eq!(heard.sender, sender(version, 1), "{version}");
                heard.partitions
            })
            .collect();
        let expected = match version {
            0..3 => vec![
                vec![stop("a", 1, -1, true), stop("b", 0, -1, true)],
                vec![stop("a", 0, -1, false)],
            ],
            _ => vec![partitions.clone()],
        };
        assert_eq!(heard, expected, "{version}");
    }
}
