//! A cluster under load, faults, and the proof.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Fault, Step};
use crate::history::{
    Answer, Event, Guarantee, History, Reader, Summary, Violation, Writer, WriterSpec,
    compare_replicas, read_replica, read_to_the_end, summary, verify,
};
use crate::{ClusterSpec, TestCluster};

/// How long the cluster may take to serve again when a fault is over: sessions have to expire,
/// and the machine may be busy.
const RECOVERY: Duration = Duration::from_secs(60);

/// The load of a run.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Partitions of the topic.
    pub partitions: i32,
    /// Idempotent writers.
    pub idempotent: u16,
    /// Writers that may repeat.
    pub repeating: u16,
    /// Pause between two records of a writer.
    pub pause: Duration,
}

impl Default for Load {
    fn default() -> Load {
        Load {
            partitions: 3,
            idempotent: 2,
            repeating: 1,
            pause: Duration::from_millis(4),
        }
    }
}

/// The topic that is written to.
const TOPIC: &str = "faults";

/// A cluster with writers and a reader at work on a topic of three replicas.
pub struct FaultRun {
    cluster: TestCluster,
    history: History,
    writers: Vec<Writer>,
    reader: Option<Reader>,
    load: Load,
}

impl FaultRun {
    /// The cluster that promises to lose nothing: three replicas, two of which must have a record
    /// before it is acknowledged, and no unclean elections. Replicas leave the ISR soon, so that a
    /// fault does not stop everything for the default half minute.
    pub fn spec() -> ClusterSpec {
        ClusterSpec::new(3)
            .with("min.insync.replicas", "2")
            .with("unclean.leader.election.enable", "false")
            .with("replica.lag.time.max.ms", "2000")
            .with("replica.socket.timeout.ms", "2000")
            .with("replica.fetch.wait.max.ms", "200")
            .with("controller.socket.timeout.ms", "2000")
            .with("controlled.shutdown.max.retries", "1")
            .with("log.segment.bytes", "200000")
    }

    /// Starts cluster and load, and waits for the first acknowledgements.
    pub fn start(spec: &ClusterSpec, load: Load) -> FaultRun {
        let cluster = TestCluster::start(spec);
        cluster.create_topic(TOPIC, load.partitions, 3, &[]);
        let history = History::default();
        let runtime = cluster.runtime();
        let entered = runtime.enter();
        let writer = |number: u16| {
            let guarantee = match number < load.idempotent {
                true => Guarantee::Once,
                false => Guarantee::AtLeastOnce,
            };
            let spec = WriterSpec {
                number,
                topic: TOPIC.to_owned(),
                partitions: load.partitions,
                guarantee,
                pause: load.pause,
                window: 100,
            };
            Writer::start(cluster.client(), spec, &history)
        };
        let writers = (0..load.idempotent + load.repeating).map(writer).collect();
        let reader = Reader::start(|| cluster.client(), 0, TOPIC, load.partitions, &history);
        drop(entered);
        let run = FaultRun {
            cluster,
            history,
            writers,
            reader: Some(reader),
            load,
        };
        run.wait_for_acknowledgements("the start");
        run
    }

    /// The cluster.
    pub fn cluster(&mut self) -> &mut TestCluster {
        &mut self.cluster
    }

    /// What was seen so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Lets one fault happen and pass. Answers a line that tells of it.
    pub fn apply(&mut self, step: &Step) -> String {
        let start = Instant::now();
        let target = step
            .fault
            .target()
            .map(|target| target.find(&self.cluster, TOPIC));
        // A partition without a leader, or a controller that is being elected: anyone.
        let id = target.map_or(0, |id| id.max(0));
        self.begin(step.fault, id);
        std::thread::sleep(step.hold);
        self.end(step.fault, id);
        if step.settle {
            self.settle();
        }
        let whom = target.map_or(String::new(), |id| format!(" = broker {id}"));
        format!(
            "{}{whom} for {:.1} s{}, {:.1} s in all",
            step.fault,
            step.hold.as_secs_f64(),
            if step.settle { ", settled" } else { "" },
            start.elapsed().as_secs_f64()
        )
    }

    fn begin(&mut self, fault: Fault, id: i32) {
        let cluster = &mut self.cluster;
        match fault {
            Fault::Kill(_) => cluster.kill(id),
            Fault::Stop(_) => cluster.stop(id),
            Fault::Freeze(_) | Fault::Expire(_) => cluster.pause(id),
            Fault::KillAll => cluster.ids().for_each(|id| cluster.kill(id)),
            Fault::ZooKeeperDown => cluster.stop_zookeeper(),
            Fault::ZooKeeperFrozen => cluster.zookeeper().pause(),
            Fault::CutFromBrokers(_) => cluster.cut_from_brokers(id),
            Fault::CutFromZooKeeper(_) => cluster.cut_from_zookeeper(id),
            Fault::Unplug(_) => cluster.unplug(id),
        }
    }

