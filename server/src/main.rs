//! Sekisho, an L2TP/IPsec remote-access VPN server: what was asked for, and who does it.

#![cfg_attr(not(test), warn(clippy::print_stderr, clippy::print_stdout))]

mod ahead;
mod args;
mod aside;
mod check;
mod clock;
mod compute;
mod confine;
mod console;
mod control;
mod crew;
mod crowd;
mod fastpath;
mod firewall;
mod host;
mod journal;
mod lan;
mod legacy;
mod log;
mod memory;
mod merge;
mod moderation;
mod netlink;
mod operator;
mod ports;
mod protocol;
mod quickstart;
mod raw;
mod setup;
mod socket;
mod steer;
mod syslog;
mod tun;
mod udp;
mod wake;
mod worker;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::args::Action;
use crate::host::Host;
use crate::log::complain;
use crate::setup::{Failure, Setup};

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)).and_then(act) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.sentence.is_empty() {
                complain(&failure);
            }
            failure.exit_code()
        }
    }
}

fn act(args: args::Args) -> Result<(), Failure> {
    let socket = args.socket.unwrap_or_else(|| host::run_dir().join("sekisho.sock"));
    match args.action {
        Action::Quickstart => quickstart::run(socket, args.confined, args.workers, control::run),
        Action::Run { config } => run(&config, socket, args.confined, args.workers),
        Action::Check { config, host } => check::run(config.as_deref(), host),
        Action::Exec { lines, json } => console::exec(&socket, &lines, json),
        Action::Console => console::run(&socket),
        Action::Help(topic) => say(args::help(topic)),
        Action::Version => say(concat!("sekisho ", env!("CARGO_PKG_VERSION"), "\n")),
    }
}

/// Prints a text; a reader that has had enough (`| head`) is no failure.
fn say(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}

/// Serves with a configuration file: everything is looked at before anything on the host is changed.
fn run(path: &Path, socket_path: PathBuf, confined: bool, workers: usize) -> Result<(), Failure> {
    let config_text = check::read(path)?;
    let (config, problems) = command::parse(&config_text);
    // What is wrong is told in the log, too, but for a stream that takes nothing.
    let _ = std::io::stderr().write_all(check::describe(path, &problems).as_bytes());
    let errors = check::errors(&problems);
    if errors > 0 {
        let them = if errors == 1 { "the error" } else { "the errors" };
        return Err(Failure::new(format!("{} is refused; correct {them} above", path.display())));
    }
    ports::check_privileges()?;
    ports::check_tun()?;
    let mut host = Host::open(&host::run_dir())?;
    if let Some(told) = host.undo_leftovers() {
        complain(told);
    }
    let interfaces = host.interfaces().map_err(|e| {
        Failure::new(format!(
            "cannot ask the kernel for its addresses: \
    {e}"
        ))
    })?;
    if let Some(sentence) = check::missing_address(&config, &interfaces) {
        return Err(Failure::new(format!("{}: {sentence}", path.display())));
    }
    ports::check_ports()?;
    if let Some(told) = check::leave_out_silent_resolver(&mut config.clone(), check::has_resolver) {
        complain(told);
    }
    for notice in check::notices(&config).into_iter().chain(check::readable_by_others(path)) {
        complain(notice);
    }
    control::run(Setup {
        config,
        config_path: path.to_owned(),
        host,
        socket_path,
        quickstart_screen: None,
        workers,
        confined,
    })
}
