//! UpdateMetadata.

use std::sync::Arc;

use ottla_controller::{PartitionUpdate, Sender, UpdateMetadata};
use ottla_metadata::{
    BrokerId, BrokerInfo, Endpoint, PartitionImage, SecurityProtocol, TopicId, TopicName,
    TopicPartition,
};
use ottla_protocol::messages::update_metadata_request::{
    UpdateMetadataBroker, UpdateMetadataEndpoint, UpdateMetadataPartitionState,
    UpdateMetadataTopicState,
};
use ottla_protocol::messages::{self, UpdateMetadataRequest};

use super::topics::{Names, Texts, by_topic, from_uuid, to_uuid};
use super::{from_ids, from_leader, text, to_ids, to_leader};

/// The first version with more than one address per broker.
const ENDPOINTS: i16 = 1;
/// The first version with racks.
const RACK: i16 = 2;
/// The first version that names listeners.
const LISTENERS: i16 = 3;
/// The first version that groups partitions by topic.
const GROUPED: i16 = 5;
/// The first version that says whether it names all partitions (KIP-866).
const TYPE: i16 = 8;
/// `AbstractControlRequest.Type.FULL`.
const FULL: i8 = 2;
/// `LeaderAndIsr.LeaderDuringDelete`.
const LEADER_DURING_DELETE: i32 = -2;
/// The broker epoch of a broker that we know from a request, which does not carry it.
const UNKNOWN_EPOCH: i64 = -1;

/// The request in this version.
///
/// Versions below 8 cannot say that a request names all partitions; a receiver then keeps topics
/// that were deleted while it was away, as Kafka's do. Kafka's receivers heed the type only from a
/// KRaft controller.
pub fn encode(request: &UpdateMetadata, version: i16) -> UpdateMetadataRequest {
    let UpdateMetadata {
        sender,
        brokers,
        partitions,
        complete,
    } = request;
    let full = version >= TYPE && *complete;
    let brokers = brokers.iter().map(|info| broker(info, version));
    let message = UpdateMetadataRequest::default()
        .with_controller_id(messages::BrokerId(sender.controller.0))
        .with_type(if full { FULL } else { 0 })
        .with_controller_epoch(sender.controller_epoch)
        .with_broker_epoch(sender.broker_epoch)
        .with_live_brokers(brokers.collect());
    let mut texts = Texts::default();
    if version < GROUPED {
        let states = partitions.iter().map(|update| {
            let name = texts.write(&update.partition.topic);
            state(update, sender.controller_epoch).with_topic_name(name)
        });
        return message.with_ungrouped_partition_states(states.collect());
    }
    let topics = by_topic(partitions, |p| &p.partition).filter_map(|updates| {
        let first = updates.first()?;
        let states = updates.iter().map(|p| state(p, sender.controller_epoch));
        let topic = UpdateMetadataTopicState::default()
            .with_topic_name(texts.write(&first.partition.topic))
            .with_topic_id(to_uuid(first.topic_id))
            .with_partition_states(states.collect());
        Some(topic)
    });
    let topics = topics.collect();
    message.with_topic_states(topics)
}

fn state(update: &PartitionUpdate, controller_epoch: i32) -> UpdateMetadataPartitionState {
    let state =
        UpdateMetadataPartitionState::default().with_partition_index(update.partition.partition);
    let Some(image) = &update.image else {
        // `LeaderAndIsr.duringDelete`
        return state
            .with_controller_epoch(controller_epoch)
            .with_leader(messages::BrokerId(LEADER_DURING_DELETE));
    };
    state
        .with_controller_epoch(image.controller_epoch)
        .with_leader(to_leader(image.leader))
        .with_leader_epoch(image.leader_epoch)
        .with_isr(to_ids(&image.isr))
        .with_zk_version(image.partition_epoch)
        .with_replicas(to_ids(&image.replicas))
        .with_offline_replicas(to_ids(&image.offline_replicas))
}

