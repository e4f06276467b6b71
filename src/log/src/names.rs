//! Names of directories and files as Kafka gives them.

use std::fmt;
use std::path::{Path, PathBuf};

use ottla_metadata::{Offset, TopicPartition};

/// Marks a file to be unlinked soon.
pub(crate) const DELETED: &str = "deleted";
/// Output of the log cleaner, incomplete.
pub(crate) const CLEANED: &str = "cleaned";
/// Output of the log cleaner, complete, on its way to its final name.
pub(crate) const SWAP: &str = "swap";

/// The kinds of files that carry an offset as their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Log,
    OffsetIndex,
    TimeIndex,
    TxnIndex,
    Snapshot,
}

impl Kind {
    /// The files of a segment besides the log itself.
    pub(crate) const INDEXES: [Kind; 3] = [Kind::OffsetIndex, Kind::TimeIndex, Kind::TxnIndex];

    pub(crate) fn extension(self) -> &'static str {
        match self {
            Kind::Log => "log",
            Kind::OffsetIndex => "index",
            Kind::TimeIndex => "timeindex",
            Kind::TxnIndex => "txnindex",
            Kind::Snapshot => "snapshot",
        }
    }

    fn of_extension(extension: &str) -> Option<Kind> {
        [
            Kind::Log,
            Kind::OffsetIndex,
            Kind::TimeIndex,
            Kind::TxnIndex,
            Kind::Snapshot,
        ]
        .into_iter()
        .find(|kind| kind.extension() == extension)
    }
}

/// `%020d.<extension>` in `dir`.
pub(crate) fn file(dir: &Path, offset: Offset, kind: Kind) -> PathBuf {
    dir.join(format!("{offset:020}.{}", kind.extension()))
}

/// `path` with `.suffix` at the end of the whole name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// A file in a replica's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplicaFile<'a> {
    /// A file named after an offset.
    Numbered(Offset, Kind),
    /// One on its way in or out; the inner name without the suffix.
    Cleaned(Offset),
    Swap(Offset, &'a str),
    Deleted,
    /// Anything else.
    Other,
}

/// What a file in a replica's directory is by its name.
pub(crate) fn parse_file(name: &str) -> ReplicaFile<'_> {
    let (stem, extension) = match name.rsplit_once('.') {
        Some(parts) => parts,
        None => return ReplicaFile::Other,
    };
    if extension == DELETED {
        return ReplicaFile::Deleted;
    }
    let leading = |text: &str| {
        let digits = text.split('.').next().unwrap_or_default();
        parse_offset(digits)
    };
    match extension {
        CLEANED => leading(stem).map_or(ReplicaFile::Other, ReplicaFile::Cleaned),
        SWAP => leading(stem).map_or(ReplicaFile::Other, |o| ReplicaFile::Swap(o, stem)),
        _ => match (parse_offset(stem), Kind::of_extension(extension)) {
            (Some(offset), Some(kind)) => ReplicaFile::Numbered(offset, kind),
            _ => ReplicaFile::Other,
        },
    }
}

fn parse_offset(text: &str) -> Option<Offset> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// A directory in a log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DirName {
    /// `<topic>-<partition>`.
    Replica(TopicPartition),
    /// `….<32 hex>-delete`.
    Delete,
    /// `<topic>-<partition>.<32 hex>-future`.
    Future(TopicPartition),
    /// `….<32 hex>-stray`.
    Stray,
    /// One that Kafka leaves alone: `remote-log-index-cache`, `__cluster_metadata-0`.
    Ignored,
    /// One that stops a Kafka broker from starting.
    Unknown,
}

/// What a directory in a log directory is by its name.
pub(crate) fn parse_dir(name: &str) -> DirName {
    if name == "remote-log-index-cache" || name == "__cluster_metadata-0" {
        return DirName::Ignored;
    }
    for suffix in ["-delete", "-future", "-stray"] {
        if let Some(stem) = name.strip_suffix(suffix) {
            let Some((inner, unique)) = stem.rsplit_once('.') else {
                return DirName::Unknown;
            };
            let ours = unique.len() == 32 && unique.bytes().all(|b| b.is_ascii_hexdigit());
            if !ours || inner.is_empty() {
                return DirName::Unknown;
            }
            return match suffix {
                "-delete" => DirName::Delete,
                "-stray" => DirName::Stray,
                // The topic part of the others may have been cut.
                _ => partition_of(inner).map_or(DirName::Unknown, DirName::Future),
            };
        }
    }
    partition_of(name).map_or(DirName::Unknown, DirName::Replica)
}

