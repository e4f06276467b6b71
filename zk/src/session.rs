//! The life of sessions: one is always being kept or opened, until [`close`](crate::Zk::close).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use zookeeper_client::{Client, SessionState as ClientState};

use crate::connect::{ConnectString, ZkConfig, connect_once};
use crate::error::ZkError;
use crate::lane::Lanes;
use crate::multi::Dialect;
use crate::record::SessionId;
use crate::watch::Subscribers;

/// Pause after a failed attempt to open the next session; doubled up to the bound.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// How the connection to ZooKeeper is. Values can be skipped by a slow reader of the channel:
/// compare generations to learn that a session was lost in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// Requests are answered.
    Connected {
        /// 1 for the first session, one more for each later one. With a new generation all
        /// ephemeral nodes and all watches are gone: register, then read everything again.
        generation: u64,
        /// The session.
        id: SessionId,
    },
    /// The servers are away. Requests wait; the session may yet survive, or have ended already.
    Disconnected {
        /// Of the session in doubt.
        generation: u64,
    },
    /// The session has ended. The next one is being opened.
    Expired {
        /// Of the session that ended.
        generation: u64,
    },
    /// [`crate::Zk::close`] was called.
    Closed,
}

impl SessionEvent {
    /// The generation of the session it speaks of; 0 when closed.
    pub fn generation(self) -> u64 {
        match self {
            SessionEvent::Connected { generation, .. }
            | SessionEvent::Disconnected { generation }
            | SessionEvent::Expired { generation } => generation,
            SessionEvent::Closed => 0,
        }
    }
}

/// A live session: the crate's client and the connections that carry its watches.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) dialect: Dialect,
    pub(crate) generation: u64,
}

impl Session {
    async fn open(
        client: Client,
        generation: u64,
        config: &ZkConfig,
        to: &ConnectString,
        subscribers: &Arc<Subscribers>,
    ) -> Session {
        let lanes = Lanes::new(
            client.clone(),
            config.clone(),
            to.clone(),
            Arc::clone(subscribers),
        );
        let session = Session {
            client,
            lanes: Arc::new(lanes),
            dialect: Dialect::default(),
            generation,
        };
        session.learn_dialect().await;
        session
    }

    pub(crate) fn id(&self) -> SessionId {
        SessionId(self.client.session_id().0)
    }

    fn connected(&self) -> SessionEvent {
        SessionEvent::Connected {
            generation: self.generation,
            id: self.id(),
        }
    }
}

/// What [`Sessions`] holds between sessions.
#[derive(Clone)]
pub(crate) enum Current {
    Live(Session),
    Expired,
    Closed,
}

/// The current session and those who wait for news of it.
pub(crate) struct Sessions {
    current: watch::Sender<Current>,
    events: watch::Sender<SessionEvent>,
    stop: watch::Sender<bool>,
    /// Tests end a session through this as if it had timed out.
    #[cfg(feature = "testing")]
    pub(crate) expire: tokio::sync::Notify,
    pub(crate) subscribers: Arc<Subscribers>,
}

impl Sessions {
    /// Takes over the first session and keeps it, and its successors, in a task of its own.
    pub(crate) async fn start(
        client: Client,
        config: ZkConfig,
        to: ConnectString,
    ) -> Arc<Sessions> {
        let subscribers = Arc::new(Subscribers::default());
        let session = Session::open(client, 1, &config, &to, &subscribers).await;
        let sessions = Arc::new(Sessions {
            events: watch::Sender::new(session.connected()),
            current: watch::Sender::new(Current::Live(session.clone())),
            stop: watch::Sender::new(false),
            #[cfg(feature = "testing")]
            expire: tokio::sync::Notify::new(),
            subscribers,
        });
        tokio::spawn(keep(Arc::clone(&sessions), session, config, to));
        sessions
    }

    /// The session, unless it has ended.
    pub(crate) fn live(&self) -> Result<Session, ZkError> {
        match &*self.current.borrow() {
            Current::Live(session) => Ok(session.clone()),
            Current::Expired => Err(ZkError::SessionExpired),
            Current::Closed => Err(ZkError::Closed),
        }
    }

    pub(crate) fn events(&self) -> watch::Receiver<SessionEvent> {
        self.events.subscribe()
    }

