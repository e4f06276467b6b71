//! Guarded decoding of the message structs.

use bytes::Bytes;
use kafka_protocol::protocol::{Decodable, Request};

use crate::DecodeError;
use crate::layout::Guarded;

/// Decodes the body of a request (what [`decode_header`](crate::decode_header) leaves). Bytes
/// behind the request are ignored, as Kafka does.
///
/// # Errors
/// All of [`DecodeError`] but `UnknownApi`; never allocates more than the request's size accounts
/// for.
pub fn decode_request<R: Request + Guarded>(version: i16, body: Bytes) -> Result<R, DecodeError> {
    decode(version, body)
}

/// Decodes the body of a response (what [`decode_response_header`](crate::decode_response_header)
/// leaves), just as [`decode_request`] does.
pub fn decode_response<M: Decodable + Guarded>(
    version: i16,
    body: Bytes,
) -> Result<M, DecodeError> {
    decode(version, body)
}

fn decode<M: Decodable + Guarded>(version: i16, mut body: Bytes) -> Result<M, DecodeError> {
    let message = M::LAYOUT.name;
    if version < M::VERSIONS.min || version > M::VERSIONS.max {
        return Err(DecodeError::UnsupportedVersion { message, version });
    }
    M::LAYOUT.check(version, &body)?;
    M::decode(&mut body, version).map_err(|e| DecodeError::Invalid {
        message,
        reason: e.to_string(),
    })
}
