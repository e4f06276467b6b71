//! ApiVersions: what this broker serves.

use std::sync::Arc;

use ottla_network::{Answer, Request};
use ottla_protocol::messages::api_versions_response::ApiVersion;
use ottla_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_protocol::{ApiKey, ErrorCode};

use crate::api_table::{Api, SERVED, versions};
use crate::context::Context;
use crate::reply;

pub(crate) static API: Api = Api {
    key: ApiKey::ApiVersions,
    versions: versions(0, 4),
    handle,
};

fn handle(_: &Arc<Context>, request: Request) -> Answer {
    if !API.versions.contains(request.header.api_version) {
        return unsupported(&request);
    }
    let message: ApiVersionsRequest = match reply::decode(&request) {
        Ok(message) => message,
        Err(answer) => return answer,
    };
    if request.header.api_version >= 3 {
        let software = [
            message.client_software_name,
            message.client_software_version,
        ];
        if !software.iter().all(|text| is_software_word(text)) {
            let response = refused(ErrorCode::InvalidRequest);
            return reply::now(&request.header, &response);
        }
        let [name, version] = software.map(|text| text.to_string());
        // Told once per connection; a client that asks again says the same.
        let _ = request.connection.client_software.set((name, version));
    }
    let response =
        ApiVersionsResponse::default().with_api_keys(SERVED.iter().copied().map(entry).collect());
    reply::now(&request.header, &response)
}

/// The answer to a version that does not exist: in the oldest layout, which every client reads,
/// with the versions of this API, so that the client can ask again (KIP-511).
fn unsupported(request: &Request) -> Answer {
    let mut header = request.header.clone();
    header.api_version = 0;
    let response = refused(ErrorCode::UnsupportedVersion).with_api_keys(vec![entry(&API)]);
    reply::now(&header, &response)
}

fn refused(code: ErrorCode) -> ApiVersionsResponse {
    ApiVersionsResponse::default().with_error_code(code.code())
}

fn entry(api: &Api) -> ApiVersion {
    ApiVersion::default()
        .with_api_key(api.key.key())
        .with_min_version(api.versions.min)
        .with_max_version(api.versions.max)
}

/// Letters, digits, and inside also dots and dashes.
fn is_software_word(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(text.chars().next())
        && edge(text.chars().last())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_words() {
        for good in ["a", "apache-kafka-java", "3.9.1", "librdkafka"] {
            assert!(is_software_word(good), "{good}");
        }
        for bad in ["", "-a", "a.", "a b", "ä"] {
            assert!(!is_software_word(bad), "{bad}");
        }
    }
}
