//! A throw-away ZooKeeper for tests: on a free port of 127.0.0.1, in a directory of its own, gone
//! with the process that started it, however that ends.
//!
//! It needs Java and ZooKeeper's jars: Debian's `zookeeper` package, or the environment variable
//! `ZOOKEEPER_CLASSPATH` (as in `java -cp`). `ZOOKEEPER_HEAP` is its memory, 128m if unset.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::error::ZkError;
use crate::record::SessionRecord;
use crate::session::SessionEvent;
use crate::zk::Zk;

const DEBIAN_JAR: &str = "/usr/share/java/zookeeper.jar";
const START_PATIENCE: Duration = Duration::from_secs(60);
/// Another process may take the port between our looking for a free one and the server's start.
const PORT_ATTEMPTS: usize = 5;
/// Short, so that tests can use session timeouts from 200 ms on (two ticks).
const TICK_MS: u32 = 100;

/// The shell keeps the server's life tied to ours: when we die, its standard input ends.
const KEEPER: &str = r#"
$ZK_PREFIX java -cp "$ZK_CLASSPATH" "-Xmx${ZOOKEEPER_HEAP:-128m}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
    -Djava.net.preferIPv4Stack=true -Dzookeeper.forceSync=no -Dzookeeper.preAllocSize=1024 \
    -Dzookeeper.admin.enableServer=false -Dzookeeper.extendedTypesEnabled=true \
    org.apache.zookeeper.server.quorum.QuorumPeerMain "$ZK_DIR/zoo.cfg" \
    >>"$ZK_DIR/log" 2>&1 </dev/null &
echo $!
cat >/dev/null
kill -9 $!
wait 2>/dev/null
[ "$ZK_CLEAN" = no ] || rm -rf "$ZK_DIR"
"#;

/// Why there is no ZooKeeper for the tests.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No jars.
    #[error(
        "ZooKeeper is not installed: {DEBIAN_JAR} is missing; run `apt-get install zookeeper`, or set \
         ZOOKEEPER_CLASSPATH to its jars"
    )]
    NotInstalled,
    /// It ended, or did not answer.
    #[error("ZooKeeper did not start; is Java installed? its log says:\n{log}")]
    Failed {
        /// What it wrote.
        log: String,
    },
    /// Files or processes.
    #[error("ZooKeeper could not be started")]
    Io(#[from] io::Error),
}

/// A ZooKeeper server that ends when this is dropped.
pub struct ZooKeeperServer {
    directory: PathBuf,
    site: Site,
    port: u16,
    running: Mutex<Option<Running>>,
    /// The shared one cleans up behind itself, since statics are not dropped.
    _temp: Option<TempDir>,
}

/// Where a server runs and listens.
#[derive(Clone)]
struct Site {
    /// Words before `java`, e.g. of a command that enters a network namespace.
    prefix: String,
    host: IpAddr,
}

impl Site {
    fn here() -> Site {
        Site {
            prefix: String::new(),
            host: Ipv4Addr::LOCALHOST.into(),
        }
    }
}

struct Running {
    keeper: Child,
    pid: u32,
}

impl ZooKeeperServer {
    /// Starts an empty server and waits until it answers.
    ///
    /// # Errors
    /// Java or ZooKeeper is missing or does not work.
    pub fn start() -> Result<ZooKeeperServer, StartError> {
        let temp = TempDir::with_prefix("zookeeper-")?;
        let mut server = ZooKeeperServer::start_in(temp.path(), Site::here(), Cleaning::No)?;
        server._temp = Some(temp);
        Ok(server)
    }

    /// The same through a command that runs it elsewhere, e.g. `ip netns exec NAME`, where it has
    /// the address `host`. The command has to become the program, as this one does.
    ///
    /// # Errors
    /// As [`ZooKeeperServer::start`]; `host` is no IP address.
    pub fn start_behind(prefix: &[&str], host: &str) -> Result<ZooKeeperServer, StartError> {
        let temp = TempDir::with_prefix("zookeeper-")?;
        let site = Site {
            prefix: prefix.join(" "),
            host: host.parse().map_err(io::Error::other)?,
        };
        let mut server = ZooKeeperServer::start_in(temp.path(), site, Cleaning::No)?;
        server._temp = Some(temp);
        Ok(server)
    }

