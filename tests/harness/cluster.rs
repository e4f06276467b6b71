//! Several brokers over one ZooKeeper of their own, to be killed, frozen and restarted one by one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ottla_client::{
    Admin, ClientError, Cluster, ClusterOptions, ClusterView, NewTopic, PartitionView, Topics,
};
use ottla_metadata::{BrokerId, TopicName};
use ottla_zk::testing::{Proxy, ZooKeeperServer};
use tokio::runtime::Runtime;

use crate::{
    Broker, BrokerKind, BrokerOptions, Network, Place, Presence, children, run, run_ok,
    wait_for_znode, znode, zookeeper_at,
};

/// Bound of every wait for the cluster that gives none of its own: Apache's brokers on a busy
/// machine take their time.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a test wants of its cluster.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    kinds: Vec<BrokerKind>,
    properties: Vec<(String, String)>,
    of_one: Vec<(i32, String, String)>,
    in_namespaces: bool,
    one_after_the_other: bool,
    small_disk: Option<i32>,
    zookeeper_proxies: bool,
    log_dirs: usize,
}

impl ClusterSpec {
    /// So many brokers with ids from 0 on. `OTTLA_TEST_TARGET=apache` makes all of them Apache's,
    /// `mixed` every second one.
    pub fn new(brokers: usize) -> ClusterSpec {
        let mixed = std::env::var("OTTLA_TEST_TARGET").is_ok_and(|target| target == "mixed");
        let kind = |id: usize| match mixed && id % 2 == 1 {
            true => BrokerKind::Apache,
            false => BrokerKind::under_test(),
        };
        let replicas = brokers.min(3).to_string();
        ClusterSpec {
            kinds: (0..brokers).map(kind).collect(),
            properties: Vec::new(),
            of_one: Vec::new(),
            in_namespaces: false,
            one_after_the_other: false,
            small_disk: None,
            zookeeper_proxies: false,
            log_dirs: 1,
        }
        .with("zookeeper.session.timeout.ms", "3000")
        .with("offsets.topic.replication.factor", &replicas)
        .with("offsets.topic.num.partitions", "4")
        .with("group.initial.rebalance.delay.ms", "0")
        .with("controlled.shutdown.retry.backoff.ms", "200")
    }

    /// A property of all brokers; the last one given counts.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> ClusterSpec {
        self.properties.retain(|(k, _)| k != key);
        self.properties.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A property of one broker.
    #[must_use]
    pub fn with_of(mut self, id: i32, key: &str, value: &str) -> ClusterSpec {
        self.of_one.push((id, key.to_owned(), value.to_owned()));
        self
    }

    /// All brokers of one kind.
    #[must_use]
    pub fn kind(mut self, kind: BrokerKind) -> ClusterSpec {
        self.kinds.iter_mut().for_each(|k| *k = kind);
        self
    }

    /// Brokers of these kinds, in the order of their ids.
    #[must_use]
    pub fn kinds(mut self, kinds: &[BrokerKind]) -> ClusterSpec {
        self.kinds = kinds.to_vec();
        self
    }

    /// Every broker and ZooKeeper in a network namespace of its own, to be cut apart.
    #[must_use]
    pub fn in_namespaces(mut self) -> ClusterSpec {
        self.in_namespaces = true;
        self
    }

    /// A broker is started when the one before serves: broker 0 becomes the controller.
    #[must_use]
    pub fn one_after_the_other(mut self) -> ClusterSpec {
        self.one_after_the_other = true;
        self
    }

    /// This broker's log directory is a small file system of its own, to be filled. Needs root.
    #[must_use]
    pub fn small_disk_of(mut self, id: i32) -> ClusterSpec {
        self.small_disk = Some(id);
        self
    }

    /// Every broker reaches ZooKeeper through a wire of its own that can lose answers. Not in
    /// namespaces.
    #[must_use]
    pub fn zookeeper_proxies(mut self) -> ClusterSpec {
        self.zookeeper_proxies = true;
        self
    }

    /// Every broker has so many log directories.
    #[must_use]
    pub fn log_dirs(mut self, count: usize) -> ClusterSpec {
        self.log_dirs = count;
        self
    }

