//! Metadata: which brokers and topics there are, and who leads what.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_metadata::{
    ClusterImage, PartitionImage, TopicId, TopicImage, is_internal, validate_topic_name,
};
use ottla_network::{Answer, Request};
use ottla_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use ottla_protocol::messages::{self, MetadataRequest, MetadataResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, versions};
use crate::context::Context;
use crate::words::{broker_id, broker_ids, text, topic_id, topic_name, uuid};
use crate::{authorized_operations, auto_create, reply};

pub(crate) static API: Api = Api {
    key: ApiKey::Metadata,
    versions: versions(0, 12),
    handle,
};

fn handle(context: &Arc<Context>, request: Request) -> Answer {
    let message: MetadataRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    let version = request.header.api_version;
    let wanted = match Wanted::read(&message, version) {
        Ok(wanted) => wanted,
        Err(response) => return reply::now(&request.header, &*response),
    };
    let image = context.cluster.image();
    let view = View {
        image: &image,
        listener: &request.connection.listener,
        version,
    };
    let (topics, missing) = view.topics(&wanted);
    let create = message.allow_auto_topic_creation && context.config.load().topics.auto_create;
    let finish = Finish::new(&message, version);
    if missing.is_empty() || !create {
        let missing = missing
            .iter()
            .map(|name| topic_response(name).with_error_code(absent(name).code()));
        let response = finish.response(&view, topics, missing);
        return reply::now(&request.header, &response);
    }
    let context = Arc::clone(context);
    let listener = Arc::clone(&request.connection.listener);
    reply::later(request.header, async move {
        let mut codes = Vec::with_capacity(missing.len());
        for name in &missing {
            codes.push(auto_create::create(&context, name).await);
        }
        // Topics whose leaders are there by now are answered as if they had always been.
        let image = context.cluster.image();
        let view = View {
            image: &image,
            listener: &listener,
            version,
        };
        let created = missing.iter().zip(codes).map(|(name, code)| {
            let topic = image
                .topic(name)
                .filter(|_| code == ErrorCode::LeaderNotAvailable);
            match topic {
                Some(topic) => view.topic(topic),
                None => topic_response(name).with_error_code(code.code()),
            }
        });
        finish.response(&view, topics, created)
    })
}

/// What the client wants to know of.
enum Wanted {
    All,
    Names(Vec<String>),
    Ids(Vec<TopicId>),
}

impl Wanted {
    /// Before version 12, names must be there and ids must not; later, one of the two. An id
    /// anywhere makes all names of the request void, as in Kafka.
    fn read(message: &MetadataRequest, version: i16) -> Result<Wanted, Box<MetadataResponse>> {
        let topics = match &message.topics {
            None => return Ok(Wanted::All),
            Some(topics) if topics.is_empty() && version == 0 => return Ok(Wanted::All),
            Some(topics) => topics,
        };
        let nameless = topics.iter().any(|topic| {
            let has_id = version >= 12 && !topic_id(&topic.topic_id).is_zero();
            topic.name.is_none() && !has_id
        });
        let ids: BTreeSet<TopicId> = topics
            .iter()
            .map(|topic| topic_id(&topic.topic_id))
            .collect();
        let ids: Vec<_> = ids.into_iter().filter(|id| !id.is_zero()).collect();
        if nameless || (version < 12 && !ids.is_empty()) {
            return Err(Box::new(refused(message)));
        }
        if !ids.is_empty() {
            return Ok(Wanted::Ids(ids));
        }
        let mut seen = BTreeSet::new();
        let names = topics.iter().filter_map(|topic| topic.name.as_ref());
        let names = names.filter(|name| seen.insert(name.0.as_str().to_owned()));
        Ok(Wanted::Names(names.map(|name| name.to_string()).collect()))
    }
}

/// Every topic of the request with `INVALID_REQUEST` (`MetadataRequest.getErrorResponse`).
fn refused(message: &MetadataRequest) -> MetadataResponse {
    let topics = message.topics.iter().flatten().map(|topic| {
        let name = topic.name.clone().unwrap_or_default();
        MetadataResponseTopic::default()
            .with_error_code(ErrorCode::InvalidRequest.code())
            .with_name(Some(name))
            .with_topic_id(topic.topic_id)
    });
    MetadataResponse::default()
        .with_controller_id(broker_id(None))
        .with_topics(topics.collect())
}

/// One image, as clients of one listener and version see it.
struct View<'a> {
    image: &'a ClusterImage,
    listener: &'a str,
    version: i16,
}

