//! Request and response headers.

use bytes::{Buf, BufMut, Bytes};
use kafka_protocol::protocol::StrBytes;

use crate::wire::{PutExt, Reader};
use crate::{ApiKey, DecodeError};

/// What goes before every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API.
    pub api: ApiKey,
    /// The version of the request and of its response. Not checked: any number may stand here.
    pub api_version: i16,
    /// Chosen by the client; its response repeats it.
    pub correlation_id: i32,
    /// The client's name for logs and quotas. It shares the frame's bytes.
    pub client_id: Option<StrBytes>,
}

/// Takes the request header (version 0, 1 or 2 by API and version) off the front of a frame and
/// leaves the request's body. A header of an unknown API cannot be read further than its key:
/// Kafka closes the connection then.
pub fn decode_header(frame: &mut Bytes) -> Result<RequestHeader, DecodeError> {
    let mut reader = Reader::new(frame);
    let key = reader.i16("api_key")?;
    let api = ApiKey::from_key(key).ok_or(DecodeError::UnknownApi { key })?;
    let api_version = reader.i16("api_version")?;
    let correlation_id = reader.i32("correlation_id")?;
    let header_version = api.request_header_version(api_version);
    let client_id = match header_version {
        0 => None,
        _ => reader.nullable_shared_string(frame, false, "client_id")?,
    };
    if header_version >= 2 {
        reader.skip_tagged_fields()?;
    }
    let taken = reader.position();
    frame.advance(taken);
    Ok(RequestHeader {
        api,
        api_version,
        correlation_id,
        client_id,
    })
}

/// Writes the header of the response to a request of this API and version: at most 5 bytes.
pub fn put_response_header(
    out: &mut impl BufMut,
    api: ApiKey,
    api_version: i16,
    correlation_id: i32,
) {
    out.put_i32(correlation_id);
    out.put_no_tagged_fields(api.response_header_version(api_version) >= 1);
}

/// Takes the response header off the front of a frame and returns its correlation id.
pub fn decode_response_header(
    api: ApiKey,
    api_version: i16,
    frame: &mut Bytes,
) -> Result<i32, DecodeError> {
    let mut reader = Reader::new(frame);
    let correlation_id = reader.i32("correlation_id")?;
    if api.response_header_version(api_version) >= 1 {
        reader.skip_tagged_fields()?;
    }
    let taken = reader.position();
    frame.advance(taken);
    Ok(correlation_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<(ApiKey, i16, Option<&str>, usize), DecodeError>) {
        let mut frame = Bytes::copy_from_slice(bytes);
        let found = decode_header(&mut frame);
        assert_eq!(
            found.as_ref().map(|h| (
                h.api,
                h.api_version,
                h.client_id.as_deref(),
                frame.remaining()
            )),
            expected.as_ref().map(|e| *e),
        );
    }

    #[test]
    fn headers_of_all_versions() {
        let id = [0, 0, 0, 9];
        let bytes = |parts: &[&[u8]]| parts.concat();
        check(
            &bytes(&[&[0, 7, 0, 0], &id, b"body"]),
            Ok((ApiKey::ControlledShutdown, 0, None, 4)),
        );
        check(
            &bytes(&[&[0, 3, 0, 1], &id, &[0, 2], b"me", b"body"]),
            Ok((ApiKey::Metadata, 1, Some("me"), 4)),
        );
        check(
            &bytes(&[&[0, 3, 0, 1], &id, &[255, 255]]),
            Ok((ApiKey::Metadata, 1, None, 0)),
        );
        check(
            &bytes(&[&[0, 3, 0, 9], &id, &[0, 2], b"me", &[1, 7, 2, 1, 1], b"b"]),
            Ok((ApiKey::Metadata, 9, Some("me"), 1)),
        );
        // A version that nobody knows: ApiVersions is answered all the same (KIP-511).
        check(
            &bytes(&[&[0, 18, 0, 99], &id, &[0, 0], &[0], b"b"]),
            Ok((ApiKey::ApiVersions, 99, Some(""), 1)),
        );
        check(
            &bytes(&[&[3, 18, 0, 0], &id]),
            Err(DecodeError::UnknownApi { key: 786 }),
        );
        check(
            &bytes(&[&[0, 3, 0, 1], &id, &[0, 9], b"me"]),
            Err(DecodeError::Truncated { field: "client_id" }),
        );
        check(
            &bytes(&[&[0, 3, 0, 1], &id, &[128, 0]]),
            Err(DecodeError::InvalidLength {
                field: "client_id",
                length: -32768,
            }),
        );
        check(
            &bytes(&[&[0, 3, 0, 1], &id, &[0, 1, 255]]),
            Err(DecodeError::NotUtf8 { field: "client_id" }),
        );
    }

    #[test]
    fn response_headers() {
        for (api, version, bytes) in [
            (ApiKey::ApiVersions, 3, &[0, 0, 0, 5][..]),
            (ApiKey::Metadata, 8, &[0, 0, 0, 5]),
            (ApiKey::Metadata, 9, &[0, 0, 0, 5, 0]),
        ] {
            let mut out = Vec::new();
            put_response_header(&mut out, api, version, 5);
            assert_eq!(out, bytes);
            let mut frame = Bytes::from(out);
            assert_eq!(decode_response_header(api, version, &mut frame), Ok(5));
            assert!(frame.is_empty());
        }
    }
}
