//! What can go wrong, and to whom.

use std::fmt;

use crate::TestCluster;

/// Whom a fault meets; found out when it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The leader of a partition.
    Leader(i32),
    /// A broker in the ISR of a partition that does not lead it.
    Follower(i32),
    /// The controller.
    Controller,
    /// The broker with this id.
    Broker(i32),
}

impl Target {
    /// The broker's id, as ZooKeeper has it.
    pub fn find(self, cluster: &TestCluster, topic: &str) -> i32 {
        match self {
            Target::Leader(partition) => cluster.leader(topic, partition),
            Target::Follower(partition) => {
                let leader = cluster.leader(topic, partition);
                let isr = cluster.isr(topic, partition);
                let follower = isr.into_iter().find(|id| *id != leader);
                follower.unwrap_or(leader)
            }
            Target::Controller => cluster.controller().unwrap_or(0),
            Target::Broker(id) => id,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Leader(partition) => write!(f, "leader of {partition}"),
            Target::Follower(partition) => write!(f, "follower of {partition}"),
            Target::Controller => f.write_str("controller"),
            Target::Broker(id) => write!(f, "broker {id}"),
        }
    }
}

/// What goes wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, and a start.
    Kill(Target),
    /// SIGKILL to the broker and to its watchdog, and a start: the session times out.
    KillWithWatchdog(Target),
    /// Power is lost: SIGKILL, the ends of the logs are gone, and a start. All replicas have to be
    /// in sync before, and the broker stays away until others lead.
    PowerLoss(Target),
    /// The disk is replaced: SIGKILL, all logs are gone, and a start. As with a power loss.
    NewDisk(Target),
    /// SIGTERM, and a start.
    Stop(Target),
    /// SIGSTOP, and SIGCONT.
    Freeze(Target),
    /// SIGSTOP until the broker's session is over, and SIGCONT.
    Expire(Target),
    /// All brokers are killed at once, and started.
    KillAll,
    /// ZooKeeper is killed, and started.
    ZooKeeperDown,
    /// ZooKeeper is frozen, and thawed.
    ZooKeeperFrozen,
    /// A broker does not reach the other brokers, but ZooKeeper and clients.
    CutFromBrokers(Target),
    /// A broker does not reach ZooKeeper, but the other brokers and clients.
    CutFromZooKeeper(Target),
    /// What a broker asks of ZooKeeper is done, and the answers are lost.
    LoseAnswers(Target),
    /// What a broker sends to the other brokers does not arrive; what they send does.
    Silence(Target),
    /// A broker reaches nobody.
    Unplug(Target),
}

impl Fault {
    /// Whether it needs a network of namespaces.
    pub fn needs_network(self) -> bool {
        matches!(
            self,
            Fault::CutFromBrokers(_)
                | Fault::CutFromZooKeeper(_)
                | Fault::Silence(_)
                | Fault::Unplug(_)
        )
    }

    /// Whether records are lost on one broker, so that the others must have them.
    pub fn loses_data(self) -> bool {
        matches!(self, Fault::PowerLoss(_) | Fault::NewDisk(_))
    }

    /// Whether it meets ZooKeeper.
    pub fn is_of_zookeeper(self) -> bool {
        matches!(self, Fault::ZooKeeperDown | Fault::ZooKeeperFrozen)
    }

    /// In which order faults end that last at the same time: a broker is only started when it can
    /// reach whom it needs for that.
    pub(super) fn ends(self) -> u8 {
        match self {
            Fault::ZooKeeperDown | Fault::ZooKeeperFrozen => 0,
            Fault::CutFromBrokers(_)
            | Fault::CutFromZooKeeper(_)
            | Fault::LoseAnswers(_)
            | Fault::Silence(_)
            | Fault::Unplug(_) => 1,
            Fault::Freeze(_) | Fault::Expire(_) => 2,
            Fault::Kill(_)
            | Fault::KillWithWatchdog(_)
            | Fault::PowerLoss(_)
            | Fault::NewDisk(_)
            | Fault::Stop(_)
            | Fault::KillAll => 3,
        }
    }

    /// Whom it meets, if one broker.
    pub fn target(self) -> Option<Target> {
        match self {
            Fault::Kill(target)
            | Fault::KillWithWatchdog(target)
            | Fault::PowerLoss(target)
            | Fault::NewDisk(target)
            | Fault::Stop(target)
            | Fault::Freeze(target)
            | Fault::Expire(target)
            | Fault::CutFromBrokers(target)
            | Fault::CutFromZooKeeper(target)
            | Fault::LoseAnswers(target)
            | Fault::Silence(target)
            | Fault::Unplug(target) => Some(target),
            Fault::KillAll | Fault::ZooKeeperDown | Fault::ZooKeeperFrozen => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Fault::Kill(_) => "kill -9",
            Fault::KillWithWatchdog(_) => "kill -9 with its watchdog",
            Fault::PowerLoss(_) => "cut the power of",
            Fault::NewDisk(_) => "replace the disk of",
            Fault::Stop(_) => "stop",
            Fault::Freeze(_) => "freeze",
            Fault::Expire(_) => "expire session of",
            Fault::KillAll => "kill -9 all brokers",
            Fault::ZooKeeperDown => "kill ZooKeeper",
            Fault::ZooKeeperFrozen => "freeze ZooKeeper",
            Fault::CutFromBrokers(_) => "cut from brokers",
            Fault::CutFromZooKeeper(_) => "cut from ZooKeeper",
            Fault::LoseAnswers(_) => "lose ZooKeeper's answers to",
            Fault::Silence(_) => "silence",
            Fault::Unplug(_) => "unplug",
        };
        f.write_str(what)?;
        match self.target() {
            Some(target) => write!(f, " {target}"),
            None => Ok(()),
        }
    }
}
