//! What the start hands to the control thread: configuration, host, paths; and how a start fails.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::host::Host;

/// The name of the program's own TUN device, as long as nobody else has taken it.
pub(crate) const TUN_NAME: &str = "sekisho0";
/// What every name of the program's TUN devices matches, as nftables writes it.
pub(crate) const TUN_NAMES: &str = "sekisho*";

/// Everything the control thread needs to serve.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The configuration, free of errors.
    pub(crate) config: command::Config,
    /// The file that it was read from, and is saved into.
    pub(crate) config_path: PathBuf,
    /// The host, locked and clean; dropping it undoes every change that was made through it.
    pub(crate) host: Host,
    /// Where the control socket has to be bound.
    pub(crate) socket_path: PathBuf,
    /// What to print once the server is ready, when it was started by `quickstart`.
    pub(crate) quickstart_screen: Option<String>,
    /// How many data threads there may be.
    pub(crate) workers: usize,
    /// Whether the process gives away what it does not need ([`crate::confine`]).
    pub(crate) confined: bool,
}

/// Why the program ends with a status other than 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// One sentence with what is wrong and what to do about it; empty when everything has been said already.
    pub(crate) sentence: String,
    /// The exit status: 1 for what went wrong, 2 for a wrong command line.
    pub(crate) status: u8,
}

impl Failure {
    /// Something went wrong: exit status 1.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), status: 1 }
    }

    /// The command line is wrong: exit status 2.
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), status: 2 }
    }

    /// Everything has been said already: exit status 1.
    pub(crate) fn silent() -> Self {
        Self { sentence: String::new(), status: 1 }
    }

    /// The exit status for the operating system.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}
