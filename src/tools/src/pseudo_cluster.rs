//! `pseudo-cluster`: several brokers on this machine, as a file says, for learning and trying out.

mod config;
mod process;
mod status;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use nix::sys::signal::Signal;
use ottla_zk::{Zk, ZkConfig};
use tokio::time::{Instant, sleep};

use crate::cli;
use config::{Broker, ClusterFile};
use process::{PidFile, Started};

const START_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Stands in the command line of every ZooKeeper server.
const ZOOKEEPER_CLASS: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";

/// Several brokers on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "pseudo-cluster",
    version,
    args_override_self = true,
    override_usage = "pseudo-cluster.sh [--config cluster.toml] up|down|status|kill N|restart N"
)]
struct Args {
    /// The brokers, their ports and data folders, and ZooKeeper.
    #[arg(long, value_name = "cluster.toml")]
    config: PathBuf,
    /// The broker's program. The script says it, as it does the next two.
    #[arg(long, value_name = "program", hide = true)]
    broker: PathBuf,
    /// The folder with zookeeper-server-start.sh.
    #[arg(long, value_name = "folder", hide = true)]
    scripts: PathBuf,
    /// Where programs write what they print.
    #[arg(long, value_name = "folder", hide = true)]
    logs: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start what does not run: ZooKeeper and the brokers.
    Up,
    /// Stop all brokers, and ZooKeeper if "up" has started it.
    Down,
    /// Show brokers, controller, leaders and in-sync replicas.
    Status {
        /// Every partition of every topic, internal ones too.
        #[arg(long)]
        all: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Kill a broker with SIGKILL, as a crash would.
    Kill {
        /// Its id.
        id: i32,
    },
    /// Stop a broker cleanly if it runs, and start it.
    Restart {
        /// Its id.
        id: i32,
    },
}

pub(crate) fn main(args: &[String]) -> ExitCode {
    cli::run(args, run, cli::report_to_stderr)
}

async fn run(args: Args) -> Result<()> {
    let cluster = Cluster {
        file: ClusterFile::load(&args.config)?,
        broker: args.broker,
        scripts: args.scripts,
        logs: args.logs,
    };
    match args.what {
        What::Up => cluster.up().await,
        What::Down => cluster.down().await,
        What::Status { all, json } => status::show(&cluster.file, all, json).await,
        What::Kill { id } => cluster.kill(id).await,
        What::Restart { id } => cluster.restart(id).await,
    }
}

struct Cluster {
    file: ClusterFile,
    broker: PathBuf,
    scripts: PathBuf,
    logs: PathBuf,
}

impl Cluster {
    async fn up(&self) -> Result<()> {
        self.start_zookeeper().await?;
        let mut started = Vec::new();
        for broker in &self.file.brokers {
            started.extend(self.start_broker(broker)?);
        }
        let all = self.file.brokers.iter().collect();
        self.wait_for_members(all, &mut started).await?;
        status::show(&self.file, false, false).await
    }

    async fn start_zookeeper(&self) -> Result<()> {
        let connect = &self.file.zookeeper.connect;
        if process::is_served(connect) {
            cli::print(&format!("ZooKeeper answers at {connect}\n"));
            return Ok(());
        }
        let Some(properties) = &self.file.zookeeper.properties else {
            bail!(
                "no ZooKeeper answers at {connect}; start one, or have cluster.toml name its file"
            );
        };
        let mut command = Command::new(self.scripts.join("zookeeper-server-start.sh"));
        command.arg(properties);
        let log = self.logs.join("zookeeper.out");
        let mut started = process::start("ZooKeeper".to_owned(), command, log)?;
        self.zookeeper_pid().write(started.child.id())?;
        let deadline = Instant::now() + START_BOUND;
        loop {
            started.check()?;
            let once = ZkConfig {
                connection_timeout: Duration::ZERO,
                ..ZkConfig::new(connect.clone())
            };
            match Zk::connect(once).await {
                Ok(zk) => {
                    zk.close().await;
                    cli::print(&format!(
                        "ZooKeeper started at {connect} (process {})\n",
                        started.child.id()
                    ));
                    return Ok(());
                }
                Err(error) if Instant::now() >= deadline => {
                    let log = started.log.display();
                    return Err(error).with_context(|| {
                        format!("ZooKeeper was started but does not serve; does its file name another port? Its log is {log}")
                    });
                }
                Err(_) => sleep(LOOK_AGAIN).await,
            }
        }
    }

