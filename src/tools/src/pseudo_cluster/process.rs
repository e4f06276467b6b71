//! The processes: found by the locks of their data folders, so that brokers which were started by
//! hand are found too.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::config::Broker;

const LOOK_AGAIN: Duration = Duration::from_millis(10);
const CONNECT_BOUND: Duration = Duration::from_secs(1);
/// How much of a log is shown when its program has failed.
const TAIL_LINES: usize = 15;

/// A process that was just started, and where it writes.
pub(super) struct Started {
    pub(super) what: String,
    pub(super) child: Child,
    pub(super) log: PathBuf,
}

impl Started {
    /// Fails if it has ended, with what it said.
    pub(super) fn check(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.len().saturating_sub(TAIL_LINES);
        bail!(
            "{} has ended ({status}); the end of {}:\n{}",
            self.what,
            self.log.display(),
            lines.get(tail..).unwrap_or_default().join("\n")
        )
    }
}

/// Starts a program that outlives this one and the terminal.
pub(super) fn start(what: String, mut command: Command, log: PathBuf) -> Result<Started> {
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .process_group(0)
        .spawn()
        .with_context(|| format!("{what} cannot be started: {command:?}"))?;
    Ok(Started { what, child, log })
}

/// The process of a broker, if it runs.
pub(super) fn of_broker(broker: &Broker) -> Result<Option<Pid>> {
    let holder = ottla_log::lock_holder(&broker.data)
        .with_context(|| format!("broker {}: {}", broker.id, broker.data.display()))?;
    Ok(holder.map(pid))
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap_or(i32::MAX))
}

/// Fails if somebody else listens on the broker's port.
pub(super) fn check_port(broker: &Broker) -> Result<()> {
    // As the broker does, so that connections of its former life are not in the way.
    match TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, broker.port)) {
        Ok(_) => Ok(()),
        Err(error) => bail!(
            "broker {} cannot have port {}: {error}. Find out who has it with 'ss -ltnp sport = :{}', or give \
             the broker another port in cluster.toml",
            broker.id,
            broker.port,
            broker.port
        ),
    }
}

/// Sends a signal to a process that may have ended already.
pub(super) fn signal(process: Pid, signal: Signal) -> Result<()> {
    match kill(process, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => bail!("process {process} cannot be sent {signal}: {error}"),
    }
}

/// Waits until no process has the broker's data folder locked.
pub(super) async fn wait_for_end(broker: &Broker, bound: Duration) -> Result<()> {
    let deadline = Instant::now() + bound;
    while let Some(process) = of_broker(broker)? {
        if Instant::now() >= deadline {
            bail!(
                "broker {} (process {process}) still runs after {} s; 'kill {}' ends it the hard way",
                broker.id,
                bound.as_secs(),
                broker.id
            );
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// Whether somebody accepts connections at one of `host:port,host:port/chroot`.
pub(super) fn is_served(connect: &str) -> bool {
    let servers = connect.split('/').next().unwrap_or_default();
    let addresses = servers.split(',').filter_map(|server| {
        let server = server.trim();
        let with_port = match server.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => server.to_owned(),
            _ => format!("{server}:2181"),
        };
        with_port.to_socket_addrs().ok()
    });
    addresses
        .flatten()
        .any(|address: SocketAddr| TcpStream::connect_timeout(&address, CONNECT_BOUND).is_ok())
}

/// The note of a process that was started here and that no lock tells of.
pub(super) struct PidFile(pub(super) PathBuf);

impl PidFile {
    pub(super) fn write(&self, process: u32) -> Result<()> {
        let path = &self.0;
        std::fs::write(path, format!("{process}\n"))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The process, if it runs and its command line has this in it: numbers are used again.
    pub(super) fn running(&self, command: &str) -> Option<Pid> {
        let number: u32 = std::fs::read_to_string(&self.0).ok()?.trim().parse().ok()?;
        command_line(number)?.contains(command).then(|| pid(number))
    }

    pub(super) fn remove(&self) {
        // If it stays, the process in it is not found, or not recognized.
        drop(std::fs::remove_file(&self.0));
    }
}

fn command_line(process: u32) -> Option<String> {
    if Path::new("/proc/self/cmdline").exists() {
        let bytes = std::fs::read(format!("/proc/{process}/cmdline")).ok()?;
        return Some(String::from_utf8_lossy(&bytes).replace('\0', " "));
    }
    let process = process.to_string();
    let output = Command::new("ps")
        .args(["-o", "args=", "-p", &process])
        .output();
    Some(String::from_utf8_lossy(&output.ok()?.stdout).into_owned())
}
