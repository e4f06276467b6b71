//! Child processes that never outlive their test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// A running child; killed when dropped. Its output goes to a file.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both outputs appended to `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Process {
        command.stdin(Stdio::null());
        Process::spawn(name, command, log)
    }

    /// The same with an input to write to.
    pub fn start_with_input(name: &str, mut command: Command, log: &Path) -> (Process, ChildStdin) {
        command.stdin(Stdio::piped());
        let mut process = Process::spawn(name, command, log);
        let input = process.child.stdin.take();
        (process, input.expect("it was asked for"))
    }

    fn spawn(name: &str, mut command: Command, log: &Path) -> Process {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .unwrap_or_else(|e| panic!("{}: {e}", log.display()));
        let second = file.try_clone().expect("a file handle can be cloned");
        let child = command
            .stdout(file)
            .stderr(second)
            .spawn()
            .unwrap_or_else(|e| panic!("{name} does not start: {e}: {command:?}"));
        Process {
            name: name.to_owned(),
            child,
            log: log.to_path_buf(),
        }
    }

    /// Everything it has printed so far.
    pub fn output(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until `found` answers from the output printed after byte `from`.
    pub fn wait_for_output<T>(
        &mut self,
        what: &str,
        from: usize,
        bound: Duration,
        found: impl Fn(&str) -> Option<T>,
    ) -> T {
        let start = Instant::now();
        loop {
            let output = self.output();
            if let Some(answer) = found(output.get(from..).unwrap_or_default()) {
                return answer;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!(
                    "{} ended with {status} before {what}:\n{}",
                    self.name,
                    self.output()
                );
            }
            assert!(
                start.elapsed() < bound,
                "{}: no {what} within {bound:?}:\n{output}",
                self.name
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, e.g. `TERM`, `KILL`, `STOP`.
    pub fn signal(&self, name: &str) {
        run_ok(
            Command::new("kill")
                .arg(format!("-{name}"))
                .arg(self.pid().to_string()),
        );
    }

    /// Waits for the end.
    pub fn wait(&mut self, bound: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(
                start.elapsed() < bound,
                "{} still runs after {bound:?}:\n{}",
                self.name,
                self.output()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}:\n{}", self.name, tail(self.output().as_bytes()));
        }
    }
}

/// The end of an output, enough to see what went wrong.
fn tail(output: &[u8]) -> String {
    let from = output.len().saturating_sub(4000);
    String::from_utf8_lossy(&output[from..]).into_owned()
}

/// Runs a command to its end, at most two minutes.
pub fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    let mut bounded = Command::new("timeout");
    bounded.arg("120").arg(program).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(key, value),
            None => bounded.env_remove(key),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        bounded.current_dir(folder);
    }
    bounded
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// Runs a command that must succeed and answers its standard output.
pub fn run_ok(command: &mut Command) -> String {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{}\n{}",
        output.status,
        tail(&output.stdout),
        tail(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
