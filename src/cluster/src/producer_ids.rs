//! Blocks of producer ids: from the controller (KIP-730, `inter.broker.protocol.version` ≥ 3.0-IV0),
//! before that from ZooKeeper.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ottla_config::MetadataVersion;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::{self, AllocateProducerIdsRequest, AllocateProducerIdsResponse};

use crate::StoreError;
use crate::commands::grant_producer_ids;
use crate::controller_channel::{Ask, ControllerChannel};
use crate::shared::Shared;
use crate::wait::{Failed, patience, within};

/// How long a controller is waited for. Whoever asked for an id hears that it may ask again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes the next block for this broker, inclusive at both ends.
///
/// # Errors
/// The controller or ZooKeeper is away.
pub(crate) async fn allocate(
    shared: &Arc<Shared>,
    channel: &ControllerChannel,
) -> Result<RangeInclusive<i64>, StoreError> {
    if shared.settings.version < MetadataVersion::V3_0_IV0 {
        let deadline = patience(&shared.zk, Duration::ZERO);
        let claim = shared.zk.allocate_producer_ids(shared.id());
        let block = within(deadline, claim).await.map_err(Failed::into_store)?;
        return Ok(block.first..=block.last);
    }
    let ask = AllocateProducerIds {
        shared: Arc::clone(shared),
    };
    match tokio::time::timeout(PATIENCE, channel.ask(&ask)).await {
        Ok(Ok(block)) => Ok(block),
        Ok(Err(code)) => Err(StoreError::Unexpected(code.to_string())),
        Err(_) => Err(StoreError::Away),
    }
}

struct AllocateProducerIds {
    shared: Arc<Shared>,
}

impl AllocateProducerIds {
    fn broker_epoch(&self) -> i64 {
        self.shared.broker_epoch.load(Ordering::Acquire)
    }
}

/// What a code means: a controller that does not know us yet soon will.
fn refusal(code: ErrorCode) -> Option<Result<RangeInclusive<i64>, ErrorCode>> {
    match code {
        ErrorCode::NotController
        | ErrorCode::StaleBrokerEpoch
        | ErrorCode::BrokerIdNotRegistered
        | ErrorCode::RequestTimedOut => None,
        code => Some(Err(code)),
    }
}

impl Ask for AllocateProducerIds {
    type Request = AllocateProducerIdsRequest;
    type Answer = Result<RangeInclusive<i64>, ErrorCode>;

    fn newest_version(&self) -> Option<i16> {
        (self.broker_epoch() >= 0).then_some(i16::MAX)
    }

    fn request(&self, _version: i16) -> AllocateProducerIdsRequest {
        AllocateProducerIdsRequest::default()
            .with_broker_id(messages::BrokerId(self.shared.id().0))
            .with_broker_epoch(self.broker_epoch())
    }

    fn answer(&self, _version: i16, response: AllocateProducerIdsResponse) -> Option<Self::Answer> {
        let code = ErrorCode::from_code(response.error_code);
        match code.unwrap_or(ErrorCode::UnknownServerError) {
            ErrorCode::None => {
                let first = response.producer_id_start.0;
                let last = first.checked_add(i64::from(response.producer_id_len) - 1);
                let block = last.filter(|last| first >= 0 && *last >= first);
                Some(match block {
                    Some(last) => Ok(first..=last),
                    None => Err(ErrorCode::UnknownServerError),
                })
            }
            code => refusal(code),
        }
    }

    async fn ask_own(&self) -> Option<Self::Answer> {
        let (id, epoch) = (self.shared.id(), self.broker_epoch());
        match grant_producer_ids(&self.shared, id, epoch).await {
            Ok(block) => Some(Ok(block)),
            Err(error) => {
                tracing::debug!(%error, "no block of producer ids yet");
                None
            }
        }
    }
}
