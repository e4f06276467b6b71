//! The `.lock` of a log directory: the POSIX lock that Java's `FileLock` takes, so that Apache
//! Kafka and Ottla exclude each other.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use parking_lot::Mutex;

/// Device and inode of the directories this process has locked. POSIX locks do not exclude within
/// a process, and closing any descriptor of the file would drop the lock.
static LOCKED: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

/// A crash watchdog leaves the first byte out. Its lock and a broker's exclude each other all the
/// same, and whoever is kept out can tell which of the two is in the way.
const WATCHDOG_START: libc::off_t = 1;
/// A watchdog has the lock for as long as ZooKeeper takes to answer a few requests.
const WATCHDOG_BOUND: Duration = Duration::from_secs(5);
/// A process that is being killed closes its files one after the other.
const DEATH_BOUND: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

/// The lock, held until dropped.
#[derive(Debug)]
pub(crate) struct DirLock {
    identity: (u64, u64),
    file: Option<File>,
}

/// Why there is no lock.
pub(crate) enum LockFailure {
    /// Somebody has it, named as well as the system can.
    HeldBy(String),
    Io(io::Error),
}

impl From<io::Error> for LockFailure {
    fn from(e: io::Error) -> LockFailure {
        LockFailure::Io(e)
    }
}

impl DirLock {
    pub(crate) fn take(dir: &Path) -> Result<DirLock, LockFailure> {
        let metadata = std::fs::metadata(dir)?;
        let identity = (metadata.dev(), metadata.ino());
        if !LOCKED.lock().insert(identity) {
            return Err(LockFailure::HeldBy("this very process".to_owned()));
        }
        // From here on, dropping the value gives the identity back.
        let mut lock = DirLock {
            identity,
            file: None,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(".lock"))?;
        let deadline = Instant::now() + WATCHDOG_BOUND;
        loop {
            if set(&file, &whole_file())? {
                lock.file = Some(file);
                return Ok(lock);
            }
            let held = blocking(&file);
            let watchdog = held.is_none_or(|held| held.l_start == WATCHDOG_START);
            if !watchdog || Instant::now() >= deadline {
                return Err(LockFailure::HeldBy(holder(held)));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// The lock of a log directory whose broker has died, taken by that broker's crash watchdog. The
/// next broker on the directory waits a moment for it.
#[derive(Debug)]
pub struct WatchdogLock {
    _file: File,
}

impl WatchdogLock {
    /// Takes the lock over from the dead process. `None` if there is nothing to take over: another
    /// broker was faster, or the directory is gone.
    ///
    /// Blocks while the process is still being taken down. The caller must not have locked the
    /// directory as a broker.
    ///
    /// # Errors
    /// The system refuses.
    pub fn take(dir: &Path, dead: u32) -> io::Result<Option<WatchdogLock>> {
        let file = match File::options()
            .read(true)
            .write(true)
            .open(dir.join(".lock"))
        {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let all_but_first = libc::flock {
            l_start: WATCHDOG_START,
            ..whole_file()
        };
        let deadline = Instant::now() + DEATH_BOUND;
        while !set(&file, &all_but_first)? {
            let dying = |held: libc::flock| u32::try_from(held.l_pid) == Ok(dead);
            if !blocking(&file).is_none_or(dying) || Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(Some(WatchdogLock { _file: file }))
    }
}

/// The broker process that has the directory locked, if one has. The caller must not have locked
/// it itself: looking would unlock it.
///
/// # Errors
/// The lock's file cannot be read.
pub fn lock_holder(dir: &Path) -> io::Result<Option<u32>> {
    // For a question about a write lock, reading is enough.
    let file = match File::open(dir.join(".lock")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let broker = blocking(&file).filter(|held| held.l_start != WATCHDOG_START);
    Ok(broker.and_then(|held| u32::try_from(held.l_pid).ok()))
}

/// Takes a lock; false if somebody has one in the way.
fn set(file: &File, wanted: &libc::flock) -> io::Result<bool> {
    match fcntl(file.as_raw_fd(), FcntlArg::F_SETLK(wanted)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // The descriptor first: whoever sees the identity gone may lock at once.
        self.file = None;
        LOCKED.lock().remove(&self.identity);
    }
}

fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// The lock that is in the way, if there still is one.
fn blocking(file: &File) -> Option<libc::flock> {
    let mut asked = whole_file();
    let known = fcntl(file.as_raw_fd(), FcntlArg::F_GETLK(&mut asked)).is_ok();
    (known && asked.l_type != libc::F_UNLCK as libc::c_short).then_some(asked)
}

fn holder(held: Option<libc::flock>) -> String {
    let Some(pid) = held.map(|held| held.l_pid).filter(|pid| *pid > 0) else {
        return "another process".to_owned();
    };
    match std::fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(command) if !command.is_empty() => {
            let words: Vec<_> = command
                .split(|b| *b == 0)
                .filter(|w| !w.is_empty())
                .map(String::from_utf8_lossy)
                .collect();
            let mut line = words.join(" ");
            if line.chars().count() > 200 {
                line = line.chars().take(200).collect::<String>() + "…";
            }
            format!("process {pid} ({line})")
        }
        _ => format!("process {pid}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::process::{Child, Command, Stdio};

    use super::*;

    const ACT_AS: &str = "OTTLA_TEST_LOCK_AS";
    const ACT_ON: &str = "OTTLA_TEST_LOCK_DIR";

    /// Not a test of its own: what the other processes of the tests below do, since locks do not
    /// exclude within one process. It ends with its standard input.
    #[test]
    fn other_process() {
        let (Ok(role), Some(dir)) = (std::env::var(ACT_AS), std::env::var_os(ACT_ON)) else {
            return;
        };
        let dir = Path::new(&dir);
        let locks = match role.as_str() {
            "broker" => (DirLock::take(dir).ok(), None),
            _ => (None, WatchdogLock::take(dir, 0).unwrap()),
        };
        println!("\nlocked {}", locks.0.is_some() || locks.1.is_some());
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    }

    /// Another process with the lock of `dir`.
    fn other(role: &str, dir: &Path) -> Child {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "dir_lock::tests::other_process", "--nocapture"])
            .env(ACT_AS, role)
            .env(ACT_ON, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let said = lines
            .map_while(Result::ok)
            .find(|line| line.starts_with("locked"));
        assert_eq!(said.as_deref(), Some("locked true"));
        child
    }

    #[test]
    fn a_watchdog_takes_over_from_the_dead_and_from_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        assert!(WatchdogLock::take(dir.path(), 1).unwrap().is_none());
        let mut broker = other("broker", dir.path());
        assert!(WatchdogLock::take(dir.path(), 1).unwrap().is_none());
        let pid = broker.id();
        broker.kill().unwrap();
        // Not reaped yet: it may still be closing its files.
        assert!(WatchdogLock::take(dir.path(), pid).unwrap().is_some());
        broker.wait().unwrap();
        drop(std::fs::remove_dir_all(dir.path().join("none")));
        assert!(
            WatchdogLock::take(&dir.path().join("none"), 1)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_broker_waits_for_a_watchdog_and_not_for_a_broker() {
        let dir = tempfile::tempdir().unwrap();
        drop(DirLock::take(dir.path()).ok().unwrap());
        let mut watchdog = other("watchdog", dir.path());
        assert_eq!(lock_holder(dir.path()).unwrap(), None);
        let path = dir.path().to_owned();
        let waiting = std::thread::spawn(move || DirLock::take(&path).is_ok());
        // Its end comes with that of its standard input.
        drop(watchdog.stdin.take());
        assert!(waiting.join().unwrap());
        watchdog.wait().unwrap();
        let mut broker = other("broker", dir.path());
        let refused = DirLock::take(dir.path());
        let Err(LockFailure::HeldBy(holder)) = refused else {
            panic!("locked twice");
        };
        assert!(holder.contains(&broker.id().to_string()), "{holder}");
        assert_eq!(lock_holder(dir.path()).unwrap(), Some(broker.id()));
        broker.kill().unwrap();
        broker.wait().unwrap();
        assert_eq!(lock_holder(dir.path()).unwrap(), None);
    }
}
