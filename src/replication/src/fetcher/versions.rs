//! Which versions followers speak, by `inter.broker.protocol.version`: they do not ask the leader
//! (`MetadataVersion.fetchRequestVersion` and its siblings).

use ottla_config::MetadataVersion;

const FETCH: &[(&str, i16)] = &[
    ("0.9.0", 1),
    ("0.10.0-IV0", 2),
    ("0.10.1-IV1", 3),
    ("0.11.0-IV0", 4),
    ("0.11.0-IV1", 5),
    ("1.1-IV0", 7),
    ("2.0-IV1", 8),
    ("2.1-IV2", 10),
    ("2.3-IV1", 11),
    ("2.7-IV1", 12),
    ("3.1-IV0", 13),
    ("3.5-IV0", 14),
    ("3.5-IV1", 15),
    ("3.7-IV4", 16),
    ("3.9-IV0", 17),
];

const LIST_OFFSETS: &[(&str, i16)] = &[
    ("0.10.1-IV2", 1),
    ("0.11.0-IV0", 2),
    ("2.0-IV1", 3),
    ("2.1-IV1", 4),
    ("2.2-IV1", 5),
    ("2.8-IV0", 6),
    ("3.0-IV1", 7),
    ("3.5-IV0", 8),
    ("3.9-IV0", 9),
];

const EPOCH_END: &[(&str, i16)] = &[
    ("2.0-IV0", 1),
    ("2.1-IV1", 2),
    ("2.3-IV1", 3),
    ("2.8-IV0", 4),
];

/// The first version of Fetch with sessions (KIP-227).
pub(super) const SESSIONS: i16 = 7;
/// The first version of Fetch that names topics by id (KIP-516).
pub(super) const TOPIC_IDS: i16 = 13;

/// The versions of a follower's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) fetch: i16,
    pub(super) list_offsets: i16,
    pub(super) epoch_end: i16,
}

impl Versions {
    pub(super) fn of(version: MetadataVersion) -> Versions {
        let look_up = |table: &[(&str, i16)]| {
            let is_reached = |since: &str| {
                since
                    .parse::<MetadataVersion>()
                    .is_ok_and(|since| version >= since)
            };
            let reached = table.iter().rev().find(|(since, _)| is_reached(since));
            reached.map_or(0, |(_, number)| *number)
        };
        Versions {
            fetch: look_up(FETCH),
            list_offsets: look_up(LIST_OFFSETS),
            epoch_end: look_up(EPOCH_END),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_by_protocol() {
        for (name, fetch, list_offsets, epoch_end) in [
            ("0.8.2", 0, 0, 0),
            ("0.10.2", 3, 1, 0),
            ("1.0", 5, 2, 0),
            ("2.0", 8, 3, 1),
            ("2.8", 12, 6, 4),
            ("3.0", 12, 7, 4),
            ("3.6", 15, 8, 4),
            ("3.9", 17, 9, 4),
        ] {
            let expected = Versions {
                fetch,
                list_offsets,
                epoch_end,
            };
            let version = name.parse().expect("a version");
            assert_eq!(Versions::of(version), expected, "{name}");
        }
        for (name, _) in FETCH.iter().chain(LIST_OFFSETS).chain(EPOCH_END) {
            assert!(name.parse::<MetadataVersion>().is_ok(), "{name}");
        }
    }
}
