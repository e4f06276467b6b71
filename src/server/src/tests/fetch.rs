//! Fetch: versions, conversion, sessions, errors.

use bytes::Bytes;
use ottla_metadata::TopicId;
use ottla_protocol::messages::BrokerId;
use ottla_protocol::messages::fetch_request::{
    FetchPartition, FetchRequest, FetchTopic, ForgottenTopic,
};
use ottla_protocol::messages::fetch_response::{FetchResponse, PartitionData};
use ottla_records::{BatchOptions, Compression, Magic, batches};

use super::{produce_request, records, records_with};
use crate::testing::TestBroker;
use crate::words::{topic_name, uuid};

/// A consumer's fetch of partition 0 of each topic, which does not wait.
fn request(version: i16, topics: &[(&str, u8, i64)]) -> FetchRequest {
    let topics = topics.iter().map(|(name, id, offset)| {
        let partition = FetchPartition::default()
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default().with_partitions(vec![partition]);
        match version {
            13.. => topic.with_topic_id(uuid(TopicId([*id; 16]))),
            _ => topic.with_topic(topic_name(name)),
        }
    });
    let request = FetchRequest::default()
        .with_min_bytes(1)
        .with_topics(topics.collect());
    match version {
        ..=14 => request.with_replica_id(BrokerId(-1)),
        _ => request,
    }
}

async fn fetch_one(broker: &TestBroker, version: i16, topic: (&str, u8, i64)) -> PartitionData {
    let response = broker.ask(version, &request(version, &[topic])).await;
    assert_eq!(response.error_code, 0);
    response.responses[0].partitions[0].clone()
}

/// The values of the records, and the newest format among them.
fn values(records: &Option<Bytes>) -> (Vec<String>, Option<i8>) {
    let records = records.clone().unwrap_or_default();
    let mut values = Vec::new();
    let mut magic = None;
    for batch in batches(&records) {
        let batch = batch.unwrap();
        magic = magic.max(Some(batch[16] as i8));
        for record in ottla_records::records(batch).unwrap() {
            let value = record.unwrap().value.unwrap();
            values.push(String::from_utf8(value.to_vec()).unwrap());
        }
    }
    (values, magic)
}

