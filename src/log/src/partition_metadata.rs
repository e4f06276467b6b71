//! `partition.metadata`: the id of the topic that a replica's directory belongs to.

use ottla_metadata::TopicId;

/// The file in the replica's directory.
pub(crate) const FILE_NAME: &str = "partition.metadata";

pub(crate) fn render(id: TopicId) -> String {
    format!("version: 0\ntopic_id: {id}")
}

/// The id, `None` when the file cannot be understood.
pub(crate) fn parse(content: &[u8]) -> Option<TopicId> {
    let text = std::str::from_utf8(content).ok()?;
    let mut lines = text.lines();
    let value = |line: Option<&str>, key: &str| -> Option<String> {
        let (name, value) = line?.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    };
    if value(lines.next(), "version")? != "0" {
        return None;
    }
    let id: TopicId = value(lines.next(), "topic_id")?.parse().ok()?;
    (!id.is_zero()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_errors() {
        let id = TopicId([7; 16]);
        assert_eq!(parse(render(id).as_bytes()), Some(id));
        for bad in [
            "",
            "version: 1\ntopic_id: KSofbHQ9Ski9N3yOoAgoOA",
            "version: 0\n",
            "version: 0\ntopic_id: short",
            "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
