//! The command line: what was asked for, or which word was wrong and what would be right.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::setup::Failure;

/// What the program is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Serve with a configuration that is made up on the spot.
    Quickstart,
    /// Serve with a configuration file.
    Run { config: PathBuf },
    /// Read a configuration file, look at the host, or both.
    Check { config: Option<PathBuf>, host: bool },
    /// Send a line to the running server.
    Ask(String),
    /// Explain all commands or one.
    Help(Option<Topic>),
    /// Print name and version.
    Version,
}

/// A command that can be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    Quickstart,
    Run,
    Check,
    Show,
    Disconnect,
}

/// The whole command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Args {
    /// Where the control socket of the server is, if not at its usual place.
    pub(crate) socket: Option<PathBuf>,
    pub(crate) action: Action,
}

/// The commands, with what each is for.
const COMMANDS: [(&str, Topic); 5] = [
    ("quickstart", Topic::Quickstart),
    ("run", Topic::Run),
    ("check", Topic::Check),
    ("show", Topic::Show),
    ("disconnect", Topic::Disconnect),
];

/// What can be shown, word by word.
const SHOWN: [&[&str]; 5] =
    [&["status", "l2tp"], &["status", "pp", "anonymous"], &["status", "pp"], &["ipsec", "sa"], &["config"]];

/// Reads the words behind the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, Failure> {
    let mut socket = None;
    let mut rest = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let text = word.to_str().map(str::to_owned);
        match text.as_deref() {
            Some("--socket") => socket = Some(path_behind("--socket", words.next())?),
            Some(text) if text.starts_with("--socket=") => {
                socket = Some(path_behind("--socket", text.strip_prefix("--socket=").map(OsString::from))?);
            }
            _ => rest.push(word),
        }
    }
    let mut rest = rest.into_iter();
    let Some(first) = rest.next() else {
        return Err(Failure::usage(format!("a command is missing; one of {}\n\n{}", names(), help(None))));
    };
    let rest: Vec<OsString> = rest.collect();
    let first = first.to_string_lossy().into_owned();
    let action = match first.as_str() {
        "quickstart" => {
            no_more("quickstart", &rest)?;
            Action::Quickstart
        }
        "run" => run(rest)?,
        "check" => check(rest)?,
        "show" => Action::Ask(show(&rest)?),
        "disconnect" => Action::Ask(disconnect(&rest)?),
        "help" => Action::Help(topic(&rest)?),
        "--help" | "-h" => Action::Help(None),
        "--version" | "-V" => Action::Version,
        other => {
            return Err(Failure::usage(format!("'{other}' is not a command of sekisho; one of {}", names())));
        }
    };
    // "sekisho run --help" asks for the same as "sekisho help run".
    Ok(Args { socket, action })
}

fn names() -> String {
    let names: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).chain(["help"]).collect();
    names.join(", ")
}

fn path_behind(option: &str, value: Option<OsString>) -> Result<PathBuf, Failure> {
    value
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .ok_or_else(|| Failure::usage(format!("a file name is missing behind '{option}'")))
}

fn no_more(command: &str, rest: &[OsString]) -> Result<(), Failure> {
    match rest.first() {
        None => Ok(()),
        Some(word) => {
            Err(Failure::usage(format!("'{}' is too much; 'sekisho {command}' stands alone", word.to_string_lossy())))
        }
    }
}

/// Takes `--config FILE` and, where `host` is given, `--host` out of the words; `None` when help was asked for instead.
fn options(command: &str, rest: Vec<OsString>, mut host: Option<&mut bool>) -> Result<Option<PathBuf>, Failure> {
    let right = if host.is_some() { "'--config FILE' or '--host'" } else { "'--config FILE'" };
    let mut config = None;
    let mut rest = rest.into_iter();
    while let Some(word) = rest.next() {
        let text = word.to_string_lossy().into_owned();
        match (text.as_str(), host.as_deref_mut()) {
            ("--config", _) => config = Some(path_behind("--config", rest.next())?),
            ("--host", Some(host)) => *host = true,
            (text, _) if text.starts_with("--config=") => {
                config = Some(path_behind("--config", text.strip_prefix("--config=").map(OsString::from))?);
            }
            (text, _) => {
                return Err(Failure::usage(format!("'{text}' cannot stand in 'sekisho {command}'; right is {right}")));
            }
        }
    }
    Ok(config)
}

fn run(rest: Vec<OsString>) -> Result<Action, Failure> {
    if asks_for_help(&rest) {
        return Ok(Action::Help(Some(Topic::Run)));
    }
    match options("run", rest, None)? {
        Some(config) => Ok(Action::Run { config }),
        None => Err(Failure::usage(
            "the configuration file is missing; right is 'sekisho run --config FILE', or 'sekisho quickstart' to do \
             without one",
        )),
    }
}

