//! The real binary as a child process: started, listened to, killed, stopped, and never left behind.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::stage::Stage;
use super::{broker, wait};

/// A running `goyt run`.
pub struct Goyt {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

/// How it ended.
#[derive(Debug)]
pub struct End {
    pub status: ExitStatus,
    pub took: Duration,
    pub lines: Vec<String>,
}

impl Goyt {
    /// Runs the stage's topologies as this instance.
    pub fn start(stage: &Stage, instance: &str) -> Self {
        Self::start_with(stage, instance, &[])
    }

    /// As [`Goyt::start`], with settings by environment.
    pub fn start_with(stage: &Stage, instance: &str, settings: &[(&str, &str)]) -> Self {
        Self::start_with_flags(stage, instance, &[], settings)
    }

    /// As [`Goyt::start_with`], with more flags.
    pub fn start_with_flags(stage: &Stage, instance: &str, flags: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_goyt"));
        command.arg("run").arg(stage.topologies()).arg("--create-topics").args(flags);
        command
            .env("KAFKA_BOOTSTRAP_SERVERS", broker::bootstrap())
            .env("GOYT_APPLICATION_ID", stage.application())
            .env("GOYT_INSTANCE_ID", instance)
            .env("GOYT_STATE_DIR", stage.state(instance))
            .env("GOYT_HTTP_ADDRESS", "127.0.0.1:0")
            .env("GOYT_LOG_FORMAT", "text")
            .envs(settings.iter().copied());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        listen(child.stdout.take().expect("its output"), &lines);
        listen(child.stderr.take().expect("its messages"), &lines);
        Self { child, lines }
    }

    /// What it has said so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("the lines").clone()
    }

    /// Waits until it says this, and returns the line.
    pub fn wait_for_line(&self, text: &str) -> String {
        wait::until(&format!("a line with `{text}`"), || self.lines().into_iter().find(|it| it.contains(text)))
    }

    /// Where its HTTP is, once it listens.
    pub fn http(&self) -> String {
        let line = self.wait_for_line("http at http://");
        line[line.find("http://").expect("an address")..].trim_end().to_owned()
    }

    /// `kill -9`.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("a signal");
        self.child.wait().expect("its end");
        self.lines()
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(self) -> End {
        self.signal(libc::SIGTERM);
        self.wait()
    }

    /// SIGSTOP: it stands still, with all its connections open, until [`Goyt::thaw`].
    pub fn freeze(&self) {
        self.signal(libc::SIGSTOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&self, signal: i32) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        // The process is our child and not yet awaited, so the id is its own.
        assert_eq!(send_signal(id, signal), 0, "a signal");
    }

    /// SIGTERM; it must end in order and in time.
    pub fn stop(self) -> Vec<String> {
        const STOP_MAX: Duration = Duration::from_secs(5);
        let end = self.terminate();
        assert_eq!(end.status.code(), Some(0), "exit code after SIGTERM\n{}", end.lines.join("\n"));
        assert!(end.took <= STOP_MAX, "it took {:?} to stop, more than {STOP_MAX:?}", end.took);
        end.lines
    }

    /// Waits until it ends by itself.
    pub fn wait(self) -> End {
        let end = self.wait_for_crash();
        assert_eq!(end.status.signal(), None, "ended by a signal");
        end
    }

    /// Waits until it ends by itself, be it by a crash.
    pub fn wait_for_crash(mut self) -> End {
        let start = Instant::now();
        let status = wait::until("the process to end", || self.child.try_wait().expect("its state"));
        End { status, took: start.elapsed(), lines: self.lines() }
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// Its resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process");
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("its resident size");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }
}

impl Drop for Goyt {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.lines();
            println!("goyt's last lines:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
            println!("its tasks: {}", tasks_now(&lines).unwrap_or_else(|error| error));
        }
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What it answers about its tasks. A test has failed already, so nothing may panic here.
fn tasks_now(lines: &[String]) -> Result<String, String> {
    const ANSWER_MAX: Duration = Duration::from_secs(5);
    let line = lines.iter().find(|it| it.contains("http at http://")).ok_or("no http")?;
    let address = line[line.find("http://").ok_or("no address")?..].trim_end();
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX)).build().into();
    let mut answer = agent.get(format!("{address}/api/v1/tasks")).call().map_err(|error| format!("no answer: {error}"))?;
    answer.body_mut().read_to_string().map_err(|error| format!("half an answer: {error}"))
}

#[expect(unsafe_code, reason = "the standard library has no way to send a signal")]
fn send_signal(process: i32, signal: i32) -> i32 {
    // SAFETY: kill(2) touches no memory of ours.
    unsafe { libc::kill(process, signal) }
}

/// Gathers lines until the other end closes.
fn listen(from: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            lines.lock().expect("the lines").push(line);
        }
    });
}

/// The tasks of lines such as `task transaction-balance.by-wallet_3 created`, as often as they are named so.
pub fn tasks(lines: &[String], change: &str) -> Vec<String> {
    let task = |line: &String| {
        let (task, rest) = line.split_once("task ")?.1.split_once(' ')?;
        rest.starts_with(change).then(|| task.to_owned())
    };
    lines.iter().filter_map(task).collect()
}

/// How much was read to restore: the sums of lines such as `task … restored: 12 records read of 3400 in 0.02 s`.
pub fn restored(lines: &[String]) -> (u64, u64) {
    let numbers = |line: &String| {
        let (read, rest) = line.split_once(" restored: ")?.1.split_once(" records read of ")?;
        Some((read.parse::<u64>().ok()?, rest.split_whitespace().next()?.parse::<u64>().ok()?))
    };
    lines.iter().filter_map(numbers).fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
}
