//! The protocol versions that `inter.broker.protocol.version` and `message.format.version` name
//! (Kafka's `MetadataVersion`).

use std::fmt;
use std::str::FromStr;

/// Every name in order of age: (full name, short name).
const NAMES: &[(&str, &str)] = &[
    ("0.8.0", "0.8.0"),
    ("0.8.1", "0.8.1"),
    ("0.8.2", "0.8.2"),
    ("0.9.0", "0.9.0"),
    ("0.10.0-IV0", "0.10.0"),
    ("0.10.0-IV1", "0.10.0"),
    ("0.10.1-IV0", "0.10.1"),
    ("0.10.1-IV1", "0.10.1"),
    ("0.10.1-IV2", "0.10.1"),
    ("0.10.2-IV0", "0.10.2"),
    ("0.11.0-IV0", "0.11.0"),
    ("0.11.0-IV1", "0.11.0"),
    ("0.11.0-IV2", "0.11.0"),
    ("1.0-IV0", "1.0"),
    ("1.1-IV0", "1.1"),
    ("2.0-IV0", "2.0"),
    ("2.0-IV1", "2.0"),
    ("2.1-IV0", "2.1"),
    ("2.1-IV1", "2.1"),
    ("2.1-IV2", "2.1"),
    ("2.2-IV0", "2.2"),
    ("2.2-IV1", "2.2"),
    ("2.3-IV0", "2.3"),
    ("2.3-IV1", "2.3"),
    ("2.4-IV0", "2.4"),
    ("2.4-IV1", "2.4"),
    ("2.5-IV0", "2.5"),
    ("2.6-IV0", "2.6"),
    ("2.7-IV0", "2.7"),
    ("2.7-IV1", "2.7"),
    ("2.7-IV2", "2.7"),
    ("2.8-IV0", "2.8"),
    ("2.8-IV1", "2.8"),
    ("3.0-IV0", "3.0"),
    ("3.0-IV1", "3.0"),
    ("3.1-IV0", "3.1"),
    ("3.2-IV0", "3.2"),
    ("3.3-IV0", "3.3"),
    ("3.3-IV1", "3.3"),
    ("3.3-IV2", "3.3"),
    ("3.3-IV3", "3.3"),
    ("3.4-IV0", "3.4"),
    ("3.5-IV0", "3.5"),
    ("3.5-IV1", "3.5"),
    ("3.5-IV2", "3.5"),
    ("3.6-IV0", "3.6"),
    ("3.6-IV1", "3.6"),
    ("3.6-IV2", "3.6"),
    ("3.7-IV0", "3.7"),
    ("3.7-IV1", "3.7"),
    ("3.7-IV2", "3.7"),
    ("3.7-IV3", "3.7"),
    ("3.7-IV4", "3.7"),
    ("3.8-IV0", "3.8"),
    ("3.9-IV0", "3.9"),
];

/// A version that brokers agree on; ordered by age.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(u8);

impl MetadataVersion {
    /// The first version that announces all addresses of a broker.
    pub const V0_9_0: MetadataVersion = named("0.9.0");
    /// The first version whose brokers store message format v1.
    pub const V0_10_0_IV0: MetadataVersion = named("0.10.0-IV0");
    /// The first version whose brokers register their rack and listener names.
    pub const V0_10_0_IV1: MetadataVersion = named("0.10.0-IV1");
    /// The first version that stores rebalance timeouts of group members (KIP-62).
    pub const V0_10_1_IV0: MetadataVersion = named("0.10.1-IV0");
    /// The first version that announces listeners by name (KIP-103).
    pub const V0_10_2_IV0: MetadataVersion = named("0.10.2-IV0");
    /// The first version whose brokers store record batches (format v2).
    pub const V0_11_0_IV0: MetadataVersion = named("0.11.0-IV0");
    /// The first version that asks leaders for the end of an epoch by its epoch.
    pub const V0_11_0_IV2: MetadataVersion = named("0.11.0-IV2");
    /// The first version that survives failed log directories (KIP-112).
    pub const V1_0_IV0: MetadataVersion = named("1.0-IV0");
    /// The first version that stores offsets without an expiry of their own (KIP-211).
    pub const V2_1_IV0: MetadataVersion = named("2.1-IV0");
    /// The first version that stores leader epochs with offsets (KIP-320).
    pub const V2_1_IV1: MetadataVersion = named("2.1-IV1");
    /// The first version with zstd (KIP-110).
    pub const V2_1_IV2: MetadataVersion = named("2.1-IV2");
    /// The first version whose brokers hold broker epochs to account (KIP-380).
    pub const V2_2_IV0: MetadataVersion = named("2.2-IV0");
    /// The first version with static group members (KIP-345).
    pub const V2_3_IV0: MetadataVersion = named("2.3-IV0");
    /// The first version that tells followers of reassignments (KIP-455).
    pub const V2_4_IV0: MetadataVersion = named("2.4-IV0");
    /// The first version with tagged fields among brokers (KIP-482).
    pub const V2_4_IV1: MetadataVersion = named("2.4-IV1");
    /// The first version that stops replicas by leader epoch (KIP-570).
    pub const V2_6_IV0: MetadataVersion = named("2.6-IV0");
    /// The first version that registers with features (KIP-584).
    pub const V2_7_IV0: MetadataVersion = named("2.7-IV0");
    /// The first version that truncates on fetch (KIP-595).
    pub const V2_7_IV1: MetadataVersion = named("2.7-IV1");
    /// The first version that changes the ISR through AlterPartition (KIP-497).
    pub const V2_7_IV2: MetadataVersion = named("2.7-IV2");
    /// The first version with topic ids (KIP-516).
    pub const V2_8_IV0: MetadataVersion = named("2.8-IV0");
    /// The first version whose controller tells of topic ids (KIP-516).
    pub const V2_8_IV1: MetadataVersion = named("2.8-IV1");
    /// The first version whose controller grants producer ids (KIP-730).
    pub const V3_0_IV0: MetadataVersion = named("3.0-IV0");
    /// The first version that ignores `message.format.version`.
    pub const V3_0_IV1: MetadataVersion = named("3.0-IV1");
    /// The first version that marks a leader elected uncleanly as recovering (KIP-704).
    pub const V3_2_IV0: MetadataVersion = named("3.2-IV0");
    /// The first version whose features have no minimum level.
    pub const V3_3_IV0: MetadataVersion = named("3.3-IV0");
    /// The first version that can be migrated to KRaft (KIP-866).
    pub const V3_4_IV0: MetadataVersion = named("3.4-IV0");
    /// The newest version of a Kafka that still knows ZooKeeper.
    pub const LATEST: MetadataVersion = named("3.9-IV0");

