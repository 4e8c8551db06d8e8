//! The binary as an operator meets it: what it says about wrong words and wrong files, and with which exit status.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "common/configuration.rs"]
mod configuration;

use configuration::configuration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory of one test, removed at its end.
struct Room(PathBuf);

impl Room {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sekisho-cli-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs the binary with a run directory of its own.
    fn sekisho(&self, words: &[&str]) -> Told {
        let output = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args(words)
            .env("SEKISHO_RUN_DIR", self.0.join("run"))
            .env("SEKISHO_CONFIG_DIR", self.0.join("etc"))
            .output()
            .unwrap();
        Told::from(output)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Told {
    status: i32,
    out: String,
    err: String,
}

impl From<Output> for Told {
    fn from(output: Output) -> Self {
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        Self { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_wrong_command_line_ends_with_status_2_and_says_what_would_be_right() {
    let room = Room::new("usage");
    for (words, sentence) in [
        (&["serve"][..], "sekisho: 'serve' is not a command of sekisho; one of quickstart, run, check"),
        (&[][..], "sekisho: a command is missing; one of quickstart, run"),
        (&["run"][..], "sekisho: the configuration file is missing; right is 'sekisho run --config FILE'"),
        (&["check"][..], "sekisho: there is nothing to check; right is 'sekisho check --config FILE'"),
        (
            &["show", "status", "ppp"][..],
            "sekisho: Invalid command name: \"ppp\" cannot follow show status; did you mean pp?",
        ),
        (&["disconnect", "bob"][..], "sekisho: Illegal keyword: \"bob\" is not"),
        (&["console", "now"][..], "sekisho: 'now' is too much; 'sekisho console' stands alone"),
        (&["exec"][..], "sekisho: a line is missing"),
    ] {
        let told = room.sekisho(words);
        assert_eq!(told.status, 2, "{words:?}: {}", told.err);
        assert!(told.err.starts_with(sentence), "{words:?}: {}", told.err);
        assert_eq!(told.out, "", "{words:?}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let room = Room::new("help");
    let help = room.sekisho(&["help"]);
    assert_eq!((help.status, help.err.as_str()), (0, ""));
    assert!(help.out.contains("sekisho quickstart"), "{}", help.out);
    let version = room.sekisho(&["--version"]);
    assert_eq!((version.status, version.out), (0, format!("sekisho {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn a_good_file_passes_the_check() {
    let room = Room::new("good");
    let path = room.file("good.conf", &configuration(""));
    let told = room.sekisho(&["check", "--config", shown(&path)]);
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    let expected = format!("{}: no errors; 8 L2TP tunnels, 51 addresses, 2 users\n", path.display());
    assert_eq!(told.out, expected);
}

#[test]
fn a_bad_line_is_told_with_file_line_column_and_word() {
    let room = Room::new("bad");
    let path =
        room.file("bad.conf", &configuration("").replace("pp auth request mschap-v2", "pp auth request mschap-v3"));
    let told = room.sekisho(&["check", "--config", shown(&path)]);
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    let place = format!("{}:5:18: error: ", path.display());
    let line = told.out.lines().find(|line| line.starts_with(&place));
    assert!(line.is_some_and(|line| line.contains("mschap-v3") && line.contains("mschap-v2")), "{}", told.out);
    assert!(told.out.lines().last().unwrap().contains("error"), "{}", told.out);
    assert_eq!(told.err, "");
}

#[test]
fn a_file_with_an_error_is_not_served() {
    let room = Room::new("refused");
    let path = room.file(
        "bad.conf",
        &configuration("").replace("ip lan1 address 192.168.100.1/24", "ip lan1 address 192.168.100.300/24"),
    );
    let told = room.sekisho(&["run", "--config", shown(&path)]);
    assert_eq!(told.status, 1, "{}", told.err);
    assert!(told.err.contains("bad.conf:1:17: error: "), "{}", told.err);
    assert!(told.err.contains("bad.conf is refused; correct the error"), "{}", told.err);
    assert!(!room.0.join("run").exists(), "nothing is made on the host");
}

#[test]
fn a_missing_file_is_told_with_its_name() {
    let room = Room::new("missing");
    for words in [["run", "--config", "/nowhere/a.conf"], ["check", "--config", "/nowhere/a.conf"]] {
        let told = room.sekisho(&words);
        assert_eq!(told.status, 1);
        assert!(told.err.starts_with("sekisho: cannot read /nowhere/a.conf: "), "{}", told.err);
        assert!(told.err.contains("sekisho quickstart"), "{}", told.err);
    }
}

#[test]
fn a_file_that_is_no_text_is_told_with_its_line() {
    let room = Room::new("binary");
    let path = room.0.join("binary.conf");
    fs::write(&path, b"l2tp service on\n# caf\xe9\n").unwrap();
    let told = room.sekisho(&["check", "--config", shown(&path)]);
    assert_eq!(told.status, 1);
    assert!(told.err.contains("binary.conf:2: this line is neither UTF-8 nor Shift_JIS text"), "{}", told.err);
}

#[test]
fn without_a_server_show_says_how_to_start_one() {
    let room = Room::new("show");
    for words in [&["show", "status", "pp", "anonymous"][..], &["disconnect", "all"][..]] {
        let told = room.sekisho(words);
        assert_eq!(told.status, 1);
        assert!(told.err.starts_with("sekisho: no Sekisho server is running here"), "{}", told.err);
    }
}

#[test]
fn an_address_that_this_host_lacks_stops_the_start_and_leaves_nothing() {
    let room = Room::new("address");
    let text = configuration("").replace("192.168.100.1/24", "203.0.113.99/24");
    let path = room.file("a.conf", &text);
    let told = room.sekisho(&["run", "--config", shown(&path)]);
    assert_eq!(told.status, 1);
    // Without the privileges or the device to serve at all, that is said first.
    let said = ["this host does not have that address", "start it as root", "/dev/net/tun"];
    assert!(said.iter().any(|part| told.err.contains(part)), "{}", told.err);
    assert!(!room.0.join("run/journal").exists());
}
