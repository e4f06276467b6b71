//! What the controller has to say to each broker, in order.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ottla_controller::{Request, TermEvent};
use ottla_metadata::BrokerId;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::receiver::Receiver;

/// Answers on their way to the controller; a sender waits when it is full, the controller never
/// waits for a sender.
pub(crate) const ANSWERS: usize = 256;

/// An answer, with the controller epoch of the request.
pub(crate) type Answer = (i32, TermEvent);

/// The outboxes of all brokers.
///
/// Each is a queue of requests that are delivered one at a time, as Kafka's `RequestSendThread`
/// does. A queue has no bound, as in Kafka: a bound would either hold up the whole cluster for one
/// slow broker or lose a request that is never repeated. What is in it is bounded by what the
/// controller decided since the broker last answered, and it is dropped when the term ends.
///
/// This release commands its own broker only. Requests for others are dropped with one warning per
/// broker; topic creation places no replicas on such brokers.
pub(crate) struct Outboxes {
    own: BrokerId,
    queue: Arc<Queue>,
    warned: BTreeSet<BrokerId>,
    delivery: JoinHandle<()>,
}

#[derive(Default)]
struct Queue {
    requests: Mutex<VecDeque<(i32, Request)>>,
    /// Told when there is more, or nothing more to come.
    more: Notify,
    closed: AtomicBool,
}

impl Outboxes {
    /// Starts the delivery to our own broker.
    pub(crate) fn start(
        own: BrokerId,
        receiver: Receiver,
        answers: mpsc::Sender<Answer>,
    ) -> Outboxes {
        let queue = Arc::new(Queue::default());
        let delivery = tokio::spawn(deliver(Arc::clone(&queue), receiver, answers));
        Outboxes {
            own,
            queue,
            warned: BTreeSet::new(),
            delivery,
        }
    }

    /// Whether the broker's outbox leads to it.
    pub(crate) fn commands(&self, broker: BrokerId) -> bool {
        broker == self.own
    }

    /// Puts a request into a broker's outbox.
    pub(crate) fn send(&mut self, epoch: i32, to: BrokerId, request: Request) {
        if self.commands(to) {
            self.queue.requests.lock().push_back((epoch, request));
            self.queue.more.notify_one();
        } else if self.warned.insert(to) {
            tracing::warn!(broker = %to,
                "this release controls only its own replicas: the other broker is not told who leads what");
        }
    }

    /// Drops what has not been delivered: the term is over.
    pub(crate) fn clear(&self) {
        self.queue.requests.lock().clear();
    }

    /// Delivers nothing more and waits until the request under way is carried out.
    pub(crate) async fn stop(self) {
        self.clear();
        self.queue.closed.store(true, Ordering::Release);
        self.queue.more.notify_one();
        // It ends by itself, or has panicked, which the runtime has reported.
        let _ = self.delivery.await;
    }
}

async fn deliver(queue: Arc<Queue>, mut receiver: Receiver, answers: mpsc::Sender<Answer>) {
    while !queue.closed.load(Ordering::Acquire) {
        let next = queue.requests.lock().pop_front();
        let Some((epoch, request)) = next else {
            queue.more.notified().await;
            continue;
        };
        if let Some(event) = receiver.receive(request).await
            && answers.send((epoch, event)).await.is_err()
        {
            return;
        }
    }
}