    fn zookeeper_pid(&self) -> PidFile {
        PidFile(self.logs.join("pseudo-cluster-zookeeper.pid"))
    }

    /// Starts a broker; `None` if it runs already.
    fn start_broker(&self, broker: &Broker) -> Result<Option<Started>> {
        let (id, address) = (broker.id, self.file.address(broker));
        if let Some(process) = process::of_broker(broker)? {
            cli::print(&format!("broker {id} runs already (process {process})\n"));
            return Ok(None);
        }
        process::check_port(broker)?;
        let mut command = Command::new(&self.broker);
        command.arg(&broker.properties);
        for property in self.file.overrides(broker) {
            command.arg("--override").arg(property);
        }
        let log = self.logs.join(format!("broker-{id}.out"));
        let started = process::start(format!("broker {id}"), command, log)?;
        cli::print(&format!(
            "broker {id} started at {address} (process {}), log {}\n",
            started.child.id(),
            started.log.display()
        ));
        Ok(Some(started))
    }

    /// Waits until each of the brokers tells of all of them.
    async fn wait_for_members(&self, brokers: Vec<&Broker>, started: &mut [Started]) -> Result<()> {
        let deadline = Instant::now() + START_BOUND;
        loop {
            for process in started.iter_mut() {
                process.check()?;
            }
            let missing = status::missing_members(&self.file, &brokers).await;
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!(
                    "after {} s these brokers are not in the cluster: {}; their logs are in {}",
                    START_BOUND.as_secs(),
                    missing.join(", "),
                    self.logs.display()
                );
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn down(&self) -> Result<()> {
        // The controller last: it hands over what the others lead.
        let controller = status::controller(&self.file).await;
        let mut brokers: Vec<&Broker> = self.file.brokers.iter().collect();
        brokers.sort_by_key(|broker| Some(broker.id) == controller);
        for broker in brokers {
            self.stop_broker(broker).await?;
        }
        let noted = self.zookeeper_pid();
        if let Some(zookeeper) = noted.running(ZOOKEEPER_CLASS) {
            process::signal(zookeeper, Signal::SIGTERM)?;
            let deadline = Instant::now() + STOP_BOUND;
            while noted.running(ZOOKEEPER_CLASS).is_some() && Instant::now() < deadline {
                sleep(LOOK_AGAIN).await;
            }
            cli::print("ZooKeeper stopped\n");
        }
        noted.remove();
        Ok(())
    }

    async fn stop_broker(&self, broker: &Broker) -> Result<()> {
        let Some(process) = process::of_broker(broker)? else {
            cli::print(&format!("broker {} does not run\n", broker.id));
            return Ok(());
        };
        process::signal(process, Signal::SIGTERM)?;
        // A frozen one would never hear of it.
        process::signal(process, Signal::SIGCONT)?;
        process::wait_for_end(broker, STOP_BOUND).await?;
        cli::print(&format!("broker {} stopped\n", broker.id));
        Ok(())
    }

    async fn kill(&self, id: i32) -> Result<()> {
        let broker = self.file.broker(id)?;
        let Some(process) = process::of_broker(broker)? else {
            bail!("broker {id} does not run; 'restart {id}' starts it");
        };
        process::signal(process, Signal::SIGKILL)?;
        process::wait_for_end(broker, STOP_BOUND).await?;
        cli::print(&format!("broker {id} (process {process}) killed\n"));
        Ok(())
    }

    async fn restart(&self, id: i32) -> Result<()> {
        let broker = self.file.broker(id)?;
        if process::of_broker(broker)?.is_some() {
            self.stop_broker(broker).await?;
        }
        if !process::is_served(&self.file.zookeeper.connect) {
            bail!(
                "no ZooKeeper answers at {}; 'up' starts it",
                self.file.zookeeper.connect
            );
        }
        let mut members = vec![broker];
        for other in &self.file.brokers {
            if other.id != id && process::of_broker(other)?.is_some() {
                members.push(other);
            }
        }
        let mut started: Vec<Started> = self.start_broker(broker)?.into_iter().collect();
        self.wait_for_members(members, &mut started).await
    }
}
