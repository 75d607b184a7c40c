//! The program under test, as a separate process.

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

use crate::{WAIT_TIMEOUT, auth};

/// Returns the path of the program that the tests run: `LOADIFY_BIN`, or the program in the folder of the tests.
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

/// A running `loadify`, or another server. Killed when dropped; its log is printed if the test fails.
pub struct Process {
    child: Child,
    log: Lines,
    /// Lines of its standard output.
    printed: Lines,
}

/// The lines of a pipe, as they arrive.
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
    /// Starts a role with `settings` as its environment, without any Loadify settings of the tests' own environment.
    pub fn start(role: &str, settings: &[(&str, String)]) -> Self {
        let mut command = Command::new(program());
        command.arg(role).env_clear();
        command.env("RUST_LOG", "info,celery=warn").env("NO_COLOR", "1").env("RUST_BACKTRACE", "1");
        for (name, value) in settings {
            command.env(name, value);
        }
        Self::spawn(command)
    }

    /// Starts another server that a test needs; its log is its stderr.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stderr, stdout) = (child.stderr.take().unwrap(), child.stdout.take().unwrap());
        Self { child, log: Lines::of(stderr), printed: Lines::of(stdout) }
    }

    /// Waits for the first line of the log that contains `text`, and returns it.
    pub async fn wait_for_line(&self, text: &str) -> String {
        self.wait_for(&self.log, text).await
    }

    /// Waits for the first line of standard output that contains `text`, and returns it.
    pub async fn wait_for_print(&self, text: &str) -> String {
        self.wait_for(&self.printed, text).await
    }

    async fn wait_for(&self, lines: &Lines, text: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(line) = lines.lock().iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            assert!(start.elapsed() < WAIT_TIMEOUT, "the log never contained: {text}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn log(&self) -> String {
        self.log.lock().join("\n")
    }

    /// Returns the number of lines of the log that contain `text`.
    pub fn count_lines(&self, text: &str) -> usize {
        self.log.lock().iter().filter(|line| line.contains(text)).count()
    }

    pub fn signal(&self, signal: Signal) {
        signal::kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    pub fn kill(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Returns its exit status if it has exited.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it has exited and its log is complete, unless another program continues to write to the log.
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
            assert!(start.elapsed() < WAIT_TIMEOUT, "the program does not exit");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A stopped process handles no other signal than SIGKILL.
        self.kill();
        if std::thread::panicking() {
            eprintln!("---- log of process {} ----\n{}", self.child.id(), self.log());
        } else {
            // In every test: no process may have logged a secret.
            auth::assert_contains_no_secret(&self.log());
        }
    }
}