async fn produce(broker: &TestBroker, topic: &str, records: Bytes) {
    let response = broker.ask(9, &produce_request(&[(topic, records)])).await;
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

#[tokio::test]
async fn every_version_reads_what_any_version_wrote() {
    let broker = TestBroker::new(&[]);
    broker.lead("t", 1);
    for (version, magic) in [(1, Magic::V0), (2, Magic::V1), (9, Magic::V2)] {
        let request = produce_request(&[("t", records(magic, &["a", "b"]))]);
        broker.ask(version, &request).await;
    }
    let gzip = BatchOptions {
        compression: Compression::Gzip,
        level: -1,
        ..BatchOptions::default()
    };
    produce(&broker, "t", records_with(gzip, &["c", "d"])).await;
    for version in 0..=17 {
        let fetched = fetch_one(&broker, version, ("t", 1, 0)).await;
        assert_eq!(
            (fetched.error_code, fetched.high_watermark),
            (0, 8),
            "version {version}"
        );
        let (values, magic) = values(&fetched.records);
        assert_eq!(
            values,
            ["a", "b", "a", "b", "a", "b", "c", "d"],
            "version {version}"
        );
        let readable = match version {
            ..=1 => 0,
            2..=3 => 1,
            _ => 2,
        };
        assert_eq!(magic, Some(readable), "version {version}");
    }
    // at the end there is nothing, and that is no error
    let fetched = fetch_one(&broker, 2, ("t", 1, 8)).await;
    assert_eq!(
        (fetched.error_code, values(&fetched.records).0.len()),
        (0, 0)
    );
}

#[tokio::test]
async fn what_old_clients_cannot_be_sent() {
    let check = async |settings: &[(&str, &str)], version, expected: i16| {
        let broker = TestBroker::new(settings);
        broker.lead("t", 1);
        produce(&broker, "t", records(Magic::V2, &["v"])).await;
        let fetched = fetch_one(&broker, version, ("t", 1, 0)).await;
        assert_eq!(fetched.error_code, expected, "version {version}");
    };
    let disabled = [("log.message.downconversion.enable", "false")];
    check(&disabled, 3, 35).await;
    check(&disabled, 4, 0).await;
    let zstd = [("compression.type", "zstd")];
    check(&zstd, 9, 76).await;
    check(&zstd, 10, 0).await;
}

#[tokio::test]
async fn errors() {
    let broker = TestBroker::new(&[]);
    broker.lead("t", 1);
    broker.cluster.put("elsewhere", 3, Some(1), &[1]);
    let check = async |version, topic, expected: i16| {
        let fetched = fetch_one(&broker, version, topic).await;
        assert_eq!(fetched.error_code, expected, "version {version}, {topic:?}");
        let offsets = (
            fetched.high_watermark,
            fetched.last_stable_offset,
            fetched.log_start_offset,
        );
        assert_eq!(offsets, (-1, -1, -1));
        fetched
    };
    check(12, ("no", 9, 0), 3).await;
    check(13, ("no", 9, 0), 100).await;
    check(12, ("t", 1, 5), 1).await;
    check(12, ("elsewhere", 3, 0), 6).await;
    let moved = check(16, ("elsewhere", 3, 0), 6).await;
    assert_eq!(moved.current_leader.leader_id.0, 1);
    let stale = FetchPartition::default().with_current_leader_epoch(2);
    let topic = FetchTopic::default()
        .with_topic(topic_name("t"))
        .with_partitions(vec![stale]);
    let response = broker
        .ask(12, &request(12, &[]).with_topics(vec![topic]))
        .await;
    assert_eq!(response.responses[0].partitions[0].error_code, 74);
}

fn in_session(request: FetchRequest, id: i32, epoch: i32) -> FetchRequest {
    request.with_session_id(id).with_session_epoch(epoch)
}

fn named(response: &FetchResponse) -> Vec<String> {
    let topics = response.responses.iter();
    topics.map(|topic| topic.topic.to_string()).collect()
}

#[tokio::test]
async fn a_session_tells_what_is_new() {
    let broker = TestBroker::new(&[]);
    broker.lead("t", 1);
    broker.lead("u", 2);
    let both = [("t", 1, 0), ("u", 2, 0)];
    let full = broker.ask(12, &in_session(request(12, &both), 0, 0)).await;
    assert_eq!(named(&full), ["t", "u"]);
    let id = full.session_id;
    assert_ne!(id, 0);
    let ask = async |topics: &[(&str, u8, i64)], epoch| {
        broker
            .ask(12, &in_session(request(12, topics), id, epoch))
            .await
    };
    let quiet = ask(&[], 1).await;
    assert_eq!((quiet.session_id, named(&quiet)), (id, vec![]));
    produce(&broker, "u", records(Magic::V2, &["a"])).await;
    let news = ask(&[], 2).await;
    assert_eq!(named(&news), ["u"]);
    assert_eq!(values(&news.responses[0].partitions[0].records).0, ["a"]);
    assert!(named(&ask(&[("u", 2, 1)], 3).await).is_empty());
    assert_eq!(ask(&[], 3).await.error_code, 71);
    assert_eq!(
        broker
            .ask(12, &in_session(request(12, &[]), id ^ 1, 1))
            .await
            .error_code,
        70
    );
    assert_eq!(
        broker
            .ask(13, &in_session(request(13, &[]), id, 4))
            .await
            .error_code,
        106
    );
    let forget = |name| {
        ForgottenTopic::default()
            .with_topic(topic_name(name))
            .with_partitions(vec![0])
    };
    let forgotten = request(12, &[]).with_forgotten_topics_data(vec![forget("u")]);
    broker.ask(12, &in_session(forgotten, id, 4)).await;
    produce(&broker, "u", records(Magic::V2, &["b"])).await;
    assert!(named(&ask(&[], 5).await).is_empty());
    let emptied = request(12, &[]).with_forgotten_topics_data(vec![forget("t")]);
    assert_eq!(
        broker.ask(12, &in_session(emptied, id, 6)).await.session_id,
        0
    );
    assert_eq!(ask(&[], 7).await.error_code, 70);
}

#[tokio::test]
async fn sessions_by_id_see_topics_appear() {
    let broker = TestBroker::new(&[]);
    broker.lead("t", 1);
    let topics = [("t", 1, 0), ("later", 5, 0)];
    let full = broker
        .ask(13, &in_session(request(13, &topics), 0, 0))
        .await;
    let codes = |response: &FetchResponse| {
        let topics = response.responses.iter();
        topics
            .map(|topic| topic.partitions[0].error_code)
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(&full), [0, 100]);
    broker.lead("later", 5);
    let next = broker
        .ask(13, &in_session(request(13, &[]), full.session_id, 1))
        .await;
    assert_eq!(codes(&next), [0]);
    let closed = broker
        .ask(13, &in_session(request(13, &topics), full.session_id, -1))
        .await;
    assert_eq!((closed.session_id, codes(&closed)), (0, vec![0, 0]));
    let gone = broker
        .ask(13, &in_session(request(13, &[]), full.session_id, 2))
        .await;
    assert_eq!(gone.error_code, 70);
}

#[tokio::test]
async fn a_fetch_waits_for_records() {
    let broker = TestBroker::new(&[]);
    broker.lead("t", 1);
    let fetch = async {
        let patient = request(12, &[("t", 1, 0)]).with_max_wait_ms(60_000);
        broker.ask(12, &patient).await
    };
    let append = produce(&broker, "t", records(Magic::V2, &["a"]));
    let (fetched, ()) = tokio::join!(fetch, append);
    assert_eq!(values(&fetched.responses[0].partitions[0].records).0, ["a"]);
}

#[tokio::test]
async fn of_a_partition_named_twice_the_last_offset_counts() {
    let broker = TestBroker::new(&[]);
    broker.lead("t", 1);
    produce(&broker, "t", records(Magic::V2, &["a"])).await;
    produce(&broker, "t", records(Magic::V2, &["b"])).await;
    let response = broker
        .ask(12, &request(12, &[("t", 1, 0), ("t", 1, 1)]))
        .await;
    assert_eq!(named(&response), ["t"]);
    assert_eq!(
        values(&response.responses[0].partitions[0].records).0,
        ["b"]
    );
}

#[tokio::test]
async fn topics_in_an_old_format_stay_in_it() {
    let broker = TestBroker::new(&[
        ("inter.broker.protocol.version", "2.8"),
        ("log.message.format.version", "0.10.0"),
    ]);
    broker.lead("t", 1);
    produce(&broker, "t", records(Magic::V2, &["a"])).await;
    for (version, readable) in [(0, 0), (3, 1), (17, 1)] {
        let fetched = fetch_one(&broker, version, ("t", 1, 0)).await;
        let (values, magic) = values(&fetched.records);
        assert_eq!(values, ["a"], "version {version}");
        assert_eq!(magic, Some(readable), "version {version}");
    }
    let idempotent = BatchOptions {
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        ..BatchOptions::default()
    };
    let request = produce_request(&[("t", records_with(idempotent, &["b"]))]);
    let refused = broker.ask(9, &request).await;
    assert_eq!(refused.responses[0].partition_responses[0].error_code, 43);
}
