//! Clients that read in a group.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::record_of_kcat;
use crate::{Client, Process, Record};

/// How long a member may take to end when it is asked to.
const LEAVE_BOUND: Duration = Duration::from_secs(30);

/// A running member of a group. It prints each record before it commits it.
pub struct Member {
    client: Client,
    process: Process,
    log: PathBuf,
}

impl Client {
    /// Starts a member; what it prints goes to `name` in `folder`. It ends by itself after `count`
    /// records.
    pub fn join(
        self,
        brokers: &str,
        topic: &str,
        group: &str,
        count: usize,
        at: (&Path, &str),
    ) -> Member {
        self.join_with(brokers, topic, group, count, at, "")
    }

    /// The same with further properties, as `key=value` with commas between them; Java only.
    pub fn join_with(
        self,
        brokers: &str,
        topic: &str,
        group: &str,
        count: usize,
        (folder, name): (&Path, &str),
        properties: &str,
    ) -> Member {
        let mut command = self.program();
        let count = count.to_string();
        if self == Client::Kcat {
            command.args(["-b", brokers, "-G", group, "-J", "-q", "-u", "-c", &count]);
            for property in [
                "auto.offset.reset=earliest",
                "session.timeout.ms=6000",
                "heartbeat.interval.ms=500",
                "auto.commit.interval.ms=200",
            ] {
                command.args(["-X", property]);
            }
            command.arg(topic);
        } else {
            command.args(["group", brokers, topic, group, &count]);
            if !properties.is_empty() {
                command.arg(properties);
            }
        }
        let log = folder.join(name);
        let process = Process::start(&format!("{self:?} {name}"), command, &log);
        Member {
            client: self,
            process,
            log,
        }
    }
}

impl Member {
    /// What it has read so far.
    pub fn records(&self) -> Vec<Record> {
        read(self.client, &self.log)
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Waits until it has read enough by itself, and answers what it has read.
    pub fn finish(mut self, bound: Duration) -> Vec<Record> {
        let status = self.process.wait(bound);
        assert!(status.success(), "{:?} ended with {status}", self.client);
        self.records()
    }

    /// SIGTERM: it commits and leaves the group.
    pub fn leave(mut self) -> Vec<Record> {
        self.process.signal("TERM");
        self.process.wait(LEAVE_BOUND);
        self.records()
    }

    /// SIGKILL: the group learns of it when the session times out.
    pub fn kill(mut self) -> Vec<Record> {
        self.process.signal("KILL");
        self.process.wait(LEAVE_BOUND);
        self.records()
    }
}

/// Whole lines that are records; the rest is talk.
fn read(client: Client, log: &Path) -> Vec<Record> {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let json = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let records = json.filter(serde_json::Value::is_object);
    records
        .filter_map(|json| match client {
            Client::Kcat => Some(record_of_kcat(&json)),
            _ => serde_json::from_value(json).ok(),
        })
        .collect()
}
