//! A network of the test's own: every host in a network namespace, any two of them to be cut apart.
//!
//! The test itself stands outside and reaches all hosts. A cut is silent, as a broken switch is: the
//! packets go to a hardware address that nobody has, connections stay open and nothing arrives.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Place, run, run_ok};

/// Nobody has it.
const NOWHERE: &str = "02:00:00:00:00:00";
/// Networks of one process share a /24, which its process id chooses.
const HOSTS_PER_NETWORK: u32 = 16;

/// A bridge with hosts, gone when dropped.
pub struct Network {
    bridge: String,
    hosts: Vec<Host>,
}

struct Host {
    namespace: String,
    /// The outer end of its cable.
    cable: String,
    address: String,
}

fn ip(arguments: &[&str]) {
    run_ok(Command::new("ip").args(arguments));
}

impl Network {
    /// So many hosts, all of which reach each other.
    ///
    /// Needs root and iproute2, without which the test fails: `scripts/test.sh` installs it.
    pub fn create(hosts: u32) -> Network {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        sweep();
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let first = HOSTS_PER_NETWORK * number;
        assert!(
            first + HOSTS_PER_NETWORK <= 256 && hosts < HOSTS_PER_NETWORK - 2,
            "too many networks or hosts"
        );
        let address = |host: u32| {
            format!(
                "10.{}.{}.{}",
                64 + (process >> 8) % 128,
                process % 256,
                first + host
            )
        };
        let mut network = Network {
            bridge: format!("ob{process}x{number}"),
            hosts: Vec::new(),
        };
        ip(&["link", "add", &network.bridge, "type", "bridge"]);
        let own = format!("{}/28", address(HOSTS_PER_NETWORK - 2));
        ip(&["addr", "add", &own, "dev", &network.bridge]);
        ip(&["link", "set", &network.bridge, "up"]);
        for at in 0..hosts {
            let host = Host {
                namespace: format!("ottla-{process}-{number}-{at}"),
                cable: format!("ov{process}x{number}x{at}"),
                address: address(at + 1),
            };
            let (namespace, cable) = (host.namespace.as_str(), host.cable.as_str());
            let with_mask = format!("{}/28", host.address);
            ip(&["netns", "add", namespace]);
            ip(&[
                "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace,
            ]);
            ip(&["link", "set", cable, "master", &network.bridge, "up"]);
            ip(&["-n", namespace, "addr", "add", &with_mask, "dev", "eth0"]);
            ip(&["-n", namespace, "link", "set", "eth0", "up"]);
            ip(&["-n", namespace, "link", "set", "lo", "up"]);
            network.hosts.push(host);
        }
        network
    }

    /// Where a process of this host runs.
    pub fn place(&self, host: usize) -> Place {
        let host = self.host(host);
        Place::Namespace {
            name: host.namespace.clone(),
            host: host.address.clone(),
        }
    }

    fn host(&self, at: usize) -> &Host {
        self.hosts.get(at).expect("there is such a host")
    }

    /// Nothing arrives between the two any more.
    pub fn cut(&self, one: usize, other: usize) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    /// What `from` sends does not arrive at `to` any more.
    pub fn cut_one_way(&self, from: usize, to: usize) {
        let (from, to) = (self.host(from), self.host(to));
        let mut entry = vec!["-n", &from.namespace, "neigh", "replace", &to.address];
        entry.extend(["lladdr", NOWHERE, "dev", "eth0", "nud", "permanent"]);
        ip(&entry);
    }

    /// Takes back a cut; nothing happens if there was none.
    pub fn mend(&self, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one)] {
            let (from, to) = (self.host(from), self.host(to));
            let namespace = &from.namespace;
            run(Command::new("ip").args([
                "-n",
                namespace,
                "neigh",
                "del",
                &to.address,
                "dev",
                "eth0",
            ]));
        }
    }

    /// Pulls a host's cable: nobody reaches it, the test included.
    pub fn unplug(&self, host: usize) {
        ip(&["link", "set", &self.host(host).cable, "down"]);
    }

    /// Puts the cable back.
    pub fn plug(&self, host: usize) {
        ip(&["link", "set", &self.host(host).cable, "up"]);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in &self.hosts {
            run(Command::new("ip").args(["link", "del", &host.cable]));
            run(Command::new("ip").args(["netns", "del", &host.namespace]));
        }
        run(Command::new("ip").args(["link", "del", &self.bridge]));
    }
}

/// Removes what tests left behind that were killed.
fn sweep() {
    let gone = |process: &str| {
        !process.is_empty()
            && process.bytes().all(|b| b.is_ascii_digit())
            && !std::path::Path::new("/proc").join(process).exists()
    };
    let namespaces = run_ok(Command::new("ip").args(["netns", "list"]));
    for name in namespaces.lines().filter_map(|line| line.split(' ').next()) {
        let process = name
            .strip_prefix("ottla-")
            .and_then(|n| n.split('-').next());
        if process.is_some_and(gone) {
            run(Command::new("ip").args(["netns", "del", name]));
        }
    }
    let links = run_ok(Command::new("ip").args(["-brief", "link"]));
    for name in links.lines().filter_map(|line| line.split(' ').next()) {
        let process = name.strip_prefix("ob").and_then(|n| n.split('x').next());
        if process.is_some_and(gone) {
            run(Command::new("ip").args(["link", "del", name]));
        }
    }
}
