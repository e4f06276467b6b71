//! Request headers as a broker reads them, response headers as a client does.
//!
//! Input: the bytes of a frame behind its size.

use bytes::Bytes;
use ottla_protocol::{ApiKey, decode_header, decode_response_header};

/// The target.
pub fn run(input: &[u8]) {
    let mut frame = Bytes::copy_from_slice(input);
    if let Ok(header) = decode_header(&mut frame) {
        assert!(input.ends_with(&frame), "the body is the frame's end");
        let mut response = Bytes::copy_from_slice(input);
        let _ = decode_response_header(header.api, header.api_version, &mut response);
    }
}

/// A header of every API at its oldest and its newest version.
pub fn corpus() -> Vec<Vec<u8>> {
    let mut corpus = Vec::new();
    for api in ApiKey::ALL {
        let versions = api.versions();
        for version in [versions.min, versions.max] {
            let mut frame = api.key().to_be_bytes().to_vec();
            frame.extend_from_slice(&version.to_be_bytes());
            frame.extend_from_slice(&[0, 0, 0, 9]);
            frame.extend_from_slice(b"\0\x06client\x01\x05\x02ab the body");
            corpus.push(frame);
        }
    }
    corpus
}
