//! Outboxes and a broker that is not always in the mood to answer. No ZooKeeper.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ottla_config::MetadataVersion;
use ottla_controller::{Answered, TermEvent};
use ottla_metadata::{
    BrokerId, BrokerInfo, Endpoint, SecurityProtocol, TopicId, TopicName, TopicPartition,
};
use ottla_protocol::messages::leader_and_isr_response::{
    LeaderAndIsrPartitionError, LeaderAndIsrTopicError,
};
use ottla_protocol::messages::stop_replica_response::StopReplicaPartitionError;
use ottla_protocol::messages::{
    LeaderAndIsrRequest, LeaderAndIsrResponse, StopReplicaRequest, StopReplicaResponse,
    UpdateMetadataRequest, UpdateMetadataResponse,
};
use ottla_protocol::{ApiKey, RequestHeader, decode_header, decode_request, messages};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::fixture::settings;
use super::wire::{framed, next_frame};
use crate::courier::Roads;
use crate::outbox::{ANSWERS, Answer, Outboxes};
use crate::receiver::{Incoming, Inlet};
use crate::*;

const TERM: i32 = 3;
const OTHER: BrokerId = BrokerId(8);

/// A controller's outboxes, and a socket that stands for the other broker.
struct Set {
    outboxes: Outboxes,
    answers: mpsc::Receiver<Answer>,
    /// What would go to the controller's own broker.
    own: Incoming,
    listener: TcpListener,
}

impl Set {
    async fn new(version: MetadataVersion) -> Set {
        let (inlet, own) = Inlet::new();
        let (sender, answers) = mpsc::channel(ANSWERS);
        let settings = Settings {
            version,
            ..settings()
        };
        let roads = Roads::new(BrokerId(7), &settings);
        let mut set = Set {
            outboxes: Outboxes::start(BrokerId(7), inlet, roads, sender),
            answers,
            own,
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        };
        set.registered(1);
        set
    }

    /// The other broker is registered with this epoch.
    fn registered(&mut self, epoch: i64) {
        let endpoint = Endpoint {
            listener: "PLAINTEXT".to_owned(),
            security_protocol: SecurityProtocol::Plaintext,
            host: "127.0.0.1".to_owned(),
            port: self.listener.local_addr().unwrap().port(),
        };
        let broker = BrokerInfo {
            id: OTHER,
            epoch,
            endpoints: vec![endpoint],
            rack: None,
        };
        let brokers = BTreeMap::from([(OTHER, Arc::new(broker))]);
        self.outboxes.follow(&brokers);
    }

    fn send(&self, request: Request) {
        self.outboxes.send(TERM, OTHER, request);
    }

    async fn connection(&self) -> Peer {
        let (stream, _) = self.listener.accept().await.unwrap();
        Peer {
            stream,
            buffer: BytesMut::new(),
        }
    }

    async fn answer(&mut self) -> Answered {
        match self.answers.recv().await.unwrap() {
            (TERM, TermEvent::LeaderAndIsrAnswered(answered))
            | (TERM, TermEvent::StopReplicaAnswered(answered)) => answered,
            other => panic!("{other:?}"),
        }
    }
}

/// The other broker's end of a connection.
struct Peer {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Peer {
    async fn request(&mut self) -> (RequestHeader, Bytes) {
        let mut frame = next_frame(&mut self.stream, &mut self.buffer)
            .await
            .unwrap();
        let header = decode_header(&mut frame).unwrap();
        // Kafka's brokers know controllers by this name.
        assert_eq!(header.client_id.as_deref(), Some("7"));
        (header, frame)
    }

    async fn leadership(&mut self) -> (RequestHeader, LeaderAndIsrRequest) {
        let (header, body) = self.request().await;
        assert_eq!(header.api, ApiKey::LeaderAndIsr);
        let message = decode_request(header.api_version, body).unwrap();
        (header, message)
    }