    fn start_in(
        directory: &Path,
        site: Site,
        cleaning: Cleaning,
    ) -> Result<ZooKeeperServer, StartError> {
        let mut failure = StartError::NotInstalled;
        for _ in 0..PORT_ATTEMPTS {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            let data = directory.join("data");
            let config = format!(
                "tickTime={TICK_MS}\ndataDir={}\nclientPort={port}\nclientPortAddress={}\n\
                 maxClientCnxns=0\nmaxSessionTimeout=60000\n4lw.commands.whitelist=*\n",
                data.display(),
                site.host
            );
            std::fs::create_dir_all(&data)?;
            std::fs::write(directory.join("zoo.cfg"), config)?;
            match launch(directory, &site, port, cleaning) {
                Ok(running) => {
                    return Ok(ZooKeeperServer {
                        directory: directory.to_owned(),
                        site,
                        port,
                        running: Mutex::new(Some(running)),
                        _temp: None,
                    });
                }
                Err(error @ StartError::Failed { .. }) => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        self.socket_address().to_string()
    }

    /// The same as a socket address.
    pub fn socket_address(&self) -> SocketAddr {
        SocketAddr::new(self.site.host, self.port)
    }

    /// A connect string with a chroot that nobody else uses.
    pub fn fresh_chroot(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        format!("{}/test-{}-{number}", self.address(), std::process::id())
    }

    /// Kills the server. Its data stays for [`ZooKeeperServer::restart`].
    pub fn stop(&self) {
        if let Some(running) = self.running.lock().take() {
            running.end();
        }
    }

    /// Starts the server again on the same port and data.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&self) -> Result<(), StartError> {
        self.stop();
        *self.running.lock() = Some(launch(
            &self.directory,
            &self.site,
            self.port,
            Cleaning::No,
        )?);
        Ok(())
    }

    /// Freezes the server (SIGSTOP): connections stay open and nothing is answered.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Thaws a frozen server.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        if let Some(running) = &*self.running.lock() {
            let pid = running.pid.to_string();
            let _ = Command::new("kill").args([signal, &pid]).status();
        }
    }
}

