//! The receiving end of a controller's requests at this broker: epochs are checked, then the image
//! changes or the local replicas are told. Requests are taken one at a time, in the order in which
//! they come, whether from the network or from the controller in this process.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_controller::{
    LeaderAndIsr, PartitionUpdate, ReplicaAnswers, ReplicaError, Request, RequestRefused, Sender,
    StopReplica, UpdateMetadata,
};
use ottla_metadata::{BrokerId, LeaderEpoch, TopicName, TopicPartition, validate_topic_name};
use tokio::sync::{mpsc, oneshot, watch};

use crate::LocalReplicas;
use crate::configs::ConfigFollower;
use crate::image;
use crate::shared::Shared;

/// What became of a request.
pub(crate) type Received = Result<ReplicaAnswers, RequestRefused>;

/// Requests that may wait to be carried out; whoever sends more waits. A controller has one under
/// way.
const WAITING: usize = 16;

/// The way to the receiver.
#[derive(Clone)]
pub(crate) struct Inlet {
    requests: mpsc::Sender<(Request, oneshot::Sender<Received>)>,
}

/// Requests as the receiver gets them, with the way back.
pub(crate) type Incoming = mpsc::Receiver<(Request, oneshot::Sender<Received>)>;

impl Inlet {
    pub(crate) fn new() -> (Inlet, Incoming) {
        let (requests, incoming) = mpsc::channel(WAITING);
        (Inlet { requests }, incoming)
    }

    /// Has the request carried out. Whoever drops the future does not stop what it has begun.
    pub(crate) fn receive(&self, request: Request) -> impl Future<Output = Received> + use<> {
        let requests = self.requests.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            // Without a receiver the answer is dropped, which says the same.
            let _ = requests.send((request, answer)).await;
            // A broker that stops is about to give up the registration that the request was meant
            // for.
            let received = answered.await;
            received.unwrap_or(Err(RequestRefused::StaleBrokerEpoch))
        }
    }
}

/// Carries out requests for this broker.
pub(crate) struct Receiver {
    shared: Arc<Shared>,
    local: Arc<dyn LocalReplicas>,
    configs: ConfigFollower,
    /// The highest controller epoch seen.
    controller_epoch: i32,
    requests: Incoming,
}

impl Receiver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        local: Arc<dyn LocalReplicas>,
        configs: ConfigFollower,
    ) -> (Inlet, Receiver) {
        let (inlet, requests) = Inlet::new();
        let receiver = Receiver {
            shared,
            local,
            configs,
            controller_epoch: 0,
            requests,
        };
        (inlet, receiver)
    }

    /// Carries out requests until stopped; the one under way is finished.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let next = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                next = self.requests.recv() => next,
            };
            let Some((request, answer)) = next else {
                return;
            };
            let received = self.receive(request).await;
            // Whoever asked may have gone.
            let _ = answer.send(received);
        }
    }

    async fn receive(&mut self, request: Request) -> Received {
        match request {
            Request::UpdateMetadata(request) => {
                self.admit("UpdateMetadata", request.sender)?;
                self.update_metadata(request).await;
                Ok(ReplicaAnswers::new())
            }
            Request::LeaderAndIsr(request) => {
                self.admit("LeaderAndIsr", request.sender)?;
                self.leader_and_isr(request).await
            }
            Request::StopReplica(request) => {
                self.admit("StopReplica", request.sender)?;
                self.stop_replicas(request).await
            }
        }
    }

    /// A topic becomes a folder, so that names which no topic can have are refused, whoever sends
    /// them.
    async fn leader_and_isr(&mut self, mut request: LeaderAndIsr) -> Received {
        let mut refused = ReplicaAnswers::new();
        request.partitions.retain(|state| {
            let TopicPartition { topic, partition } = &state.partition;
            let valid = validate_topic_name(topic).is_ok() && *partition >= 0;
            if !valid {
                let partition = state.partition.clone();
                refused.push((partition, Err(ReplicaError::InvalidTopic)));
            }
            valid
        });
        // Logs are created with the topic's configuration, and nobody announces that of a new topic.
        let topics = topics(request.partitions.iter().map(|p| &p.partition));
        self.configs.ensure(topics).await;
        let mut answers = self
            .blocking(move |local| local.leader_and_isr(request))
            .await?;
        answers.append(&mut refused);
        Ok(answers)
    }

    async fn stop_replicas(&mut self, request: StopReplica) -> Received {
        self.blocking(move |local| local.stop_replicas(request))
            .await
    }

    /// Refuses requests of a controller that is no more, and those meant for an earlier
    /// registration of ours.
    fn admit(&mut self, what: &str, sender: Sender) -> Result<(), RequestRefused> {
        let own = self.shared.broker_epoch.load(Ordering::Acquire);
        let refused = if sender.broker_epoch != -1 && sender.broker_epoch < own {
            RequestRefused::StaleBrokerEpoch
        } else if sender.controller_epoch < self.controller_epoch {
            RequestRefused::StaleControllerEpoch
        } else {
            self.controller_epoch = sender.controller_epoch;
            return Ok(());
        };
        tracing::info!(controller = %sender.controller, epoch = sender.controller_epoch,
            "{what} is not obeyed: {refused}");
        Err(refused)
    }

    async fn update_metadata(&mut self, request: UpdateMetadata) {
        self.shared.publish_placeable(request.brokers.iter());
        let shared = Arc::clone(&self.shared);
        // A hundred thousand partitions would keep a thread of the runtime from its sockets.
        let merge = move |_: &dyn LocalReplicas| {
            let (next, removed) = image::apply(&shared.image.load(), &request);
            (request, Arc::new(next), removed)
        };
        let (request, next, removed) = self.blocking(merge).await;
        if **self.shared.image.load() == *next {
            return;
        }
        self.shared.publish_image(Arc::clone(&next));
        if !removed.is_empty() {
            self.configs.forget(removed.clone()).await;
        }
        let moved = moved_away(self.shared.id(), &request);
        self.blocking(move |local| {
            local.metadata_updated(&next, &removed);
            if !moved.is_empty() {
                local.moved_away(moved);
            }
        })
        .await;
    }

    /// Runs work of the local replicas where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn LocalReplicas) -> T + Send + 'static,
    ) -> T {
        let local = Arc::clone(&self.local);
        let task = tokio::task::spawn_blocking(move || work(&*local));
        match task.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is stopping: this task ends at its next await, which is here.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// The partitions that have no replica on this broker, with their leader epochs; those of a topic
/// that is no more are beyond all epochs.
fn moved_away(own: BrokerId, request: &UpdateMetadata) -> Vec<(TopicPartition, LeaderEpoch)> {
    let elsewhere = |update: &PartitionUpdate| {
        let epoch = match &update.image {
            Some(image) if image.replicas.contains(&own) => return None,
            Some(image) => image.leader_epoch,
            None => LeaderEpoch::MAX,
        };
        Some((update.partition.clone(), epoch))
    };
    request.partitions.iter().filter_map(elsewhere).collect()
}

fn topics<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> Vec<TopicName> {
    let mut topics: Vec<TopicName> = partitions.map(|tp| Arc::clone(&tp.topic)).collect();
    topics.dedup();
    topics
}
