//! The receiving end of a controller's requests at this broker: epochs are checked, then the image
//! changes or the local replicas are told. Requests are taken one at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_controller::{
    Answered, ReplicaAnswers, Request, RequestRefused, Sender, TermEvent, UpdateMetadata,
};
use ottla_metadata::{TopicName, TopicPartition};

use crate::LocalReplicas;
use crate::configs::ConfigFollower;
use crate::image;
use crate::shared::Shared;

/// Carries out requests for this broker.
pub(crate) struct Receiver {
    shared: Arc<Shared>,
    local: Arc<dyn LocalReplicas>,
    configs: ConfigFollower,
    /// The highest controller epoch seen.
    controller_epoch: i32,
}

impl Receiver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        local: Arc<dyn LocalReplicas>,
        configs: ConfigFollower,
    ) -> Receiver {
        Receiver {
            shared,
            local,
            configs,
            controller_epoch: 0,
        }
    }

    /// Carries out a request; what the controller wants to hear of it, if anything.
    pub(crate) async fn receive(&mut self, request: Request) -> Option<TermEvent> {
        match request {
            Request::UpdateMetadata(request) => {
                if self.admit(request.sender).is_ok() {
                    self.update_metadata(request).await;
                }
                None
            }
            Request::LeaderAndIsr(request) => {
                let sender = request.sender;
                let partitions = names(request.partitions.iter().map(|p| &p.partition));
                let result = match self.admit(sender) {
                    Err(refused) => Err(refused),
                    Ok(()) => {
                        // Logs are created with the topic's configuration, and nobody announces
                        // that of a new topic.
                        self.configs.ensure(topics(&partitions)).await;
                        self.blocking(move |local| local.leader_and_isr(request))
                            .await
                    }
                };
                Some(TermEvent::LeaderAndIsrAnswered(
                    self.answered(sender, partitions, result),
                ))
            }
            Request::StopReplica(request) => {
                let sender = request.sender;
                let delete = request.partitions.iter().any(|p| p.delete);
                let partitions = names(request.partitions.iter().map(|p| &p.partition));
                let result = match self.admit(sender) {
                    Err(refused) => Err(refused),
                    Ok(()) => {
                        self.blocking(move |local| local.stop_replicas(request))
                            .await
                    }
                };
                delete.then(|| {
                    TermEvent::StopReplicaAnswered(self.answered(sender, partitions, result))
                })
            }
        }
    }

    /// Refuses requests of a controller that is no more, and those meant for an earlier
    /// registration of ours.
    fn admit(&mut self, sender: Sender) -> Result<(), RequestRefused> {
        let own = self.shared.broker_epoch.load(Ordering::Acquire);
        if sender.broker_epoch != -1 && sender.broker_epoch < own {
            return Err(RequestRefused::StaleBrokerEpoch);
        }
        if sender.controller_epoch < self.controller_epoch {
            return Err(RequestRefused::StaleControllerEpoch);
        }
        self.controller_epoch = sender.controller_epoch;
        Ok(())
    }

    async fn update_metadata(&mut self, request: UpdateMetadata) {
        let (next, removed) = image::apply(&self.shared.image.load(), &request);
        let next = Arc::new(next);
        if **self.shared.image.load() == *next {
            return;
        }
        self.shared.publish_image(Arc::clone(&next));
        if !removed.is_empty() {
            self.configs.forget(removed.clone()).await;
        }
        self.blocking(move |local| local.metadata_updated(&next, &removed))
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

    fn answered(
        &self,
        sender: Sender,
        partitions: Vec<TopicPartition>,
        result: Result<ReplicaAnswers, RequestRefused>,
    ) -> Answered {
        Answered {
            broker: self.shared.id(),
            broker_epoch: sender.broker_epoch,
            partitions,
            result,
        }
    }
}

fn names<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> Vec<TopicPartition> {
    partitions.cloned().collect()
}

fn topics(partitions: &[TopicPartition]) -> Vec<TopicName> {
    let mut topics: Vec<TopicName> = partitions.iter().map(|tp| Arc::clone(&tp.topic)).collect();
    topics.dedup();
    topics
}
