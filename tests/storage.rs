//! The files on disk, seen by Apache's own programs, and what they hold after a crash.

use std::path::PathBuf;

use ottla_tests::{
    ApacheVersion, Broker, BrokerKind, BrokerOptions, Client, Codec, Record, apache_tool,
    create_topic, end_offsets, records_for, zookeeper,
};

/// Small segments and index intervals, so that little data makes many files.
fn options(zookeeper: &str) -> BrokerOptions {
    BrokerOptions::new(zookeeper)
        .with("log.segment.bytes", "16384")
        .with("log.index.interval.bytes", "512")
}

fn files(broker: &Broker, topic: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for replica in std::fs::read_dir(broker.log_dir()).expect("the log directory exists") {
        let replica = replica.expect("the log directory can be read").path();
        let name = replica
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name
            .strip_prefix(topic)
            .is_some_and(|rest| rest.starts_with('-'))
        {
            let names = std::fs::read_dir(&replica).expect("a replica's directory can be read");
            found.extend(names.map(|entry| entry.expect("readable").path()));
        }
    }
    found.retain(|path| path.extension().is_some_and(|e| e == ending));
    found.sort();
    found
}

fn dump(files: &[PathBuf], options: &[&str]) -> String {
    let list: Vec<String> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let list = list.join(",");
    let mut arguments = vec!["--files", &list];
    arguments.extend(options);
    apache_tool(
        ApacheVersion::V3_9,
        "kafka.tools.DumpLogSegments",
        &arguments,
    )
}

fn send_from_many(broker: &Broker, topic: &str, round: &str) -> usize {
    let senders = [
        (Client::Java, Codec::None),
        (Client::Java, Codec::Lz4),
        (Client::Sarama082, Codec::Gzip),
        (Client::Franz, Codec::Zstd),
        (Client::KafkaPython, Codec::None),
    ];
    for (client, codec) in senders {
        let records = records_for(&format!("{client:?}{codec:?}{round}"), 60, 1);
        client.produce(&broker.address(), topic, &records, codec);
    }
    senders.len() * 60
}

fn read_all(broker: &Broker, topic: &str) -> Vec<Record> {
    let end = end_offsets(broker, topic)[&0];
    Client::Java.consume(&broker.address(), topic, 0, end)
}

/// A JVM reports the signal that ended it, however cleanly.
fn stop_cleanly(broker: &mut Broker) {
    let status = broker.stop();
    assert!(matches!(status.code(), Some(0 | 143)), "{status}");
}

#[test]
fn apaches_dump_tool_finds_no_fault() {
    let mut broker = Broker::start(&options(&zookeeper().fresh_chroot()));
    create_topic(&broker, "dumped", 1, &[]);
    let count = send_from_many(&broker, "dumped", "");
    stop_cleanly(&mut broker);

    let logs = files(&broker, "dumped", "log");
    assert!(logs.len() > 3, "{logs:?}");
    let text = dump(&logs, &["--deep-iteration"]);
    let records = text
        .lines()
        .filter(|line| line.starts_with("| offset:"))
        .count();
    assert_eq!(records, count, "{text}");
    assert!(!text.contains("isvalid: false"), "{text}");
    for ending in ["index", "timeindex"] {
        let indexes = files(&broker, "dumped", ending);
        assert_eq!(indexes.len(), logs.len());
        // Without options the tool compares every entry with the log beside it.
        for arguments in [&[][..], &["--index-sanity-check"]] {
            let text = dump(&indexes, arguments);
            for fault in ["Mismatches", "Found", "Unable", "failed", "Exception"] {
                assert!(!text.contains(fault), "{ending} {arguments:?}: {text}");
            }
        }
    }
    let snapshots = files(&broker, "dumped", "snapshot");
    assert!(
        dump(&snapshots, &[]).contains("producerId:"),
        "{snapshots:?}"
    );
}

#[test]
fn apache_and_we_open_each_others_directories() {
    let mut broker = Broker::start(&options(&zookeeper().fresh_chroot()).kind(BrokerKind::Ottla));
    create_topic(&broker, "shared", 1, &[]);
    let mut count = 0;
    let mut seen: Vec<Record> = Vec::new();
    for (round, next) in [BrokerKind::Apache, BrokerKind::Ottla, BrokerKind::Apache]
        .into_iter()
        .enumerate()
    {
        count += send_from_many(&broker, "shared", &format!("round{round}"));
        let records = read_all(&broker, "shared");
        assert_eq!(records.len(), count);
        assert_eq!(records[..seen.len()], seen[..], "round {round}");
        seen = records;
        stop_cleanly(&mut broker);
        broker.restart_as(next);
        assert_eq!(read_all(&broker, "shared"), seen, "opened by {next:?}");
    }
}

#[test]
fn a_killed_broker_keeps_what_it_acknowledged_and_starts_at_once() {
    // The old session lives longer than the harness waits for a start: waiting for its end fails.
    let options =
        options(&zookeeper().fresh_chroot()).with("zookeeper.session.timeout.ms", "120000");
    let mut broker = Broker::start(&options);
    create_topic(&broker, "kept", 1, &[]);
    let mut count = 0;
    for round in 0..3 {
        count += send_from_many(&broker, "kept", &format!("round{round}"));
        let before = read_all(&broker, "kept");
        broker.kill();
        // A torn tail, as a power cut leaves it.
        if round == 1 {
            let logs = files(&broker, "kept", "log");
            let active = logs.last().expect("there is a segment");
            let mut bytes = std::fs::read(active).expect("readable");
            bytes.extend_from_slice(&[0; 37]);
            std::fs::write(active, bytes).expect("writable");
        }
        broker.restart();
        assert_eq!(read_all(&broker, "kept"), before);
        assert_eq!(before.len(), count);
    }
}
