//! Our own decoder of Fetch requests.
//!
//! Input: the version, then the body.

use bytes::Bytes;
use ottla_protocol::fetch::FetchRequest;
use ottla_protocol::layout::Guarded as _;
use ottla_protocol::messages;

use crate::random::Random;

/// The target.
pub fn run(input: &[u8]) {
    let Some(([version], body)) = input.split_first_chunk::<1>() else {
        return;
    };
    let body = Bytes::copy_from_slice(body);
    let _ = FetchRequest::decode(i16::from(*version), body);
}

/// Random requests of every version.
pub fn corpus() -> Vec<Vec<u8>> {
    let mut random = Random::new(1);
    let mut sample = |version: i16| {
        let body = messages::FetchRequest::LAYOUT.sample(version, &mut || random.next() as u32);
        [&[version as u8], &body[..]].concat()
    };
    (0..5).flat_map(|_| 0..=18).map(&mut sample).collect()
}
