//! A broker's fetchers, one for each leader: they ask what the partition brains want to ask, and
//! bring back what the leader says (`ReplicaFetcherThread`).

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

use ottla_metadata::{BrokerId, LeaderEpoch, NO_EPOCH, TopicPartition};
use ottla_partition::{EpochEnd, Event, FollowerRequest, LeaderAnswer, NextRequest};

use crate::broker::Broker;
use crate::disk::Log;
use crate::message::{Body, FetchPart, FetchedPart, Refused};
use crate::network::{Connection, Place};
use crate::port::{Either, either};

/// How long a leader may take to answer.
const PATIENCE: i64 = 1_000;

type Shared = Rc<RefCell<Broker>>;

/// What to ask the leader now.
enum Work {
    Fetch(Vec<FetchPart>),
    EpochEnd(TopicPartition, LeaderEpoch, LeaderEpoch),
    Ends(TopicPartition, LeaderEpoch),
    /// Nothing before that instant.
    Later(i64),
}

/// Follows `leader` in whatever the controller says; never ends.
pub(crate) async fn follow(broker: Shared, leader: BrokerId) {
    let port = broker.borrow().port.clone();
    let mut through = port.connection();
    loop {
        let work = std::future::poll_fn(|_| match broker.borrow().work_for(leader) {
            Some(work) => Poll::Ready(work),
            None => Poll::Pending,
        })
        .await;
        if let Work::Later(at) = work {
            let sooner = std::future::poll_fn(|_| match broker.borrow().work_for(leader) {
                Some(Work::Later(_)) | None => Poll::Pending,
                Some(_) => Poll::Ready(()),
            });
            let pause = port.sleep(at - port.now_ms());
            match either(sooner, pause).await {
                Either::Left(()) | Either::Right(_) => continue,
            }
        }
        let is_known = broker.borrow().image.brokers.contains_key(&leader);
        let done = is_known && ask(&broker, leader, through, &work).await;
        if !done {
            broker.borrow_mut().failed(&work);
            port.close(through);
            through = port.connection();
        }
    }
}

/// Asks, and brings back the answer. False if there is none.
async fn ask(broker: &Shared, leader: BrokerId, through: Connection, work: &Work) -> bool {
    let (port, id) = (broker.borrow().port.clone(), broker.borrow().id);
    let body = match work {
        Work::Fetch(parts) => Body::Fetch(id, parts.clone()),
        Work::EpochEnd(tp, leader_epoch, epoch) => Body::EpochEnd {
            partition: tp.clone(),
            leader_epoch: *leader_epoch,
            epoch: *epoch,
        },
        Work::Ends(tp, leader_epoch) => Body::Ends {
            partition: tp.clone(),
            leader_epoch: *leader_epoch,
        },
        Work::Later(_) => return true,
    };
    let answer = port.call_within(PATIENCE, through, Place::Broker(leader), body);
    let answer = answer.await;
    let mut broker = broker.borrow_mut();
    match (work, answer) {
        (Work::Fetch(parts), Ok(Body::Fetched(answers))) => {
            for (part, answer) in parts.iter().zip(answers) {
                broker.fetched(part, answer);
            }
            true
        }
        (Work::EpochEnd(tp, leader_epoch, _), Ok(Body::EpochEnded(answer))) => {
            let answer = match answer {
                Ok(end) => broker.compared(tp, end, |leader, local| LeaderAnswer::EpochEnd {
                    leader,
                    local,
                }),
                Err(error) => failure(error, -1),
            };
            broker.tell(tp, *leader_epoch, answer);
            true
        }
        (Work::Ends(tp, leader_epoch), Ok(Body::EndsAre(answer))) => {
            let answer = match answer {
                Ok((start, end)) => LeaderAnswer::Offsets {
                    start,
                    end,
                    latest_epoch: broker.latest_epoch(tp),
                },
                Err(error) => failure(error, -1),
            };
            broker.tell(tp, *leader_epoch, answer);
            true
        }
        _ => false,
    }
}

fn failure(error: Refused, at: i64) -> LeaderAnswer {
    match error {
        Refused::FencedEpoch => LeaderAnswer::Fenced,
        Refused::OutOfRange if at >= 0 => LeaderAnswer::OutOfRange { at },
        _ => LeaderAnswer::Failed,
    }
}