    fn options_of(&self, id: i32, zookeeper: &str) -> BrokerOptions {
        let kind = usize::try_from(id).ok().and_then(|at| self.kinds.get(at));
        let mut options = BrokerOptions::new(zookeeper);
        options.id = id;
        options.kind = *kind.expect("ids count the brokers");
        options.log_dirs = self.log_dirs;
        options.properties.clone_from(&self.properties);
        for (of, key, value) in &self.of_one {
            if *of == id {
                options.properties.retain(|(k, _)| k != key);
                options.properties.push((key.clone(), value.clone()));
            }
        }
        options
    }
}

/// A file system in memory over a log directory.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    fn mount(at: &Path) -> SmallDisk {
        std::fs::create_dir_all(at).expect("the temporary folder can be written");
        let mut mount = Command::new("mount");
        run_ok(
            mount
                .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
                .arg(at),
        );
        SmallDisk {
            at: at.to_path_buf(),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process may still be ending.
        run(Command::new("umount").arg("-l").arg(&self.at));
    }
}

/// A running cluster. Brokers are called by their ids, which count from 0.
pub struct TestCluster {
    brokers: Vec<Broker>,
    zookeeper: ZooKeeperServer,
    connect: String,
    runtime: Arc<Runtime>,
    small_disk: Option<SmallDisk>,
    proxies: Vec<Proxy>,
    /// Dropped last: processes run in it.
    network: Option<Network>,
}

impl TestCluster {
    /// Starts ZooKeeper and all brokers, and waits until there is a controller and every broker
    /// tells of all the others.
    pub fn start(spec: &ClusterSpec) -> TestCluster {
        let count = spec.kinds.len();
        let network = spec.in_namespaces.then(|| {
            // One more for ZooKeeper.
            Network::create(u32::try_from(count + 1).expect("few brokers"))
        });
        let place = |host: usize| match &network {
            Some(network) => network.place(host),
            None => Place::Loopback,
        };
        let zookeeper = zookeeper_at(&place(count));
        let connect = zookeeper.fresh_chroot();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let ids = 0..i32::try_from(count).expect("few brokers");
        let mut options: Vec<_> = ids.map(|id| spec.options_of(id, &connect)).collect();
        for (at, options) in options.iter_mut().enumerate() {
            options.place = place(at);
        }
        let mut proxies = Vec::new();
        if spec.zookeeper_proxies {
            let target = zookeeper.socket_address();
            for options in &mut options {
                let proxy = runtime.block_on(Proxy::start(target));
                let proxy = proxy.expect("a loopback port can be bound");
                let own = proxy.address().to_string();
                options.zookeeper = connect.replace(&target.to_string(), &own);
                proxies.push(proxy);
            }
        }
        let mut cluster = TestCluster {
            brokers: options.iter().map(Broker::prepare).collect(),
            zookeeper,
            connect,
            runtime: Arc::new(runtime),
            small_disk: None,
            proxies,
            network,
        };
        if let Some(id) = spec.small_disk {
            cluster.small_disk = Some(SmallDisk::mount(&cluster.broker(id).log_dir()));
        }
        if spec.one_after_the_other {
            cluster
                .ids()
                .for_each(|id| cluster.broker_mut(id).restart());
        } else {
            cluster.restart_all();
        }
        cluster.wait_for_members();
        cluster
    }

    /// Ids of all brokers, running or not.
    pub fn ids(&self) -> impl Iterator<Item = i32> + use<> {
        0..i32::try_from(self.brokers.len()).unwrap_or(i32::MAX)
    }

    /// Ids of the brokers whose process runs, frozen ones included.
    pub fn up(&self) -> Vec<i32> {
        self.ids().filter(|id| self.broker(*id).is_up()).collect()
    }

    /// A broker.
    pub fn broker(&self, id: i32) -> &Broker {
        let at = usize::try_from(id).expect("ids count from 0");
        self.brokers.get(at).expect("there is such a broker")
    }

    /// A broker, to stop and start by hand.
    pub fn broker_mut(&mut self, id: i32) -> &mut Broker {
        let at = usize::try_from(id).expect("ids count from 0");
        self.brokers.get_mut(at).expect("there is such a broker")
    }

