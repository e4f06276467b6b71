//! The ids of a broker's own sessions, kept across a crash.
//!
//! ZooKeeper removes the nodes of a killed broker only when its session times out. The broker that
//! starts again on the same log directory may remove them at once, if it can tell that they are
//! its own: it holds the directory's lock, so the process before it is dead, and the sessions that
//! process ever registered with are recorded in that directory. The session's password is never
//! written, hence nodes are removed, not sessions closed.

use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

/// Sessions that are remembered; one per registration, so the last few are all that can matter.
const REMEMBERED: usize = 8;

/// A ZooKeeper session, shown as ZooKeeper does: `0x…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub i64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A small file that belongs to one broker. Whoever implements it holds the lock that makes sure
/// that no other living process writes it: the lock is the proof that the sessions in it belong to
/// the dead.
pub trait SessionRecord: Send + Sync {
    /// Reads the file; `None` if it is not there.
    ///
    /// # Errors
    /// The file cannot be read.
    fn load(&self) -> io::Result<Option<String>>;

    /// Replaces the file atomically and durably, readable by its owner only.
    ///
    /// # Errors
    /// The file cannot be written.
    fn store(&self, text: &str) -> io::Result<()>;
}

/// The sessions that are ours, dead ones included.
pub(crate) struct OwnSessions {
    record: Option<Arc<dyn SessionRecord>>,
    known: Mutex<Vec<SessionId>>,
    /// Held while a session is being recorded.
    adding: tokio::sync::Mutex<()>,
}

impl OwnSessions {
    /// Reads the record. What cannot be read only costs the wait for a session's timeout.
    pub(crate) async fn load(record: Option<Arc<dyn SessionRecord>>) -> OwnSessions {
        let known = match record.clone() {
            None => Vec::new(),
            Some(record) => match blocking(move || record.load()).await {
                Ok(text) => parse(&text.unwrap_or_default()),
                Err(error) => {
                    tracing::warn!(%error, "the record of earlier ZooKeeper sessions cannot be read");
                    Vec::new()
                }
            },
        };
        OwnSessions {
            record,
            known: Mutex::new(known),
            adding: tokio::sync::Mutex::default(),
        }
    }

    /// Whether the session belonged to this broker, in this process or one before it.
    pub(crate) fn contains(&self, session: SessionId) -> bool {
        self.known.lock().contains(&session)
    }

    /// Whether no session has been recorded yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.lock().is_empty()
    }

    /// Records a session before the first node is created with it: a crash between the two leaves
    /// a session id too many in the record, never one too few. A disk that fails is no reason to
    /// stay out of the cluster: it costs the wait for the session's timeout after a crash.
    pub(crate) async fn add(&self, session: SessionId) {
        let _adding = self.adding.lock().await;
        if self.contains(session) {
            return;
        }
        let mut sessions = self.known.lock().clone();
        sessions.push(session);
        let surplus = sessions.len().saturating_sub(REMEMBERED);
        sessions.drain(..surplus);
        if let Some(record) = self.record.clone() {
            let text = render(&sessions);
            if let Err(error) = blocking(move || record.store(&text)).await {
                tracing::warn!(%error, "the ZooKeeper session cannot be recorded: after a crash it has to time out");
            }
        }
        *self.known.lock() = sessions;
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the runtime is stopping")))
}

fn render(sessions: &[SessionId]) -> String {
    let mut text = String::from(
        "# The ZooKeeper sessions of the broker that owns this directory, newest last.\n",
    );
    for session in sessions {
        text.push_str(&format!("{session}\n"));
    }
    text
}

fn parse(text: &str) -> Vec<SessionId> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("0x"))
        // Ids with the highest bit set are negative as Java's longs.
        .filter_map(|digits| u64::from_str_radix(digits, 16).ok())
        .map(|bits| SessionId(bits as i64))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_reads_what_it_wrote() {
        let sessions = [SessionId(1), SessionId(-2), SessionId(i64::MAX)];
        assert_eq!(parse(&render(&sessions)), sessions);
        assert_eq!(parse("garbage\n0xzz\n0x5\n"), [SessionId(5)]);
    }

    /// A disk that fails.
    struct Broken;

    impl SessionRecord for Broken {
        fn load(&self) -> io::Result<Option<String>> {
            Err(io::Error::other("broken"))
        }

        fn store(&self, _: &str) -> io::Result<()> {
            Err(io::Error::other("broken"))
        }
    }

    #[tokio::test]
    async fn only_the_last_sessions_are_kept_and_a_failing_disk_is_survived() {
        let own = OwnSessions::load(None).await;
        for id in 0..20 {
            own.add(SessionId(id)).await;
        }
        assert!(!own.contains(SessionId(11)));
        assert!(own.contains(SessionId(12)) && own.contains(SessionId(19)));
        let own = OwnSessions::load(Some(Arc::new(Broken))).await;
        own.add(SessionId(1)).await;
        assert!(own.contains(SessionId(1)));
    }
}
