//! The crash watchdog: what it removes, what it leaves alone, and what happens without it.
//!
//! Sessions time out after 30 s here unless a test is about the time-out, so whatever happens
//! earlier was the watchdog's doing.

use std::path::Path;
use std::time::{Duration, Instant};

use ottla_metadata::BrokerId;
use ottla_tests::{
    Broker, BrokerKind, BrokerOptions, Client, Codec, Presence, Process, create_topic, records_for,
    run_ok, wait_for_znode, znode, zookeeper,
};
use ottla_zk::{Zk, ZkConfig};

const LONG: &str = "30000";
/// Far below the session time-out, far above what the watchdog takes.
const SOON: Duration = Duration::from_secs(10);
const REGISTRATION: &str = "/brokers/ids/0";

fn start(chroot: &str, session_timeout_ms: &str) -> Broker {
    Broker::start(
        &BrokerOptions::new(chroot)
            .kind(BrokerKind::Ottla)
            .with("zookeeper.session.timeout.ms", session_timeout_ms),
    )
}

/// The third and fourth fields of `/proc/<pid>/stat` behind the name: state and parent.
fn stat(pid: &str) -> Option<(String, String)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let name = stat.get(stat.find('(')? + 1..stat.rfind(')')?)?.to_owned();
    let mut rest = stat.get(stat.rfind(')')? + 2..)?.split(' ');
    let (state, parent) = (rest.next()?, rest.next()?);
    (name == "ottla-watchdog").then(|| (state.to_owned(), parent.to_owned()))
}

/// The watchdog of the process, if it has one that lives.
fn find_watchdog(broker: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc can be listed");
    processes.filter_map(Result::ok).find_map(|entry| {
        let pid = entry.file_name().into_string().ok()?;
        let (state, parent) = stat(&pid)?;
        (state != "Z" && parent == broker.to_string()).then_some(pid.parse().ok()?)
    })
}

