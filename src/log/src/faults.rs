//! A disk that fails on demand, for crash tests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};

/// What becomes of one operation.
pub(crate) enum Verdict {
    Go,
    Fail(io::Error),
    /// Only this percentage of the bytes is written.
    Tear(io::Error, usize),
}

/// How the disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The operation and all after it have no effect, as if the process had been killed before.
    Stop,
    /// Like `Stop`, but of the operation itself a part of the bytes gets through.
    Tear(usize),
    /// Only this one operation fails.
    FailOnce,
}

/// Counts operations and fails the n-th; holds syncs up.
#[derive(Debug)]
pub(crate) struct Faults {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    done: u64,
    at: u64,
    mode: Mode,
    synced: BTreeMap<PathBuf, u64>,
    /// Syncs of files so far, and whether they have to wait.
    syncs: u64,
    held: bool,
    /// Opening files finds no descriptor left.
    short: bool,
}

impl Faults {
    /// Fails the operation number `at`, counting from 0.
    pub(crate) fn new(at: u64, mode: Mode) -> Faults {
        Faults {
            state: Mutex::new(State {
                done: 0,
                at,
                mode,
                synced: BTreeMap::new(),
                syncs: 0,
                held: false,
                short: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Lets the next operation fail, and no other.
    pub(crate) fn fail_next(&self) {
        let mut state = self.state.lock().unwrap();
        state.at = state.done;
        state.mode = Mode::FailOnce;
    }

    /// Holds up syncs of files, or lets them go on.
    pub(crate) fn hold_syncs(&self, held: bool) {
        self.state.lock().unwrap().held = held;
        self.changed.notify_all();
    }

    /// Takes all descriptors away, or gives them back.
    pub(crate) fn take_descriptors(&self, taken: bool) {
        self.state.lock().unwrap().short = taken;
    }

    pub(crate) fn shortage(&self) -> Option<io::Error> {
        let short = self.state.lock().unwrap().short;
        short.then(|| io::Error::from_raw_os_error(nix::errno::Errno::EMFILE as i32))
    }

    /// Waits until so many syncs of files have begun.
    pub(crate) fn wait_for_syncs(&self, count: u64) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |s| s.syncs < count).unwrap());
    }

    /// Syncs of files that have begun.
    pub(crate) fn syncs(&self) -> u64 {
        self.state.lock().unwrap().syncs
    }

    pub(crate) fn before_sync(&self) {
        let mut state = self.state.lock().unwrap();
        state.syncs += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |s| s.held).unwrap());
    }

    pub(crate) fn next(&self) -> Verdict {
        let mut state = self.state.lock().unwrap();
        let number = state.done;
        state.done += 1;
        let error = || io::Error::other("injected");
        match state.mode {
            Mode::FailOnce if number == state.at => Verdict::Fail(error()),
            Mode::FailOnce => Verdict::Go,
            Mode::Tear(keep) if number == state.at => Verdict::Tear(error(), keep),
            Mode::Stop | Mode::Tear(_) if number >= state.at => Verdict::Fail(error()),
            Mode::Stop | Mode::Tear(_) => Verdict::Go,
        }
    }

    pub(crate) fn synced(&self, file: &File, path: &Path) {
        let len = file.metadata().unwrap().len();
        self.state
            .lock()
            .unwrap()
            .synced
            .insert(path.to_owned(), len);
    }

    /// Operations seen so far.
    pub(crate) fn done(&self) -> u64 {
        self.state.lock().unwrap().done
    }

    /// How long each file was when it was last synced: what a power cut may leave of it.
    pub(crate) fn synced_lengths(&self) -> BTreeMap<PathBuf, u64> {
        self.state.lock().unwrap().synced.clone()
    }
}
