//! A broker's ZooKeeper client: what the `zk` crate does, as far as brokers can tell.
//!
//! Reads survive a lost connection; a write whose answer is lost may have happened. A session that
//! expired is replaced by a new one with another generation, and everything asked for in the old one
//! fails.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

use crate::message::Body;
use crate::network::{Connection, Place};
use crate::port::{Mailbox, Port};
use crate::zookeeper::{Ask, Directory, Node, Op, Path, Refusal, SessionId, Tell};

/// Something about the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEvent {
    Connected(u64),
    Expired,
}

/// The session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expired;

/// How a write ended, if it was not carried out as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// Not written: that operation could not be carried out.
    Refused(usize, Refusal),
    /// It may have been written.
    Unknown,
    Expired,
}

impl From<Expired> for WriteError {
    fn from(_: Expired) -> WriteError {
        WriteError::Expired
    }
}

struct State {
    session: Option<SessionId>,
    generation: u64,
    connection: Option<Connection>,
}

/// The client.
#[derive(Clone)]
pub(crate) struct Zk {
    port: Port,
    state: Rc<RefCell<State>>,
    pub(crate) events: Mailbox<SessionEvent>,
    /// Session timeout.
    timeout: i64,
}

impl Zk {
    pub(crate) fn new(port: &Port, timeout: i64) -> Zk {
        let state = State {
            session: None,
            generation: 0,
            connection: None,
        };
        Zk {
            port: port.clone(),
            state: Rc::new(RefCell::new(state)),
            events: Mailbox::default(),
            timeout,
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.state.borrow().generation
    }

    pub(crate) fn session(&self) -> Option<SessionId> {
        self.state.borrow().session
    }

    /// Keeps the connection and the session; never ends.
    pub(crate) async fn keep(self) {
        loop {
            let connection = self.port.connection();
            let session = self.session();
            let hello = Body::Ask(Ask::Connect(session));
            let patience = self.timeout * 2 / 3;
            let answer = self
                .port
                .call_within(patience, connection, Place::ZooKeeper, hello);
            match answer.await {
                Ok(Body::Tell(Tell::Connected(id))) => {
                    self.joined(id, connection);
                    self.ping(connection).await;
                    self.port.close(connection);
                    self.state.borrow_mut().connection = None;
                }
                Ok(_) => {
                    let mut state = self.state.borrow_mut();
                    state.session = None;
                    state.generation += 1;
                    self.events.put(SessionEvent::Expired);
                }
                Err(_) => {
                    self.port.close(connection);
                    let _ = self.port.sleep(50).await;
                }
            }
        }
    }

    fn joined(&self, id: SessionId, connection: Connection) {
        let mut state = self.state.borrow_mut();
        if state.session != Some(id) {
            state.session = Some(id);
            state.generation += 1;
        }
        state.connection = Some(connection);
        self.events.put(SessionEvent::Connected(state.generation));
    }

    /// Until the connection is lost.
    async fn ping(&self, connection: Connection) {
        while self.state.borrow().connection == Some(connection) {
            let _ = self.port.sleep(self.timeout / 3).await;
            let ping = Body::Ask(Ask::Ping);
            let patience = self.timeout / 3;
            let answer = self
                .port
                .call_within(patience, connection, Place::ZooKeeper, ping);
            if answer.await.is_err() {
                return;
            }
        }
    }

    /// The connection to use, as long as the session is that of `generation`.
    async fn connected(&self, generation: u64) -> Result<Connection, Expired> {
        std::future::poll_fn(|_| {
            let state = self.state.borrow();
            match state.connection {
                _ if state.generation != generation => Poll::Ready(Err(Expired)),
                Some(connection) => Poll::Ready(Ok(connection)),
                None => Poll::Pending,
            }
        })
        .await
    }

    async fn read(&self, ask: Ask) -> Result<Tell, Expired> {
        let generation = self.generation();
        loop {
            let through = self.connected(generation).await?;
            let body = Body::Ask(ask.clone());
            if let Ok(Body::Tell(tell)) = self.port.call(through, Place::ZooKeeper, body).await {
                return Ok(tell);
            }
            self.lost(through);
        }
    }

    fn lost(&self, connection: Connection) {
        let mut state = self.state.borrow_mut();
        if state.connection == Some(connection) {
            state.connection = None;
        }
    }

    pub(crate) async fn get(&self, path: Path, watch: bool) -> Result<Option<Node>, Expired> {
        match self.read(Ask::Get(path, watch)).await? {
            Tell::Found(node) => Ok(node),
            _ => Ok(None),
        }
    }

    pub(crate) async fn children(&self, of: Directory, watch: bool) -> Result<Vec<Path>, Expired> {
        match self.read(Ask::Children(of, watch)).await? {
            Tell::Listed(paths) => Ok(paths),
            _ => Ok(Vec::new()),
        }
    }

    /// Writes; answers versions and czxids of the nodes created or set.
    pub(crate) async fn multi(
        &self,
        as_controller: Option<i32>,
        ops: Vec<Op>,
    ) -> Result<Vec<(i32, i64)>, WriteError> {
        let through = self.connected(self.generation()).await?;
        let body = Body::Ask(Ask::Multi(as_controller, ops));
        match self.port.call(through, Place::ZooKeeper, body).await {
            Ok(Body::Tell(Tell::Done(stats))) => Ok(stats),
            Ok(Body::Tell(Tell::Refused(at, why))) => Err(WriteError::Refused(at, why)),
            Ok(_) => Err(WriteError::Expired),
            Err(_) => {
                self.lost(through);
                Err(WriteError::Unknown)
            }
        }
    }
}
