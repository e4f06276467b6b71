//! A cluster under load, faults, and the proof.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::churn::Churn;
use super::committer::Committer;
use super::{Fault, Step};
use crate::history::{
    Answer, Event, Guarantee, History, Reader, Source, Summary, Violation, Writer, WriterSpec,
    compare_replicas, failures, read_replica, read_to_the_end, summary, verify,
};
use crate::{Broker, BrokerKind, Client, ClusterSpec, Steady, TestCluster, children};

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
    /// `acks` of the writers that may repeat.
    pub repeating_acks: i16,
    /// Clients of other projects that write besides.
    pub foreign: &'static [Client],
    /// Groups that commit offsets.
    pub groups: usize,
    /// Whether partitions move and topics come and go meanwhile, by lot of this seed.
    pub churn: Option<u64>,
}

/// 3.9, unless `OTTLA_TEST_IBP` asks for an older one.
fn inter_broker_protocol() -> String {
    std::env::var("OTTLA_TEST_IBP").unwrap_or_else(|_| "3.9".to_owned())
}

impl Default for Load {
    fn default() -> Load {
        Load {
            partitions: 3,
            idempotent: 2,
            repeating: 1,
            pause: Duration::from_millis(4),
            repeating_acks: -1,
            foreign: &[],
            groups: 3,
            churn: None,
        }
    }
}

/// The number of the first writer of another project.
const FOREIGN: u16 = 100;

/// The topic that is written to.
const TOPIC: &str = "faults";

/// A cluster with writers and a reader at work on a topic of three replicas.
pub struct FaultRun {
    cluster: TestCluster,
    history: History,
    writers: Vec<Writer>,
    readers: Vec<Reader>,
    /// Clients that we did not write, with the folder they print to.
    foreign: Vec<Steady>,
    _folder: TempDir,
    committer: Option<Committer>,
    churn: Option<Churn>,
    zookeeper_is_away: bool,
    load: Load,
}

impl FaultRun {
    /// The cluster that promises to lose nothing: three replicas, two of which must have a record
    /// before it is acknowledged, and no unclean elections. Replicas leave the ISR soon, so that a
    /// fault does not stop everything for the default half minute.
    pub fn spec() -> ClusterSpec {
        FaultRun::spec_of(3)
    }

    /// The same of more brokers.
    pub fn spec_of(brokers: usize) -> ClusterSpec {
        ClusterSpec::new(brokers)
            .with("min.insync.replicas", "2")
            .with("unclean.leader.election.enable", "false")
            .with("replica.lag.time.max.ms", "2000")
            .with("replica.socket.timeout.ms", "2000")
            .with("replica.fetch.wait.max.ms", "200")
            .with("controller.socket.timeout.ms", "2000")
            .with("controlled.shutdown.max.retries", "1")
            .with("log.segment.bytes", "200000")
            .with("inter.broker.protocol.version", &inter_broker_protocol())
    }

