//! The payloads of znodes: what we write of what was understood is understood, and stays the same.
//!
//! Input: the number of the kind, then the payload.

use ottla_zk::znode::{
    BrokerRegistration, ClusterId, ConfigChange, ConfigEntity, ConsumerOffset,
    ConsumerRegistration, ControllerEpoch, ControllerRegistration, EntityConfig, Feature,
    IsrChange, LogDirEvent, PartitionOwner, PartitionState, PreferredElection, ProducerIdBlock,
    Reassignment, TopicZnode, Znode,
};

fn decode<Z: Znode>(data: &[u8]) {
    // Kafka reads some fields also in versions that it writes without them, so only what was
    // written must stay as it is.
    if let Ok(value) = Z::decode(data) {
        let written = value.encode();
        let again = Z::decode(&written).map(|value| value.encode());
        let text = String::from_utf8_lossy(&written);
        assert_eq!(again.as_deref(), Ok(&written[..]), "{text}");
    }
}

fn entity(data: &[u8]) {
    let _ = std::str::from_utf8(data).map(ConfigEntity::parse);
}

/// A kind of znode with payloads that Kafka wrote at some time.
struct Kind {
    decode: fn(&[u8]),
    payloads: &'static [&'static str],
}

/// The target.
pub fn run(input: &[u8]) {
    let Some(([kind], data)) = input.split_first_chunk::<1>() else {
        return;
    };
    if let Some(kind) = KINDS.get(usize::from(*kind)) {
        (kind.decode)(data);
    }
}

/// The payloads of every kind.
pub fn corpus() -> Vec<Vec<u8>> {
    let kinds = KINDS.iter().enumerate();
    let inputs = kinds.flat_map(|(number, kind)| {
        let input = move |text: &&str| [&[number as u8], text.as_bytes()].concat();
        kind.payloads.iter().map(input)
    });
    inputs.collect()
}

const KINDS: &[Kind] = &[
    Kind {
        decode: decode::<BrokerRegistration>,
        payloads: &[
            r#"{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://h:9092"],"jmx_port":-1,"port":9092,"host":"h","version":5,"rack":"r","timestamp":"1700000000000"}"#,
            r#"{"jmx_port":-1,"timestamp":"1","endpoints":["SSL://[::1]:9093"],"host":null,"version":2,"port":-1}"#,
            r#"{"jmx_port":-1,"timestamp":"1","host":"h","version":1,"port":9092}"#,
        ],
    },
    Kind {
        decode: decode::<ClusterId>,
        payloads: &[r#"{"version":"1","id":"0123456789abcdefghijkl"}"#],
    },
    Kind {
        decode: decode::<ConfigChange>,
        payloads: &[
            r#"{"version":2,"entity_path":"topics/t"}"#,
            r#"{"version":1,"entity_type":"topics","entity_name":"t"}"#,
        ],
    },
    Kind {
        decode: entity,
        payloads: &[
            "topics/t",
            "users/<default>/clients/a%20b",
            "brokers/0",
            "clients/<default>",
        ],
    },
    Kind {
        decode: decode::<EntityConfig>,
        payloads: &[r#"{"version":1,"config":{"retention.ms":"1000","cleanup.policy":"compact"}}"#],
    },
    Kind {
        decode: decode::<ConsumerOffset>,
        payloads: &["12345"],
    },
    Kind {
        decode: decode::<ControllerRegistration>,
        payloads: &[
            r#"{"version":2,"brokerid":0,"timestamp":"1700000000000","kraftControllerEpoch":-1}"#,
            r#"{"version":1,"brokerid":0,"timestamp":"1"}"#,
        ],
    },
    Kind {
        decode: decode::<ControllerEpoch>,
        payloads: &["7"],
    },
    Kind {
        decode: decode::<Feature>,
        payloads: &[
            r#"{"features":{},"version":2,"status":1}"#,
            r#"{"features":{"f":{"min_version_level":1,"max_version_level":2}},"version":1,"status":0}"#,
        ],
    },
    Kind {
        decode: decode::<IsrChange>,
        payloads: &[r#"{"version":1,"partitions":[{"topic":"t","partition":0}]}"#],
    },
    Kind {
        decode: decode::<LogDirEvent>,
        payloads: &[r#"{"version":1,"broker":1,"event":1}"#],
    },
    Kind {
        decode: decode::<PartitionState>,
        payloads: &[
            r#"{"controller_epoch":1,"leader":0,"version":1,"leader_epoch":3,"isr":[0,1]}"#,
            r#"{"controller_epoch":1,"leader":0,"version":1,"leader_epoch":3,"isr":[0],"leader_recovery_state":1}"#,
        ],
    },
    Kind {
        decode: decode::<PreferredElection>,
        payloads: &[r#"{"version":1,"partitions":[{"topic":"t","partition":0}]}"#],
    },
    Kind {
        decode: decode::<ProducerIdBlock>,
        payloads: &[r#"{"version":1,"broker":0,"block_start":"0","block_end":"999"}"#],
    },
    Kind {
        decode: decode::<Reassignment>,
        payloads: &[r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1,2]}]}"#],
    },
    Kind {
        decode: decode::<TopicZnode>,
        payloads: &[
            r#"{"removing_replicas":{},"partitions":{"0":[0,1],"1":[1,0]},"topic_id":"AAAAAAAAAAAAAAAAAAAABw","adding_replicas":{},"version":3}"#,
            r#"{"version":1,"partitions":{"0":[0]}}"#,
        ],
    },
    Kind {
        decode: decode::<ConsumerRegistration>,
        payloads: &[
            r#"{"version":1,"subscription":{"t":2,"u":2},"pattern":"static","timestamp":"1700000000000"}"#,
            r#"{"version":1,"subscription":{"t.*|u":1},"pattern":"white_list","timestamp":"1"}"#,
        ],
    },
    Kind {
        decode: decode::<PartitionOwner>,
        payloads: &["group_host-1700000000000-01234567-0"],
    },
];
