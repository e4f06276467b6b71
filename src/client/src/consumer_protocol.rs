//! What the members of a consumer group tell each other through the coordinator: subscriptions and
//! assignments (`ConsumerProtocol`, version 1 written, every version read).

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use ottla_metadata::{TopicName, TopicPartition};

/// The version that is written. Later ones only add fields at the end.
const VERSION: i16 = 1;

/// The bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a consumer's subscription or assignment cannot be read")]
pub struct BadConsumerProtocol;

/// The metadata of a member that wants to read these topics and owns nothing.
pub fn encode_subscription(topics: &[TopicName]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(VERSION);
    out.put_i32(length(topics.len()));
    for topic in topics {
        put_string(&mut out, topic);
    }
    // No user data, no owned partitions: those are for other assignors than ours.
    out.put_i32(-1);
    out.put_i32(0);
    out.freeze()
}

/// The topics of a member's metadata.
///
/// # Errors
/// [`BadConsumerProtocol`].
pub fn decode_subscription(metadata: &[u8]) -> Result<Vec<TopicName>, BadConsumerProtocol> {
    let mut input = Input(metadata);
    input.version()?;
    let count = input.count(2)?;
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        topics.push(TopicName::from(input.string()?));
    }
    Ok(topics)
}

/// A member's share.
pub fn encode_assignment(partitions: &[TopicPartition]) -> Bytes {
    let mut topics: BTreeMap<&TopicName, Vec<i32>> = BTreeMap::new();
    for p in partitions {
        topics.entry(&p.topic).or_default().push(p.partition);
    }
    let mut out = BytesMut::new();
    out.put_i16(VERSION);
    out.put_i32(length(topics.len()));
    for (topic, numbers) in topics {
        put_string(&mut out, topic);
        out.put_i32(length(numbers.len()));
        numbers.iter().for_each(|number| out.put_i32(*number));
    }
    out.put_i32(-1);
    out.freeze()
}

/// The partitions of a share, in order. A member that has none may have been sent no bytes at all.
///
/// # Errors
/// [`BadConsumerProtocol`].
pub fn decode_assignment(share: &[u8]) -> Result<Vec<TopicPartition>, BadConsumerProtocol> {
    let mut partitions = Vec::new();
    if share.is_empty() {
        return Ok(partitions);
    }
    let mut input = Input(share);
    input.version()?;
    for _ in 0..input.count(6)? {
        let topic = TopicName::from(input.string()?);
        for _ in 0..input.count(4)? {
            partitions.push(TopicPartition {
                topic: topic.clone(),
                partition: input.i32()?,
            });
        }
    }
    partitions.sort();
    Ok(partitions)
}

fn put_string(out: &mut BytesMut, text: &str) {
    // Topic names have at most 249 characters; a longer one is cut by nobody and refused by all.
    out.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
    out.put_slice(text.as_bytes());
}

fn length(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Bytes still to be read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], BadConsumerProtocol> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(BadConsumerProtocol)?;
        self.0 = rest;
        Ok(*head)
    }

    fn i32(&mut self) -> Result<i32, BadConsumerProtocol> {
        self.take().map(i32::from_be_bytes)
    }

    fn version(&mut self) -> Result<(), BadConsumerProtocol> {
        match i16::from_be_bytes(self.take()?) {
            0.. => Ok(()),
            _ => Err(BadConsumerProtocol),
        }
    }

    /// The length of an array whose elements have at least `smallest` bytes each.
    fn count(&mut self, smallest: usize) -> Result<usize, BadConsumerProtocol> {
        let count = usize::try_from(self.i32()?).map_err(|_| BadConsumerProtocol)?;
        if count > self.0.len() / smallest {
            return Err(BadConsumerProtocol);
        }
        Ok(count)
    }

    fn string(&mut self) -> Result<&'a str, BadConsumerProtocol> {
        let size = i16::from_be_bytes(self.take()?);
        let size = usize::try_from(size).map_err(|_| BadConsumerProtocol)?;
        let (text, rest) = self.0.split_at_checked(size).ok_or(BadConsumerProtocol)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| BadConsumerProtocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_again() {
        let topics: Vec<TopicName> = ["a", "b"].map(TopicName::from).to_vec();
        let bytes = encode_subscription(&topics);
        assert_eq!(decode_subscription(&bytes), Ok(topics));
        let share = [("a", 0), ("b", 1), ("b", 3)].map(|(t, p)| TopicPartition::new(t, p));
        let bytes = encode_assignment(&share);
        assert_eq!(decode_assignment(&bytes), Ok(share.to_vec()));
        assert_eq!(decode_assignment(&[]), Ok(Vec::new()));
    }

    #[test]
    fn as_kafka_writes_them() {
        // Version 0: topic "t", partitions 0 and 2, no user data.
        let share = b"\0\0\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x02\xff\xff\xff\xff";
        let expected = [0, 2].map(|p| TopicPartition::new("t", p)).to_vec();
        assert_eq!(decode_assignment(share), Ok(expected));
        let subscription = b"\0\x03\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0\0\0\0\x01\xff\xff";
        let topics = vec![TopicName::from("t")];
        assert_eq!(decode_subscription(subscription), Ok(topics));
    }

    #[test]
    fn damage_is_told() {
        let whole = encode_assignment(&[TopicPartition::new("topic", 1)]);
        // The last four bytes are the length of the user data, which nobody reads.
        for end in 1..whole.len() - 4 {
            assert_eq!(decode_assignment(&whole[..end]), Err(BadConsumerProtocol));
        }
        for bytes in [
            &b"\0\0\x7f\xff\xff\xff"[..],
            b"\0\0\xff\xff\xff\xff",
            b"\xff\xff\0\0\0\0",
            b"\0\0\0\0\0\x01\0\x01\xff\0\0\0\0",
        ] {
            assert_eq!(decode_assignment(bytes), Err(BadConsumerProtocol));
            assert_eq!(decode_subscription(bytes), Err(BadConsumerProtocol));
        }
    }
}
