//! The port between a simulated process and the world: what the process wants is queued for the
//! world, what the world answers wakes the process.
//!
//! The glue of a broker is written as `async` functions, as the real drivers are, and polled by the
//! world after everything that happens to the process. Nothing else wakes anything, so that the
//! order of all steps is the order of the world's events.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::message::Body;
use crate::network::{Connection, Place};

/// Virtual time in microseconds.
pub(crate) type Micros = i64;

/// A millisecond.
pub(crate) const MILLI: Micros = 1000;

/// Something that a process does, one of many at a time.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Names something awaited.
pub(crate) type Token = u64;

/// What a process wants from the world.
#[derive(Debug)]
pub(crate) enum Command {
    /// Send a message through a connection; the first opens it.
    Send(Connection, Place, Token, Body),
    /// Answer a message that came through a connection.
    Answer(Connection, Token, Body),
    /// Close a connection.
    Close(Connection),
    /// Be woken.
    Wake(Token, Micros),
    /// End in good order.
    Exit,
}

/// The other end is gone, or the connection to it; a message may have been received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

#[derive(Default)]
struct State {
    now: Micros,
    process: u64,
    next: u64,
    commands: Vec<Command>,
    answers: BTreeMap<Token, Result<Body, Lost>>,
    awaited: BTreeSet<Token>,
    spawned: Vec<Task>,
}

/// A process's handle of the world.
#[derive(Clone, Default)]
pub(crate) struct Port(Rc<RefCell<State>>);

impl Port {
    /// The port of process number `process`, which no process had before.
    pub(crate) fn new(process: u64, now: Micros) -> Port {
        let port = Port::default();
        port.0.borrow_mut().process = process;
        port.0.borrow_mut().now = now;
        port
    }

    pub(crate) fn now(&self) -> Micros {
        self.0.borrow().now
    }

    /// The clock that brains are given.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now() / MILLI
    }

    /// A number that was not used before in the whole world.
    fn fresh(&self) -> u64 {
        let mut state = self.0.borrow_mut();
        state.next += 1;
        state.process << 32 | state.next
    }

    /// A new connection; it opens with the first message.
    pub(crate) fn connection(&self) -> Connection {
        Connection(self.fresh())
    }

    /// Sends a message and waits for the answer.
    pub(crate) fn call(&self, through: Connection, to: Place, body: Body) -> Wait {
        let token = self.fresh();
        let mut state = self.0.borrow_mut();
        state.commands.push(Command::Send(through, to, token, body));
        state.awaited.insert(token);
        drop(state);
        Wait {
            port: self.clone(),
            token,
        }
    }

    /// Sends a message whose answer, if there is one, nobody waits for.
    pub(crate) fn answer(&self, through: Connection, token: Token, body: Body) {
        let mut state = self.0.borrow_mut();
        state.commands.push(Command::Answer(through, token, body));
    }

    pub(crate) fn close(&self, connection: Connection) {
        self.0
            .borrow_mut()
            .commands
            .push(Command::Close(connection));
    }

    /// Ends the process in good order.
    pub(crate) fn exit(&self) {
        self.0.borrow_mut().commands.push(Command::Exit);
    }

    /// Waits for so many milliseconds.
    pub(crate) fn sleep(&self, ms: i64) -> Wait {
        let at = self.now() + ms.max(0) * MILLI;
        let token = self.fresh();
        let mut state = self.0.borrow_mut();
        state.commands.push(Command::Wake(token, at));
        state.awaited.insert(token);
        drop(state);
        Wait {
            port: self.clone(),
            token,
        }
    }

    /// As [`Port::call`], but with patience.
    pub(crate) async fn call_within(
        &self,
        ms: i64,
        through: Connection,
        to: Place,
        body: Body,
    ) -> Result<Body, Lost> {
        match either(self.call(through, to, body), self.sleep(ms)).await {
            Either::Left(answer) => answer,
            Either::Right(_) => Err(Lost),
        }
    }

    /// Has something done besides.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.borrow_mut().spawned.push(Box::pin(task));
    }

    // What follows is the world's side.

    pub(crate) fn set_now(&self, now: Micros) {
        self.0.borrow_mut().now = now;
    }

    pub(crate) fn deliver(&self, token: Token, answer: Result<Body, Lost>) {
        let mut state = self.0.borrow_mut();
        if state.awaited.remove(&token) {
            state.answers.insert(token, answer);
        }
    }

    pub(crate) fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut self.0.borrow_mut().commands)
    }

    fn take_spawned(&self) -> Vec<Task> {
        std::mem::take(&mut self.0.borrow_mut().spawned)
    }
}

/// Polls all tasks, those that they spawn among them, in order.
pub(crate) fn poll_all(port: &Port, tasks: &mut Vec<Task>) {
    let mut context = Context::from_waker(std::task::Waker::noop());
    let mut old = std::mem::take(tasks);
    loop {
        old.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        tasks.append(&mut old);
        old = port.take_spawned();
        if old.is_empty() {
            return;
        }
    }
}

/// Waits for an answer or a point in time.
pub(crate) struct Wait {
    port: Port,
    token: Token,
}

impl Future for Wait {
    type Output = Result<Body, Lost>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.port.0.borrow_mut().answers.remove(&self.token) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut state = self.port.0.borrow_mut();
        state.awaited.remove(&self.token);
        state.answers.remove(&self.token);
    }
}

/// Which of two came first.
pub(crate) enum Either<A, B> {
    Left(A),
    Right(B),
}

/// Waits for the first of two; if both are there, it is the left.
pub(crate) async fn either<A, B>(
    a: impl Future<Output = A>,
    b: impl Future<Output = B>,
) -> Either<A, B> {
    let mut a = std::pin::pin!(a);
    let mut b = std::pin::pin!(b);
    std::future::poll_fn(move |context| {
        if let Poll::Ready(out) = a.as_mut().poll(context) {
            return Poll::Ready(Either::Left(out));
        }
        match b.as_mut().poll(context) {
            Poll::Ready(out) => Poll::Ready(Either::Right(out)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A queue between tasks of one process.
pub(crate) struct Mailbox<T>(Rc<RefCell<std::collections::VecDeque<T>>>);

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Mailbox<T> {
        Mailbox(Rc::clone(&self.0))
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Mailbox<T> {
        Mailbox(Rc::default())
    }
}

impl<T> Mailbox<T> {
    pub(crate) fn put(&self, thing: T) {
        self.0.borrow_mut().push_back(thing);
    }

    pub(crate) fn try_take(&self) -> Option<T> {
        self.0.borrow_mut().pop_front()
    }

    /// Waits for the next thing.
    pub(crate) async fn take(&self) -> T {
        std::future::poll_fn(|_| match self.try_take() {
            Some(thing) => Poll::Ready(thing),
            None => Poll::Pending,
        })
        .await
    }
}
