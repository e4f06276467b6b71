//! Producers and consumers. A producer sends with acks=all until it is told that the record is
//! committed; a consumer reads each partition from its beginning and never goes back.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ottla_metadata::{BrokerId, Offset, PartitionImage, TopicId, TopicPartition};

use crate::disk::ProducerSequence;
use crate::message::{Body, Refused};
use crate::network::{Connection, Place};
use crate::oracle::Oracle;
use crate::port::Port;
use crate::random::Random;

/// How long a broker may take to answer, in milliseconds.
const PATIENCE: i64 = 4_000;
/// Pause after a failure.
const PAUSE: i64 = 100;

/// What clients are told from outside, and what they say of themselves.
#[derive(Default)]
pub(crate) struct Orders {
    /// Whether producers send new records.
    pub(crate) produce: bool,
    /// Partitions that a client is at.
    pub(crate) partitions: BTreeMap<TopicPartition, TopicId>,
    /// Sends without an answer.
    pub(crate) in_flight: BTreeSet<(u32, TopicPartition)>,
    /// How far each consumer has come.
    pub(crate) positions: BTreeMap<(u32, TopicPartition, TopicId), Offset>,
}

/// A client.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) number: u32,
    pub(crate) port: Port,
    pub(crate) oracle: Oracle,
    pub(crate) orders: Rc<RefCell<Orders>>,
    pub(crate) brokers: Vec<BrokerId>,
    pub(crate) random: Rc<RefCell<Random>>,
}

/// A client's connections and what it knows of leaders.
struct Known {
    image: BTreeMap<TopicPartition, PartitionImage>,
    connections: BTreeMap<BrokerId, Connection>,
}

impl Client {
    fn between(&self, low: i64, high: i64) -> i64 {
        self.random.borrow_mut().between(low, high)
    }

    async fn call(&self, known: &mut Known, to: BrokerId, body: Body) -> Option<Body> {
        let fresh = || self.port.connection();
        let through = *known.connections.entry(to).or_insert_with(fresh);
        let answer = self
            .port
            .call_within(PATIENCE, through, Place::Broker(to), body);
        match answer.await {
            Ok(body) => Some(body),
            Err(_) => {
                self.port.close(through);
                known.connections.remove(&to);
                None
            }
        }
    }

    async fn refresh(&self, known: &mut Known) {
        let _ = self.port.sleep(PAUSE).await;
        let to = self.random.borrow_mut().pick(&self.brokers).copied();
        if let Some(to) = to
            && let Some(Body::MetadataIs(image)) = self.call(known, to, Body::Metadata).await
        {
            known.image = image;
        }
    }

    fn exists(&self, tp: &TopicPartition, topic: TopicId) -> bool {
        self.orders.borrow().partitions.get(tp) == Some(&topic)
    }

    /// Sends records to one partition until its topic is gone, one at a time. Idempotent or not.
    pub(crate) async fn produce(self, tp: TopicPartition, topic: TopicId, idempotent: bool) {
        let mut known = Known {
            image: BTreeMap::new(),
            connections: BTreeMap::new(),
        };
        let (mut count, mut life, mut sequence) = (0u64, 0u64, 0i32);
        while self.exists(&tp, topic) {
            let _ = self.port.sleep(self.between(5, 120)).await;
            if !self.orders.borrow().produce {
                continue;
            }
            count += 1;
            let record = u64::from(self.number) << 32 | count;
            let me = (self.number, tp.clone());
            self.orders.borrow_mut().in_flight.insert(me.clone());
            loop {
                if !self.exists(&tp, topic) {
                    break;
                }
                let producer = idempotent.then_some(ProducerSequence {
                    producer: u64::from(self.number) << 32 | life,
                    sequence,
                });
                let leader = known.image.get(&tp).and_then(|image| image.leader);
                let Some(leader) = leader else {
                    self.refresh(&mut known).await;
                    continue;
                };
                let body = Body::Produce {
                    partition: tp.clone(),
                    record,
                    producer,
                    all_acks: true,
                };
                match self.call(&mut known, leader, body).await {
                    Some(Body::Produced(Ok(_))) => {
                        sequence += 1;
                        break;
                    }
                    Some(Body::Produced(Err(Refused::OutOfOrder))) => {
                        // What came before is lost: a new producer begins.
                        (life, sequence) = (life + 1, 0);
                    }
                    _ => self.refresh(&mut known).await,
                }
            }
            self.orders.borrow_mut().in_flight.remove(&me);
        }
    }

    /// Reads one partition until its topic is gone.
    pub(crate) async fn consume(self, tp: TopicPartition, topic: TopicId) {
        let mut known = Known {
            image: BTreeMap::new(),
            connections: BTreeMap::new(),
        };
        let place = (self.number, tp.clone(), topic);
        let mut at: Offset = 0;
        while self.exists(&tp, topic) {
            let leader = known.image.get(&tp).and_then(|image| image.leader);
            let Some(leader) = leader else {
                self.refresh(&mut known).await;
                continue;
            };
            let body = Body::Consume {
                partition: tp.clone(),
                at,
            };
            match self.call(&mut known, leader, body).await {
                Some(Body::Consumed(Ok((entries, _)))) => {
                    at += crate::disk::offset(entries.len());
                    self.orders.borrow_mut().positions.insert(place.clone(), at);
                    let _ = self.port.sleep(self.between(20, 200)).await;
                }
                Some(Body::Consumed(Err(Refused::OutOfRange))) => {
                    // The leader has less than was once committed, which the oracle judges.
                    let committed = self.oracle.committed(&tp, topic);
                    at = at.min(committed);
                    self.refresh(&mut known).await;
                }
                _ => self.refresh(&mut known).await,
            }
        }
    }
}
