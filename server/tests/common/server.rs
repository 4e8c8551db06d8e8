//! The real binary in a namespace: started, asked, ended.

use super::configuration::configuration;
use super::namespace::Namespace;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a start or a stop may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// The files of one test: run directory, configuration, log; removed at the end.
pub(crate) struct Room(PathBuf);

impl Room {
    /// An empty directory, with the default configuration in it.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sekisho-real-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        let this = Self(path);
        this.configure(&configuration(""));
        this
    }

    /// Writes the configuration file.
    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.configuration(), text).unwrap();
        fs::set_permissions(self.configuration(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The configuration file.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.0.join("test.conf")
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The directory where quickstart keeps its configuration.
    pub(crate) fn kept(&self) -> PathBuf {
        self.0.join("etc")
    }

    /// The program with its words, in this room.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sekisho"));
        command
            .args(words)
            .env("SEKISHO_RUN_DIR", self.0.join("run"))
            .env("SEKISHO_CONFIG_DIR", self.kept())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end inside a namespace.
    pub(crate) fn sekisho(&self, place: &Namespace, words: &[&str]) -> Told {
        let mut command = self.command(words);
        Told::from(place.enter(|| command.output()).unwrap())
    }

    /// Runs the program to its end with lines in a pipe.
    pub(crate) fn piped(&self, place: &Namespace, words: &[&str], lines: &str) -> Told {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = place.enter(|| command.spawn()).unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        Told::from(child.wait_with_output().unwrap())
    }

    /// Runs it with the configuration, though it is expected to refuse; it is ended if it does not.
    pub(crate) fn refused(&self, place: &Namespace) -> Told {
        let mut server = self.spawn(place, &["run", "--config", self.configuration().to_str().unwrap()]);
        let status = server.wait();
        Told { status: status.code().unwrap_or(-1), out: server.printed(), err: server.log() }
    }

    /// Starts the server with the configuration and waits until it serves.
    pub(crate) fn serve(&self, place: &Namespace) -> Server {
        let server = self.spawn(place, &["run", "--config", self.configuration().to_str().unwrap()]);
        server.wait_until_it_serves()
    }

    /// Starts the server with the configuration and so many data threads, and waits until it serves.
    pub(crate) fn serve_by(&self, place: &Namespace, workers: usize) -> Server {
        let (file, workers) = (self.configuration(), workers.to_string());
        let words = ["run", "--workers", &workers, "--config", file.to_str().unwrap()];
        self.spawn(place, &words).wait_until_it_serves()
    }

    /// Starts the server with all privileges of the start, and waits until it serves.
    pub(crate) fn serve_unconfined(&self, place: &Namespace) -> Server {
        let file = self.configuration();
        self.spawn(place, &["run", "--unconfined", "--config", file.to_str().unwrap()]).wait_until_it_serves()
    }

    /// Starts the server with a log that takes nothing, and waits until it serves.
    pub(crate) fn serve_without_a_log(&self, place: &Namespace) -> Server {
        let (printed, log) = (self.0.join("printed"), self.0.join("log"));
        let mut command = self.command(&["run", "--config", self.configuration().to_str().unwrap()]);
        command.stdout(File::create(&printed).unwrap()).stderr(File::options().write(true).open("/dev/full").unwrap());
        let server = Server { child: place.enter(|| command.spawn()).unwrap(), printed, log };
        let start = Instant::now();
        while !self.sekisho(place, &["exec", "show log"]).out.contains("serves L2TP/IPsec") {
            assert!(start.elapsed() < PATIENCE, "the server does not serve");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// Starts `sekisho quickstart` and waits until it serves.
    pub(crate) fn quickstart(&self, place: &Namespace) -> Server {
        self.spawn(place, &["quickstart"]).wait_until_it_serves()
    }

    fn spawn(&self, place: &Namespace, words: &[&str]) -> Server {
        let (printed, log) = (self.0.join("printed"), self.0.join("log"));
        let mut command = self.command(words);
        command.stdout(File::create(&printed).unwrap()).stderr(File::create(&log).unwrap());
        let child = place.enter(|| command.spawn()).unwrap();
        Server { child, printed, log }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a program that has ended printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Told {
    fn from(output: Output) -> Self {
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        Self { status: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// A running server; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    printed: PathBuf,
    log: PathBuf,
}

impl Server {
    fn wait_until_it_serves(mut self) -> Self {
        let start = Instant::now();
        while !self.log().contains("serves L2TP/IPsec") {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "the server does not serve ({ended:?}):\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        self
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    /// What it has printed on its standard output so far.
    pub(crate) fn printed(&self) -> String {
        read(&self.printed)
    }

    /// Sends it SIGTERM, and does not wait.
    pub(crate) fn tell_to_stop(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the server does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it by SIGTERM; it must end well.
    pub(crate) fn stop(mut self) {
        self.tell_to_stop();
        let status = self.wait();
        assert!(status.success(), "{status}:\n{}", self.log());
    }

    /// Ends it by SIGKILL, so that it cannot tidy up.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}
