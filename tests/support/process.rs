//! The program under test, as a process of its own.

use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::{PATIENCE, auth};

/// The program that the tests run: `LOADIFY_BIN`, or what lies beside the tests.
pub fn program() -> PathBuf {
    if let Ok(path) = std::env::var("LOADIFY_BIN") {
        return path.into();
    }
    let mut path = std::env::current_exe().unwrap();
    path.pop(); // deps
    path.pop();
    path.push("loadify");
    assert!(path.exists(), "{} is not built: cargo build -p backend", path.display());
    path
}

/// A running `loadify`, or a server beside it. Killed when it goes out of scope; its log is shown when the test fails.
pub struct Process {
    child: Child,
    log: Lines,
    /// What it says to who started it.
    printed: Lines,
}

/// The lines of a pipe, as they come.
struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let writer = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                writer.lock().unwrap().push(line);
            }
        });
        Self { lines, reader }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap()
    }
}

impl Process {
    /// Starts a role with settings for its environment, on top of nothing that the tests' own environment sets.
    pub fn start(role: &str, settings: &[(&str, String)]) -> Self {
        let mut command = Command::new(program());
        command.arg(role).env_clear();
        command.env("RUST_LOG", "info,celery=warn").env("NO_COLOR", "1").env("RUST_BACKTRACE", "1");
        for (name, value) in settings {
            command.env(name, value);
        }
        Self::spawn(command)
    }

    /// Starts another program, a server that a test needs; its log is what it writes to stderr.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stderr, stdout) = (child.stderr.take().unwrap(), child.stdout.take().unwrap());
        Self { child, log: Lines::of(stderr), printed: Lines::of(stdout) }
    }

    /// The first line of the log that contains `text`, as soon as there is one.
    pub async fn wait_for_line(&self, text: &str) -> String {
        self.wait_for(&self.log, text).await
    }

    /// The same of what it prints to its standard output.
    pub async fn wait_for_print(&self, text: &str) -> String {
        self.wait_for(&self.printed, text).await
    }

    async fn wait_for(&self, lines: &Lines, text: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(line) = lines.lock().iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            assert!(start.elapsed() < PATIENCE, "the program never said: {text}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn log(&self) -> String {
        self.log.lock().join("\n")
    }

    /// How many lines of the log contain `text`.
    pub fn count_lines(&self, text: &str) -> usize {
        self.log.lock().iter().filter(|line| line.contains(text)).count()
    }

    pub fn signal(&self, signal: Signal) {
        signal::kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How it ended, if it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end, and that of its log, unless another program goes on writing that.
    pub async fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        let mut tries = 0;
        loop {
            if let Some(status) = self.exit_status() {
                tries += 1;
                if self.log.reader.is_finished() || tries > 50 {
                    return status;
                }
            }
            assert!(start.elapsed() < PATIENCE, "the program does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A stopped process would not die of a signal that it cannot receive; SIGKILL it can.
        self.kill();
        if std::thread::panicking() {
            eprintln!("---- log of process {} ----\n{}", self.child.id(), self.log());
        } else {
            // Whatever a test is about: no process of it may have logged a secret.
            auth::assert_contains_no_secret(&self.log());
        }
    }
}
