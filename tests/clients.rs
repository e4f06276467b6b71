//! Clients of all ages on one broker: what any of them sends, all of them read.

use std::collections::BTreeMap;

use ottla_tests::{
    Broker, BrokerOptions, Client, Codec, Record, create_topic, end_offsets, records_for, zookeeper,
};

const PARTITIONS: i32 = 3;
const PER_CLIENT: usize = 30;

/// Sends with every producer, reads with every consumer, and compares.
fn check(producers: &[(Client, Codec)], consumers: &[Client]) {
    let broker = Broker::start(&BrokerOptions::new(&zookeeper().fresh_chroot()));
    create_topic(&broker, "mixed", PARTITIONS, &[]);
    let mut sent: BTreeMap<String, (Client, Vec<Record>)> = BTreeMap::new();
    for (number, (client, codec)) in producers.iter().enumerate() {
        let sender = format!("{client:?}-{codec:?}-{number}");
        let records = records_for(&sender, PER_CLIENT, PARTITIONS);
        client.produce(&broker.address(), "mixed", &records, *codec);
        sent.insert(sender, (*client, records));
    }
    let ends = end_offsets(&broker, "mixed");
    assert_eq!(ends.len(), PARTITIONS as usize);
    assert_eq!(ends.values().sum::<usize>(), producers.len() * PER_CLIENT);

    for reader in consumers {
        let mut times_seen: BTreeMap<(String, usize), usize> = BTreeMap::new();
        for (partition, end) in &ends {
            let records = reader.consume(&broker.address(), "mixed", *partition, *end);
            check_partition(*reader, *partition, &records, &sent, &mut times_seen);
        }
        assert_eq!(
            times_seen.len(),
            producers.len() * PER_CLIENT,
            "{reader:?} misses records"
        );
        assert!(
            times_seen.values().all(|times| *times == 1),
            "{reader:?} read a record twice"
        );
    }
}

fn check_partition(
    reader: Client,
    partition: i32,
    records: &[Record],
    sent: &BTreeMap<String, (Client, Vec<Record>)>,
    times_seen: &mut BTreeMap<(String, usize), usize>,
) {
    let mut last_of_sender: BTreeMap<String, usize> = BTreeMap::new();
    for (at, record) in records.iter().enumerate() {
        assert_eq!(record.offset, Some(at as i64), "{reader:?} {record:?}");
        assert_eq!(record.partition, Some(partition), "{reader:?}");
        let (sender, number) = record.sender_and_number();
        let (client, originals) = &sent[&sender];
        let original = &originals[number];
        *times_seen.entry((sender.clone(), number)).or_default() += 1;
        assert_eq!(
            record.key, original.key,
            "{reader:?} reads {sender} {number}"
        );
        assert_eq!(
            record.value, original.value,
            "{reader:?} reads {sender} {number}"
        );
        if client.honours_partitions() {
            assert_eq!(Some(partition), original.partition, "{sender} {number}");
            let last = last_of_sender.insert(sender.clone(), number);
            assert!(
                last < Some(number),
                "{reader:?} reads {sender} out of order"
            );
        }
        if client.has_headers() && reader.has_headers() {
            assert_eq!(
                record.headers, original.headers,
                "{reader:?} reads {sender} {number}"
            );
        }
        if client.sends_timestamps() && reader.reads_timestamps() {
            assert_eq!(
                record.timestamp, original.timestamp,
                "{reader:?} reads {sender} {number}"
            );
        }
    }
}

fn readers_but(left_out: &[Client]) -> Vec<Client> {
    let reads = |client: &Client| client.consumes() && !left_out.contains(client);
    Client::ALL.into_iter().filter(reads).collect()
}

#[test]
fn every_client_reads_what_every_other_sent() {
    let producers = [
        (Client::Sarama082, Codec::None),
        (Client::Sarama082, Codec::Gzip),
        (Client::KafkaNode, Codec::None),
        (Client::KafkaNode, Codec::Gzip),
        (Client::KafkaNodeHighLevel, Codec::Gzip),
        (Client::Kcat, Codec::None),
        (Client::KafkaJs, Codec::Gzip),
        (Client::KafkaPython, Codec::Gzip),
        (Client::Sarama100, Codec::None),
        (Client::SaramaNewest, Codec::Gzip),
        (Client::Franz, Codec::None),
        (Client::Java, Codec::Gzip),
        (Client::Java, Codec::None),
    ];
    check(&producers, &readers_but(&[]));
}

#[test]
fn snappy_and_lz4_are_shared() {
    let producers = [
        (Client::Sarama082, Codec::Snappy),
        (Client::Kcat, Codec::Lz4),
        (Client::Sarama100, Codec::Snappy),
        (Client::Sarama100, Codec::Lz4),
        (Client::SaramaNewest, Codec::Snappy),
        (Client::Franz, Codec::Lz4),
        (Client::Java, Codec::Snappy),
        (Client::Java, Codec::Lz4),
    ];
    // For kafka-node and kafka-python these codecs are optional packages, and sarama does not know
    // that lz4 in message format v0 has a checksum of its own.
    let left_out = [Client::KafkaNode, Client::KafkaPython, Client::Sarama082];
    check(&producers, &readers_but(&left_out));
}

#[test]
fn new_clients_share_zstd() {
    let producers = [
        (Client::Kcat, Codec::Zstd),
        (Client::SaramaNewest, Codec::Zstd),
        (Client::Franz, Codec::Zstd),
        (Client::Java, Codec::Zstd),
    ];
    let old = [
        Client::KafkaNode,
        Client::KafkaPython,
        Client::Sarama082,
        Client::Sarama100,
    ];
    check(&producers, &readers_but(&old));
}
