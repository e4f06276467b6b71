//! What a controller has to say to each broker: a queue for each, delivered in order and one at a
//! time, again and again while that broker is registered under that epoch.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use ottla_controller::{Answered, ReplicaAnswers, Request, RequestRefused, Sender, TermEvent};
use ottla_metadata::{BrokerId, BrokerInfo, TopicPartition};

use crate::broker::Broker;
use crate::driver::Answer;
use crate::message::Body;
use crate::network::Place;
use crate::port::{Mailbox, Port};

type Shared = Rc<RefCell<Broker>>;

/// Pause before a request is delivered again, in milliseconds.
const RETRY_PAUSE: i64 = 100;
/// How long a broker may take to answer.
const PATIENCE: i64 = 1_500;

#[derive(Default)]
struct Queue {
    requests: VecDeque<(i32, Request)>,
    closed: bool,
}

/// The outboxes of all brokers.
pub(crate) struct Outboxes {
    broker: Shared,
    port: Port,
    answers: Mailbox<Answer>,
    queues: BTreeMap<BrokerId, (i64, Rc<RefCell<Queue>>)>,
}

impl Outboxes {
    pub(crate) fn new(broker: Shared, answers: Mailbox<Answer>) -> Outboxes {
        let port = broker.borrow().port.clone();
        Outboxes {
            broker,
            port,
            answers,
            queues: BTreeMap::new(),
        }
    }

    /// Who is registered; what was meant for others is dropped.
    pub(crate) fn retain(&mut self, brokers: &BTreeMap<BrokerId, Arc<BrokerInfo>>) {
        let is_there = |id: &BrokerId, epoch: i64| {
            let broker = brokers.get(id);
            broker.is_some_and(|broker| broker.epoch == epoch)
        };
        self.queues.retain(|id, (epoch, queue)| {
            let keep = is_there(id, *epoch);
            queue.borrow_mut().closed |= !keep;
            keep
        });
        for (id, info) in brokers {
            self.queues.entry(*id).or_insert_with(|| {
                let queue: Rc<RefCell<Queue>> = Rc::default();
                let (broker, port) = (self.broker.clone(), self.port.clone());
                let delivery = deliver(broker, port, *id, queue.clone(), self.answers.clone());
                self.port.spawn(delivery);
                (info.epoch, queue)
            });
        }
    }

    pub(crate) fn send(&mut self, epoch: i32, to: BrokerId, request: Request) {
        if let Some((_, queue)) = self.queues.get(&to) {
            queue.borrow_mut().requests.push_back((epoch, request));
        }
    }

    /// The term is over.
    pub(crate) fn clear(&mut self) {
        for (_, queue) in self.queues.values() {
            queue.borrow_mut().closed = true;
        }
        self.queues.clear();
    }
}

async fn deliver(
    broker: Shared,
    port: Port,
    to: BrokerId,
    queue: Rc<RefCell<Queue>>,
    answers: Mailbox<Answer>,
) {
    let own = broker.borrow().id == to;
    let mut through = port.connection();
    loop {
        let next = std::future::poll_fn(|_| {
            let mut queue = queue.borrow_mut();
            match queue.requests.pop_front() {
                _ if queue.closed => Poll::Ready(None),
                Some(next) => Poll::Ready(Some(next)),
                None => Poll::Pending,
            }
        });
        let Some((epoch, request)) = next.await else {
            port.close(through);
            return;
        };
        let result = loop {
            if own {
                break broker.borrow_mut().receive(request.clone());
            }
            let body = Body::Control(request.clone());
            let answer = port.call_within(PATIENCE, through, Place::Broker(to), body);
            if let Ok(Body::Controlled(result)) = answer.await {
                break result;
            }
            port.close(through);
            through = port.connection();
            let _ = port.sleep(RETRY_PAUSE).await;
            if queue.borrow().closed {
                return;
            }
        };
        if let Some(event) = answered(to, &request, result) {
            answers.put((epoch, event));
        }
    }
}

/// What the controller wants to hear of an answer, if anything.
fn answered(
    broker: BrokerId,
    request: &Request,
    result: Result<ReplicaAnswers, RequestRefused>,
) -> Option<TermEvent> {
    let answered = |sender: Sender, partitions: Vec<TopicPartition>| Answered {
        broker,
        broker_epoch: sender.broker_epoch,
        partitions,
        result,
    };
    match request {
        Request::UpdateMetadata(_) => None,
        Request::LeaderAndIsr(request) => {
            let partitions = request.partitions.iter().map(|p| p.partition.clone());
            let answered = answered(request.sender, partitions.collect());
            Some(TermEvent::LeaderAndIsrAnswered(answered))
        }
        Request::StopReplica(request) => {
            let deletes = request.partitions.iter().any(|p| p.delete);
            let partitions = request.partitions.iter().map(|p| p.partition.clone());
            let answered = answered(request.sender, partitions.collect());
            deletes.then_some(TermEvent::StopReplicaAnswered(answered))
        }
    }
}