fn check(rest: Vec<OsString>) -> Result<Action, Failure> {
    if asks_for_help(&rest) {
        return Ok(Action::Help(Some(Topic::Check)));
    }
    let mut host = false;
    let config = options("check", rest, Some(&mut host))?;
    if config.is_none() && !host {
        return Err(Failure::usage(
            "there is nothing to check; right is 'sekisho check --config FILE', 'sekisho check --host', or both",
        ));
    }
    Ok(Action::Check { config, host })
}

fn asks_for_help(rest: &[OsString]) -> bool {
    rest.iter().any(|word| word == "--help" || word == "-h")
}

/// The words of a request as text.
fn texts(rest: &[OsString]) -> Vec<String> {
    rest.iter().map(|word| word.to_string_lossy().to_lowercase()).collect()
}

fn show(rest: &[OsString]) -> Result<String, Failure> {
    let words = texts(rest);
    if SHOWN.iter().any(|phrase| phrase.iter().eq(words.iter())) {
        return Ok(format!("show {}", words.join(" ")));
    }
    let all: Vec<String> = SHOWN.iter().map(|phrase| format!("'show {}'", phrase.join(" "))).collect();
    let right = format!("right is {}", all.join(", "));
    // The first word that no phrase has at its place is the wrong one.
    let known = |n: usize| SHOWN.iter().any(|p| p.len() >= n && p.iter().take(n).eq(words.iter().take(n)));
    let right_words = (0..=words.len()).rev().find(|n| known(*n)).unwrap_or(0);
    match words.get(right_words) {
        Some(wrong) => Err(Failure::usage(format!("'{wrong}' cannot stand in 'show {}'; {right}", words.join(" ")))),
        None => Err(Failure::usage(format!("'show' needs another word; {right}"))),
    }
}

fn disconnect(rest: &[OsString]) -> Result<String, Failure> {
    let right = "right is 'disconnect anonymous1' (one client, as 'show status pp anonymous' numbers it), \
                 'disconnect anonymous' or 'disconnect all'";
    match texts(rest).as_slice() {
        [] => Err(Failure::usage(format!("'disconnect' needs another word; {right}"))),
        [who] => {
            let number = who.strip_prefix("anonymous");
            let numbered = number.is_some_and(|n| n.is_empty() || n.parse::<u32>().is_ok());
            if who == "all" || numbered {
                Ok(format!("disconnect {who}"))
            } else {
                Err(Failure::usage(format!("'{who}' cannot be disconnected; {right}")))
            }
        }
        [_, more, ..] => Err(Failure::usage(format!("'{more}' is too much; {right}"))),
    }
}

fn topic(rest: &[OsString]) -> Result<Option<Topic>, Failure> {
    let words = texts(rest);
    match words.as_slice() {
        [] => Ok(None),
        [word, ..] => match COMMANDS.iter().find(|(name, _)| name == word) {
            Some((_, topic)) => Ok(Some(*topic)),
            None => Err(Failure::usage(format!("there is no help for '{word}'; one of {}", names()))),
        },
    }
}

