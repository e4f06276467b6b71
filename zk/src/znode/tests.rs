//! What Kafka wrote is read, what we write is what Kafka 3.9 writes, and one undoes the other.

use std::collections::BTreeMap;
use std::fmt::Debug;

use ottla_metadata::{BrokerId, Endpoint, SecurityProtocol, TopicId, TopicPartition};
use proptest::prelude::*;

use super::*;

/// The text is what Apache Kafka 3.9.1 wrote for this value.
fn golden<T: Znode + PartialEq + Debug>(text: &str, value: &T) {
    assert_eq!(T::decode(text.as_bytes()).as_ref(), Ok(value));
    assert_eq!(String::from_utf8(value.encode()).unwrap(), text);
}

/// The text is of another release: only read.
fn reads<T: Znode + PartialEq + Debug>(text: &str, value: &T) {
    assert_eq!(T::decode(text.as_bytes()).as_ref(), Ok(value));
}

fn refuses<T: Znode + Debug>(texts: &[&str]) {
    for text in texts {
        let read = T::decode(text.as_bytes());
        assert!(read.is_err(), "{text} was read as {read:?}");
    }
}

fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

fn replicas<const N: usize>(map: [(i32, &[i32]); N]) -> BTreeMap<i32, Vec<BrokerId>> {
    map.into_iter().map(|(p, list)| (p, ids(list))).collect()
}

fn endpoint(listener: &str, protocol: SecurityProtocol, host: &str, port: u16) -> Endpoint {
    Endpoint {
        listener: listener.to_owned(),
        security_protocol: protocol,
        host: host.to_owned(),
        port,
    }
}

fn broker(version: RegistrationVersion, endpoints: Vec<Endpoint>) -> BrokerRegistration {
    BrokerRegistration {
        version,
        endpoints,
        rack: None,
        jmx_port: -1,
        timestamp_ms: 0,
    }
}

#[test]
fn broker_registrations() {
    let plain = |host: &str, port| endpoint("PLAINTEXT", SecurityProtocol::Plaintext, host, port);
    golden(
        r#"{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://127.0.0.1:39545"],"jmx_port":-1,"port":39545,"host":"127.0.0.1","version":5,"timestamp":"1795251074808"}"#,
        &BrokerRegistration {
            timestamp_ms: 1_795_251_074_808,
            ..broker(RegistrationVersion::V5, vec![plain("127.0.0.1", 39545)])
        },
    );
    golden(
        r#"{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://127.0.0.1:40665"],"rack":"r2","jmx_port":-1,"port":40665,"host":"127.0.0.1","version":5,"timestamp":"1795259686603"}"#,
        &BrokerRegistration {
            timestamp_ms: 1_795_259_686_603,
            rack: Some("r2".to_owned()),
            ..broker(RegistrationVersion::V5, vec![plain("127.0.0.1", 40665)])
        },
    );
    reads(
        r#"{"jmx_port":-1,"timestamp":"1416000000000","host":"h1","version":1,"port":9092}"#,
        &BrokerRegistration {
            timestamp_ms: 1_416_000_000_000,
            ..broker(RegistrationVersion::V2, vec![plain("h1", 9092)])
        },
    );
    let v2 = r#"{"jmx_port":9999,"timestamp":"5","endpoints":["PLAINTEXT://h1:9092","SSL://h1:9093"],"host":"h1","version":2,"port":9092}"#;
    let ssl = endpoint("SSL", SecurityProtocol::Ssl, "h1", 9093);
    reads(
        v2,
        &BrokerRegistration {
            timestamp_ms: 5,
            jmx_port: 9999,
            ..broker(RegistrationVersion::V2, vec![plain("h1", 9092), ssl])
        },
    );
    reads(
        r#"{"jmx_port":-1,"timestamp":"5","endpoints":["PLAINTEXT://h1:9092"],"host":"h1","version":3,"port":9092,"rack":"r1"}"#,
        &BrokerRegistration {
            timestamp_ms: 5,
            rack: Some("r1".to_owned()),
            ..broker(RegistrationVersion::V4, vec![plain("h1", 9092)])
        },
    );
    reads(
        r#"{"listener_security_protocol_map":{"CLIENT":"SASL_SSL","repl":"SSL"},"endpoints":["CLIENT://h1:9092","REPL://[fe80::1%eth0]:9093"],"rack":null,"jmx_port":-1,"host":null,"timestamp":"5","port":-1,"version":4,"later":[]}"#,
        &BrokerRegistration {
            timestamp_ms: 5,
            ..broker(
                RegistrationVersion::V4,
                vec![
                    endpoint("CLIENT", SecurityProtocol::SaslSsl, "h1", 9092),
                    endpoint("REPL", SecurityProtocol::Ssl, "fe80::1%eth0", 9093),
                ],
            )
        },
    );
    refuses::<BrokerRegistration>(&[
        "",
        "null",
        "[]",
        r#"{"version":0,"jmx_port":-1,"endpoints":[]}"#,
        r#"{"version":5,"endpoints":[]}"#,
        r#"{"version":"5","jmx_port":-1,"endpoints":[]}"#,
        r#"{"version":5,"jmx_port":-1}"#,
        r#"{"version":5,"jmx_port":-1,"endpoints":["nothing"]}"#,
        r#"{"version":5,"jmx_port":-1,"endpoints":["A://h:1"]}"#,
        r#"{"version":5,"jmx_port":-1,"endpoints":["PLAINTEXT://h:70000"]}"#,
        r#"{"version":5,"jmx_port":-1,"endpoints":["PLAINTEXT://h:1","PLAINTEXT://h:2"]}"#,
        r#"{"version":5,"jmx_port":-1,"endpoints":["A://h:1"],"listener_security_protocol_map":{"B":"SSL"}}"#,
        r#"{"version":1,"jmx_port":-1,"port":1}"#,
    ]);
}

