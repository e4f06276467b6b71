//! Encoding of the message structs, header included.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::{Encodable, Request};

use crate::layout::Guarded;
use crate::wire::PutExt;
use crate::{EncodeError, RequestHeader, ResponseBody, put_response_header};

/// Encodes the response to the request with this header, in the request's version.
pub fn encode_response<M: Encodable + Guarded>(
    request: &RequestHeader,
    response: &M,
) -> Result<ResponseBody, EncodeError> {
    let version = request.api_version;
    let size = response
        .compute_size(version)
        .map_err(|e| error::<M>(version, e))?;
    let mut out = BytesMut::with_capacity(size.saturating_add(8));
    put_response_header(&mut out, request.api, version, request.correlation_id);
    response
        .encode(&mut out, version)
        .map_err(|e| error::<M>(version, e))?;
    Ok(out.freeze().into())
}

/// Encodes a request as a client sends it: size, header, request.
pub fn encode_request<R: Request + Guarded>(
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    request: &R,
) -> Result<Bytes, EncodeError> {
    let body_size = request
        .compute_size(version)
        .map_err(|e| error::<R>(version, e))?;
    let header_version = R::header_version(version);
    let mut out = BytesMut::with_capacity(body_size.saturating_add(64));
    out.put_u32(0);
    out.put_i16(R::KEY);
    out.put_i16(version);
    out.put_i32(correlation_id);
    if header_version >= 1 {
        out.put_nullable_string(false, client_id);
    }
    out.put_no_tagged_fields(header_version >= 2);
    request
        .encode(&mut out, version)
        .map_err(|e| error::<R>(version, e))?;
    let size = out.len().saturating_sub(4);
    let size = i32::try_from(size)
        .map_err(|_| error::<R>(version, format_args!("{size} bytes do not fit a frame")))?;
    if let Some(prefix) = out.first_chunk_mut::<4>() {
        *prefix = size.to_be_bytes();
    }
    Ok(out.freeze())
}

fn error<M: Guarded>(version: i16, reason: impl std::fmt::Display) -> EncodeError {
    EncodeError {
        message: M::LAYOUT.name,
        version,
        reason: reason.to_string(),
    }
}
