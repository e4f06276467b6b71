//! A broker process with its own directory: Ottla's, or Apache's for comparison.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::{ApacheVersion, Process, binary, free_port, java_command};

/// Whose broker it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerKind {
    /// The binary `broker` of this checkout.
    Ottla,
    /// `kafka.Kafka` of Apache Kafka 3.9.
    Apache,
}

impl BrokerKind {
    /// Ottla, unless `OTTLA_TEST_TARGET=apache` asks for the reference.
    pub fn under_test() -> BrokerKind {
        match std::env::var("OTTLA_TEST_TARGET").as_deref() {
            Ok("apache") => BrokerKind::Apache,
            _ => BrokerKind::Ottla,
        }
    }
}

/// What a test wants of its broker.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// Whose.
    pub kind: BrokerKind,
    /// `broker.id`.
    pub id: i32,
    /// `zookeeper.connect`.
    pub zookeeper: String,
    /// Further lines of `server.properties`.
    pub properties: Vec<(String, String)>,
}

impl BrokerOptions {
    /// The broker under test with id 0.
    pub fn new(zookeeper: &str) -> BrokerOptions {
        BrokerOptions {
            kind: BrokerKind::under_test(),
            id: 0,
            zookeeper: zookeeper.to_owned(),
            properties: Vec::new(),
        }
    }

    /// Another property.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> BrokerOptions {
        self.properties.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Another kind.
    #[must_use]
    pub fn kind(mut self, kind: BrokerKind) -> BrokerOptions {
        self.kind = kind;
        self
    }
}

/// A broker process that has started, with the folder that outlives its restarts.
pub struct Broker {
    kind: BrokerKind,
    home: tempfile::TempDir,
    port: u16,
    process: Option<Process>,
}

impl Broker {
    /// Starts a broker and waits until it serves.
    pub fn start(options: &BrokerOptions) -> Broker {
        let home = tempfile::Builder::new()
            .prefix("ottla-broker-")
            .tempdir()
            .expect("a temporary folder can be made");
        let mut broker = Broker {
            kind: options.kind,
            home,
            port: free_port(),
            process: None,
        };
        broker.write_properties(options);
        broker.launch();
        broker
    }

    fn write_properties(&self, options: &BrokerOptions) {
        let mut text = format!(
            "broker.id={}\nlisteners=PLAINTEXT://127.0.0.1:{}\nlog.dirs={}\nzookeeper.connect={}\n\
             offsets.topic.replication.factor=1\n",
            options.id,
            self.port,
            self.log_dir().display(),
            options.zookeeper
        );
        for (key, value) in &options.properties {
            text.push_str(&format!("{key}={value}\n"));
        }
        std::fs::write(self.properties(), text).expect("the temporary folder can be written");
    }

    /// Starts the process again on the same files; as another kind of broker if so wished.
    pub fn restart_as(&mut self, kind: BrokerKind) {
        assert!(self.process.is_none(), "the broker still runs");
        self.kind = kind;
        self.launch();
    }

    /// Starts the process again on the same files.
    pub fn restart(&mut self) {
        self.restart_as(self.kind);
    }

    fn launch(&mut self) {
        let (command, sign, bound) = match self.kind {
            BrokerKind::Ottla => (self.ottla_command(), "broker started", 20),
            BrokerKind::Apache => {
                let mut command = java_command(ApacheVersion::V3_9, 512, "kafka.Kafka");
                command.arg(self.properties());
                (command, "started (kafka.server.KafkaServer)", 90)
            }
        };
        let log = self.home.path().join("broker.out");
        let from = std::fs::metadata(&log).map_or(0, |m| m.len() as usize);
        let mut process = Process::start(&format!("{:?} broker", self.kind), command, &log);
        process.wait_for_output("start", from, Duration::from_secs(bound), |text| {
            text.contains(sign).then_some(())
        });
        self.process = Some(process);
    }

    /// The command line that starts our broker on this one's properties, for tests of the start.
    pub fn ottla_command(&self) -> Command {
        let mut command = Command::new(binary("broker"));
        command.arg(self.properties());
        command
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The log directory.
    pub fn log_dir(&self) -> PathBuf {
        self.home.path().join("logs")
    }

    /// The properties file.
    pub fn properties(&self) -> PathBuf {
        self.home.path().join("server.properties")
    }

    /// The broker's folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the broker runs")
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the broker runs");
        process.signal("TERM");
        process.wait(Duration::from_secs(60))
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the broker runs");
        process.signal("KILL");
        process.wait(Duration::from_secs(60));
    }
}