/// The help text, for all commands or one.
pub(crate) fn help(topic: Option<Topic>) -> &'static str {
    match topic {
        None => {
            "\
Sekisho, an L2TP/IPsec remote-access VPN server

  sekisho quickstart                 serve at once; prints what to type into clients
  sekisho run --config FILE          serve with a configuration file
  sekisho check --config FILE        read a file and tell what is wrong in it
  sekisho check --host               tell what on this machine is in the way
  sekisho show status pp anonymous   who is connected
  sekisho show status l2tp           the L2TP tunnels
  sekisho show ipsec sa              the IPsec security associations
  sekisho show config                the running configuration
  sekisho disconnect anonymousN      end one client's connection
  sekisho help COMMAND               more about one command

  --socket PATH    the control socket (usually /run/sekisho/sekisho.sock)
"
        }
        Some(Topic::Quickstart) => {
            "\
sekisho quickstart

Serves at once, without a file: finds this machine's address and name servers,
makes up a pre-shared key, a user and a password, and prints on one screen what
to type into Windows, an iPhone, a Mac or Linux. Clients get addresses of a
network of their own, which is translated to this machine's address.

All of it is written to /etc/sekisho/quickstart.conf (SEKISHO_CONFIG_DIR names
another directory) and read again the next time, so that clients need not be
changed; edit the file as you like, or delete it to start afresh.
End the server with Ctrl-C: this machine is then as it was before.
"
        }
        Some(Topic::Run) => {
            "\
sekisho run --config FILE

Serves with the configuration in FILE, which is written in the commands of
Yamaha's RTX routers. A file with an error is refused; 'sekisho check --config
FILE' lists all of them. End the server with Ctrl-C or SIGTERM: clients are told,
and this machine is then as it was before.
"
        }
        Some(Topic::Check) => {
            "\
sekisho check --config FILE [--host]
sekisho check --host

Reads FILE and prints each problem with its line and column, the word that is
wrong and what would be right. With --host it also looks at this machine:
privileges, the TUN device, ports, addresses, forwarding, the packet filter.
Changes nothing. The exit status is 0 if all is well, 1 if not.
"
        }
        Some(Topic::Show) => {
            "\
sekisho show status pp anonymous   who is connected: user, addresses, since, octets
sekisho show status l2tp           the L2TP tunnels and sessions
sekisho show ipsec sa              the IPsec security associations
sekisho show config                the running configuration

Asks the running server.
"
        }
        Some(Topic::Disconnect) => {
            "\
sekisho disconnect anonymousN      end the connection of client N
sekisho disconnect anonymous       end the connections of all anonymous clients
sekisho disconnect all             end every connection

Asks the running server; 'sekisho show status pp anonymous' gives the numbers.
"
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    fn read(line: &str) -> Result<Args, Failure> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn action(line: &str) -> Action {
        read(line).unwrap().action
    }

    fn wrong(line: &str) -> String {
        let failure = read(line).unwrap_err();
        assert_eq!(failure.status, 2);
        failure.sentence
    }

    #[test]
    fn each_command_is_read() {
        assert_eq!(action("quickstart"), Action::Quickstart);
        assert_eq!(action("run --config a.conf"), Action::Run { config: "a.conf".into() });
        assert_eq!(action("run --config=a.conf"), Action::Run { config: "a.conf".into() });
        assert_eq!(action("check --config a"), Action::Check { config: Some("a".into()), host: false });
        assert_eq!(action("check --config a --host"), Action::Check { config: Some("a".into()), host: true });
        assert_eq!(action("check --host"), Action::Check { config: None, host: true });
        for line in ["show status l2tp", "show status pp anonymous", "show ipsec sa", "show config"] {
            assert_eq!(action(line), Action::Ask(line.to_owned()));
        }
        for line in ["disconnect anonymous01", "disconnect anonymous", "disconnect all"] {
            assert_eq!(action(line), Action::Ask(line.to_owned()));
        }
        assert_eq!(action("help"), Action::Help(None));
        assert_eq!(action("help run"), Action::Help(Some(Topic::Run)));
        assert_eq!(action("run --help"), Action::Help(Some(Topic::Run)));
        assert_eq!(action("--version"), Action::Version);
    }

    #[test]
    fn the_socket_may_stand_anywhere() {
        for line in ["--socket /x show config", "show --socket /x config", "show config --socket=/x"] {
            let args = read(line).unwrap();
            assert_eq!((args.socket, args.action), (Some("/x".into()), Action::Ask("show config".to_owned())));
        }
    }

    #[test]
    fn a_wrong_word_is_named_with_what_would_be_right() {
        assert_eq!(
            wrong("start"),
            "'start' is not a command of sekisho; one of quickstart, run, check, show, disconnect, help"
        );
        assert!(wrong("").starts_with("a command is missing; one of quickstart, run"));
        assert_eq!(wrong("run --conf x"), "'--conf' cannot stand in 'sekisho run'; right is '--config FILE'");
        assert_eq!(wrong("run --config"), "a file name is missing behind '--config'");
        assert!(wrong("run").contains("right is 'sekisho run --config FILE'"));
        assert!(wrong("run --config a --host").starts_with("'--host' cannot stand in 'sekisho run'"));
        assert!(wrong("check").starts_with("there is nothing to check"));
        assert!(
            wrong("show status ppp")
                .starts_with("'ppp' cannot stand in 'show status ppp'; right is 'show status l2tp'")
        );
        assert!(wrong("show status").starts_with("'show' needs another word"));
        assert!(wrong("show config now").starts_with("'now' cannot stand in"));
        assert!(wrong("disconnect anonymousx").starts_with("'anonymousx' cannot be disconnected; right is"));
        assert!(wrong("disconnect").starts_with("'disconnect' needs another word"));
        assert_eq!(wrong("quickstart now"), "'now' is too much; 'sekisho quickstart' stands alone");
        assert!(wrong("help me").starts_with("there is no help for 'me'; one of"));
    }

    #[test]
    fn help_fits_a_terminal() {
        let topics = COMMANDS.iter().map(|(_, topic)| Some(*topic)).chain([None]);
        for line in topics.flat_map(|topic| help(topic).lines()) {
            assert!(line.len() <= 84, "{line}");
        }
    }
}
