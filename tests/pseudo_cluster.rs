//! `scripts/pseudo-cluster.sh`, as its help says, on ports and folders of the test's own.

use std::process::Command;
use std::time::{Duration, Instant};

use ottla_tests::{Client, Codec, binary, free_port, records_for, repository, run, run_ok};
use serde_json::Value;

/// A pseudo-cluster that is taken down with the test.
struct PseudoCluster {
    home: tempfile::TempDir,
    ports: Vec<u16>,
}

impl PseudoCluster {
    fn new() -> PseudoCluster {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let zookeeper = free_port();
        let mut file = format!(
            "host = \"localhost\"\n[zookeeper]\nconnect = \"localhost:{zookeeper}\"\n\
             properties = \"zookeeper.properties\"\n[properties]\n\
             \"default.replication.factor\" = 3\n\"zookeeper.session.timeout.ms\" = 30000\n\
             \"controlled.shutdown.retry.backoff.ms\" = 100\n"
        );
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let properties = repository().join("config/server-0.properties");
        for (id, port) in ports.iter().enumerate() {
            file.push_str(&format!(
                "[[broker]]\nid = {id}\nport = {port}\ndata = \"data-{id}\"\nproperties = \"{}\"\n",
                properties.display()
            ));
        }
        let write = |name: &str, text: &str| {
            std::fs::write(home.path().join(name), text).expect("the folder can be written");
        };
        write("cluster.toml", &file);
        let zookeeper = format!(
            "dataDir={}\nclientPort={zookeeper}\nmaxClientCnxns=0\nadmin.enableServer=false\n",
            home.path().join("zookeeper").display()
        );
        write("zookeeper.properties", &zookeeper);
        PseudoCluster { home, ports }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(repository().join("scripts/pseudo-cluster.sh"));
        let folder = binary("ottla");
        command
            .env("OTTLA_BIN", folder.parent().expect("it lies in a folder"))
            .env("LOG_DIR", self.home.path())
            .env("KAFKA_HEAP_OPTS", "-Xmx128m")
            .arg("--config")
            .arg(self.path("cluster.toml"))
            .args(arguments);
        command
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    fn ok(&self, arguments: &[&str]) -> String {
        run_ok(&mut self.command(arguments))
    }

    /// What it says when it fails.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = run(&mut self.command(arguments));
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.ok(&["status", "--json"])).expect("JSON")
    }

    /// The leader of the topic's only partition, and how many replicas are in sync.
    fn partition(&self, topic: &str) -> (Option<i64>, usize) {
        let status = self.status();
        let partitions = status["partitions"].as_array().expect("an array");
        let found = partitions.iter().find(|p| p["topic"] == topic);
        let found = found.expect("the topic is there");
        let isr = found["isr"].as_array().map_or(0, Vec::len);
        (found["leader"].as_i64(), isr)
    }

    fn wait_for(&self, topic: &str, what: impl Fn((Option<i64>, usize)) -> bool) {
        let began = Instant::now();
        while !what(self.partition(topic)) {
            let waited = began.elapsed();
            assert!(waited < Duration::from_secs(60), "{}", self.ok(&["status"]));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn address(&self, id: i64) -> String {
        let port = self.ports.get(usize::try_from(id).expect("an id"));
        format!("localhost:{}", port.expect("an id of the cluster"))
    }
}

impl Drop for PseudoCluster {
    fn drop(&mut self) {
        let output = run(&mut self.command(&["down"]));
        if std::thread::panicking() {
            eprintln!("{}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

#[test]
fn up_kill_restart_down() {
    let cluster = PseudoCluster::new();
    let up = cluster.ok(&["up"]);
    assert!(up.contains("ZooKeeper started"), "{up}");
    assert_eq!(up.matches(" controller ").count(), 1, "{up}");
    assert_eq!(up.matches(" member ").count(), 2, "{up}");
    let again = cluster.ok(&["up"]);
    assert_eq!(again.matches("runs already").count(), 3, "{again}");

    let topic = "pseudo";
    run_ok(
        Command::new(repository().join("scripts/kafka-topics.sh"))
            .env("OTTLA_BIN", binary("ottla").parent().expect("a folder"))
            .args(["--bootstrap-server", &cluster.address(0), "--create"])
            .args(["--topic", topic, "--partitions", "1"]),
    );
    let records = records_for("pseudo", 100, 1);
    Client::Kcat.produce(&cluster.address(0), topic, &records, Codec::None);
    let (Some(leader), 3) = cluster.partition(topic) else {
        panic!("{}", cluster.ok(&["status"]));
    };

    let killed = cluster.ok(&["kill", &leader.to_string()]);
    assert!(killed.contains("killed"), "{killed}");
    cluster.wait_for(topic, |(now, isr)| {
        now.is_some_and(|now| now != leader) && isr == 2
    });
    let status = cluster.ok(&["status"]);
    assert!(status.contains("under-replicated"), "{status}");
    let other = cluster.address((leader + 1) % 3);
    let read = Client::Kcat.consume(&other, topic, 0, 100);
    assert_eq!(read.len(), 100, "nothing is lost");
    let dead = cluster.refused(&["kill", &leader.to_string()]);
    assert!(dead.contains("does not run"), "{dead}");

    cluster.ok(&["restart", &leader.to_string()]);
    cluster.wait_for(topic, |(_, isr)| isr == 3);
    let follower = (leader + 1) % 3;
    let restarted = cluster.ok(&["restart", &follower.to_string()]);
    assert!(
        restarted.contains(&format!("broker {follower} stopped")),
        "{restarted}"
    );
    cluster.wait_for(topic, |(_, isr)| isr == 3);

    let down = cluster.ok(&["down"]);
    assert_eq!(down.matches(" stopped").count(), 4, "{down}");
    let status = cluster.ok(&["status"]);
    assert!(status.contains("No broker answers"), "{status}");
    assert!(
        status.contains("does not answer; 'up' starts it"),
        "{status}"
    );
}

#[test]
fn mistakes_are_explained() {
    let cluster = PseudoCluster::new();
    let unknown = cluster.refused(&["kill", "7"]);
    assert!(unknown.contains("there are 0, 1, 2"), "{unknown}");
    let no_zookeeper = cluster.refused(&["restart", "0"]);
    assert!(no_zookeeper.contains("'up' starts it"), "{no_zookeeper}");
    let missing = cluster.refused(&["--config", "/none.toml", "status"]);
    assert!(missing.contains("/none.toml"), "{missing}");
    // Somebody else has the second broker's port.
    let port = cluster.ports.get(1).copied().expect("three");
    let _taken = std::net::TcpListener::bind(("0.0.0.0", port)).expect("it was free");
    let taken = cluster.refused(&["up"]);
    assert!(taken.contains(&format!("port {port}")), "{taken}");
}