    /// The full name, e.g. `2.8-IV1`.
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).map_or("", |(full, _)| full)
    }

    /// The name without the internal version, e.g. `2.8`.
    pub fn short_name(self) -> &'static str {
        NAMES
            .get(usize::from(self.0))
            .map_or("", |(_, short)| short)
    }

    /// Every version, oldest first.
    pub fn all() -> impl Iterator<Item = MetadataVersion> {
        (0u8..).take(NAMES.len()).map(MetadataVersion)
    }

    /// The newest message format that brokers of this version store: 0, 1 or 2.
    pub fn record_format(self) -> u8 {
        if self >= MetadataVersion::V0_11_0_IV0 {
            2
        } else {
            u8::from(self >= MetadataVersion::V0_10_0_IV0)
        }
    }

    /// Whether topics have ids.
    pub fn topic_ids(self) -> bool {
        self >= MetadataVersion::V2_8_IV0
    }

    /// Whether ISR changes go through the controller instead of the state znode.
    pub fn alter_partition(self) -> bool {
        self >= MetadataVersion::V2_7_IV2
    }

    /// Whether `message.format.version` no longer counts: everything is stored in format v2.
    pub fn ignores_message_format(self) -> bool {
        self >= MetadataVersion::V3_0_IV1
    }
}

/// The version with that full name. Only for the constants above: an unknown name stops the build.
const fn named(name: &str) -> MetadataVersion {
    let mut index = 0;
    while index < NAMES.len() {
        if same(NAMES[index].0.as_bytes(), name.as_bytes()) {
            return MetadataVersion(index as u8);
        }
        index += 1;
    }
    #[allow(clippy::panic)] // evaluated at compile time only
    {
        panic!("no such version")
    }
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MetadataVersion({})", self.name())
    }
}

/// The text names no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Version {0} is not a valid version")]
pub struct UnknownVersion(String);

impl FromStr for MetadataVersion {
    type Err = UnknownVersion;

    /// Takes full names, short names (the newest internal version of that release) and release
    /// numbers with a patch level, which is dropped (`MetadataVersion.fromVersionString`).
    fn from_str(text: &str) -> Result<MetadataVersion, UnknownVersion> {
        let significant = if text.starts_with("0.") { 3 } else { 2 };
        let cut = text.match_indices('.').nth(significant - 1);
        let key = cut.map_or(text, |(at, _)| text.get(..at).unwrap_or(text));
        MetadataVersion::all()
            .filter(|version| version.name() == key || version.short_name() == key)
            .last()
            .ok_or_else(|| UnknownVersion(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_kafka_reads_them() {
        let check = |text: &str, expected: &str| {
            let parsed = text.parse::<MetadataVersion>().map(|v| v.name());
            assert_eq!(parsed.ok(), Some(expected), "{text}");
        };
        check("0.8.2", "0.8.2");
        check("0.8.2.2", "0.8.2");
        check("0.10.0", "0.10.0-IV1");
        check("0.10.0.1", "0.10.0-IV1");
        check("0.10.1-IV0", "0.10.1-IV0");
        check("1.0", "1.0-IV0");
        check("1.0.2", "1.0-IV0");
        check("2.7", "2.7-IV2");
        check("2.8-IV0", "2.8-IV0");
        check("3.9", "3.9-IV0");
        check("3.9.1", "3.9-IV0");
        for bad in ["", "0.8", "0.7.2", "2", "4.0", "3.9-IV1", "two"] {
            assert!(bad.parse::<MetadataVersion>().is_err(), "{bad}");
        }
    }

    #[test]
    fn formats_follow_the_versions() {
        let format = |text: &str| text.parse::<MetadataVersion>().unwrap().record_format();
        assert_eq!(format("0.9.0"), 0);
        assert_eq!(format("0.10.2"), 1);
        assert_eq!(format("0.11.0"), 2);
        assert!(MetadataVersion::V2_7_IV2 < MetadataVersion::V2_8_IV0);
        assert!(MetadataVersion::LATEST.ignores_message_format());
    }
}
