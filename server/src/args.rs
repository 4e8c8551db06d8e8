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
    /// Have lines done by the running server.
    Exec { lines: Vec<String>, json: bool },
    /// Talk to the running server.
    Console,
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
    Console,
    Exec,
    Reload,
    Show,
    Disconnect,
}

/// The whole command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Args {
    /// Where the control socket of the server is, if not at its usual place.
    pub(crate) socket: Option<PathBuf>,
    /// Whether a server gives away what it does not need once it has started.
    pub(crate) confined: bool,
    /// How many data threads a server may have.
    pub(crate) workers: usize,
    pub(crate) action: Action,
}

/// The commands, with what each is for.
const COMMANDS: [(&str, Topic); 8] = [
    ("quickstart", Topic::Quickstart),
    ("run", Topic::Run),
    ("check", Topic::Check),
    ("console", Topic::Console),
    ("exec", Topic::Exec),
    ("reload", Topic::Reload),
    ("show", Topic::Show),
    ("disconnect", Topic::Disconnect),
];

/// Most data threads.
const MOST_WORKERS: usize = 16;

/// Reads the words behind the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, Failure> {
    let (mut socket, mut confined, mut workers) = (None, true, None);
    let mut rest = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let text = word.to_str().map(str::to_owned);
        match text.as_deref() {
            Some("--unconfined") => confined = false,
            Some("--workers") => workers = Some(count_behind("--workers", words.next())?),
            Some(text) if text.starts_with("--workers=") => {
                workers = Some(count_behind("--workers", text.strip_prefix("--workers=").map(OsString::from))?);
            }
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
        "console" if asks_for_help(&rest) => Action::Help(Some(Topic::Console)),
        "console" => {
            no_more("console", &rest)?;
            Action::Console
        }
        "exec" => exec(rest)?,
        "reload" if asks_for_help(&rest) => Action::Help(Some(Topic::Reload)),
        "reload" => {
            no_more("reload", &rest)?;
            one_line("reload", Vec::new(), false)
        }
        "show" | "disconnect" => request(&first, rest)?,
        "help" => Action::Help(topic(&rest)?),
        "--help" | "-h" => Action::Help(None),
        "--version" | "-V" => Action::Version,
        other => {
            return Err(Failure::usage(format!("'{other}' is not a command of sekisho; one of {}", names())));
        }
    };
    let alone = [("--unconfined", !confined), ("--workers", workers.is_some())];
    if let Some((option, _)) = alone.iter().find(|(_, given)| *given)
        && !matches!(action, Action::Quickstart | Action::Run { .. } | Action::Help(_))
    {
        return Err(Failure::usage(format!("'{option}' is for a server, and '{first}' starts none")));
    }
    let workers = workers.unwrap_or(1);
    // "sekisho run --help" asks for the same as "sekisho help run".
    Ok(Args { socket, confined, workers, action })
}

