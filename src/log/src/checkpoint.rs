//! Kafka's text checkpoints: a version, a count, and one entry a line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ottla_metadata::{Offset, TopicPartition};

/// Recovery points of a log directory.
pub(crate) const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// Log start offsets above the first segment's base.
pub(crate) const LOG_STARTS: &str = "log-start-offset-checkpoint";
/// High watermarks.
pub(crate) const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";

/// The file is not a checkpoint of version 0.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed checkpoint: {0}")]
pub(crate) struct Malformed(pub(crate) String);

/// Offsets by partition.
pub(crate) type Offsets = BTreeMap<TopicPartition, Offset>;

/// The entries of a checkpoint, one line each. An empty file has none.
pub(crate) fn lines(content: &[u8]) -> Result<Vec<&str>, Malformed> {
    let text = std::str::from_utf8(content).map_err(|_| Malformed("not text".to_owned()))?;
    let mut lines = text.lines();
    let Some(version) = lines.next() else {
        return Ok(Vec::new());
    };
    if version.trim() != "0" {
        return Err(Malformed(format!("version {version:?}")));
    }
    let count: Option<usize> = lines.next().and_then(|line| line.trim().parse().ok());
    let entries: Vec<&str> = lines.collect();
    match count {
        Some(count) if count == entries.len() => Ok(entries),
        _ => Err(Malformed(format!(
            "{} entries where {count:?} were announced",
            entries.len()
        ))),
    }
}

/// Reads `topic partition offset` lines.
pub(crate) fn parse_offsets(content: &[u8]) -> Result<Offsets, Malformed> {
    let mut offsets = Offsets::new();
    for line in lines(content)? {
        let malformed = || Malformed(format!("line {line:?}"));
        let mut words = line.split_ascii_whitespace();
        let (Some(topic), Some(partition), Some(offset), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(malformed());
        };
        offsets.insert(
            TopicPartition::new(topic, partition.parse().map_err(|_| malformed())?),
            offset.parse().map_err(|_| malformed())?,
        );
    }
    Ok(offsets)
}

/// Writes `topic partition offset` lines.
pub(crate) fn render_offsets(offsets: &Offsets) -> String {
    let mut text = format!("0\n{}\n", offsets.len());
    for (partition, offset) in offsets {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} {} {offset}", partition.topic, partition.partition);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_errors() {
        let mut offsets = Offsets::new();
        offsets.insert(TopicPartition::new("topicA", 0), 1500);
        offsets.insert(TopicPartition::new("topicA", 1), 17);
        let text = render_offsets(&offsets);
        assert_eq!(text, "0\n2\ntopicA 0 1500\ntopicA 1 17\n");
        assert_eq!(parse_offsets(text.as_bytes()), Ok(offsets));
        assert_eq!(parse_offsets(b""), Ok(Offsets::new()));
        for bad in [
            &b"1\n0\n"[..],
            b"0\n",
            b"0\n2\na 0 1\n",
            b"0\n1\na 0\n",
            b"0\n1\na 0 1 2\n",
            b"0\n1\na x 1\n",
            b"0\n1\n\xff",
        ] {
            assert!(parse_offsets(bad).is_err(), "{bad:?}");
        }
    }
}
