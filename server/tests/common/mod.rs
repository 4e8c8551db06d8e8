//! What the tests over real sockets share: whether this machine can run them, its namespaces, the server, and clients.

#![allow(dead_code, reason = "each of the test binaries uses its part of this")]

pub(crate) mod client;
pub(crate) mod configuration;
pub(crate) mod field;
pub(crate) mod namespace;
pub(crate) mod server;
pub(crate) mod terminal;

use libtest_mimic::{Arguments, Completion, Trial};
use namespace::Namespace;
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;

/// One test: its name, and what it does; it fails by panicking.
pub(crate) type Test = (&'static str, fn());

/// Runs tests over real sockets, or shows each as ignored with what this machine lacks.
pub(crate) fn run(tests: &[Test]) -> ExitCode {
    run_with(tests, |_| None)
}

/// The same, where one test or another needs a program that the others do without.
pub(crate) fn run_with(tests: &[Test], program: fn(&str) -> Option<&'static str>) -> ExitCode {
    let trials = tests
        .iter()
        .map(|(name, test)| {
            let test = *test;
            let missing = program(name).filter(|program| !has(program));
            Trial::ignorable_test(*name, move || {
                if let Some(program) = missing {
                    return Ok(Completion::ignored_with(format!("needs the program '{program}'")));
                }
                if let Some(reason) = lack() {
                    return Ok(Completion::ignored_with(reason));
                }
                test();
                Ok(Completion::Completed)
            })
        })
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// What this machine lacks for these tests.
fn lack() -> Option<&'static str> {
    static LACK: OnceLock<Option<String>> = OnceLock::new();
    LACK.get_or_init(find_lack).as_deref()
}

fn find_lack() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    let tun = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun");
    if let Err(error) = tun {
        return Some(format!("needs /dev/net/tun: {error}"));
    }
    for program in ["ip", "unshare", "nft"] {
        if !has(program) {
            return Some(format!("needs the program '{program}'"));
        }
    }
    let namespace = match Namespace::open() {
        Ok(namespace) => namespace,
        Err(error) => return Some(format!("needs network namespaces: {error}")),
    };
    let pid = namespace.pid();
    let tries = [
        ("veth devices", "ip link add a0 type veth peer name b0".to_owned()),
        ("to move devices between namespaces", format!("ip link set b0 netns {pid}")),
        ("nftables", "nft add table ip probe".to_owned()),
    ];
    for (what, line) in tries {
        if let Err(told) = namespace.attempt(&line) {
            return Some(format!("needs {what}: {told}"));
        }
    }
    None
}

fn has(program: &str) -> bool {
    let mut version = Command::new(program);
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok()
}
