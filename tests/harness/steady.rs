//! Clients that we did not write, writing steadily while brokers fall.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::history::{Answer, Event, Guarantee, History, RecordId};
use crate::{Client, Process};

/// How long a client may take to have its last records acknowledged.
const FINISH_BOUND: Duration = Duration::from_secs(90);

/// A client at work: acks=all, a record every few milliseconds.
pub struct Steady {
    client: Client,
    writer: u16,
    process: Process,
    log: PathBuf,
    /// kcat is fed by the test.
    feeder: Option<Feeder>,
}

struct Feeder {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Client {
    /// Starts to write as writer number `writer`; what it prints goes to a file in `folder`.
    ///
    /// kcat writes to partition 0 only: it tells the offsets of deliveries and not of what, so
    /// they have to be in order.
    pub fn write_steadily(
        self,
        brokers: &str,
        topic: &str,
        partitions: i32,
        writer: u16,
        folder: &Path,
    ) -> Steady {
        let log = folder.join(format!("writer-{writer}"));
        let name = format!("{self:?} as writer {writer}");
        let mut command = self.program();
        if self != Client::Kcat {
            command.args(["steady", brokers, topic]);
            command.args([partitions.to_string(), writer.to_string()]);
            return Steady {
                client: self,
                writer,
                process: Process::start(&name, command, &log),
                log,
                feeder: None,
            };
        }
        command.args(["-P", "-b", brokers, "-t", topic, "-p", "0", "-vvv"]);
        command.args(["-X", "enable.idempotence=true"]);
        let (process, mut input) = Process::start_with_input(&name, command, &log);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            while !stopped.load(Ordering::Relaxed) {
                if writeln!(input, "w{writer}:{number}:").is_err() {
                    break;
                }
                number += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            number
        });
        Steady {
            client: self,
            writer,
            process,
            log,
            feeder: Some(Feeder { stop, thread }),
        }
    }

    /// What its steady writing promises.
    pub fn guarantee(self) -> Guarantee {
        match self {
            Client::Sarama082 | Client::KafkaNode => Guarantee::AtLeastOnce,
            _ => Guarantee::Once,
        }
    }
}

impl Steady {
    /// Which client it is.
    pub fn client(&self) -> Client {
        self.client
    }

    /// How many records it was told to be acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        let output = self.process.output();
        output
            .lines()
            .filter(|line| line.starts_with("acked ") || kcat_delivery(line).is_some())
            .count()
    }

    /// Ends it and enters what it sent and was told into the history.
    pub fn finish(mut self, history: &History) {
        let fed = match self.feeder.take() {
            None => {
                self.process.signal("TERM");
                None
            }
            Some(feeder) => {
                feeder.stop.store(true, Ordering::Relaxed);
                Some(feeder.thread.join().expect("the feeder does not panic"))
            }
        };
        self.process.wait(FINISH_BOUND);
        let output = std::fs::read_to_string(&self.log).unwrap_or_default();
        let guarantee = self.client.guarantee();
        let record = |number| RecordId {
            writer: self.writer,
            number,
        };
        // When exactly it was is not known: sent at the beginning, answered at the end.
        let sent = |number, partition| {
            history.add_at_start(Event::Sent {
                record: record(number),
                partition,
                guarantee,
            });
        };
        let answered = |number, partition, answer| {
            history.add(Event::Answered {
                record: record(number),
                partition,
                answer,
            });
        };
        (0..fed.unwrap_or(0)).for_each(|number| sent(number, 0));
        let deliveries = output.lines().filter_map(kcat_delivery);
        for (number, offset) in (0..fed.unwrap_or(0)).zip(deliveries) {
            answered(number, 0, Answer::Acked(Some(offset)));
        }
        for line in output.lines() {
            let mut words = line.splitn(4, ' ');
            let verb = words.next().unwrap_or_default();
            let number = words.next().and_then(|word| word.parse().ok());
            let partition = words.next().and_then(|word| word.parse().ok());
            let (Some(number), Some(partition)) = (number, partition) else {
                continue;
            };
            let rest = words.next().unwrap_or_default();
            match verb {
                "sent" => sent(number, partition),
                "acked" => {
                    let offset = rest.parse().ok().filter(|offset| *offset >= 0);
                    answered(number, partition, Answer::Acked(offset));
                }
                "failed" => answered(number, partition, Answer::Failed(rest.to_owned())),
                _ => {}
            }
        }
    }
}

/// The offset in `% Message delivered to partition 0 (offset 12) on broker 1`.
fn kcat_delivery(line: &str) -> Option<i64> {
    let rest = line
        .split_once("Message delivered to partition 0 (offset ")?
        .1;
    rest.split_once(')')?.0.parse().ok()
}
