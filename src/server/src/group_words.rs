//! What the handlers of groups share.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use ottla_config::MetadataVersion;
use ottla_coordinator::group::{GroupError, MemberRef, Text};
use ottla_protocol::{ErrorCode, StrBytes};

use crate::context::Context;
use crate::error_code;
use crate::words::text;

/// Text of a request that may be kept.
pub(crate) fn shared(text: &StrBytes) -> Text {
    Arc::from(text.as_str())
}

/// Shared text in a response.
pub(crate) fn written(words: &Text) -> StrBytes {
    text(&**words)
}

/// Bytes of a request that may be kept without keeping the request.
pub(crate) fn kept(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// A member as the request names it.
pub(crate) fn member(id: &StrBytes, instance: Option<&StrBytes>) -> MemberRef {
    MemberRef {
        member_id: shared(id),
        instance_id: instance.map(shared),
    }
}

/// The code of a group's answer.
pub(crate) fn code_of<T>(result: &Result<T, GroupError>) -> ErrorCode {
    match result {
        Ok(_) => ErrorCode::None,
        Err(error) => error_code::group(*error),
    }
}

/// Refuses what cannot be asked of a group: an empty id, and what [`static_refusal`] does.
pub(crate) fn refusal(
    context: &Context,
    group: &StrBytes,
    instance: Option<&StrBytes>,
) -> Option<ErrorCode> {
    if group.is_empty() {
        return Some(ErrorCode::InvalidGroupId);
    }
    static_refusal(context, instance)
}

/// Refuses a static member while a broker that does not know of them may take over (KIP-345).
pub(crate) fn static_refusal(context: &Context, instance: Option<&StrBytes>) -> Option<ErrorCode> {
    let version = context.config.load().inter_broker_protocol;
    let is_early = instance.is_some() && version < MetadataVersion::V2_3_IV0;
    is_early.then_some(ErrorCode::UnsupportedVersion)
}

/// Where a client comes from, as Java writes addresses: `/127.0.0.1`, `/0:0:0:0:0:0:0:1`.
pub(crate) fn client_host(peer: SocketAddr) -> Text {
    let host = match peer.ip().to_canonical() {
        IpAddr::V4(address) => format!("/{address}"),
        IpAddr::V6(address) => {
            let segments = address.segments().map(|segment| format!("{segment:x}"));
            format!("/{}", segments.join(":"))
        }
    };
    host.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_as_java_does() {
        let host = |peer: &str| client_host(peer.parse().unwrap()).to_string();
        assert_eq!(host("127.0.0.1:80"), "/127.0.0.1");
        assert_eq!(host("[::1]:80"), "/0:0:0:0:0:0:0:1");
        assert_eq!(host("[::ffff:10.0.0.7]:80"), "/10.0.0.7");
    }
}