    /// Starts cluster and load, and waits for the first acknowledgements. Partition `p` is placed on
    /// three brokers from the `p`th on, so that tests can tell what a plan moves.
    pub fn start(spec: &ClusterSpec, load: Load) -> FaultRun {
        let cluster = TestCluster::start(spec);
        let ids: Vec<i32> = cluster.ids().collect();
        let placement: Vec<Vec<i32>> = (0..load.partitions.unsigned_abs() as usize)
            .map(|first| ids.iter().cycle().skip(first).take(3).copied().collect())
            .collect();
        let placement: Vec<&[i32]> = placement.iter().map(Vec::as_slice).collect();
        cluster.create_topic_on(TOPIC, &placement, &[]);
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
                acks: match guarantee {
                    Guarantee::Once => -1,
                    Guarantee::AtLeastOnce => load.repeating_acks,
                },
                pause: load.pause,
                window: 100,
            };
            Writer::start(cluster.client(), spec, &history)
        };
        let writers = (0..load.idempotent + load.repeating).map(writer).collect();
        let reader = |number, source| {
            let client = || cluster.client();
            Reader::start(client, number, TOPIC, load.partitions, source, &history)
        };
        let readers = vec![reader(0, Source::Leader), reader(1, Source::Follower)];
        let committer = Committer::start(|| cluster.client_without_retries(), TOPIC, load.groups);
        let churn = load.churn.map(|seed| {
            let brokers = cluster.ids().count() as i32;
            Churn::start(cluster.client(), TOPIC, load.partitions, brokers, seed)
        });
        drop(entered);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let foreign = (FOREIGN..)
            .zip(load.foreign)
            .map(|(number, client)| {
                let bootstrap = cluster.bootstrap();
                client.write_steadily(&bootstrap, TOPIC, load.partitions, number, folder.path())
            })
            .collect();
        let run = FaultRun {
            cluster,
            history,
            writers,
            readers,
            foreign,
            _folder: folder,
            committer: Some(committer),
            churn,
            zookeeper_is_away: false,
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

    /// Lets a fault happen and pass, and another one while it lasts if the step says so. Answers a
    /// line that tells of it.
    pub fn apply(&mut self, step: &Step) -> String {
        let start = Instant::now();
        if step.fault.loses_data() {
            self.settle();
        }
        let first = self.find(step.fault, None);
        self.begin(step.fault, first);
        let mut under_way = vec![(step.fault, first)];
        if step.fault.loses_data() {
            self.wait_until_not_in_sync(first);
        }
        let also = step.also.filter(|also| agree(step.fault, *also));
        if let Some(also) = also {
            std::thread::sleep(step.hold / 2);
            let second = self.find(also, step.fault.target().map(|_| first));
            self.begin(also, second);
            under_way.push((also, second));
        }
        std::thread::sleep(step.hold);
        under_way.sort_by_key(|(fault, _)| fault.ends());
        for (fault, id) in &under_way {
            self.end(*fault, *id);
        }
        if step.settle || step.fault.loses_data() {
            self.settle();
        }
        let told: Vec<String> = under_way
            .iter()
            .map(|(fault, id)| match fault.target() {
                Some(_) => format!("{fault} = broker {id}"),
                None => fault.to_string(),
            })
            .collect();
        format!(
            "{} for {:.1} s{}, {:.1} s in all",
            told.join(" and "),
            step.hold.as_secs_f64(),
            if step.settle { ", settled" } else { "" },
            start.elapsed().as_secs_f64()
        )
    }

    /// The broker that a fault meets; another one than `taken`.
    fn find(&self, fault: Fault, taken: Option<i32>) -> i32 {
        let target = match fault.target() {
            // Whom this is would have to be asked of ZooKeeper.
            Some(_) if self.zookeeper_is_away => Some(2),
            target => target.map(|target| target.find(&self.cluster, TOPIC)),
        };
        // A partition without a leader, or a controller that is being elected: anyone.
        let id = target.map_or(0, |id| id.max(0));
        match taken {
            Some(taken) if taken == id => (id + 1) % self.cluster.ids().count() as i32,
            _ => id,
        }
    }

    fn begin(&mut self, fault: Fault, id: i32) {
        let cluster = &mut self.cluster;
        match fault {
            Fault::Kill(_) | Fault::PowerLoss(_) | Fault::NewDisk(_) => cluster.kill(id),
            Fault::KillWithWatchdog(_) => cluster.kill_with_children(id),
            Fault::Stop(_) => cluster.stop(id),
            Fault::Freeze(_) | Fault::Expire(_) => cluster.pause(id),
            Fault::KillAll => cluster.ids().for_each(|id| cluster.kill(id)),
            Fault::ZooKeeperDown => {
                self.zookeeper_is_away = true;
                cluster.stop_zookeeper();
            }
            Fault::ZooKeeperFrozen => {
                self.zookeeper_is_away = true;
                cluster.zookeeper().pause();
            }
            Fault::CutFromBrokers(_) => cluster.cut_from_brokers(id),
            Fault::CutFromZooKeeper(_) => cluster.cut_from_zookeeper(id),
            Fault::LoseAnswers(_) => cluster.lose_answers(id),
            Fault::Silence(_) => cluster.silence(id),
            Fault::Unplug(_) => cluster.unplug(id),
        }
    }

    fn end(&mut self, fault: Fault, id: i32) {
        let cluster = &mut self.cluster;
        match fault {
            Fault::Kill(_)
            | Fault::KillWithWatchdog(_)
            | Fault::PowerLoss(_)
            | Fault::NewDisk(_)
            | Fault::Stop(_) => {
                match fault {
                    Fault::PowerLoss(_) => {
                        let dirs = cluster.broker(id).log_dirs();
                        dirs.iter().for_each(|dir| lose_the_ends(dir));
                    }
                    Fault::NewDisk(_) => lose_everything(&cluster.broker(id).log_dir()),
                    _ => {}
                }
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
            Fault::ZooKeeperDown => {
                cluster.restart_zookeeper();
                self.zookeeper_is_away = false;
            }
            Fault::ZooKeeperFrozen => {
                cluster.zookeeper().resume();
                self.zookeeper_is_away = false;
            }
            Fault::LoseAnswers(_) => cluster.lose_no_answers(id),
            Fault::CutFromBrokers(_)
            | Fault::CutFromZooKeeper(_)
            | Fault::Silence(_)
            | Fault::Unplug(_) => {
                cluster.mend(id);
            }
        }
    }

    /// Waits until a broker that failed is in no ISR any more, so that it cannot lead.
    pub fn wait_until_not_in_sync(&self, id: i32) {
        let start = Instant::now();
        for topic in [TOPIC, "__consumer_offsets"] {
            let path = format!("/brokers/topics/{topic}/partitions");
            for partition in children(self.cluster.zookeeper_connect(), &path) {
                let partition = partition.parse().expect("partitions are numbers");
                while self.cluster.isr(topic, partition).contains(&id) {
                    assert!(
                        start.elapsed() < RECOVERY,
                        "{topic}-{partition} has {id} in sync, which died"
                    );
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }

    /// Waits until all replicas are in sync and all partitions acknowledge.
    pub fn settle(&self) {
        self.wait_until_in_sync(TOPIC);
        if self.load.groups > 0 {
            self.wait_until_in_sync("__consumer_offsets");
        }
        self.wait_for_acknowledgements("a fault");
    }

    /// Waits until every partition has a leader and three replicas in sync, as the znodes say: below
    /// 2.7 clients hear of the ISR seconds later.
    fn wait_until_in_sync(&self, topic: &str) {
        let start = Instant::now();
        let connect = self.cluster.zookeeper_connect();
        for partition in children(connect, &format!("/brokers/topics/{topic}/partitions")) {
            let partition = partition.parse().expect("partitions are numbers");
            while self.cluster.leader(topic, partition) < 0
                || self.cluster.isr(topic, partition).len() < 3
            {
                assert!(
                    start.elapsed() < RECOVERY,
                    "{topic}-{partition} is not in sync after {RECOVERY:?}: {}",
                    self.cluster.state(topic, partition)
                );
                std::thread::sleep(Duration::from_millis(20));
            }
        }
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

    /// Ends the load and proves that nothing was lost.
    ///
    /// Panics with all violations if there are any; the brokers' folders are kept then.
    pub fn finish(self) -> Summary {
        let Proof {
            mut cluster,
            summary,
            violations,
            stuck,
        } = self.prove();
        if !violations.is_empty() || !stuck.is_empty() {
            let folders = cluster.keep();
            panic!(
                "{summary}\n{}\n{}\nkept: {folders:?}",
                stuck.join("\n"),
                report(&violations.into_iter().collect::<Vec<_>>())
            );
        }
        summary
    }

    /// Ends the load, reads everything, kills all brokers and compares their logs.
    pub fn prove(mut self) -> Proof {
        let runtime = self.cluster.runtime();
        let mut stuck = Vec::new();
        if let Some(churn) = self.churn.take() {
            match runtime.block_on(churn.finish(self.cluster.client(), RECOVERY)) {
                Ok(done) => println!("meanwhile: {done}"),
                Err(error) => stuck.push(error),
            }
        }
        self.cluster.wait_for_full_isr(TOPIC);
        let writers = std::mem::take(&mut self.writers);
        let readers = std::mem::take(&mut self.readers);
        runtime.block_on(async {
            for writer in writers {
                stuck.extend(writer.finish(RECOVERY).await.err());
            }
            for reader in readers {
                reader.finish().await;
            }
        });
        for writer in std::mem::take(&mut self.foreign) {
            writer.finish(&self.history);
        }
        self.cluster.wait_for_full_isr(TOPIC);
        if let Some(committer) = self.committer.take()
            && self.load.groups > 0
        {
            self.cluster.wait_for_full_isr("__consumer_offsets");
            stuck.extend(runtime.block_on(committer.finish(self.cluster.client())));
        }
        let replicas: BTreeMap<i32, Vec<i32>> = (0..self.load.partitions)
            .map(|partition| (partition, self.cluster.isr(TOPIC, partition)))
            .collect();
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
        for ((writer, why), count) in failures(&events) {
            println!("writer {writer}: {count} failed: {why}");
        }
        for id in &ids {
            stuck.extend(complaints(*id, self.cluster.broker(*id)));
        }
        let mut violations = verify(&events, &last);
        for (partition, log) in &last {
            let holders = replicas.get(partition).into_iter().flatten();
            let logs = holders.map(|id| {
                let folders = self.cluster.broker(*id).log_dirs();
                (*id, read_replica(&folders, TOPIC, *partition))
            });
            violations.extend(compare_replicas(
                *partition,
                log.high_watermark,
                &logs.collect(),
            ));
        }
        Proof {
            cluster: self.cluster,
            summary: summary(&events),
            violations,
            stuck,
        }
    }
}

/// What came out of a run.
pub struct Proof {
    cluster: TestCluster,
    /// Figures.
    pub summary: Summary,
    /// What was lost, and worse.
    pub violations: BTreeSet<Violation>,
    /// Writers that never got an answer, offsets that were committed and are not there, panics.
    pub stuck: Vec<String>,
}

/// Panics of a broker's tasks, which end what they did and not always the process; and, printed, how
/// often it told of which error.
fn complaints(id: i32, broker: &Broker) -> Vec<String> {
    let output = std::fs::read(broker.output_file()).unwrap_or_default();
    let output = String::from_utf8_lossy(&output);
    let mut errors: BTreeMap<String, usize> = BTreeMap::new();
    for line in output.lines().filter(|line| line.contains(" ERROR ")) {
        let what = line.split_once(" ERROR ").map_or(line, |(_, what)| what);
        // The same error of another partition or time is the same.
        let what = what
            .chars()
            .filter(|c| !c.is_ascii_digit())
            .take(100)
            .collect();
        *errors.entry(what).or_default() += 1;
    }
    if broker.kind() == BrokerKind::Ottla {
        for (what, count) in errors {
            println!("broker {id}: {count} times {what}");
        }
    }
    let panics = output.lines().filter(|line| line.contains("panicked at"));
    panics.map(|line| format!("broker {id}: {line}")).collect()
}

/// Cuts a part off the last segment of every log: what the operating system had not written yet.
fn lose_the_ends(log_dir: &Path) {
    for folder in partition_folders(log_dir) {
        let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{e}"));
        let segments = files
            .filter_map(|file| file.ok().map(|f| f.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "log"));
        let Some(last) = segments.max() else { continue };
        let file = std::fs::File::options().write(true).open(&last);
        let file = file.unwrap_or_else(|e| panic!("{}: {e}", last.display()));
        let size = file.metadata().map_or(0, |m| m.len());
        // In the middle of a batch, with luck.
        file.set_len(size - (size / 3).min(5001))
            .unwrap_or_else(|e| panic!("{}: {e}", last.display()));
    }
}

/// Removes all logs and checkpoints.
fn lose_everything(log_dir: &Path) {
    std::fs::remove_dir_all(log_dir).unwrap_or_else(|e| panic!("{}: {e}", log_dir.display()));
}

fn partition_folders(log_dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(log_dir).unwrap_or_else(|e| panic!("{e}"));
    entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.is_dir())
        .collect()
}

/// Whether two faults can last at the same time.
fn agree(one: Fault, other: Fault) -> bool {
    let all =
        one == Fault::KillAll || other == Fault::KillAll || one.loses_data() || other.loses_data();
    !(all || one.is_of_zookeeper() && other.is_of_zookeeper())
}

/// The first violations, and how many there are.
fn report(violations: &[Violation]) -> String {
    let mut text = format!("{} violations", violations.len());
    for violation in violations.iter().take(40) {
        text.push_str(&format!("\n  {violation}"));
    }
    text
}
