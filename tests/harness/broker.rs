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

/// The port of a broker that has a network of its own.
const NAMESPACE_PORT: u16 = 9092;

/// Where a process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On 127.0.0.1, like the test.
    Loopback,
    /// In a network namespace, under an address of its own.
    Namespace {
        /// As `ip netns` lists it.
        name: String,
        /// The address.
        host: String,
    },
}

impl Place {
    /// The address that the process is reached by.
    pub fn host(&self) -> &str {
        match self {
            Place::Loopback => "127.0.0.1",
            Place::Namespace { host, .. } => host,
        }
    }

    /// The same command, run there. `ip netns exec` becomes the program, so the process id is its.
    pub fn within(&self, command: Command) -> Command {
        match self {
            Place::Loopback => command,
            Place::Namespace { name, .. } => {
                let mut inside = Command::new("ip");
                inside.args(["netns", "exec", name]);
                inside.arg(command.get_program()).args(command.get_args());
                inside
            }
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
    /// Where it runs and listens.
    pub place: Place,
    /// How many log directories it has.
    pub log_dirs: usize,
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
            place: Place::Loopback,
            log_dirs: 1,
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
    place: Place,
    log_dirs: usize,
    port: u16,
    process: Option<Process>,
    /// How much of the output is of former processes.
    printed_before: usize,
}

impl Broker {
    /// Starts a broker and waits until it serves.
    pub fn start(options: &BrokerOptions) -> Broker {
        let mut broker = Broker::prepare(options);
        broker.launch();
        broker
    }

    /// A broker with its folder and properties that has not been started yet.
    pub fn prepare(options: &BrokerOptions) -> Broker {
        let home = tempfile::Builder::new()
            .prefix("ottla-broker-")
            .tempdir()
            .expect("a temporary folder can be made");
        let broker = Broker {
            kind: options.kind,
            home,
            place: options.place.clone(),
            log_dirs: options.log_dirs,
            port: match options.place {
                Place::Loopback => free_port(),
                Place::Namespace { .. } => NAMESPACE_PORT,
            },
            process: None,
            printed_before: 0,
        };
        broker.write_properties(options);
        broker
    }

    fn write_properties(&self, options: &BrokerOptions) {
        let dirs = self.log_dirs().into_iter();
        let dirs: Vec<_> = dirs.map(|dir| dir.display().to_string()).collect();
        let mut text = format!(
            "broker.id={}\nlisteners=PLAINTEXT://{}\nlog.dirs={}\nzookeeper.connect={}\n",
            options.id,
            self.address(),
            dirs.join(","),
            options.zookeeper
        );
        let replicas = ("offsets.topic.replication.factor", "1");
        if !options.properties.iter().any(|(key, _)| key == replicas.0) {
            text.push_str(&format!("{}={}\n", replicas.0, replicas.1));
        }
        for (key, value) in &options.properties {
            text.push_str(&format!("{key}={value}\n"));
        }
        std::fs::write(self.properties(), text).expect("the temporary folder can be written");
    }

    /// Gives a property another value, from the next start on.
    pub fn change(&self, key: &str, value: &str) {
        let text = std::fs::read_to_string(self.properties()).expect("it was written");
        let others = text
            .lines()
            .filter(|line| line.split_once('=').is_none_or(|(k, _)| k != key));
        let mut text: String = others.map(|line| format!("{line}\n")).collect();
        text.push_str(&format!("{key}={value}\n"));
        std::fs::write(self.properties(), text).expect("the temporary folder can be written");
    }

    /// Starts the process again on the same files; as another kind of broker if so wished.
    pub fn restart_as(&mut self, kind: BrokerKind) {
        self.kind = kind;
        self.launch();
    }

    /// Starts the process again on the same files.
    pub fn restart(&mut self) {
        self.restart_as(self.kind);
    }

    fn launch(&mut self) {
        self.begin();
        self.wait_until_started();
    }

    /// Starts the process and does not wait until it serves.
    pub fn begin(&mut self) {
        assert!(self.process.is_none(), "the broker still runs");
        let command = match self.kind {
            BrokerKind::Ottla => self.ottla_command(),
            BrokerKind::Apache => {
                let mut command = java_command(ApacheVersion::V3_9, 512, "kafka.Kafka");
                command.arg(self.properties());
                command
            }
        };
        let log = self.output_file();
        self.printed_before = std::fs::metadata(&log).map_or(0, |m| m.len() as usize);
        let name = format!("{:?} broker", self.kind);
        self.process = Some(Process::start(&name, self.place.within(command), &log));
    }

    /// Waits until the process says that it serves.
    pub fn wait_until_started(&mut self) {
        let (sign, bound) = match self.kind {
            BrokerKind::Ottla => ("broker started", 30),
            BrokerKind::Apache => ("started (kafka.server.KafkaServer)", 120),
        };
        let from = self.printed_before;
        let bound = Duration::from_secs(bound);
        self.process()
            .wait_for_output("start", from, bound, |text| {
                text.contains(sign).then_some(())
            });
    }

    /// Where all that the broker prints is kept, over its restarts.
    pub fn output_file(&self) -> PathBuf {
        self.home.path().join("broker.out")
    }

    /// Whether the process was started and has not been stopped or killed by the test.
    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Whose broker it is now.
    pub fn kind(&self) -> BrokerKind {
        self.kind
    }

    /// The command line that starts our broker on this one's properties, for tests of the start.
    pub fn ottla_command(&self) -> Command {
        let mut command = Command::new(binary("broker"));
        command.arg(self.properties());
        command
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.place.host(), self.port)
    }

    /// All log directories.
    pub fn log_dirs(&self) -> Vec<PathBuf> {
        let others = (1..self.log_dirs).map(|n| self.home.path().join(format!("logs-{n}")));
        std::iter::once(self.log_dir()).chain(others).collect()
    }

    /// The log directory, the first if there are several.
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

    /// Keeps the broker's folder when the test ends.
    pub fn keep(&mut self) -> PathBuf {
        self.home.disable_cleanup(true);
        self.home.path().to_path_buf()
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