impl Drop for ZooKeeperServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    fn end(mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Whether the directory is removed when the server ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cleaning {
    Yes,
    No,
}

/// One server for all tests of a process, each below a [`ZooKeeperServer::fresh_chroot`].
///
/// # Errors
/// Java or ZooKeeper is missing or does not work.
pub fn shared() -> Result<&'static ZooKeeperServer, &'static StartError> {
    static SHARED: OnceLock<Result<ZooKeeperServer, StartError>> = OnceLock::new();
    SHARED
        .get_or_init(|| {
            let directory = TempDir::with_prefix("zookeeper-")?.keep();
            ZooKeeperServer::start_in(&directory, Site::here(), Cleaning::Yes)
        })
        .as_ref()
}

fn class_path() -> Result<String, StartError> {
    match std::env::var("ZOOKEEPER_CLASSPATH") {
        Ok(path) if !path.is_empty() => Ok(path),
        _ if Path::new(DEBIAN_JAR).exists() => Ok(DEBIAN_JAR.to_owned()),
        _ => Err(StartError::NotInstalled),
    }
}

fn launch(
    directory: &Path,
    site: &Site,
    port: u16,
    cleaning: Cleaning,
) -> Result<Running, StartError> {
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER])
        .env("ZK_CLASSPATH", class_path()?)
        .env("ZK_PREFIX", &site.prefix)
        .env("ZK_DIR", directory)
        .env(
            "ZK_CLEAN",
            if cleaning == Cleaning::Yes {
                "yes"
            } else {
                "no"
            },
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    if let Some(stdout) = keeper.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    let failed = || StartError::Failed {
        log: std::fs::read_to_string(directory.join("log")).unwrap_or_default(),
    };
    let running = Running {
        pid: line.trim().parse().map_err(|_| failed())?,
        keeper,
    };
    let deadline = Instant::now() + START_PATIENCE;
    while Instant::now() < deadline && is_alive(running.pid) {
        if answers(SocketAddr::new(site.host, port)).unwrap_or(false) {
            return Ok(running);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let failure = failed();
    running.end();
    Err(failure)
}

fn is_alive(pid: u32) -> bool {
    Command::new("kill")
        .args(["-0", &pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether a serving ZooKeeper is behind the port ("imok" comes before it serves).
fn answers(address: SocketAddr) -> io::Result<bool> {
    let mut connection = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    connection.set_read_timeout(Some(Duration::from_secs(2)))?;
    connection.write_all(b"srvr")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer.contains("Mode: "))
}

/// Ends the session of `zk` as if it had timed out: its ephemeral nodes vanish, then it is announced
/// as expired, then the next one is opened. Returns when the expiry is announced.
pub async fn expire_session(zk: &Zk) {
    let sessions = &zk.inner.sessions;
    let mut events = sessions.events();
    let before = events.borrow().generation();
    sessions.expire.notify_one();
    // The channel cannot be closed while `zk` is held.
    let _ = events
        .wait_for(|event| match event {
            SessionEvent::Expired { .. } | SessionEvent::Closed => true,
            other => other.generation() > before,
        })
        .await;
}

/// Ends the session of `zk` for real, by closing it through another connection while `zk`, which
/// has to be connected through `proxy`, is cut off.
///
/// # Errors
/// There is no session, or ZooKeeper is away.
pub async fn close_behind(zk: &Zk, proxy: &Proxy) -> Result<(), ZkError> {
    let refused = |source| ZkError::Refused {
        action: "expiring the session",
        path: "/".to_owned(),
        source,
    };
    let session = zk.live()?.client.session().clone();
    proxy.cut();
    let thief = zookeeper_client::Client::connector()
        .with_session(session)
        .connect(&proxy.target.to_string())
        .await
        .map_err(refused)?;
    let mut states = thief.state_watcher();
    drop(thief);
    while !states.peek_state().is_terminated() {
        states.changed().await;
    }
    Ok(())
}

/// A wire to the server that can be broken.
pub struct Proxy {
    address: SocketAddr,
    target: SocketAddr,
    state: Arc<watch::Sender<Wire>>,
}

#[derive(Clone, Copy, Default)]
struct Wire {
    /// Connections made before the latest break are broken.
    breaks: u64,
    refusing: bool,
    losing: Losing,
    /// Multis of reads are passed on as something that no server knows.
    old: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Losing {
    #[default]
    Nothing,
    /// All answers from that to a write on, after so many others.
    FromWriteAfter(u32),
    Answers,
}

impl Proxy {
    /// Listens on a free port and passes everything on to `target`.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(target: SocketAddr) -> io::Result<Proxy> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(watch::Sender::new(Wire::default()));
        let weak = Arc::downgrade(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Some(state) = weak.upgrade() else { return };
                if !state.borrow().refusing {
                    tokio::spawn(pass_on(client, target, state));
                }
            }
        });
        Ok(Proxy {
            address,
            target,
            state,
        })
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections and refuses new ones.
    pub fn cut(&self) {
        self.state.send_modify(|wire| {
            wire.breaks += 1;
            wire.refusing = true;
        });
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.state.send_modify(|wire| {
            wire.refusing = false;
            wire.losing = Losing::Nothing;
        });
    }

    /// From now on answers are lost.
    pub fn mute(&self) {
        self.state.send_modify(|wire| wire.losing = Losing::Answers);
    }

    /// From now on the server seems to be older than 3.6.
    pub fn age(&self) {
        self.state.send_modify(|wire| wire.old = true);
    }

    /// So many writes go through as always. Of the one after them, and of all that comes later,
    /// the answer is lost.
    pub fn mute_after_writes(&self, writes: u32) {
        self.state
            .send_modify(|wire| wire.losing = Losing::FromWriteAfter(writes));
    }
}

async fn pass_on(client: TcpStream, target: SocketAddr, state: Arc<watch::Sender<Wire>>) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    // Head and body of a frame go out one by one.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut changes = state.subscribe();
    let breaks = changes.borrow_and_update().breaks;
    let (requests, to_client) = client.into_split();
    let (answers, to_server) = server.into_split();
    tokio::select! {
        _ = changes.wait_for(|wire| wire.breaks != breaks) => {}
        _ = pass_requests(requests, to_server, &state) => {}
        _ = pass_answers(answers, to_client, &state) => {}
    }
}

async fn pass_requests(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    state: &watch::Sender<Wire>,
) -> io::Result<()> {
    let mut greeting = true;
    loop {
        let size = client.read_u32().await?;
        let mut frame = vec![0; usize::try_from(size).unwrap_or(0)];
        client.read_exact(&mut frame).await?;
        // The greeting has no header; all others begin with a number and the operation.
        let is_greeting = std::mem::take(&mut greeting);
        if let Some(code) = frame.get_mut(4..8).filter(|code| **code == MULTI_READ)
            && !is_greeting
            && state.borrow().old
        {
            code.copy_from_slice(&UNKNOWN);
        }
        if !is_greeting && frame.get(4..8).is_some_and(is_write) {
            state.send_modify(|wire| {
                wire.losing = match wire.losing {
                    Losing::FromWriteAfter(0) => Losing::Answers,
                    Losing::FromWriteAfter(writes) => Losing::FromWriteAfter(writes - 1),
                    other => other,
                };
            });
        }
        server.write_u32(size).await?;
        server.write_all(&frame).await?;
    }
}

/// The operation code of a multi of reads, and one that no server knows.
const MULTI_READ: [u8; 4] = [0, 0, 0, 22];
const UNKNOWN: [u8; 4] = [0, 0, 22, 22];

/// Whether an operation code is create, delete, setData, multi or create2.
fn is_write(code: &[u8]) -> bool {
    matches!(code, [0, 0, 0, 1 | 2 | 5 | 14 | 15])
}

async fn pass_answers(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    state: &watch::Sender<Wire>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = server.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let lost = state.borrow().losing == Losing::Answers;
        if !lost {
            client
                .write_all(buffer.get(..count).unwrap_or_default())
                .await?;
        }
    }
}

/// A [`SessionRecord`] in memory, to be handed from one "process" to the next.
#[derive(Debug, Default)]
pub struct MemoryRecord(Mutex<Option<String>>);

impl SessionRecord for MemoryRecord {
    fn load(&self) -> io::Result<Option<String>> {
        Ok(self.0.lock().clone())
    }

    fn store(&self, text: &str) -> io::Result<()> {
        *self.0.lock() = Some(text.to_owned());
        Ok(())
    }
}