    /// Asks the keeper to end the session.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Asks the keeper to end the session and waits until the server has confirmed it.
    pub(crate) async fn close(&self, patience: Duration) {
        self.stop();
        let mut events = self.events.subscribe();
        let closed = events.wait_for(|event| *event == SessionEvent::Closed);
        if tokio::time::timeout(patience, closed).await.is_err() {
            tracing::warn!("ZooKeeper did not confirm the end of the session; it will time out");
        }
    }

    fn announce(&self, event: SessionEvent) {
        self.events.send_replace(event);
    }
}

/// Keeps a session alive and opens the next one when it has ended, for ever, until stopped.
async fn keep(sessions: Arc<Sessions>, first: Session, config: ZkConfig, to: ConnectString) {
    let mut stop = sessions.stop.subscribe();
    let mut session = first;
    loop {
        let opened = Instant::now();
        let why = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Ended::Stopped,
            () = expire_asked(&sessions) => Ended::ByTest,
            () = follow(&sessions, &session) => Ended::Expired,
        };
        let generation = session.generation;
        match why {
            Ended::Stopped => {
                end(&sessions, session, Current::Closed).await;
                sessions.announce(SessionEvent::Closed);
                return;
            }
            Ended::ByTest => end(&sessions, session, Current::Expired).await,
            Ended::Expired => {
                sessions.current.send_replace(Current::Expired);
                drop(session);
            }
        }
        tracing::warn!(generation, "the ZooKeeper session has expired");
        sessions.announce(SessionEvent::Expired { generation });
        let next = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => None,
            client = reopen(&config, &to, opened) => Some(client),
        };
        let Some(client) = next else {
            sessions.current.send_replace(Current::Closed);
            sessions.announce(SessionEvent::Closed);
            return;
        };
        let next = generation.saturating_add(1);
        session = Session::open(client, next, &config, &to, &sessions.subscribers).await;
        tracing::info!(generation = session.generation, id = %session.id(), "new ZooKeeper session");
        sessions
            .current
            .send_replace(Current::Live(session.clone()));
        sessions.announce(session.connected());
    }
}

/// How a session came to its end.
enum Ended {
    Stopped,
    Expired,
    ByTest,
}

#[cfg(feature = "testing")]
async fn expire_asked(sessions: &Sessions) {
    sessions.expire.notified().await;
}

#[cfg(not(feature = "testing"))]
async fn expire_asked(_: &Sessions) {
    std::future::pending().await
}

/// Passes on the comings and goings of the connection and returns when the session has ended.
async fn follow(sessions: &Sessions, session: &Session) {
    let mut states = session.client.state_watcher();
    // A change between the connect and this watcher must not be missed.
    let mut state = session.client.state();
    loop {
        match state {
            ClientState::SyncConnected | ClientState::ConnectedReadOnly => {
                sessions.announce(session.connected());
            }
            ClientState::Disconnected => sessions.announce(SessionEvent::Disconnected {
                generation: session.generation,
            }),
            ClientState::Expired | ClientState::AuthFailed | ClientState::Closed => return,
        }
        state = states.changed().await;
    }
}

/// Tries until ZooKeeper is back. A session that ended as soon as it began is not followed by the
/// next one at once.
async fn reopen(config: &ZkConfig, to: &ConnectString, last_opened: Instant) -> Client {
    let mut backoff = FIRST_BACKOFF;
    if last_opened.elapsed() < MAX_BACKOFF {
        tokio::time::sleep(backoff).await;
    }
    loop {
        match connect_once(config, to).await {
            Ok(client) => return client,
            Err(error) => tracing::debug!(%error, "ZooKeeper is away"),
        }
        tokio::time::sleep(backoff).await;
        backoff = MAX_BACKOFF.min(backoff * 2);
    }
}

/// Lets go of a session. The crate closes it when the last handle of its client is dropped, and
/// this waits for that.
async fn end(sessions: &Sessions, session: Session, then: Current) {
    let mut states = session.client.state_watcher();
    let mut state = session.client.state();
    sessions.current.send_replace(then);
    drop(session);
    while !state.is_terminated() {
        state = states.changed().await;
    }
}