fn count_behind(option: &str, value: Option<OsString>) -> Result<usize, Failure> {
    let count = value.and_then(|value| value.to_str()?.parse().ok());
    count.filter(|count| (1..=MOST_WORKERS).contains(count)).ok_or_else(|| {
        Failure::usage(format!("behind '{option}' stands a number of data threads, from 1 to {MOST_WORKERS}"))
    })
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

/// Takes `--config FILE`, or FILE alone, and, where `host` is given, `--host` out of the words.
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
            (text, _) if !text.starts_with('-') && config.is_none() => {
                config = Some(path_behind("--config", Some(word))?)
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

/// The words of `sekisho show …` and `sekisho disconnect …`, as the running server gets them; a wrong one is told without
/// asking it.
fn request(first: &str, mut rest: Vec<OsString>) -> Result<Action, Failure> {
    if asks_for_help(&rest) {
        return Ok(Action::Help(Some(if first == "show" { Topic::Show } else { Topic::Disconnect })));
    }
    let json = take_json(&mut rest);
    if rest.is_empty() {
        let right = match first {
            "show" => "right is 'show status pp anonymous', for one; 'sekisho help show' lists them",
            _ => {
                "right is 'disconnect anonymous1' (one client, as 'show status pp anonymous' numbers it), \
                 'disconnect anonymous' or 'disconnect all'"
            }
        };
        return Err(Failure::usage(format!("'{first}' needs another word; {right}")));
    }
    let words = rest.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let action = one_line(first, words, json);
    if let Action::Exec { lines, .. } = &action {
        for line in lines {
            command::parse_request(line).map_err(|problem| Failure::usage(problem.message.english))?;
        }
    }
    Ok(action)
}

fn one_line(first: &str, words: Vec<String>, json: bool) -> Action {
    let words: Vec<String> = std::iter::once(first.to_owned()).chain(words).collect();
    Action::Exec { lines: vec![words.join(" ")], json }
}

fn take_json(rest: &mut Vec<OsString>) -> bool {
    let before = rest.len();
    rest.retain(|word| word != "--json");
    rest.len() < before
}

/// `exec LINE …`: each argument is a line.
fn exec(mut rest: Vec<OsString>) -> Result<Action, Failure> {
    if asks_for_help(&rest) {
        return Ok(Action::Help(Some(Topic::Exec)));
    }
    let json = take_json(&mut rest);
    if rest.is_empty() {
        return Err(Failure::usage(
            "a line is missing; right is \"sekisho exec 'LINE' …\", each line of the command language in quotes",
        ));
    }
    Ok(Action::Exec { lines: rest.iter().map(|line| line.to_string_lossy().into_owned()).collect(), json })
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
  sekisho console                    talk to the running server: look, change, save
  sekisho exec 'LINE' …              the same for scripts, line by line
  sekisho reload                     read the configuration file again
  sekisho show status pp anonymous   who is connected
  sekisho show status l2tp           the L2TP tunnels
  sekisho show ipsec sa              the IPsec security associations
  sekisho show config                the running configuration
  sekisho disconnect anonymousN      end one client's connection
  sekisho help COMMAND               more about one command

  --socket PATH    the control socket (usually /run/sekisho/sekisho.sock)
  --workers N      with quickstart or run: N data threads instead of one
  --unconfined     with quickstart or run: keep all privileges of the start
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

Once started, the server keeps only the privileges that it needs: the capabilities
CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE; it writes beside FILE, in its
run directory and below /proc/sys/net only; unneeded system calls fail (seccomp).
If that is in the way, --unconfined leaves it out.

Packets are worked on by one thread. --workers N spreads clients over N of them,
16 at most, where cores are to spare; a client stays with one of them.
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
        Some(Topic::Console) => {
            "\
sekisho console

Talks to the running server as at a router's console: '?' tells what may follow,
TAB completes, 'administrator' lets you change things, and a change takes effect
at once without ending sessions that it does not concern. 'save' writes it into
the configuration file. Lines may also come from a pipe; the exit status is then
1 if one was refused.
"
        }
        Some(Topic::Exec) => {
            "\
sekisho exec [--json] 'LINE' …

Has each line done by the running server, as if it had been typed at the console,
and ends at the first one that is refused, with exit status 1. For instance:

  sekisho exec 'pp select anonymous' 'pp auth username new PASSWORD' save
"
        }
        Some(Topic::Reload) => {
            "\
sekisho reload

Has the running server read its configuration file again, as SIGHUP does. Sessions
that no change concerns go on. A file with an error is refused and changes nothing.
"
        }
        Some(Topic::Show) => {
            "\
sekisho show status pp anonymous   who is connected: user, addresses, since, octets
sekisho show status l2tp           the L2TP tunnels and sessions
sekisho show status tunnel         the state of tunnels
sekisho show ipsec sa              the IPsec security associations
sekisho show config                the running configuration
sekisho show log                   the latest lines of the log
sekisho show account               how many calls there were
sekisho show ip route, show arp, show environment, show techinfo, …

Asks the running server; --json gives the same for programs.
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
        assert_eq!(action("check a.conf --host"), Action::Check { config: Some("a.conf".into()), host: true });
        assert_eq!(action("run a.conf"), Action::Run { config: "a.conf".into() });
        for line in ["show status l2tp", "show log reverse", "disconnect anonymous01", "reload"] {
            assert_eq!(action(line), Action::Exec { lines: vec![line.to_owned()], json: false });
        }
        assert_eq!(action("show --json config"), Action::Exec { lines: vec!["show config".to_owned()], json: true });
        assert_eq!(
            action("exec save reload"),
            Action::Exec { lines: vec!["save".into(), "reload".into()], json: false }
        );
        assert_eq!(action("console"), Action::Console);
        assert_eq!(action("help"), Action::Help(None));
        assert_eq!(action("help run"), Action::Help(Some(Topic::Run)));
        assert_eq!(action("run --help"), Action::Help(Some(Topic::Run)));
        assert_eq!(action("--version"), Action::Version);
    }

    #[test]
    fn only_a_server_can_be_left_unconfined() {
        assert!(read("run --config a.conf").unwrap().confined);
        assert!(!read("run --unconfined --config a.conf").unwrap().confined);
        assert!(!read("quickstart --unconfined").unwrap().confined);
        assert!(wrong("show config --unconfined").contains("'show' starts none"));
    }

    #[test]
    fn a_server_has_as_many_data_threads_as_it_is_told() {
        for line in ["run --workers 3 a.conf", "quickstart --workers=3"] {
            assert_eq!(read(line).unwrap().workers, 3);
        }
        assert_eq!(read("run a.conf").unwrap().workers, 1, "more only where they are asked for");
        for line in ["run a.conf --workers", "run a.conf --workers 0", "quickstart --workers 17", "run --workers=x a"] {
            assert!(wrong(line).contains("from 1 to 16"), "{line}");
        }
        assert!(wrong("show config --workers 2").contains("'show' starts none"));
    }

    #[test]
    fn the_socket_may_stand_anywhere() {
        for line in ["--socket /x show config", "show --socket /x config", "show config --socket=/x"] {
            let args = read(line).unwrap();
            let asked = Action::Exec { lines: vec!["show config".to_owned()], json: false };
            assert_eq!((args.socket, args.action), (Some("/x".into()), asked));
        }
    }

    #[test]
    fn a_wrong_word_is_named_with_what_would_be_right() {
        assert_eq!(
            wrong("start"),
            "'start' is not a command of sekisho; one of quickstart, run, check, console, exec, reload, show, disconnect, help"
        );
        assert!(wrong("").starts_with("a command is missing; one of quickstart, run"));
        assert_eq!(wrong("run --conf x"), "'--conf' cannot stand in 'sekisho run'; right is '--config FILE'");
        assert_eq!(wrong("run --config"), "a file name is missing behind '--config'");
        assert_eq!(wrong("run a b"), "'b' cannot stand in 'sekisho run'; right is '--config FILE'");
        assert!(wrong("run").contains("right is 'sekisho run --config FILE'"));
        assert!(wrong("run --config a --host").starts_with("'--host' cannot stand in 'sekisho run'"));
        assert!(wrong("check").starts_with("there is nothing to check"));
        assert!(wrong("show").starts_with("'show' needs another word"));
        assert!(wrong("exec").starts_with("a line is missing"));
        assert!(wrong("show status ppp").contains("did you mean pp?"));
        assert!(wrong("disconnect anonymousx").starts_with("Parameter must be an integer"));
        assert_eq!(wrong("console now"), "'now' is too much; 'sekisho console' stands alone");
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