/// The same, waiting for one that is not `before`.
fn watchdog(broker: u32, before: Option<u32>) -> u32 {
    let began = Instant::now();
    loop {
        match find_watchdog(broker) {
            Some(pid) if Some(pid) != before => return pid,
            _ => assert!(began.elapsed() < SOON, "no watchdog"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn wait_for_end(pid: u32) {
    let began = Instant::now();
    while stat(&pid.to_string()).is_some_and(|(state, _)| state != "Z") {
        assert!(began.elapsed() < SOON, "process {pid} still runs");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill(pid: u32) {
    run_ok(std::process::Command::new("kill").args(["-KILL", &pid.to_string()]));
}

#[test]
fn a_killed_brokers_nodes_vanish_at_once_and_its_port_is_free() {
    let chroot = zookeeper().fresh_chroot();
    let mut broker = start(&chroot, LONG);
    wait_for_znode(&chroot, "/controller", Presence::There, SOON);
    let watchdog = watchdog(broker.process().pid(), None);
    broker.kill();
    wait_for_znode(&chroot, REGISTRATION, Presence::Gone, SOON);
    wait_for_znode(&chroot, "/controller", Presence::Gone, SOON);
    wait_for_end(watchdog);
    broker.restart();
    assert!(znode(&chroot, REGISTRATION).is_some());
}

#[test]
fn the_watchdog_holds_a_pipe_and_nothing_else_and_ends_with_a_clean_stop() {
    let chroot = zookeeper().fresh_chroot();
    let mut broker = start(&chroot, LONG);
    let watchdog = watchdog(broker.process().pid(), None);
    let descriptors = std::fs::read_dir(format!("/proc/{watchdog}/fd")).expect("it runs");
    let mut targets: Vec<String> = descriptors
        .map(|entry| std::fs::read_link(entry.expect("listable").path()))
        .map(|target| target.expect("readable").display().to_string())
        .collect();
    targets.sort();
    let [null, also_null, pipe] = targets.as_slice() else {
        panic!("{targets:?}");
    };
    assert_eq!((null.as_str(), also_null), ("/dev/null", null));
    assert!(pipe.starts_with("pipe:"), "{targets:?}");
    // Neither a terminal's Ctrl-C nor a service manager's SIGTERM is meant for it.
    run_ok(std::process::Command::new("kill").args(["-TERM", &watchdog.to_string()]));
    run_ok(std::process::Command::new("kill").args(["-INT", &watchdog.to_string()]));
    assert!(Path::new(&format!("/proc/{watchdog}")).exists());
    assert!(broker.stop().success());
    wait_for_end(watchdog);
}

#[test]
fn a_broker_that_is_stopped_for_a_while_keeps_its_registration() {
    let chroot = zookeeper().fresh_chroot();
    let mut broker = start(&chroot, LONG);
    let pid = broker.process().pid();
    let watchdog = watchdog(pid, None);
    let before = znode(&chroot, REGISTRATION);
    broker.process().signal("STOP");
    // It waits for its pipe still, and nothing has changed.
    assert_eq!(find_watchdog(pid), Some(watchdog));
    assert_eq!(znode(&chroot, REGISTRATION), before);
    broker.process().signal("CONT");
    create_topic(&broker, "after", 1, &[]);
    let records = records_for("after", 3, 1);
    Client::Kcat.produce(&broker.address(), "after", &records, Codec::None);
    assert_eq!(znode(&chroot, REGISTRATION), before);
}

#[test]
fn a_watchdog_that_dies_is_replaced() {
    let chroot = zookeeper().fresh_chroot();
    let mut broker = start(&chroot, LONG);
    let pid = broker.process().pid();
    let first = watchdog(pid, None);
    kill(first);
    watchdog(pid, Some(first));
    broker.kill();
    wait_for_znode(&chroot, REGISTRATION, Presence::Gone, SOON);
}

#[test]
fn when_both_die_the_session_timeout_decides() {
    let chroot = zookeeper().fresh_chroot();
    let mut broker = start(&chroot, "3000");
    let watchdog = watchdog(broker.process().pid(), None);
    // Stopped first, so that it cannot start another.
    broker.process().signal("STOP");
    kill(watchdog);
    broker.kill();
    assert!(znode(&chroot, REGISTRATION).is_some());
    wait_for_znode(&chroot, REGISTRATION, Presence::Gone, SOON);
}

#[test]
fn it_can_be_turned_off() {
    let chroot = zookeeper().fresh_chroot();
    let options = BrokerOptions::new(&chroot)
        .kind(BrokerKind::Ottla)
        .with("ottla.crash.watchdog.enable", "false")
        .with("zookeeper.session.timeout.ms", LONG);
    let mut broker = Broker::start(&options);
    assert_eq!(find_watchdog(broker.process().pid()), None);
    broker.kill();
    assert!(znode(&chroot, REGISTRATION).is_some());
    // The successor on the same directory does it.
    broker.restart();
    assert!(broker.stop().success());
}

/// Not the watchdog's business: the broker itself cleans up when it is told to stop half-way.
#[test]
fn sigterm_during_the_start_leaves_nothing_behind() {
    let chroot = zookeeper().fresh_chroot();
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let file = home.path().join("server.properties");
    let text = format!(
        "broker.id=0\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs={}\nzookeeper.connect={chroot}\n\
         zookeeper.session.timeout.ms={LONG}\nottla.crash.watchdog.enable=false\n",
        home.path().join("logs").display()
    );
    std::fs::write(&file, text).expect("writable");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    // A controller that says nothing has the broker wait, registered, for its first word.
    let silent = runtime.block_on(async {
        let zk = Zk::connect(ZkConfig::new(&chroot)).await.expect("connects");
        zk.elect(BrokerId(9), 0).await.expect("elected");
        zk
    });
    let mut command = std::process::Command::new(ottla_tests::binary("broker"));
    command.arg(&file);
    let mut process = Process::start("broker", command, &home.path().join("out"));
    wait_for_znode(&chroot, REGISTRATION, Presence::There, SOON);
    process.signal("TERM");
    assert!(process.wait(SOON).success(), "{}", process.output());
    assert_eq!(znode(&chroot, REGISTRATION), None);
    drop(silent);
}