/// Version 0 has room for one address, which is the one on `PLAINTEXT`.
fn broker(info: &BrokerInfo, version: i16) -> UpdateMetadataBroker {
    let broker = UpdateMetadataBroker::default()
        .with_id(messages::BrokerId(info.id.0))
        .with_rack(info.rack.as_deref().map(text));
    if version < ENDPOINTS {
        let plain = info
            .endpoints
            .iter()
            .find(|endpoint| endpoint.security_protocol == SecurityProtocol::Plaintext);
        return match plain {
            Some(endpoint) => broker
                .with_v0_host(text(&endpoint.host))
                .with_v0_port(endpoint.port.into()),
            None => broker.with_v0_port(-1),
        };
    }
    let endpoints = info.endpoints.iter().map(|endpoint| {
        UpdateMetadataEndpoint::default()
            .with_port(endpoint.port.into())
            .with_host(text(&endpoint.host))
            .with_listener(text(&endpoint.listener))
            .with_security_protocol(endpoint.security_protocol.id())
    });
    broker.with_endpoints(endpoints.collect())
}

/// What a request says. What is not there in this version is made up as Kafka does: listeners are
/// called like their security protocols. Addresses that we cannot understand are left out.
pub fn decode(message: &UpdateMetadataRequest, version: i16) -> UpdateMetadata {
    let mut names = Names::default();
    let mut partitions = Vec::new();
    for state in &message.ungrouped_partition_states {
        let topic = names.read(&state.topic_name);
        partitions.push(update(topic, TopicId::ZERO, state));
    }
    for topic in &message.topic_states {
        let (name, id) = (names.read(&topic.topic_name), from_uuid(&topic.topic_id));
        let states = topic.partition_states.iter();
        partitions.extend(states.map(|state| update(TopicName::clone(&name), id, state)));
    }
    let brokers = message.live_brokers.iter();
    UpdateMetadata {
        sender: Sender {
            controller: BrokerId(message.controller_id.0),
            controller_epoch: message.controller_epoch,
            broker_epoch: message.broker_epoch,
        },
        brokers: brokers.map(|b| Arc::new(broker_info(b, version))).collect(),
        partitions: partitions.into(),
        complete: message._type == FULL,
    }
}

fn update(
    topic: TopicName,
    topic_id: TopicId,
    state: &UpdateMetadataPartitionState,
) -> PartitionUpdate {
    let gone = state.leader.0 == LEADER_DURING_DELETE;
    PartitionUpdate {
        partition: TopicPartition::new(topic, state.partition_index),
        topic_id,
        image: (!gone).then(|| PartitionImage {
            replicas: from_ids(&state.replicas),
            isr: from_ids(&state.isr),
            leader: from_leader(state.leader),
            leader_epoch: state.leader_epoch,
            controller_epoch: state.controller_epoch,
            partition_epoch: state.zk_version,
            offline_replicas: from_ids(&state.offline_replicas),
        }),
    }
}

fn broker_info(broker: &UpdateMetadataBroker, version: i16) -> BrokerInfo {
    let endpoint = |host: &str, port: i32, protocol: SecurityProtocol, listener: &str| {
        Some(Endpoint {
            listener: listener.to_owned(),
            security_protocol: protocol,
            host: host.to_owned(),
            port: u16::try_from(port).ok()?,
        })
    };
    let endpoints = if version < ENDPOINTS {
        let plain = SecurityProtocol::Plaintext;
        let only = endpoint(&broker.v0_host, broker.v0_port, plain, plain.name());
        only.into_iter().collect()
    } else {
        let endpoints = broker.endpoints.iter().filter_map(|told| {
            let protocol = SecurityProtocol::from_id(told.security_protocol)?;
            let listener = match version < LISTENERS {
                true => protocol.name(),
                false => &*told.listener,
            };
            endpoint(&told.host, told.port, protocol, listener)
        });
        endpoints.collect()
    };
    // What a version does not have is decoded as empty text.
    let rack = broker.rack.as_ref().filter(|_| version >= RACK);
    BrokerInfo {
        id: BrokerId(broker.id.0),
        epoch: UNKNOWN_EPOCH,
        endpoints,
        rack: rack.map(|rack| rack.to_string()),
    }
}