impl View<'_> {
    /// What is known of the topics, and the names of which nothing is.
    fn topics(&self, wanted: &Wanted) -> (Vec<MetadataResponseTopic>, Vec<String>) {
        match wanted {
            Wanted::All => {
                let topics = self.image.topics.values().map(|topic| self.topic(topic));
                (topics.collect(), Vec::new())
            }
            Wanted::Ids(ids) => {
                let by_id = |id: &TopicId| {
                    let name = self.image.topic_name(*id)?;
                    self.image.topic(name)
                };
                let topics = ids.iter().map(|id| match by_id(id) {
                    Some(topic) => self.topic(topic),
                    None => unknown_id(*id),
                });
                (topics.collect(), Vec::new())
            }
            Wanted::Names(names) => {
                let mut missing = Vec::new();
                let topics = names.iter().filter_map(|name| {
                    let topic = self.image.topic(name);
                    if topic.is_none() {
                        missing.push(name.clone());
                    }
                    topic.map(|topic| self.topic(topic))
                });
                (topics.collect(), missing)
            }
        }
    }

    fn topic(&self, topic: &TopicImage) -> MetadataResponseTopic {
        let partitions = topic.partitions.iter();
        topic_response(&topic.name)
            .with_topic_id(uuid(topic.id))
            .with_partitions(
                partitions
                    .map(|(number, p)| self.partition(*number, p))
                    .collect(),
            )
    }

    fn partition(&self, number: i32, partition: &PartitionImage) -> MetadataResponsePartition {
        let reachable = |id: &ottla_metadata::BrokerId| {
            let broker = self.image.brokers.get(id);
            broker.is_some_and(|broker| broker.endpoint(self.listener).is_some())
        };
        // Version 0 leaves out brokers that clients of this listener cannot reach.
        let shown = |ids: &[ottla_metadata::BrokerId]| -> Vec<_> {
            let all = self.version > 0;
            ids.iter()
                .copied()
                .filter(|id| all || reachable(id))
                .collect()
        };
        let (replicas, isr) = (shown(&partition.replicas), shown(&partition.isr));
        let leader = partition.leader.filter(reachable);
        let code = match (leader, partition.leader) {
            (Some(_), _)
                if replicas.len() < partition.replicas.len() || isr.len() < partition.isr.len() =>
            {
                ErrorCode::ReplicaNotAvailable
            }
            (Some(_), _) => ErrorCode::None,
            (None, Some(leader))
                if self.image.brokers.contains_key(&leader) && self.version >= 6 =>
            {
                ErrorCode::ListenerNotFound
            }
            (None, _) => ErrorCode::LeaderNotAvailable,
        };
        MetadataResponsePartition::default()
            .with_error_code(code.code())
            .with_partition_index(number)
            .with_leader_id(broker_id(leader))
            .with_leader_epoch(partition.leader_epoch)
            .with_replica_nodes(broker_ids(&replicas))
            .with_isr_nodes(broker_ids(&isr))
            .with_offline_replicas(broker_ids(&partition.offline_replicas))
    }

    fn brokers(&self) -> Vec<MetadataResponseBroker> {
        let brokers = self.image.brokers.values();
        let reachable = brokers.filter_map(|broker| {
            let endpoint = broker.endpoint(self.listener)?;
            Some(
                MetadataResponseBroker::default()
                    .with_node_id(messages::BrokerId(broker.id.0))
                    .with_host(text(endpoint.host.as_str()))
                    .with_port(endpoint.port.into())
                    .with_rack(broker.rack.as_deref().map(text)),
            )
        });
        reachable.collect()
    }
}

fn topic_response(name: &str) -> MetadataResponseTopic {
    MetadataResponseTopic::default()
        .with_name(Some(topic_name(name)))
        .with_is_internal(is_internal(name))
}

fn unknown_id(id: TopicId) -> MetadataResponseTopic {
    MetadataResponseTopic::default()
        .with_error_code(ErrorCode::UnknownTopicId.code())
        .with_name(None)
        .with_topic_id(uuid(id))
}

/// What is said of a topic that does not exist and is not to be created.
fn absent(name: &str) -> ErrorCode {
    match validate_topic_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    }
}

/// What the rest of the response depends on.
struct Finish {
    cluster_operations: i32,
    topic_operations: i32,
}

impl Finish {
    fn new(message: &MetadataRequest, version: i16) -> Finish {
        let asked = |wanted: bool, operations| match wanted {
            true => operations,
            false => authorized_operations::NOT_ASKED,
        };
        let cluster = message.include_cluster_authorized_operations && (8..=10).contains(&version);
        let topic = message.include_topic_authorized_operations && version >= 8;
        Finish {
            cluster_operations: asked(cluster, authorized_operations::CLUSTER),
            topic_operations: asked(topic, authorized_operations::TOPIC),
        }
    }

    fn response(
        &self,
        view: &View<'_>,
        mut topics: Vec<MetadataResponseTopic>,
        missing: impl IntoIterator<Item = MetadataResponseTopic>,
    ) -> MetadataResponse {
        topics.extend(missing);
        for topic in topics.iter_mut().filter(|topic| topic.name.is_some()) {
            topic.topic_authorized_operations = self.topic_operations;
        }
        MetadataResponse::default()
            .with_brokers(view.brokers())
            .with_cluster_id(Some(text(view.image.cluster_id.as_str())))
            .with_controller_id(broker_id(view.image.controller))
            .with_topics(topics)
            .with_cluster_authorized_operations(self.cluster_operations)
    }
}
