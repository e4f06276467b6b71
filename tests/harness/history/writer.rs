//! A producer that writes steadily and notes what it sent and what came back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ottla_client::{Cluster, Idempotence, Producer, ProducerOptions, ProducerRecord};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use super::{Answer, Event, Guarantee, History, RecordId};

/// How a writer writes.
#[derive(Clone, Debug)]
pub struct WriterSpec {
    /// Its number, unlike any other writer's.
    pub number: u16,
    /// The topic.
    pub topic: String,
    /// Over so many partitions, by turns.
    pub partitions: i32,
    /// Idempotent or not.
    pub guarantee: Guarantee,
    /// -1 for all in-sync replicas; fewer promise nothing.
    pub acks: i16,
    /// Pause between two records.
    pub pause: Duration,
    /// Records that may be on their way at once.
    pub window: usize,
}

/// A writer at work.
pub struct Writer {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Begins to write. Has to be called within a runtime.
    ///
    /// No record is given up while the writer runs: giving up would leave it open whether the
    /// record comes later.
    pub fn start(cluster: Cluster, spec: WriterSpec, history: &History) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(write(cluster, spec, history.clone(), Arc::clone(&stop)));
        Writer { stop, task }
    }

    /// Sends no more, and waits until all that was sent has its answer, but not longer than `bound`.
    ///
    /// # Errors
    /// It took longer. What was not answered is not in the history as answered.
    pub async fn finish(mut self, bound: Duration) -> Result<(), String> {
        self.stop.store(true, Ordering::Relaxed);
        match tokio::time::timeout(bound, &mut self.task).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("a writer ended: {error}")),
            Err(_) => {
                self.task.abort();
                Err(format!(
                    "a writer had records without an answer after {bound:?}"
                ))
            }
        }
    }
}

async fn write(cluster: Cluster, spec: WriterSpec, history: History, stop: Arc<AtomicBool>) {
    let options = ProducerOptions {
        acks: spec.acks,
        request_timeout: Duration::from_secs(2),
        delivery_timeout: Duration::from_secs(3600),
        max_block: Duration::from_secs(3600),
        linger: Duration::from_millis(2),
        idempotence: match spec.guarantee {
            Guarantee::Once => Idempotence::Required,
            Guarantee::AtLeastOnce => Idempotence::Off,
        },
        ..ProducerOptions::default()
    };
    let producer = Producer::new(cluster, options);
    let window = Arc::new(Semaphore::new(spec.window));
    let mut fates = JoinSet::new();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let Ok(place) = Arc::clone(&window).acquire_owned().await else {
            return;
        };
        let record = RecordId {
            writer: spec.number,
            number,
        };
        let partition =
            i32::try_from(number % u64::from(spec.partitions.unsigned_abs())).unwrap_or_default();
        number += 1;
        history.add(Event::Sent {
            record,
            partition,
            guarantee: spec.guarantee,
        });
        let filling = "x".repeat(usize::try_from(number * 37 % 400).unwrap_or_default());
        let sent = producer
            .send(ProducerRecord {
                topic: spec.topic.clone(),
                partition: Some(partition),
                value: Some(Bytes::from(format!("{record}:{filling}"))),
                ..ProducerRecord::default()
            })
            .await;
        let history = history.clone();
        fates.spawn(async move {
            let answer = match sent {
                Ok(fate) => match fate.await {
                    Ok(Ok(delivery)) => {
                        Answer::Acked(Some(delivery.offset).filter(|offset| *offset >= 0))
                    }
                    Ok(Err(error)) => Answer::Failed(error.to_string()),
                    Err(_) => Answer::Failed("the producer ended".to_owned()),
                },
                Err(error) => Answer::Failed(error.to_string()),
            };
            history.add(Event::Answered {
                record,
                partition,
                answer,
            });
            drop(place);
        });
        while fates.try_join_next().is_some() {}
        tokio::time::sleep(spec.pause).await;
    }
    while fates.join_next().await.is_some() {}
}