    /// The list of all brokers for clients, `host:port,…`.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<_> = self.brokers.iter().map(Broker::address).collect();
        addresses.join(",")
    }

    /// `zookeeper.connect` of the brokers, chroot included.
    pub fn zookeeper_connect(&self) -> &str {
        &self.connect
    }

    /// The cluster's ZooKeeper, to stop, restart or freeze.
    pub fn zookeeper(&self) -> &ZooKeeperServer {
        &self.zookeeper
    }

    /// The runtime on which clients of the test run.
    pub fn runtime(&self) -> Arc<Runtime> {
        Arc::clone(&self.runtime)
    }

    /// Our client, on all brokers, with bounds that suit tests.
    pub fn client(&self) -> Cluster {
        Cluster::new(client_options(&self.bootstrap()))
    }

    /// Our client, making one attempt of everything.
    pub fn client_without_retries(&self) -> Cluster {
        let mut options = client_options(&self.bootstrap());
        options.api_timeout = Duration::ZERO;
        Cluster::new(options)
    }

    /// Runs an administrative request to its end.
    pub fn with_admin<T>(&self, ask: impl AsyncFnOnce(&Admin) -> T) -> T {
        let admin = Admin::new(self.client());
        self.runtime.block_on(ask(&admin))
    }

    /// Creates a topic and waits until it is known, led and in sync everywhere.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replicas: i16,
        configs: &[(&str, &str)],
    ) {
        self.create(&NewTopic {
            name: name.to_owned(),
            partitions: Some(partitions),
            replication_factor: Some(replicas),
            assignment: BTreeMap::new(),
            configs: owned(configs),
        });
    }

    /// The same with the replicas of each partition.
    pub fn create_topic_on(&self, name: &str, replicas: &[&[i32]], configs: &[(&str, &str)]) {
        let assignment = (0..).zip(replicas).map(|(partition, ids)| {
            let ids = ids.iter().map(|id| BrokerId(*id)).collect();
            (partition, ids)
        });
        self.create(&NewTopic {
            name: name.to_owned(),
            partitions: None,
            replication_factor: None,
            assignment: assignment.collect(),
            configs: owned(configs),
        });
    }

    fn create(&self, topic: &NewTopic) {
        let name = &topic.name;
        self.with_admin(async |admin| admin.create_topic(topic, false).await)
            .unwrap_or_else(|e| panic!("creating {name}: {e}"));
        self.wait_for_full_isr(name);
    }

    /// What one broker tells about all brokers and topics.
    ///
    /// # Errors
    /// It does not answer.
    pub fn metadata_of(&self, id: i32) -> Result<Arc<ClusterView>, ClientError> {
        let client = Cluster::new(client_options(&self.broker(id).address()));
        self.runtime.block_on(client.refresh(Topics::All))
    }

    /// Waits until every running broker that answers at all tells of a cluster that `accepts`.
    /// Frozen brokers have to be left out by the caller: `among`.
    pub fn wait_for_view(
        &self,
        what: &str,
        among: &[i32],
        bound: Duration,
        accepts: impl Fn(&ClusterView) -> bool,
    ) {
        let start = Instant::now();
        let mut waiting: Vec<i32> = among.to_vec();
        let mut last = String::new();
        loop {
            waiting.retain(|id| match self.metadata_of(*id) {
                Ok(view) => {
                    last = format!("{view:#?}");
                    !accepts(&view)
                }
                Err(error) => {
                    last = error.to_string();
                    true
                }
            });
            if waiting.is_empty() {
                return;
            }
            assert!(
                start.elapsed() < bound,
                "no {what} within {bound:?} on brokers {waiting:?}, of which the last says: {last}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until every running broker tells of all running brokers and of a controller.
    pub fn wait_for_members(&self) {
        let up = self.up();
        let there = |view: &ClusterView| {
            let told: Vec<i32> = view.brokers.keys().map(|id| id.0).collect();
            told == up && view.controller.is_some_and(|id| up.contains(&id.0))
        };
        self.wait_for_view("membership", &up, PATIENCE, there);
    }

    /// Waits until all partitions of the topic have a running leader, as every running broker says.
    pub fn wait_for_leaders(&self, topic: &str) {
        let up = self.up();
        self.wait_for_partitions("leaders", topic, |partition| {
            partition.leader.is_some_and(|id| up.contains(&id.0))
        });
    }

    /// Waits until all replicas of the topic are in sync, as every running broker says.
    pub fn wait_for_full_isr(&self, topic: &str) {
        self.wait_for_partitions("full ISR", topic, |partition| {
            partition.leader.is_some() && partition.isr.len() == partition.replicas.len()
        });
    }

    /// Waits until every running broker tells of the topic with partitions that are all accepted.
    pub fn wait_for_partitions(
        &self,
        what: &str,
        topic: &str,
        accepts: impl Fn(&PartitionView) -> bool,
    ) {
        let name = TopicName::from(topic);
        let all = |view: &ClusterView| {
            view.topics.get(&name).is_some_and(|topic| {
                topic.error == 0
                    && !topic.partitions.is_empty()
                    && topic.partitions.values().all(&accepts)
            })
        };
        self.wait_for_view(&format!("{what} of {topic}"), &self.up(), PATIENCE, all);
    }

    /// Waits until a znode has no children.
    pub fn wait_for_no_children(&self, path: &str) {
        let start = Instant::now();
        while !children(&self.connect, path).is_empty() {
            assert!(start.elapsed() < PATIENCE, "{path} keeps its children");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Leader of a partition as the znode has it, -1 for none.
    pub fn leader(&self, topic: &str, partition: i32) -> i32 {
        let state = self.state(topic, partition);
        state["leader"].as_i64().map_or(-1, |id| id as i32)
    }

    /// In-sync replicas of a partition as the znode has them.
    pub fn isr(&self, topic: &str, partition: i32) -> Vec<i32> {
        let state = self.state(topic, partition);
        let isr = state["isr"].as_array().cloned().unwrap_or_default();
        isr.iter()
            .filter_map(|id| id.as_i64().map(|id| id as i32))
            .collect()
    }

    /// The state znode of a partition.
    pub fn state(&self, topic: &str, partition: i32) -> serde_json::Value {
        let path = format!("/brokers/topics/{topic}/partitions/{partition}/state");
        let text = znode(&self.connect, &path).unwrap_or_else(|| panic!("{path} is missing"));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"))
    }

    /// The controller as `/controller` names it.
    pub fn controller(&self) -> Option<i32> {
        let text = znode(&self.connect, "/controller")?;
        let json: serde_json::Value = serde_json::from_str(&text).ok()?;
        json["brokerid"].as_i64().map(|id| id as i32)
    }

    /// Waits until `/controller` names a broker that is not `other` (-1: any), and answers it.
    pub fn wait_for_controller_but(&self, other: i32) -> i32 {
        let start = Instant::now();
        loop {
            if let Some(id) = self.controller().filter(|id| *id != other) {
                return id;
            }
            assert!(start.elapsed() < PATIENCE, "no controller but {other}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self, id: i32) {
        self.broker_mut(id).kill();
    }

    /// SIGKILL to the broker and to whatever it has started, such as its watchdog.
    pub fn kill_with_children(&mut self, id: i32) {
        let pid = self.broker_mut(id).process().pid();
        let children = run(Command::new("pgrep").args(["-P", &pid.to_string()]));
        for child in String::from_utf8_lossy(&children.stdout).split_whitespace() {
            // Gone already is as good.
            run(Command::new("kill").args(["-KILL", child]));
        }
        self.kill(id);
    }

    /// SIGTERM, and waits for the end, which must be a success.
    pub fn stop(&mut self, id: i32) {
        let status = self.broker_mut(id).stop();
        // The JVM ends with 143 after SIGTERM.
        assert!(
            status.success() || status.code() == Some(143),
            "broker {id} ended with {status}"
        );
    }

    /// SIGSTOP.
    pub fn pause(&mut self, id: i32) {
        self.broker_mut(id).process().signal("STOP");
    }

    /// SIGCONT.
    pub fn resume(&mut self, id: i32) {
        self.broker_mut(id).process().signal("CONT");
    }

    /// Starts a stopped or killed broker again and waits until it serves.
    pub fn restart(&mut self, id: i32) {
        if self.broker(id).kind() == BrokerKind::Apache {
            // Apache's broker does not start while its former registration stands (NodeExists).
            self.wait_until_unregistered(id);
        }
        self.broker_mut(id).restart();
    }

    /// Starts all brokers that are not running, at the same time.
    pub fn restart_all(&mut self) {
        let down: Vec<i32> = self.ids().filter(|id| !self.broker(*id).is_up()).collect();
        for id in &down {
            if self.broker(*id).kind() == BrokerKind::Apache {
                self.wait_until_unregistered(*id);
            }
        }
        down.iter().for_each(|id| self.broker_mut(*id).begin());
        down.iter()
            .for_each(|id| self.broker_mut(*id).wait_until_started());
    }

    fn network(&self) -> &Network {
        let network = self.network.as_ref();
        network.expect("the test asked for a cluster in namespaces")
    }

    fn host_of(id: i32) -> usize {
        usize::try_from(id).expect("ids count from 0")
    }

    /// Cuts a broker off from all other brokers.
    pub fn cut_from_brokers(&self, id: i32) {
        for other in self.ids().filter(|other| *other != id) {
            self.network().cut(Self::host_of(id), Self::host_of(other));
        }
    }

    /// Cuts a broker off from ZooKeeper.
    pub fn cut_from_zookeeper(&self, id: i32) {
        self.network().cut(Self::host_of(id), self.brokers.len());
    }

    /// What a broker sends to the other brokers is lost; what they send arrives.
    pub fn silence(&self, id: i32) {
        for other in self.ids().filter(|other| *other != id) {
            let network = self.network();
            network.cut_one_way(Self::host_of(id), Self::host_of(other));
        }
    }

    fn proxy(&self, id: i32) -> &Proxy {
        let proxy = self.proxies.get(Self::host_of(id));
        proxy.expect("the test asked for proxies")
    }

    /// What a broker asks of ZooKeeper is done, and the answers are lost.
    pub fn lose_answers(&self, id: i32) {
        self.proxy(id).mute();
    }

    /// Answers arrive again, on new connections.
    pub fn lose_no_answers(&self, id: i32) {
        self.proxy(id).cut();
        self.proxy(id).mend();
    }

    /// Cuts a broker off from everybody, the test included.
    pub fn unplug(&self, id: i32) {
        self.network().unplug(Self::host_of(id));
    }

    /// Takes back all cuts of a broker.
    pub fn mend(&self, id: i32) {
        let network = self.network();
        network.plug(Self::host_of(id));
        let own = Self::host_of(id);
        (0..=self.brokers.len())
            .filter(|other| *other != own)
            .for_each(|other| network.mend(own, other));
    }

    fn small_disk(&self) -> &SmallDisk {
        let disk = self.small_disk.as_ref();
        disk.expect("the test asked for a small disk")
    }

    /// Fills the small disk to its last byte.
    pub fn fill_disk(&self) {
        let mut ballast =
            std::fs::File::create(self.small_disk().ballast()).expect("there is room for a name");
        let zeros = [0; 4096];
        while std::io::Write::write_all(&mut ballast, &zeros).is_ok() {}
    }

    /// There is room on the small disk again.
    pub fn empty_disk(&self) {
        std::fs::remove_file(self.small_disk().ballast()).expect("the ballast can be removed");
    }

    /// Keeps the folders of all brokers when the test ends, and answers where they are.
    pub fn keep(&mut self) -> Vec<PathBuf> {
        self.brokers.iter_mut().map(Broker::keep).collect()
    }

    /// Waits until the registration of a broker is gone.
    pub fn wait_until_unregistered(&self, id: i32) {
        self.wait_for_registration(id, Presence::Gone);
    }

    /// Waits until a broker is registered.
    pub fn wait_until_registered(&self, id: i32) {
        self.wait_for_registration(id, Presence::There);
    }

    fn wait_for_registration(&self, id: i32, presence: Presence) {
        let path = format!("/brokers/ids/{id}");
        wait_for_znode(&self.connect, &path, presence, PATIENCE);
    }

    /// Freezes a broker until its session is over, and thaws it: it wakes up as a zombie.
    pub fn expire_session(&mut self, id: i32) {
        self.pause(id);
        self.wait_until_unregistered(id);
        self.resume(id);
    }

    /// Kills ZooKeeper; its data stays.
    pub fn stop_zookeeper(&self) {
        self.zookeeper.stop();
    }

    /// Starts ZooKeeper again.
    pub fn restart_zookeeper(&self) {
        self.zookeeper
            .restart()
            .unwrap_or_else(|e| panic!("ZooKeeper does not start again: {e}"));
    }
}

fn owned(configs: &[(&str, &str)]) -> BTreeMap<String, String> {
    configs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn client_options(bootstrap: &str) -> ClusterOptions {
    let mut options = ClusterOptions::new(bootstrap).unwrap_or_else(|e| panic!("{bootstrap}: {e}"));
    options.connection.connect_timeout = Duration::from_secs(2);
    options.connection.request_timeout = Duration::from_secs(5);
    options.retry_backoff = Duration::from_millis(50);
    options.api_timeout = PATIENCE;
    options
}

/// Broker ids as plain numbers.
pub fn plain(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}
