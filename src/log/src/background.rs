//! A thread for what appends ask for and must not wait for: flushing segments that were left,
//! writing leader epochs.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use tracing::error;

use crate::log::Log;

/// The queue and its thread. A log is queued at most once at a time, so the queue is no longer than
/// there are logs.
#[derive(Debug)]
pub(crate) struct Background {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Weak<Log>>,
    stopped: bool,
}

impl Background {
    pub(crate) fn start() -> Background {
        let queue = Arc::new(Queue::default());
        let theirs = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("log-background".to_owned())
            .spawn(move || theirs.run());
        let thread = match thread {
            Ok(thread) => Some(thread),
            Err(e) => {
                // Everything is flushed by the clean stop, or recovered after a crash.
                error!(error = %e, "no thread for background flushes");
                queue.state.lock().stopped = true;
                None
            }
        };
        Background {
            queue,
            thread: Mutex::new(thread),
        }
    }

    pub(crate) fn push(&self, log: Weak<Log>) {
        let mut state = self.queue.state.lock();
        if !state.stopped {
            state.jobs.push_back(log);
            drop(state);
            self.queue.changed.notify_one();
        }
    }

    /// Lets the job at hand end and starts no other.
    pub(crate) fn stop(&self) {
        self.queue.state.lock().stopped = true;
        self.queue.changed.notify_all();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // The last handle may be dropped by the thread itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Queue {
    fn run(&self) {
        loop {
            let job = {
                let mut state = self.state.lock();
                loop {
                    if state.stopped {
                        return;
                    }
                    if let Some(job) = state.jobs.pop_front() {
                        break job;
                    }
                    self.changed.wait(&mut state);
                }
            };
            if let Some(log) = job.upgrade() {
                log.run_background();
            }
        }
    }
}
