//! What every handler of a cold API begins and ends with.

use ottla_network::{Answer, CloseReason, Request};
use ottla_protocol::layout::Guarded;
use ottla_protocol::{
    DecodeError, Encodable, Request as Message, RequestHeader, ResponseBody, decode_request,
    encode_response,
};
use ottla_replication::Completion;

/// The most partitions, or groups, that one request may name. An answer takes some hundreds of bytes
/// for each, whatever the request took, so a request of many million tiny ones would be expensive.
pub(crate) const MAX_PARTITIONS: usize = 200_000;

/// Decodes the request's body.
///
/// # Errors
/// The answer to a body that is not what it claims to be: as in Kafka, the connection is closed.
#[allow(clippy::result_large_err)] // the answer is handed on, not kept
pub(crate) fn decode<R: Message + Guarded>(request: &Request) -> Result<R, Answer> {
    decode_request(request.header.api_version, request.body.clone())
        .map_err(|error| malformed(&request.header, &error))
}

/// The answer to a request with more than [`MAX_PARTITIONS`].
pub(crate) fn too_many_partitions(header: &RequestHeader, count: usize) -> Answer {
    too_many(header, count, "partitions")
}

fn too_many(header: &RequestHeader, count: usize, things: &str) -> Answer {
    let (api, version) = (header.api, header.api_version);
    Answer::Close(CloseReason(format!(
        "{api} version {version} names {count} {things}; at most {MAX_PARTITIONS} are served"
    )))
}

/// The answer to a request that names more than [`MAX_PARTITIONS`] of these things, if it does.
pub(crate) fn refuse_many(header: &RequestHeader, count: usize, things: &str) -> Option<Answer> {
    (count > MAX_PARTITIONS).then(|| too_many(header, count, things))
}

/// The answer to a request that cannot be decoded.
pub(crate) fn malformed(header: &RequestHeader, error: &DecodeError) -> Answer {
    let (api, version) = (header.api, header.api_version);
    Answer::Close(CloseReason(format!("{api} version {version}: {error}")))
}

/// Encodes a response in the version of its request.
pub(crate) fn encode<M: Encodable + Guarded>(
    header: &RequestHeader,
    response: &M,
) -> Option<ResponseBody> {
    match encode_response(header, response) {
        Ok(body) => Some(body),
        Err(error) => {
            tracing::error!(api = %header.api, version = header.api_version, %error, "no response");
            None
        }
    }
}

/// Answers at once.
pub(crate) fn now<M: Encodable + Guarded>(header: &RequestHeader, response: &M) -> Answer {
    match encode(header, response) {
        Some(body) => Answer::Now(body),
        None => Answer::Close(CloseReason("the response cannot be encoded".to_owned())),
    }
}

/// Answers with what `respond` makes of a result, now or when it is there.
pub(crate) fn when<T: Send + 'static, M: Encodable + Guarded>(
    header: RequestHeader,
    completion: Completion<T>,
    respond: impl FnOnce(T) -> M + Send + 'static,
) -> Answer {
    match completion {
        Completion::Ready(result) => now(&header, &respond(result)),
        Completion::Pending(result) => {
            // The client's name is a slice of the request, and a wait may take minutes.
            let header = RequestHeader {
                client_id: None,
                ..header
            };
            later(header, async move { respond(result.await) })
        }
    }
}

/// Answers when `response` is there.
pub(crate) fn later<M: Encodable + Guarded>(
    header: RequestHeader,
    response: impl Future<Output = M> + Send + 'static,
) -> Answer {
    Answer::Later(Box::pin(async move { encode(&header, &response.await) }))
}