    async fn answer<M>(&mut self, header: &RequestHeader, message: &M)
    where
        M: ottla_protocol::Encodable + ottla_protocol::layout::Guarded,
    {
        let bytes = framed(header, message);
        self.stream.write_all(&bytes).await.unwrap();
    }
}

fn sender(broker_epoch: i64) -> Sender {
    Sender {
        controller: BrokerId(7),
        controller_epoch: TERM,
        broker_epoch,
    }
}

fn leadership(topic: &str, broker_epoch: i64) -> Request {
    let partition = |number: i32| LeaderAndIsrPartition {
        partition: TopicPartition::new(topic, number),
        topic_id: TopicId([5; 16]),
        controller_epoch: TERM,
        leader: Some(OTHER),
        leader_epoch: 0,
        isr: vec![OTHER],
        partition_epoch: 0,
        replicas: vec![OTHER],
        adding: vec![],
        removing: vec![],
        is_new: true,
        recovering: false,
    };
    Request::LeaderAndIsr(LeaderAndIsr {
        sender: sender(broker_epoch),
        partitions: vec![partition(0), partition(1)],
    })
}

fn stop(topic: &str, delete: bool) -> StopReplicaPartition {
    StopReplicaPartition {
        partition: TopicPartition::new(topic, 0),
        leader_epoch: -1,
        delete,
    }
}

/// An answer that names topics by id: partition 1 has a failed disk.
fn storage_error() -> LeaderAndIsrResponse {
    let error = |index, code| {
        LeaderAndIsrPartitionError::default()
            .with_partition_index(index)
            .with_error_code(code)
    };
    let topic = |id: u8| {
        LeaderAndIsrTopicError::default()
            .with_topic_id(uuid::Uuid::from_bytes([id; 16]))
            .with_partition_errors(vec![error(0, 0), error(1, 56)])
    };
    LeaderAndIsrResponse::default().with_topics(vec![topic(9), topic(5)])
}

#[tokio::test]
async fn a_request_is_repeated_until_it_is_answered() {
    let mut set = Set::new(MetadataVersion::LATEST).await;
    set.send(leadership("a", 1));
    set.send(Request::UpdateMetadata(UpdateMetadata {
        sender: sender(1),
        brokers: vec![],
        partitions: Arc::new([]),
        complete: false,
    }));
    set.send(leadership("b", 1));
    // The first connection is closed at once, the second after the request, the third answers
    // something else.
    drop(set.connection().await);
    let mut second = set.connection().await;
    second.leadership().await;
    drop(second);
    let mut third = set.connection().await;
    let (mut header, _) = third.leadership().await;
    header.correlation_id += 100;
    third.answer(&header, &storage_error()).await;
    // At last it does its work, one request after the other.
    let mut peer = set.connection().await;
    let (header, message) = peer.leadership().await;
    assert_eq!(&*message.topic_states[0].topic_name.0, "a");
    assert_eq!(header.api_version, 7);
    peer.answer(&header, &storage_error()).await;
    let answered = set.answer().await;
    assert_eq!((answered.broker, answered.broker_epoch), (OTHER, 1));
    let partition = |number| TopicPartition::new("a", number);
    assert_eq!(answered.partitions, [partition(0), partition(1)]);
    // Topics that nobody asked about are passed over.
    let results = vec![
        (partition(0), Ok(())),
        (partition(1), Err(ReplicaError::Storage)),
    ];
    assert_eq!(answered.result, Ok(results));

    let (header, body) = peer.request().await;
    assert_eq!(
        (header.api, header.api_version),
        (ApiKey::UpdateMetadata, 8)
    );
    let _: UpdateMetadataRequest = decode_request(8, body).unwrap();
    let refused = UpdateMetadataResponse::default().with_error_code(11);
    peer.answer(&header, &refused).await;

    let (header, message) = peer.leadership().await;
    assert_eq!(&*message.topic_states[0].topic_name.0, "b");
    let refused = LeaderAndIsrResponse::default().with_error_code(77);
    peer.answer(&header, &refused).await;
    let answered = set.answer().await;
    assert_eq!(answered.result, Err(RequestRefused::StaleBrokerEpoch));
    set.outboxes.stop().await;
}

/// What was meant for a former self of the broker is dropped, the request under way included.
#[tokio::test]
async fn a_broker_that_registers_anew_begins_anew() {
    let mut set = Set::new(MetadataVersion::LATEST).await;
    set.send(leadership("a", 1));
    set.send(leadership("b", 1));
    let mut peer = set.connection().await;
    peer.leadership().await;
    set.registered(2);
    set.send(leadership("c", 2));
    let mut peer = set.connection().await;
    let (header, message) = peer.leadership().await;
    assert_eq!(message.broker_epoch, 2);
    assert_eq!(&*message.topic_states[0].topic_name.0, "c");
    peer.answer(&header, &storage_error()).await;
    assert_eq!(set.answer().await.broker_epoch, 2);

    // The same registration once more changes nothing; without one nothing is sent.
    set.registered(2);
    set.send(leadership("d", 2));
    let (_, message) = peer.leadership().await;
    assert_eq!(&*message.topic_states[0].topic_name.0, "d");
    set.outboxes.follow(&BTreeMap::new());
    set.send(leadership("e", 2));
    let gone = next_frame(&mut peer.stream, &mut peer.buffer).await;
    assert_eq!(gone, None);
    set.outboxes.stop().await;
}

/// Nothing of a term is delivered after its end, neither here nor elsewhere.
#[tokio::test]
async fn the_end_of_a_term_empties_the_outboxes() {
    let mut set = Set::new(MetadataVersion::LATEST).await;
    for topic in ["a", "b"] {
        set.send(leadership(topic, 1));
        set.outboxes.send(TERM, BrokerId(7), leadership(topic, 1));
    }
    let mut peer = set.connection().await;
    peer.leadership().await;
    let (first, done) = set.own.recv().await.unwrap();
    assert_eq!(first, leadership("a", 1));
    set.outboxes.clear();
    done.send(Ok(ReplicaAnswers::new())).unwrap();
    assert_eq!(set.answer().await.broker, BrokerId(7));
    let gone = next_frame(&mut peer.stream, &mut peer.buffer).await;
    assert_eq!(gone, None);
    set.outboxes.stop().await;
    assert!(set.own.recv().await.is_none());
    assert!(set.answers.recv().await.is_none());
}

/// Old versions have one flag for all: deletion goes first, and is answered for.
#[tokio::test]
async fn deletion_in_old_versions() {
    let mut set = Set::new("2.0".parse().unwrap()).await;
    set.send(Request::StopReplica(StopReplica {
        sender: sender(1),
        partitions: vec![stop("a", false), stop("b", true)],
    }));
    let mut peer = set.connection().await;
    for (topic, delete, code) in [("b", true, 0), ("a", false, 3)] {
        let (header, body) = peer.request().await;
        assert_eq!((header.api, header.api_version), (ApiKey::StopReplica, 0));
        let message: StopReplicaRequest = decode_request(0, body).unwrap();
        assert_eq!(message.delete_partitions, delete);
        let name = message.ungrouped_partitions[0].topic_name.clone();
        assert_eq!(&*name.0, topic);
        let error = StopReplicaPartitionError::default()
            .with_topic_name(messages::TopicName(name.0))
            .with_error_code(code);
        let response = StopReplicaResponse::default().with_partition_errors(vec![error]);
        peer.answer(&header, &response).await;
    }
    let answered = set.answer().await;
    let result = |topic: &str, result| (TopicPartition::new(TopicName::from(topic), 0), result);
    let results = vec![
        result("b", Ok(())),
        result("a", Err(ReplicaError::NotAReplica)),
    ];
    assert_eq!(answered.result, Ok(results));
    set.outboxes.stop().await;
}