    fn end(&mut self, fault: Fault, id: i32) {
        let cluster = &mut self.cluster;
        match fault {
            Fault::Kill(_) | Fault::Stop(_) => {
                self.history.add(Event::Restarted { broker: id });
                cluster.restart(id);
            }
            Fault::Freeze(_) => cluster.resume(id),
            Fault::Expire(_) => {
                cluster.wait_until_unregistered(id);
                cluster.resume(id);
            }
            Fault::KillAll => {
                for broker in cluster.ids() {
                    self.history.add(Event::Restarted { broker });
                }
                cluster.restart_all();
            }
            Fault::ZooKeeperDown => cluster.restart_zookeeper(),
            Fault::ZooKeeperFrozen => cluster.zookeeper().resume(),
            Fault::CutFromBrokers(_) | Fault::CutFromZooKeeper(_) | Fault::Unplug(_) => {
                cluster.mend(id);
            }
        }
    }

    /// Waits until all replicas are in sync and all partitions acknowledge.
    pub fn settle(&self) {
        self.cluster.wait_for_full_isr(TOPIC);
        self.wait_for_acknowledgements("a fault");
    }

    /// Waits until each partition has acknowledged a record that was sent after this call.
    pub fn wait_for_acknowledgements(&self, after: &str) {
        let start = Instant::now();
        let (mut seen, mut sent_since) = (self.history.len(), BTreeMap::new());
        let mut waiting: Vec<i32> = (0..self.load.partitions).collect();
        while !waiting.is_empty() {
            for event in self.history.since(&mut seen) {
                match event {
                    Event::Sent { record, .. } => drop(sent_since.insert(record, ())),
                    Event::Answered {
                        record,
                        partition,
                        answer: Answer::Acked(_),
                    } if sent_since.contains_key(&record) => waiting.retain(|p| *p != partition),
                    _ => {}
                }
            }
            assert!(
                start.elapsed() < RECOVERY,
                "partitions {waiting:?} acknowledge nothing, {RECOVERY:?} after {after}: {:?}",
                (0..self.load.partitions)
                    .map(|p| self.cluster.state(TOPIC, p).to_string())
                    .collect::<Vec<_>>()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the load, reads everything, kills all brokers and compares their logs.
    ///
    /// Panics with all violations if there are any; the brokers' folders are kept then.
    pub fn finish(mut self) -> Summary {
        self.cluster.wait_for_full_isr(TOPIC);
        let runtime = self.cluster.runtime();
        let writers = std::mem::take(&mut self.writers);
        let reader = self.reader.take();
        let stuck: Vec<String> = runtime.block_on(async {
            let mut stuck = Vec::new();
            for writer in writers {
                stuck.extend(writer.finish(RECOVERY).await.err());
            }
            if let Some(reader) = reader {
                reader.finish().await;
            }
            stuck
        });
        self.cluster.wait_for_full_isr(TOPIC);
        let (cluster, load) = (&self.cluster, self.load);
        let last = runtime
            .block_on(read_to_the_end(
                || cluster.client(),
                TOPIC,
                load.partitions,
                RECOVERY,
            ))
            .unwrap_or_else(|e| panic!("the end cannot be read: {e}"));
        let ids: Vec<i32> = cluster.ids().collect();
        ids.iter().for_each(|id| self.cluster.kill(*id));

        let events = self.history.events();
        let mut violations = verify(&events, &last);
        for (partition, log) in &last {
            let logs = ids.iter().map(|id| {
                let folder = self.cluster.broker(*id).log_dir();
                (*id, read_replica(&folder, TOPIC, *partition))
            });
            violations.extend(compare_replicas(
                *partition,
                log.high_watermark,
                &logs.collect(),
            ));
        }
        let summary = summary(&events);
        if !violations.is_empty() || !stuck.is_empty() {
            let folders = self.cluster.keep();
            panic!(
                "{summary}\n{}\n{}\nkept: {folders:?}",
                stuck.join("\n"),
                report(&violations.into_iter().collect::<Vec<_>>())
            );
        }
        summary
    }
}

/// The first violations, and how many there are.
fn report(violations: &[Violation]) -> String {
    let mut text = format!("{} violations", violations.len());
    for violation in violations.iter().take(40) {
        text.push_str(&format!("\n  {violation}"));
    }
    text
}
