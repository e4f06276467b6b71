//! A fetcher's exchanges with its leader: connecting, asking, waiting.

use std::time::Duration;

use ottla_protocol::Request;
use ottla_protocol::layout::Guarded;
use ottla_protocol::messages::{FetchRequest, FetchResponse};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::link::{Link, LinkError};
use super::task::Task;
use crate::manager::ReplicaManager;
use crate::settings::FollowSettings;

/// How a fetch ended.
pub(super) enum Outcome {
    Answered(FetchResponse),
    /// Given up for the sake of partitions that arrived meanwhile.
    CutShort,
    Failed(LinkError),
}

impl Task {
    /// Sends a fetch and waits for its answer, at most `replica.socket.timeout.ms`. Partitions that
    /// arrive, or whose back-off ends, while the leader has nothing to say are not kept waiting for
    /// the end of the long poll: that would be the time without a quorum after a failover.
    pub(super) async fn exchange_fetch(
        &mut self,
        manager: &ReplicaManager,
        version: i16,
        request: &FetchRequest,
    ) -> Outcome {
        let settings = &manager.settings.following;
        let deadline = Instant::now() + settings.socket_timeout;
        if let Err(error) = self.connect(manager, deadline).await {
            return Outcome::Failed(error);
        }
        let due = self.next_delayed().map(|at| {
            let wait = at.saturating_sub(manager.now()).max(0).unsigned_abs();
            Instant::now() + Duration::from_millis(wait)
        });
        let Some(link) = &mut self.link else {
            return Outcome::CutShort;
        };
        match timeout_at(deadline, link.send(version, request)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Outcome::Failed(error),
            Err(_) => return Outcome::Failed(timed_out(settings)),
        }
        loop {
            let is_due = due.is_some_and(|due| due <= Instant::now());
            let arrivals = is_due || self.inbox.has_arrivals();
            tokio::select! {
                biased;
                answer = link.receive::<FetchRequest>(version) => {
                    return answer.map_or_else(Outcome::Failed, Outcome::Answered);
                }
                () = self.inbox.told.notified(), if !arrivals => {}
                () = sleep_until(due.unwrap_or(deadline)), if !arrivals && due.is_some() => {}
                () = sleep_until(self.patient_until), if arrivals && !link.is_receiving() => {
                    // A new session names all partitions: the more there are, the rarer.
                    let cost = Duration::from_micros(20) * u32::try_from(self.session.len()).unwrap_or(u32::MAX);
                    self.patient_until = Instant::now() + cost.max(Duration::from_millis(1));
                    return Outcome::CutShort;
                }
                () = sleep_until(deadline) => return Outcome::Failed(timed_out(settings)),
            }
        }
    }

    async fn connect(
        &mut self,
        manager: &ReplicaManager,
        deadline: Instant,
    ) -> Result<(), LinkError> {
        if self.link.is_some() {
            return Ok(());
        }
        let settings = &manager.settings.following;
        let (leader, number) = self.key;
        let image = manager.image.load_full();
        let endpoint = image
            .brokers
            .get(&leader)
            .and_then(|broker| broker.endpoint(&settings.listener))
            .ok_or_else(|| LinkError::NoAddress(settings.listener.clone()))?;
        let client_id = format!("broker-{}-fetcher-{number}", manager.broker.0);
        let open = Link::open(endpoint, settings.receive_buffer_bytes, &client_id);
        let link = timeout_at(deadline, open)
            .await
            .map_err(|_| timed_out(settings))??;
        if !std::mem::replace(&mut self.is_following, true) {
            tracing::info!(
                leader = leader.0, host = %endpoint.host, port = endpoint.port, %client_id,
                "following"
            );
        }
        self.link = Some(link);
        Ok(())
    }

    pub(super) async fn exchange<R>(
        &mut self,
        manager: &ReplicaManager,
        version: i16,
        request: &R,
    ) -> Result<R::Response, LinkError>
    where
        R: Request + Guarded,
        R::Response: Guarded,
    {
        let settings = &manager.settings.following;
        let deadline = Instant::now() + settings.socket_timeout;
        self.connect(manager, deadline).await?;
        let Some(link) = &mut self.link else {
            return Err(timed_out(settings));
        };
        let exchange = async {
            link.send(version, request).await?;
            link.receive::<R>(version).await
        };
        timeout_at(deadline, exchange)
            .await
            .map_err(|_| timed_out(settings))?
    }
}

fn timed_out(settings: &FollowSettings) -> LinkError {
    LinkError::TimedOut(settings.socket_timeout.as_millis())
}
