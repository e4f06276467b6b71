//! What the controller has to say to each broker, in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ottla_controller::{Answered, ReplicaAnswers, Request, RequestRefused, Sender, TermEvent};
use ottla_metadata::{BrokerId, BrokerInfo, TopicPartition};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::courier::{Courier, Roads};
use crate::receiver::Inlet;

/// Answers on their way to the controller; a sender waits when it is full, the controller never
/// waits for a sender.
pub(crate) const ANSWERS: usize = 256;

/// An answer, with the controller epoch of the request.
pub(crate) type Answer = (i32, TermEvent);

/// The outboxes of all live brokers.
///
/// Each is a queue of requests that are delivered one at a time, as Kafka's `RequestSendThread`
/// does. A queue has no bound, as in Kafka: a bound would either hold up the whole cluster for one
/// slow broker or lose a request that is never repeated. What is in it is bounded by what the
/// controller decided since the broker last answered. It is dropped when the broker's registration
/// ends, and when the term does.
pub(crate) struct Outboxes {
    own: BrokerId,
    to_self: Arc<Queue>,
    to_self_delivery: JoinHandle<()>,
    others: BTreeMap<BrokerId, Outbox>,
    roads: Arc<Roads>,
    answers: mpsc::Sender<Answer>,
}

/// The queue of one other broker, as long as its registration lasts.
struct Outbox {
    broker_epoch: i64,
    queue: Arc<Queue>,
    delivery: JoinHandle<()>,
}

/// What is under way may arrive or not; its receiver knows it by the epochs.
impl Drop for Outbox {
    fn drop(&mut self) {
        self.delivery.abort();
    }
}

#[derive(Default)]
struct Queue {
    requests: Mutex<VecDeque<(i32, Request)>>,
    /// Told when there is more, or nothing more to come.
    more: Notify,
    closed: AtomicBool,
}

impl Queue {
    fn put(&self, epoch: i32, request: Request) {
        self.requests.lock().push_back((epoch, request));
        self.more.notify_one();
    }

    /// The next request; `None` when there will be none.
    async fn take(&self) -> Option<(i32, Request)> {
        while !self.closed.load(Ordering::Acquire) {
            if let Some(next) = self.requests.lock().pop_front() {
                return Some(next);
            }
            self.more.notified().await;
        }
        None
    }

    fn clear(&self) {
        self.requests.lock().clear();
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.more.notify_one();
    }
}

impl Outboxes {
    /// Starts the delivery to our own broker.
    pub(crate) fn start(
        own: BrokerId,
        inlet: Inlet,
        roads: Roads,
        answers: mpsc::Sender<Answer>,
    ) -> Outboxes {
        let to_self = Arc::new(Queue::default());
        let delivery = deliver_to_self(own, Arc::clone(&to_self), inlet, answers.clone());
        Outboxes {
            own,
            to_self,
            to_self_delivery: tokio::spawn(delivery),
            others: BTreeMap::new(),
            roads: Arc::new(roads),
            answers,
        }
    }

    /// Takes over who is registered: whoever is new, or has registered anew, gets an empty outbox;
    /// those of brokers that are gone are dropped with what is in them.
    pub(crate) fn follow(&mut self, brokers: &BTreeMap<BrokerId, Arc<BrokerInfo>>) {
        self.roads.brokers.store(Arc::new(brokers.clone()));
        self.others.retain(|id, outbox| {
            let now = brokers.get(id);
            now.is_some_and(|broker| broker.epoch == outbox.broker_epoch)
        });
        for (id, broker) in brokers {
            if *id == self.own || self.others.contains_key(id) {
                continue;
            }
            let queue = Arc::new(Queue::default());
            let courier = Courier::new(*id, Arc::clone(&self.roads));
            let delivery = deliver(*id, Arc::clone(&queue), courier, self.answers.clone());
            let outbox = Outbox {
                broker_epoch: broker.epoch,
                queue,
                delivery: tokio::spawn(delivery),
            };
            self.others.insert(*id, outbox);
        }
    }

    /// Puts a request into a broker's outbox; there is none for a broker that is not registered.
    pub(crate) fn send(&self, epoch: i32, to: BrokerId, request: Request) {
        if to == self.own {
            self.to_self.put(epoch, request);
        } else if let Some(outbox) = self.others.get(&to) {
            outbox.queue.put(epoch, request);
        } else {
            tracing::warn!(broker = %to, "the broker is gone: what it was to be told is dropped");
        }
    }

    /// Drops what has not been delivered: the term is over.
    pub(crate) fn clear(&mut self) {
        self.to_self.clear();
        self.others.clear();
    }

    /// Delivers nothing more and waits until the request under way here is carried out.
    pub(crate) async fn stop(mut self) {
        self.clear();
        self.to_self.close();
        // It ends by itself, or has panicked, which the runtime has reported.
        let _ = self.to_self_delivery.await;
    }
}

/// Hands requests to our own broker.
async fn deliver_to_self(
    own: BrokerId,
    queue: Arc<Queue>,
    inlet: Inlet,
    answers: mpsc::Sender<Answer>,
) {
    while let Some((epoch, request)) = queue.take().await {
        let awaited = Awaited::by(own, &request);
        let result = inlet.receive(request).await;
        if let Some(awaited) = awaited
            && answers.send((epoch, awaited.event(result))).await.is_err()
        {
            return;
        }
    }
}

/// Has requests carried to another broker.
async fn deliver(
    to: BrokerId,
    queue: Arc<Queue>,
    mut courier: Courier,
    answers: mpsc::Sender<Answer>,
) {
    while let Some((epoch, request)) = queue.take().await {
        let awaited = Awaited::by(to, &request);
        let result = courier.carry(request).await;
        if let (Some(awaited), Some(result)) = (awaited, result)
            && answers.send((epoch, awaited.event(result))).await.is_err()
        {
            return;
        }
    }
}

/// A request whose answer the controller wants to hear.
struct Awaited {
    broker: BrokerId,
    sender: Sender,
    partitions: Vec<TopicPartition>,
    event: fn(Answered) -> TermEvent,
}

impl Awaited {
    /// `None` for those whose answers say nothing: UpdateMetadata, and StopReplica that keeps logs.
    fn by(broker: BrokerId, request: &Request) -> Option<Awaited> {
        match request {
            Request::UpdateMetadata(_) => None,
            Request::LeaderAndIsr(request) => Some(Awaited {
                broker,
                sender: request.sender,
                partitions: names(request.partitions.iter().map(|p| &p.partition)),
                event: TermEvent::LeaderAndIsrAnswered,
            }),
            Request::StopReplica(request) => {
                let delete = request.partitions.iter().any(|p| p.delete);
                delete.then(|| Awaited {
                    broker,
                    sender: request.sender,
                    partitions: names(request.partitions.iter().map(|p| &p.partition)),
                    event: TermEvent::StopReplicaAnswered,
                })
            }
        }
    }

    fn event(self, result: Result<ReplicaAnswers, RequestRefused>) -> TermEvent {
        (self.event)(Answered {
            broker: self.broker,
            broker_epoch: self.sender.broker_epoch,
            partitions: self.partitions,
            result,
        })
    }
}

fn names<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> Vec<TopicPartition> {
    partitions.cloned().collect()
}
