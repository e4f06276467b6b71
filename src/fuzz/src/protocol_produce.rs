//! Our own view of Produce requests: what was checked once is there when it is iterated.
//!
//! Input: the version, then the body.

use bytes::Bytes;
use ottla_protocol::layout::Guarded as _;
use ottla_protocol::messages;
use ottla_protocol::produce::ProduceRequestView;

use crate::random::Random;

/// The target.
pub fn run(input: &[u8]) {
    let Some(([version], body)) = input.split_first_chunk::<1>() else {
        return;
    };
    let body = Bytes::copy_from_slice(body);
    let Ok(view) = ProduceRequestView::decode(i16::from(*version), body) else {
        return;
    };
    let promised = view.topics().size_hint().0;
    let found = view.topics().count();
    assert_eq!(found, promised, "topics");
    let partitions: usize = view.topics().map(|t| t.partitions().count()).sum();
    assert_eq!(partitions, view.partition_count(), "partitions");
}

/// Random requests of every version.
pub fn corpus() -> Vec<Vec<u8>> {
    let mut random = Random::new(1);
    let mut sample = |version: i16| {
        let body = messages::ProduceRequest::LAYOUT.sample(version, &mut || random.next() as u32);
        [&[version as u8], &body[..]].concat()
    };
    (0..5).flat_map(|_| 0..=18).map(&mut sample).collect()
}
