//! Which versions a controller speaks.

use ottla_config::MetadataVersion;

/// The versions of the three requests (`ControllerChannelManager.sendLeaderAndIsrRequest` and its
/// siblings).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) leader_and_isr: i16,
    pub(crate) update_metadata: i16,
    pub(crate) stop_replica: i16,
}

/// Request versions by the first `inter.broker.protocol.version` that uses each, newest first.
type Since = [(MetadataVersion, i16)];

const LEADER_AND_ISR: &Since = &[
    (MetadataVersion::V3_4_IV0, 7),
    (MetadataVersion::V3_2_IV0, 6),
    (MetadataVersion::V2_8_IV1, 5),
    (MetadataVersion::V2_4_IV1, 4),
    (MetadataVersion::V2_4_IV0, 3),
    (MetadataVersion::V2_2_IV0, 2),
    (MetadataVersion::V1_0_IV0, 1),
];

const UPDATE_METADATA: &Since = &[
    (MetadataVersion::V3_4_IV0, 8),
    (MetadataVersion::V2_8_IV1, 7),
    (MetadataVersion::V2_4_IV1, 6),
    (MetadataVersion::V2_2_IV0, 5),
    (MetadataVersion::V1_0_IV0, 4),
    (MetadataVersion::V0_10_2_IV0, 3),
    (MetadataVersion::V0_10_0_IV1, 2),
    (MetadataVersion::V0_9_0, 1),
];

const STOP_REPLICA: &Since = &[
    (MetadataVersion::V3_4_IV0, 4),
    (MetadataVersion::V2_6_IV0, 3),
    (MetadataVersion::V2_4_IV1, 2),
    (MetadataVersion::V2_2_IV0, 1),
];

impl Versions {
    /// The versions that go with this `inter.broker.protocol.version`.
    pub(crate) fn of(version: MetadataVersion) -> Versions {
        let newest = |since: &Since| {
            let first = since.iter().find(|(from, _)| version >= *from);
            first.map_or(0, |(_, request)| *request)
        };
        Versions {
            leader_and_isr: newest(LEADER_AND_ISR),
            update_metadata: newest(UPDATE_METADATA),
            stop_replica: newest(STOP_REPLICA),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// zookeeper.md, section 8: what each release of Kafka sends.
    #[test]
    fn versions_by_inter_broker_protocol() {
        let check = |name: &str, expected: (i16, i16, i16)| {
            let version: MetadataVersion = name.parse().unwrap();
            let Versions {
                leader_and_isr,
                update_metadata,
                stop_replica,
            } = Versions::of(version);
            let got = (leader_and_isr, stop_replica, update_metadata);
            assert_eq!(got, expected, "{name}");
        };
        check("0.8.2", (0, 0, 0));
        check("0.9.0", (0, 0, 1));
        check("0.10.0-IV0", (0, 0, 1));
        check("0.10.0", (0, 0, 2));
        check("0.10.2", (0, 0, 3));
        check("0.11.0", (0, 0, 3));
        check("1.0", (1, 0, 4));
        check("2.0", (1, 0, 4));
        check("2.2-IV0", (2, 1, 5));
        check("2.4-IV0", (3, 1, 5));
        check("2.4", (4, 2, 6));
        check("2.6", (4, 3, 6));
        check("2.8-IV0", (4, 3, 6));
        check("2.8", (5, 3, 7));
        check("3.0", (5, 3, 7));
        check("3.2", (6, 3, 7));
        check("3.3", (6, 3, 7));
        check("3.4", (7, 4, 8));
        check("3.9", (7, 4, 8));
    }
}
