//! Apache Kafka's own programs, from the jars below `target/clients/java`.

use std::process::Command;

use crate::{clients_dir, repository, run_ok};

/// A release of Apache Kafka whose jars are at hand.
#[derive(Clone, Copy, Debug)]
pub enum ApacheVersion {
    /// 3.9: the reference.
    V3_9,
    /// 2.0: the last tools that speak to ZooKeeper.
    V2_0,
    /// 1.1: the last consumer that works through ZooKeeper.
    V1_1,
}

/// `java` with the jars of a release on its class path, for `class`.
pub fn java_command(version: ApacheVersion, heap_mib: u32, class: &str) -> Command {
    let jars = clients_dir().join("java").join(match version {
        ApacheVersion::V3_9 => "3.9",
        ApacheVersion::V2_0 => "2.0",
        ApacheVersion::V1_1 => "1.1",
    });
    assert!(
        jars.is_dir(),
        "{} is missing: scripts/test.sh collects Apache's programs there",
        jars.display()
    );
    let classes = clients_dir().join("java/classes");
    let logging = repository().join("tests/clients/java/log4j.properties");
    let mut command = Command::new("java");
    command
        .arg(format!("-Xmx{heap_mib}m"))
        .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg("-Djava.net.preferIPv4Stack=true")
        .arg(format!("-Dlog4j.configuration=file:{}", logging.display()))
        .arg("-cp")
        .arg(format!("{}/*:{}", jars.display(), classes.display()))
        .arg(class);
    command
}

/// Runs one of Apache's tools, which must succeed, and answers what it printed.
pub fn apache_tool(version: ApacheVersion, class: &str, arguments: &[&str]) -> String {
    run_ok(java_command(version, 256, class).args(arguments))
}