fn partition_of(name: &str) -> Option<TopicPartition> {
    let (topic, partition) = name.rsplit_once('-')?;
    if topic.is_empty() || !partition.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(TopicPartition::new(topic, partition.parse().ok()?))
}

/// The name a replica's directory gets when it is scheduled for deletion: at most 255 bytes, the
/// topic's name cut if need be.
pub(crate) fn delete_dir(partition: &TopicPartition, unique: impl fmt::LowerHex) -> String {
    let suffix = format!("-{}.{unique:032x}-delete", partition.partition);
    let room = 255_usize.saturating_sub(suffix.len());
    let topic: String = partition.topic.chars().take(room).collect();
    topic + &suffix
}

/// The name of the directory in which a replica grows that is to take the place of the one in
/// another log directory. `None` if it would be too long: such a replica cannot be moved.
pub(crate) fn future_dir(partition: &TopicPartition, unique: impl fmt::LowerHex) -> Option<String> {
    let name = format!("{partition}.{unique:032x}-future");
    (name.len() <= 255).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories() {
        let hex = "0123456789abcdef0123456789abcdef";
        for (name, expected) in [
            ("t-0", DirName::Replica(TopicPartition::new("t", 0))),
            (
                "a-b.c-17",
                DirName::Replica(TopicPartition::new("a-b.c", 17)),
            ),
            ("lost+found", DirName::Unknown),
            ("t-", DirName::Unknown),
            ("-1", DirName::Unknown),
            ("t-99999999999", DirName::Unknown),
            (&format!("t-0.{hex}-delete"), DirName::Delete),
            (
                &format!("t-0.{hex}-future"),
                DirName::Future(TopicPartition::new("t", 0)),
            ),
            (&format!("t.{hex}-future"), DirName::Unknown),
            (&format!("t-0.{hex}-stray"), DirName::Stray),
            ("t-0.123-delete", DirName::Unknown),
            (
                "t.x-delete-3",
                DirName::Replica(TopicPartition::new("t.x-delete", 3)),
            ),
            ("remote-log-index-cache", DirName::Ignored),
        ] {
            assert_eq!(parse_dir(name), expected, "{name}");
        }
        let long = TopicPartition::new("x".repeat(249), 12345);
        let name = delete_dir(&long, 7_u128);
        assert_eq!(name.len(), 255);
        assert_eq!(parse_dir(&name), DirName::Delete);
        assert_eq!(future_dir(&long, 7_u128), None);
        let short = TopicPartition::new("t.x", 3);
        let name = future_dir(&short, 7_u128).unwrap();
        assert_eq!(parse_dir(&name), DirName::Future(short));
    }

    #[test]
    fn files() {
        for (name, expected) in [
            (
                "00000000000000000017.log",
                ReplicaFile::Numbered(17, Kind::Log),
            ),
            (
                "00000000000000000000.timeindex",
                ReplicaFile::Numbered(0, Kind::TimeIndex),
            ),
            ("00000000000000000000.log.deleted", ReplicaFile::Deleted),
            (
                "00000000000000000003.index.cleaned",
                ReplicaFile::Cleaned(3),
            ),
            (
                "00000000000000000003.log.swap",
                ReplicaFile::Swap(3, "00000000000000000003.log"),
            ),
            ("partition.metadata", ReplicaFile::Other),
            ("leader-epoch-checkpoint", ReplicaFile::Other),
            ("x.log", ReplicaFile::Other),
            ("99999999999999999999.log", ReplicaFile::Other),
        ] {
            assert_eq!(parse_file(name), expected, "{name}");
        }
        assert_eq!(
            file(Path::new("/d"), 5, Kind::TxnIndex),
            Path::new("/d/00000000000000000005.txnindex")
        );
    }
}