impl FetchPart {
    fn epoch(&self) -> LeaderEpoch {
        self.leader_epoch.unwrap_or(NO_EPOCH)
    }
}

impl Broker {
    /// What partitions that follow `leader` want to ask: records for all together, anything else
    /// first.
    fn work_for(&self, leader: BrokerId) -> Option<Work> {
        let (mut parts, mut later) = (Vec::new(), None::<i64>);
        for (tp, replica) in &self.replicas {
            let brain = &replica.brain;
            if brain.follower().is_none_or(|f| f.leader != Some(leader)) {
                continue;
            }
            let leader_epoch = brain.leader_epoch();
            match brain.next_request(self.port.now_ms()) {
                NextRequest::Nothing => {}
                NextRequest::At(at) => later = Some(later.map_or(at, |other| other.min(at))),
                NextRequest::Now(FollowerRequest::EpochEnd { epoch }) => {
                    return Some(Work::EpochEnd(tp.clone(), leader_epoch, epoch));
                }
                NextRequest::Now(FollowerRequest::LeaderOffsets) => {
                    return Some(Work::Ends(tp.clone(), leader_epoch));
                }
                NextRequest::Now(FollowerRequest::Fetch { at, last_epoch }) => {
                    parts.push(FetchPart {
                        partition: tp.clone(),
                        topic_id: replica.topic_id,
                        leader_epoch: Some(leader_epoch),
                        at,
                        last_epoch,
                    });
                }
            }
        }
        if parts.is_empty() {
            return later.map(Work::Later);
        }
        Some(Work::Fetch(parts))
    }

    fn tell(&mut self, tp: &TopicPartition, leader_epoch: LeaderEpoch, answer: LeaderAnswer) {
        let event = Event::LeaderAnswered {
            leader_epoch,
            answer,
        };
        self.step(tp, event);
    }

    fn failed(&mut self, work: &Work) {
        match work {
            Work::Fetch(parts) => {
                for part in parts {
                    self.tell(&part.partition, part.epoch(), LeaderAnswer::Failed);
                }
            }
            Work::EpochEnd(tp, epoch, _) | Work::Ends(tp, epoch) => {
                self.tell(tp, *epoch, LeaderAnswer::Failed);
            }
            Work::Later(_) => {}
        }
    }

    /// Adds what our own log says of the epoch that the leader named.
    fn compared(
        &self,
        tp: &TopicPartition,
        (epoch, end_offset): (LeaderEpoch, i64),
        answer: impl FnOnce(EpochEnd, EpochEnd) -> LeaderAnswer,
    ) -> LeaderAnswer {
        let disk = self.disk.borrow();
        let ours = |log: &Log| log.epochs.end_offset(epoch, log.end());
        let ours = disk.logs.get(tp).map_or((-1, -1), ours);
        let leader = EpochEnd { epoch, end_offset };
        let local = EpochEnd {
            epoch: ours.0,
            end_offset: ours.1,
        };
        answer(leader, local)
    }

    fn fetched(&mut self, part: &FetchPart, answer: Result<FetchedPart, Refused>) {
        let (tp, at) = (&part.partition, part.at);
        let answer = match answer {
            Err(error) => failure(error, at),
            Ok(FetchedPart {
                diverging: Some(end),
                ..
            }) => self.compared(tp, end, |leader, local| LeaderAnswer::Diverging {
                at,
                leader,
                local,
            }),
            Ok(read) => {
                let expected = self.replicas.get(tp);
                if expected.is_none_or(|r| !r.brain.expects_records(part.epoch(), at)) {
                    return;
                }
                let mut disk = self.disk.borrow_mut();
                let Some(log) = disk.logs.get_mut(tp) else {
                    return;
                };
                for entry in read.entries {
                    log.append(entry);
                }
                let log_end = log.end();
                let latest_epoch = log.epochs.latest();
                drop(disk);
                LeaderAnswer::Records {
                    at,
                    log_end,
                    latest_epoch,
                    leader_high_watermark: read.high_watermark,
                    leader_log_start: 0,
                }
            }
        };
        self.tell(tp, part.epoch(), answer);
    }
}