#[test]
fn a_broker_without_plaintext_has_no_legacy_address() {
    let secure = broker(
        RegistrationVersion::V4,
        vec![endpoint("X", SecurityProtocol::Ssl, "::1", 9)],
    );
    let text = String::from_utf8(secure.encode()).unwrap();
    assert!(text.contains(r#""port":-1,"host":null"#), "{text}");
    assert!(text.contains(r#""X://[::1]:9""#), "{text}");
    assert!(!text.contains("features"), "{text}");
}

#[test]
fn topics() {
    golden(
        r#"{"partitions":{"0":[2,3],"1":[3,1],"2":[1,2],"3":[2,1],"4":[3,2],"5":[1,3]},"topic_id":"KSofbHQ9Ski9N3yOoAgoOA","adding_replicas":{},"removing_replicas":{},"version":3}"#,
        &TopicZnode {
            topic_id: Some("KSofbHQ9Ski9N3yOoAgoOA".parse().unwrap()),
            partitions: replicas([
                (0, &[2, 3]),
                (1, &[3, 1]),
                (2, &[1, 2]),
                (3, &[2, 1]),
                (4, &[3, 2]),
                (5, &[1, 3]),
            ]),
            ..TopicZnode::default()
        },
    );
    reads(
        r#"{"version":1,"partitions":{"1":[1],"0":[0,1]}}"#,
        &TopicZnode {
            partitions: replicas([(0, &[0, 1]), (1, &[1])]),
            ..TopicZnode::default()
        },
    );
    reads(
        r#"{"version":2,"partitions":{"0":[4,2,3,1]},"adding_replicas":{"0":[4]},"removing_replicas":{"0":[1]}}"#,
        &TopicZnode {
            partitions: replicas([(0, &[4, 2, 3, 1])]),
            adding_replicas: replicas([(0, &[4])]),
            removing_replicas: replicas([(0, &[1])]),
            ..TopicZnode::default()
        },
    );
    refuses::<TopicZnode>(&[
        "",
        r#"{"partitions":[]}"#,
        r#"{"partitions":{"x":[1]}}"#,
        r#"{"partitions":{"0":["1"]}}"#,
        r#"{"partitions":{"0":[99999999999]}}"#,
        r#"{"partitions":{},"topic_id":"short"}"#,
    ]);
}

#[test]
fn partition_states() {
    let state = PartitionState {
        leader: Some(BrokerId(3)),
        leader_epoch: 1,
        isr: ids(&[3, 1]),
        controller_epoch: 1,
        recovering: false,
    };
    golden(
        r#"{"controller_epoch":1,"leader":3,"version":1,"leader_epoch":1,"isr":[3,1]}"#,
        &state,
    );
    golden(
        r#"{"controller_epoch":1,"leader":-1,"version":1,"leader_epoch":8,"isr":[1],"leader_recovery_state":1}"#,
        &PartitionState {
            leader: None,
            leader_epoch: 8,
            isr: ids(&[1]),
            recovering: true,
            ..state.clone()
        },
    );
    reads(
        r#"{"isr":[3,1],"leader_epoch":1,"leader":3,"controller_epoch":1,"leader_recovery_state":0}"#,
        &state,
    );
    refuses::<PartitionState>(&[
        r#"{"controller_epoch":1,"leader":3,"leader_epoch":1}"#,
        r#"{"controller_epoch":1,"leader":"3","leader_epoch":1,"isr":[]}"#,
        r#"{"controller_epoch":1,"leader":3.0,"leader_epoch":1,"isr":[]}"#,
    ]);
}

#[test]
fn controllers_and_epochs() {
    let controller = ControllerRegistration {
        broker: BrokerId(1),
        timestamp_ms: 1_795_251_074_873,
        kraft_epoch: -1,
    };
    golden(
        r#"{"version":2,"brokerid":1,"timestamp":"1795251074873","kraftControllerEpoch":-1}"#,
        &controller,
    );
    reads(
        r#"{"version":1,"brokerid":1,"timestamp":"1795251074873"}"#,
        &controller,
    );
    refuses::<ControllerRegistration>(&["", "1", r#"{"brokerid":"1"}"#]);
    golden("1", &ControllerEpoch(1));
    refuses::<ControllerEpoch>(&["", " 1", "x", "99999999999"]);
}

#[test]
fn what_there_is_one_of() {
    golden(
        r#"{"version":"1","id":"h8yXkGwqQ8a9G309nNWv9A"}"#,
        &ClusterId("h8yXkGwqQ8a9G309nNWv9A".to_owned()),
    );
    assert_eq!(ClusterId::random().0.len(), 22);
    let block = ProducerIdBlock {
        broker: BrokerId(1),
        first: 0,
        last: 999,
    };
    golden(
        r#"{"version":1,"broker":1,"block_start":"0","block_end":"999"}"#,
        &block,
    );
    assert_eq!(ProducerIdBlock::after(None, BrokerId(1)), Some(block));
    let next = ProducerIdBlock::after(Some(block), BrokerId(2)).unwrap();
    assert_eq!((next.first, next.last), (1000, 1999));
    let last = ProducerIdBlock {
        last: i64::MAX - 5,
        ..block
    };
    assert_eq!(ProducerIdBlock::after(Some(last), BrokerId(2)), None);
    refuses::<ProducerIdBlock>(&[
        "",
        r#"{"broker":1,"block_start":0,"block_end":999}"#,
        r#"{"broker":1,"block_start":"5","block_end":"4"}"#,
    ]);
    let feature = Feature {
        version: FeatureVersion::V2,
        status: FeatureStatus::Enabled,
        features: BTreeMap::new(),
    };
    golden(r#"{"features":{},"version":2,"status":1}"#, &feature);
    reads(
        r#"{"version":1,"status":0,"features":{"f":{"min_version_level":1,"max_version_level":3}}}"#,
        &Feature {
            version: FeatureVersion::V1,
            status: FeatureStatus::Disabled,
            features: [("f".to_owned(), FeatureLevels { min: 1, max: 3 })].into(),
        },
    );
    refuses::<Feature>(&[
        r#"{"version":3,"status":1,"features":{}}"#,
        r#"{"version":2,"status":7,"features":{}}"#,
        r#"{"version":2,"status":1}"#,
    ]);
}

#[test]
fn configurations_and_their_changes() {
    let config = |map: &[(&str, &str)]| {
        EntityConfig(
            map.iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect(),
        )
    };
    golden(
        r#"{"version":1,"config":{"retention.ms":"5000000"}}"#,
        &config(&[("retention.ms", "5000000")]),
    );
    golden(r#"{"version":1,"config":{}}"#, &config(&[]));
    reads("", &config(&[]));
    refuses::<EntityConfig>(&["x", r#"{"config":{"a":1}}"#, r#"{"version":1}"#]);

    let change = |entity| ConfigChange { entity };
    let topic = ConfigEntity::Topic("t2".to_owned());
    golden(
        r#"{"version":2,"entity_path":"topics/t2"}"#,
        &change(topic.clone()),
    );
    golden(
        r#"{"version":2,"entity_path":"brokers/1"}"#,
        &change(ConfigEntity::Broker(BrokerId(1))),
    );
    reads(
        r#"{"version":1,"entity_type":"topics","entity_name":"t2"}"#,
        &change(topic),
    );
    reads(
        r#"{"version":1,"entity_type":"clients","entity_name":"c"}"#,
        &change(ConfigEntity::Client("c".to_owned())),
    );
    for path in [
        "brokers/<default>",
        "clients/<default>",
        "users/u",
        "users/u/clients/c",
        "ips/1.2.3.4",
    ] {
        let entity = ConfigEntity::parse(path).unwrap();
        assert_eq!(entity.to_string(), path);
    }
    refuses::<ConfigChange>(&[
        r#""legacytopic""#,
        r#"{"version":3,"entity_path":"topics/t"}"#,
        r#"{"version":2,"entity_path":"topics"}"#,
        r#"{"version":2,"entity_path":"topics/"}"#,
        r#"{"version":2,"entity_path":"topics/a/b"}"#,
        r#"{"version":2,"entity_path":"brokers/x"}"#,
        r#"{"version":2,"entity_path":"users/u/clients/"}"#,
        r#"{"version":2,"entity_path":"users/u/clients/c/d"}"#,
        r#"{"version":1,"entity_type":"users","entity_name":"u"}"#,
    ]);
}

#[test]
fn notices_and_requests() {
    let partitions = vec![TopicPartition::new("t", 0), TopicPartition::new("u", 7)];
    golden(
        r#"{"version":1,"partitions":[{"topic":"t","partition":0},{"topic":"u","partition":7}]}"#,
        &IsrChange {
            partitions: partitions.clone(),
        },
    );
    golden(
        r#"{"version":1,"partitions":[{"topic":"t","partition":0},{"topic":"u","partition":7}]}"#,
        &PreferredElection { partitions },
    );
    golden(
        r#"{"version":1,"broker":1,"event":1}"#,
        &LogDirEvent {
            broker: BrokerId(1),
        },
    );
    golden(
        r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[4,2,3]}]}"#,
        &Reassignment {
            partitions: vec![(TopicPartition::new("t", 0), ids(&[4, 2, 3]))],
        },
    );
    refuses::<Reassignment>(&[
        r#"{"version":1,"partitions":[],"more":1}"#,
        r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[4],"log_dirs":[]}]}"#,
        r#"{"version":1,"partitions":[{"topic":"t","partition":0}]}"#,
    ]);
    golden("42", &ConsumerOffset(42));
    refuses::<ConsumerOffset>(&["", "1.5"]);
}

#[test]
fn consumers() {
    let registration = |subscription| ConsumerRegistration {
        subscription,
        timestamp_ms: 1_416_000_000_000,
    };
    let white = |pattern: &str, streams| Subscription::WhiteList {
        pattern: pattern.to_owned(),
        streams,
    };
    golden(
        r#"{"version":1,"subscription":{"t":2},"pattern":"static","timestamp":"1416000000000"}"#,
        &registration(Subscription::Static([("t".to_owned(), 2)].into())),
    );
    golden(
        r#"{"version":1,"subscription":{"a.*|b":1},"pattern":"white_list","timestamp":"1416000000000"}"#,
        &registration(white("a.*|b", 1)),
    );
    golden(
        r#"{"version":1,"subscription":{"t":1},"pattern":"black_list","timestamp":"1416000000000"}"#,
        &registration(Subscription::BlackList {
            pattern: "t".to_owned(),
            streams: 1,
        }),
    );
    let untimed = ConsumerRegistration {
        timestamp_ms: 0,
        ..registration(Subscription::Static(BTreeMap::new()))
    };
    reads(r#"{"subscription":{},"pattern":"white_list"}"#, &untimed);
    refuses::<ConsumerRegistration>(&[
        "",
        r#"{"version":1,"pattern":"static"}"#,
        r#"{"version":1,"subscription":{"t":1}}"#,
        r#"{"version":1,"subscription":{"t":0},"pattern":"static"}"#,
        r#"{"version":1,"subscription":{"t":"1"},"pattern":"static"}"#,
        r#"{"version":1,"subscription":{"t":2000000000},"pattern":"static"}"#,
    ]);
    golden(
        "g_host-1416000000000-0123abcd-0",
        &PartitionOwner("g_host-1416000000000-0123abcd-0".to_owned()),
    );
    refuses_bytes::<PartitionOwner>(&[0xff]);
}

fn refuses_bytes<T: Znode + Debug>(data: &[u8]) {
    let read = T::decode(data);
    assert!(read.is_err(), "{data:?} was read as {read:?}");
}

/// Any text that a registration, an address or a name can hold.
fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9._\u{e4}\"\\\\ -]{1,12}"
}

fn brokers() -> impl Strategy<Value = Vec<BrokerId>> {
    prop::collection::vec(any::<i32>().prop_map(BrokerId), 0..4)
}

fn assignment() -> impl Strategy<Value = BTreeMap<i32, Vec<BrokerId>>> {
    prop::collection::btree_map(any::<i32>(), brokers(), 0..5)
}

fn topic() -> impl Strategy<Value = TopicZnode> {
    let id = prop::option::of(any::<[u8; 16]>().prop_map(TopicId));
    (id, assignment(), assignment(), assignment()).prop_map(|(topic_id, p, a, r)| TopicZnode {
        topic_id,
        partitions: p,
        adding_replicas: a,
        removing_replicas: r,
    })
}

fn state() -> impl Strategy<Value = PartitionState> {
    let leader = prop::option::of((0..i32::MAX).prop_map(BrokerId));
    (leader, any::<i32>(), brokers(), any::<i32>(), any::<bool>()).prop_map(
        |(leader, leader_epoch, isr, controller_epoch, recovering)| PartitionState {
            leader,
            leader_epoch,
            isr,
            controller_epoch,
            recovering,
        },
    )
}

fn registration() -> impl Strategy<Value = BrokerRegistration> {
    let protocol = prop::sample::select(vec![
        SecurityProtocol::Plaintext,
        SecurityProtocol::Ssl,
        SecurityProtocol::SaslPlaintext,
        SecurityProtocol::SaslSsl,
    ]);
    let host = prop_oneof!["[a-z0-9.-]{0,10}", Just("2001:db8::1".to_owned())];
    let listeners = prop::collection::btree_map("[A-Z]{1,8}", (protocol, host, any::<u16>()), 0..4);
    let version = prop::sample::select(vec![RegistrationVersion::V4, RegistrationVersion::V5]);
    (
        version,
        listeners,
        prop::option::of(name()),
        any::<i32>(),
        any::<i64>(),
    )
        .prop_map(
            |(version, listeners, rack, jmx_port, timestamp_ms)| BrokerRegistration {
                version,
                endpoints: listeners
                    .into_iter()
                    .map(|(listener, (protocol, host, port))| {
                        endpoint(&listener, protocol, &host, port)
                    })
                    .collect(),
                rack,
                jmx_port,
                timestamp_ms,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_written_is_read(topic in topic(), state in state(), broker in registration(),
        config in prop::collection::btree_map(name(), name(), 0..5)) {
        prop_assert_eq!(TopicZnode::decode(&topic.encode()), Ok(topic));
        prop_assert_eq!(PartitionState::decode(&state.encode()), Ok(state));
        prop_assert_eq!(BrokerRegistration::decode(&broker.encode()), Ok(broker));
        let config = EntityConfig(config);
        prop_assert_eq!(EntityConfig::decode(&config.encode()), Ok(config));
    }

    /// Reading never panics, whatever is there.
    #[test]
    fn garbage_is_refused_quietly(bytes in prop::collection::vec(any::<u8>(), 0..64),
        text in "[\\[\\]{}\":,0-9a-z_-]{0,40}") {
        for data in [&bytes[..], text.as_bytes()] {
            let _ = TopicZnode::decode(data);
            let _ = PartitionState::decode(data);
            let _ = BrokerRegistration::decode(data);
            let _ = ControllerRegistration::decode(data);
            let _ = ControllerEpoch::decode(data);
            let _ = EntityConfig::decode(data);
            let _ = ConfigChange::decode(data);
            let _ = Feature::decode(data);
            let _ = ProducerIdBlock::decode(data);
            let _ = Reassignment::decode(data);
            let _ = IsrChange::decode(data);
        }
    }
}
