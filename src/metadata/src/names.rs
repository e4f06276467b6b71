//! The rules of topic names (Kafka's `Topic` class).

/// The longest topic name: a replica directory `name-partition.hash-delete` must fit in 255 bytes.
pub const MAX_TOPIC_NAME_LENGTH: usize = 249;

/// Why a name cannot be a topic's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopicName {
    /// The name is empty.
    #[error("the topic name is empty")]
    Empty,
    /// The name is `.` or `..`.
    #[error("the topic name cannot be \".\" or \"..\"")]
    Dots,
    /// The name is longer than [`MAX_TOPIC_NAME_LENGTH`].
    #[error("the topic name has {0} characters; at most 249 are allowed")]
    TooLong(usize),
    /// The name holds something other than ASCII letters, digits, `.`, `_` and `-`.
    #[error(
        "the topic name {0:?} has a character other than ASCII letters, digits, '.', '_' and '-'"
    )]
    BadCharacter(String),
}

/// Checks a name as `Topic.validate` does.
///
/// # Errors
/// The first rule that the name breaks; the protocol's code for all of them is
/// `INVALID_TOPIC_EXCEPTION`.
pub fn validate_topic_name(name: &str) -> Result<(), InvalidTopicName> {
    if name.is_empty() {
        return Err(InvalidTopicName::Empty);
    }
    if name == "." || name == ".." {
        return Err(InvalidTopicName::Dots);
    }
    if name.len() > MAX_TOPIC_NAME_LENGTH {
        return Err(InvalidTopicName::TooLong(name.len()));
    }
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    if !name.bytes().all(legal) {
        return Err(InvalidTopicName::BadCharacter(name.to_owned()));
    }
    Ok(())
}

/// Whether two names would clash in metric names, where `.` and `_` look alike
/// (`Topic.hasCollision`). Equal names collide.
pub fn collides(a: &str, b: &str) -> bool {
    let plain = |c: u8| if c == b'.' { b'_' } else { c };
    a.len() == b.len() && a.bytes().map(plain).eq(b.bytes().map(plain))
}

/// Whether the topic belongs to the brokers themselves (`Topic.isInternal`).
pub fn is_internal(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "A-b_c.9", "__consumer_offsets", &"x".repeat(249)] {
            assert_eq!(validate_topic_name(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a b", "ä", "a/b", "a\0", &"x".repeat(250)] {
            assert!(validate_topic_name(bad).is_err(), "{bad}");
        }
        assert!(collides("a.b", "a_b"));
        assert!(!collides("a.b", "a-b"));
    }
}
